"""The DICOM JSON Model.  The docstrings are in jsonmodel.pyx."""

from typing import final

from _dicomwire.exchange import ModelWriter

@final
class JSONWriter(ModelWriter): ...

def json_depth(data: bytes | bytearray | memoryview) -> int: ...
