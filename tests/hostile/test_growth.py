"""Nothing grows by opening many files and reading all of their values; time and memory follow the input."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dicomwire import dcmread
from tests.builders import (
    IMPLICIT,
    JPEG,
    PIXEL_DATA,
    UNDEFINED,
    element,
    implicit,
    item,
    nested,
    part10,
    plain,
    sequence,
    sequence_end,
)
from tests.hostile.reading import SANITIZED, Outcome, read_limited, use

TEXT = element(0x0040A160, "UT", b"text")
SQ = 0x0040A730


def files() -> list[bytes]:
    """One file for each way of opening: native, encapsulated, nested, in another character set, broken."""
    tree = [item(TEXT + sequence(SQ, item(TEXT, undefined=True), undefined=True))] * 5
    fragments = element(PIXEL_DATA, "OB", item() + item(bytes(300)) * 3 + sequence_end(), length=UNDEFINED)
    japanese = element(0x00080005, "CS", b"\\ISO 2022 IR 87 ") + element(0x00100010, "PN", b"A^B=\x1b$B;3ED\x1b(B")
    return [
        part10(plain(pixels=bytes(40_000))),
        part10(plain() + fragments, JPEG),
        part10(plain() + sequence(SQ, *tree)),
        part10(plain() + sequence(SQ, *tree, undefined=True)),
        part10(japanese),
        part10(element(0x00200013, "IS", b"?") + plain()),
        part10(plain() + nested(30, undefined=False)),
    ]


def blocks_after(action: Callable[[], object], rounds: int) -> int:
    """Allocated blocks of the interpreter after ``rounds``, over those after a tenth of them."""
    for _ in range(max(20, rounds // 10)):
        action()
    gc.collect()
    first = sys.getallocatedblocks()
    for _ in range(rounds):
        action()
    gc.collect()
    return sys.getallocatedblocks() - first


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_ten_thousand_opens_with_all_values_read(tmp_path: Path, scaled: Callable[[int], int]) -> None:
    paths = []
    for i, data in enumerate(files()):
        paths.append(tmp_path / f"{i}.dcm")
        paths[-1].write_bytes(data)

    def read_all() -> None:
        for path in paths:
            use(dcmread(path))

    rounds = scaled(10_000) // len(paths)
    descriptors = len(os.listdir("/proc/self/fd"))
    read_all()
    gc.disable()  # what only the cyclic collector frees would be a leak
    try:
        for _ in range(20):
            read_all()
        before = resident()
        assert abs(blocks_after(read_all, rounds)) < 200
        if not SANITIZED:  # whose run time keeps what was freed for a while
            assert resident() - before < 4 << 20
    finally:
        gc.enable()
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_a_view_keeps_the_source_and_not_its_parent() -> None:
    data = bytearray(part10(plain(pixels=bytes(100))))
    nothing = sys.getrefcount(data)
    for view in (
        lambda ds: ds["PatientID"],
        lambda ds: ds.PixelData,
        lambda ds: ds["PixelData"].raw,
        lambda ds: iter(ds),
        lambda ds: ds.iterall(),
        lambda ds: ds.file_meta,
        lambda ds: ds.file_meta["TransferSyntaxUID"],
    ):
        kept = view(dcmread(data))
        assert sys.getrefcount(data) > nothing or not _can_resize(data)
        del kept
        assert _can_resize(data)
    assert sys.getrefcount(data) == nothing


def _can_resize(data: bytearray) -> bool:
    """Whether nobody holds the buffer of a bytearray."""
    try:
        data.append(0)
    except BufferError:
        return False
    data.pop()
    return True


@pytest.mark.parametrize("undefined", [False, True])
def test_views_of_nested_items_live_on_alone(undefined: bool) -> None:
    data = bytearray(
        part10(
            plain()
            + sequence(
                SQ,
                item(TEXT + sequence(SQ, item(TEXT, undefined=undefined), undefined=undefined), undefined=undefined),
                undefined=undefined,
            )
        )
    )
    deep = dcmread(data).ContentSequence[0].ContentSequence[0]["TextValue"]
    assert deep.value == "text"
    assert deep.path == "ContentSequence.0.ContentSequence.0.TextValue"
    assert not _can_resize(data)
    item_of = dcmread(data).ContentSequence[0]
    del deep
    assert item_of.TextValue == "text"
    del item_of
    assert _can_resize(data)


def test_fragments_live_on_alone() -> None:
    data = bytearray(files()[1])
    fragments = dcmread(data).PixelData
    piece = fragments[1]
    del fragments
    assert bytes(piece) == bytes(300)
    assert not _can_resize(data)
    del piece
    assert _can_resize(data)


BIG = {
    "elements without values": part10(b"".join(implicit.element(0x00090010 + i, "") for i in range(60_000)), IMPLICIT),
    "elements without values, out of order": part10(
        b"".join(implicit.element(0x00110010 - (i & 1) * 0x20000 + i, "") for i in range(60_000)), IMPLICIT
    ),
    "private elements of many creators": part10(
        b"".join(
            implicit.element(group << 16 | 0x10 + block, "", b"SIEMENS ")
            for group in range(0x0009, 0x0029, 2)
            for block in range(0xF0)
        )
        + b"".join(implicit.element(0x00290000 | block << 8 | 1, "") for block in range(0x10, 0x100)),
        IMPLICIT,
    ),
    "small sequences": part10(b"".join(sequence(0x00091001 + i, item()) for i in range(50_000))),
    "small nested sequences": part10(sequence(SQ, *[item(sequence(SQ, item(sequence(SQ, item()))))] * 10_000)),
    "ambiguous elements behind many": part10(
        b"".join(implicit.element(0x00090000 + i, "") for i in range(60_000))
        + implicit.sequence(SQ, *[implicit.item(implicit.element(0x00280106, "", b"\1\0"))] * 20_000),
        IMPLICIT,
    ),
    "text in items with character sets": part10(
        element(0x00080005, "CS", b"ISO_IR 100")
        + sequence(
            SQ,
            *[item(element(0x00080005, "CS", b"ISO_IR 192") + element(0x00100010, "PN", b"\xc3\xbc"))] * 20_000,
            undefined=True,
        )
    ),
    "bad numbers": part10(b"".join(element(0x00090010 + i, "IS", b"?!") for i in range(60_000))),
    "fragments": part10(element(PIXEL_DATA, "OB", item() * 100_000 + sequence_end(), length=UNDEFINED), JPEG),
    "stray delimiters": part10(sequence_end() * 100_000),
    "one value of a million numbers": part10(
        element(0x00281201, "OW", bytes(1_000_000)) + element(0x00420011, "UC", b"1\\" * 30_000)
    ),
    "deep sequences with text out of order": part10(
        nested(400, undefined=True)[: 400 * 20]
        + b"".join(element(0x00100020, "LO") + element(0x00100010, "PN", b"\xfc\xfc") for _ in range(20_000))
    ),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    return read_limited([(name, data, {}) for name, data in BIG.items()], tmp_path_factory.mktemp("big"))


@pytest.mark.parametrize("name", BIG)
def test_big_inputs_stay_within_time_and_memory(name: str, outcomes: dict[str, Outcome]) -> None:
    assert outcomes[name].error is None, outcomes[name].message
    assert outcomes[name].values
    assert len(outcomes[name].deviations) <= 1001


def test_changing_copying_and_writing_leaves_nothing() -> None:
    """Sources and blocks hold each other one way only, changed ones too: the cyclic collector is switched off."""
    import copy
    import pickle

    from dicomwire import DataSet
    from dicomwire.file import file_bytes

    tree = [item(TEXT + sequence(SQ, item(TEXT)), undefined=True)] * 3
    data = part10(plain(pixels=bytes(4000)) + sequence(0x00081140, *tree, undefined=True))

    def edit() -> None:
        ds = dcmread(data)
        ds.PatientID = "new"
        ds.ReferencedImageSequence[1].PatientID = "x"
        ds.ReferencedImageSequence.append(DataSet({"PatientID": "y", "PixelData": bytes(100)}))
        ds.SourceImageSequence = [ds.ReferencedImageSequence[0], DataSet(ds)]
        other = copy.deepcopy(ds)
        other.ReferencedImageSequence[0].ContentSequence = [ds.ReferencedImageSequence[2]]
        assert len(file_bytes(other)) > len(file_bytes(dcmread(data)))
        assert pickle.loads(pickle.dumps(ds)) == ds

    for _ in range(300):
        edit()  # free lists and the like have what they keep
    gc.disable()
    try:
        assert blocks_after(edit, 500) < 250  # one for each round would be 500
    finally:
        gc.enable()
