"""The Native DICOM Model as XML.  The docstrings are in xmlmodel.pyx."""

from typing import final

from _dicomwire.exchange import ModelWriter

@final
class XMLWriter(ModelWriter): ...
