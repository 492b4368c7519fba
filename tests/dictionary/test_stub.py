"""The generated stub of a data set: complete, and typed as values are decoded (tools/build_stub.py)."""

import ast
from pathlib import Path

import pytest

from dicomwire.dictionary import dictionary_vr
from dicomwire.dictionary._keywords import KEYWORD_TO_TAG

pytestmark = pytest.mark.sources

STUB = Path(__file__).resolve().parents[2] / "cext" / "_dicomwire" / "_dataset_attributes.pyi"


@pytest.fixture(scope="module")
def annotations() -> dict[str, str]:
    tree = ast.parse(STUB.read_text(encoding="utf-8"))
    _, body = (node for node in tree.body if isinstance(node, ast.ClassDef))
    assert body.name == "_StandardAttributes"
    found: dict[str, str] = {}
    for node in body.body:
        if isinstance(node, ast.AnnAssign):
            assert isinstance(node.target, ast.Name)
            assert isinstance(node.annotation, ast.Subscript)
            assert ast.unparse(node.annotation.value) == "_Attribute"
            found[node.target.id] = ast.unparse(node.annotation.slice)
    return found


def test_every_keyword_is_an_attribute(annotations: dict[str, str]) -> None:
    delimiters = {keyword for keyword, tag in KEYWORD_TO_TAG.items() if dictionary_vr(tag) == "NONE"}
    assert len(delimiters) == 3
    assert annotations.keys() == KEYWORD_TO_TAG.keys() - delimiters


def test_no_keyword_hides_a_type(annotations: dict[str, str]) -> None:
    # Within the class body a keyword such as UID or PersonName would be taken for the type of that name.
    types = {
        name.id
        for annotation in set(annotations.values())
        for name in ast.walk(ast.parse(annotation))
        if isinstance(name, ast.Name)
    }
    assert types == {
        "_Fragments",
        "_PersonName",
        "_Sequence",
        "_Tag",
        "_UID",
        "float",
        "int",
        "list",
        "memoryview",
        "str",
    }
    assert not types & annotations.keys()


@pytest.mark.parametrize(
    ("keyword", "annotation"),
    [
        ("PatientName", "_PersonName"),
        ("PatientID", "str"),
        ("StudyDate", "str"),
        ("SOPClassUID", "_UID"),
        ("Rows", "int | None"),
        ("InstanceNumber", "int | None"),
        ("SliceThickness", "float | None"),
        ("ImageType", "str | list[str]"),
        ("PixelSpacing", "float | list[float] | None"),
        ("FrameIncrementPointer", "_Tag | list[_Tag] | None"),
        ("PhysiciansOfRecord", "_PersonName | list[_PersonName]"),
        ("ReferencedStudySequence", "_Sequence"),
        ("SmallestImagePixelValue", "int | None"),
        ("LUTData", "int | list[int] | memoryview | None"),
        ("RedPaletteColorLookupTableData", "memoryview | None"),
        ("ExtendedOffsetTable", "memoryview | None"),
        ("PixelData", "memoryview | _Fragments | None"),
    ],
)
def test_types(annotations: dict[str, str], keyword: str, annotation: str) -> None:
    assert annotations[keyword] == annotation
