"""What `import dicomwire` brings in: a fixed list of modules, by names and counts, so that it stays quick."""

import json
import subprocess
import sys

# Beyond what a bare interpreter has.  A module that joins this list must be worth its time for everyone who imports.
ALLOWED = {
    "__future__",
    "_struct",
    "struct",
    "cython_runtime",
    "_dicomwire",
    "_dicomwire.block",
    "_dicomwire.choice",
    "_dicomwire.dataset",
    "_dicomwire.decode",
    "_dicomwire.edits",
    "_dicomwire.encode",
    "_dicomwire.emitter",
    "_dicomwire.errors",
    "_dicomwire.finding",
    "_dicomwire.fragments",
    "_dicomwire.mapping",
    "_dicomwire.overlay",
    "_dicomwire.part10",
    "_dicomwire.pickling",
    "_dicomwire.source",
    "_dicomwire.tape",
    "_dicomwire.values",
    "_dicomwire.vr",
    "dicomwire",
    "dicomwire.dataset",
    "dicomwire.dataset.hooks",
    "dicomwire.dataset.personname",
    "dicomwire.dictionary",
    "dicomwire.dictionary._keywords",
    "dicomwire.dictionary.tags",
    "dicomwire.dictionary.uids",
    "dicomwire.errors",
}
COSTLY = ["asyncio", "click", "dataclasses", "enum", "inspect", "numpy", "pathlib", "pyarrow", "re", "rich", "typing"]
COMMON = """
import json, sys
before = set(sys.modules)
import dicomwire
"""
SMALL = """
value = dicomwire.dcmread(
    bytes(128) + b"DICM" + b"\\2\\0\\0\\0UL\\4\\0\\x1c\\0\\0\\0" + b"\\2\\0\\x10\\0UI\\x14\\x001.2.840.10008.1.2.1\\0"
    + b"\\x08\\0\\x05\\0CS\\x0a\\0ISO_IR 100"
    + b"\\x10\\0\\x10\\0PN\\x08\\0Doe^John" + b"\\x10\\0\\x20\\0LO\\6\\00012345 "
    + b"\\x28\\0\\x10\\0US\\2\\0\\1\\0"
)
"""


def imported(program):
    """Modules that a program in a bare interpreter imports on top of what ran before it."""
    program = COMMON + program + "\nprint(json.dumps(sorted(set(sys.modules) - before)))"
    # -E and -s: nobody's startup files; no -S, because the editable install is found by site
    done = subprocess.run([sys.executable, "-E", "-s", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def unexpected(modules, allowed=ALLOWED):
    """Names that the list does not have; Cython's own module has its version in its name."""
    return sorted(name for name in modules - allowed if not name.startswith("_cython_"))


def test_importing_brings_in_what_is_listed_and_no_more():
    modules = imported("")
    assert unexpected(modules) == []
    assert "dicomwire" in modules
    assert [name for name in COSTLY if name in modules] == []
    assert sum(name not in ALLOWED for name in modules) <= 1  # Cython's own


def test_reading_and_taking_values_imports_nothing_else():
    modules = imported(
        SMALL
        + """
assert value.PatientID == "12345" and value.PatientName.family_name == "Doe" and value.Rows == 1
assert [element.value for element in value][1:] == ["Doe^John", "12345", 1]
assert len(list(value.iterall())) == 4 and value["PatientID"].keyword == "PatientID"
assert value.file_meta.TransferSyntaxUID.startswith("1.2") and value.get("PatientSex") is None and 0x00100010 in value
assert value == value and value.deviations == []
"""
    )
    assert unexpected(modules) == []


def test_what_rarely_is_used_is_imported_then():
    assert "dicomwire.dataset.text" in imported(SMALL + "\nrepr(value)")
    assert "dicomwire.scanning" in imported("\ndicomwire.scan")
    modules = imported(SMALL + "\nrepr(value), value._repr_html_(), value.dir()")
    for name in ("numpy", "asyncio", "inspect", "dataclasses", "click", "rich", "pyarrow"):
        assert name not in modules


def test_public_names():
    import dicomwire

    for name in dicomwire.__all__:
        assert getattr(dicomwire, name) is not None
    assert set(dicomwire.__all__) <= set(dir(dicomwire))
    assert {"dcmread", "DataSet", "Dataset", "DataElement", "Sequence", "Tag", "UID", "PersonName"} <= set(
        dicomwire.__all__
    )
    for name in dicomwire.errors.__all__:
        found = getattr(dicomwire.errors, name)
        assert found.__module__ == "dicomwire.errors"
