"""Borders of frames among fragments: tables, markers, counts, and tables and fragments that are wrong."""

from array import array

import pytest

from dicomwire import FrameReader
from dicomwire.errors import DicomWireError
from dicomwire.pixel.encapsulated import FrameBorders, OffsetTable, group_fragments, table_problem

JPEG = "1.2.840.10008.1.2.4.50"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_2000 = "1.2.840.10008.1.2.4.90"
JPEG_XL = "1.2.840.10008.1.2.4.110"
RLE = "1.2.840.10008.1.2.5"
DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"
MPEG2 = "1.2.840.10008.1.2.4.100"

START = b"\xff\xd8\xff\xdb" + bytes(range(1, 13))
GO_ON = bytes(range(16, 32))
END = bytes(range(64, 78)) + b"\xff\xd9"
WHOLE = START + END
J2K_START = b"\xff\x4f\xff\x51" + bytes(range(12))
RLE_START = b"\1\0\0\0\x40\0\0\0" + bytes(56) + b"\1\2\3\4"


def offsets_of(fragments):
    """Offsets from the first item tag, as an offset table has them."""
    offsets, at = [], 0
    for fragment in fragments:
        offsets.append(at)
        at += 8 + len(fragment)
    return offsets


def fed(fragments, syntax, frames, basic=None, extended=None, *, late_ends=False):
    """What FrameBorders says of each fragment, and the kinds of deviations at the end."""
    borders = FrameBorders(syntax, frames, basic, extended, origin=1000)
    said = []
    for offset, fragment in zip(offsets_of(fragments), fragments, strict=True):
        last = fragment[-borders.last_bytes_needed :]
        first = fragment[: borders.first_bytes_needed]
        if late_ends:
            said.append(borders.feed_fragment(offset, len(fragment), first))
            borders.end_fragment(last)
        else:
            said.append(borders.feed_fragment(offset, len(fragment), first, last))
    return said, [deviation.kind for deviation in borders.finish()]


def grouped(fragments, syntax, frames, basic=None, extended=None):
    """Frames as bytes and the deviations of group_fragments over a source of these fragments."""
    origin = 1000
    source = bytes(origin) + b"".join(b"\xfe\xff\x00\xe0" + len(f).to_bytes(4, "little") + f for f in fragments)
    offsets = array("Q", (origin + 8 + offset for offset in offsets_of(fragments)))
    asked = []

    def read(offset, length):
        asked.append(length)
        assert 0 <= offset <= offset + length <= len(source)
        return memoryview(source)[offset : offset + length]

    table, deviations = group_fragments(
        offsets, array("Q", map(len, fragments)), read, transfer_syntax=syntax, number_of_frames=frames,
        basic_offset_table=basic, extended_offset_table=extended,
    )  # fmt: skip
    frames = [b"".join(source[o : o + n] for o, n in table.extents(i)) for i in range(len(table))]
    return frames, [deviation.kind for deviation in deviations], asked


@pytest.mark.parametrize("late_ends", [False, True])
@pytest.mark.parametrize(
    ("syntax", "frames", "fragments", "said"),
    [
        (JPEG, 1, [START, GO_ON, END], [0, None, None]),
        (JPEG, 2, [START, END, START, GO_ON, END], [0, None, 1, None, None]),
        (JPEG, None, [START, END, WHOLE], [0, None, 1]),
        (JPEG_LS, 3, [WHOLE, WHOLE, WHOLE], [0, 1, 2]),
        (JPEG_2000, 2, [J2K_START, END, J2K_START, END], [0, None, 1, None]),
        # an image that begins like nothing known, after the end of another
        (JPEG, 2, [WHOLE, GO_ON], [0, 1]),
        (JPEG_XL, 2, [b"\xff\x0aabcdef", b"abcd", b"\xff\x0aabcd", b"\xff\x0aab"], [0, None, 1, None]),
        (RLE, 3, [RLE_START] * 3, [0, 1, 2]),
        (RLE, 1, [RLE_START, GO_ON], [0, None]),
        (RLE, 3, [RLE_START, GO_ON, RLE_START], [0, 1, 2]),
        (DEFLATED_FRAMES, None, [GO_ON, GO_ON], [0, 1]),
        (DEFLATED_FRAMES, 2, [GO_ON, b"", b""], [0, 1, None]),
        (MPEG2, 70, [GO_ON, WHOLE, WHOLE], [0, None, None]),
        (None, 2, [GO_ON, GO_ON, GO_ON], [0, 1, None]),
        (None, None, [GO_ON, GO_ON], [0, None]),
        (None, 2, [START, END, WHOLE], [0, None, 1]),
    ],
)
def test_borders_without_a_table(syntax, frames, fragments, said, late_ends):
    assert fed(fragments, syntax, frames, late_ends=late_ends)[0] == said


def test_a_table_is_followed_without_a_look_at_the_bytes():
    fragments = [GO_ON, GO_ON, GO_ON, GO_ON, GO_ON]
    table = [0, 48, 96]
    assert fed(fragments, RLE, 3, table) == ([0, None, 1, None, 2], ["codestream"])
    assert fed(fragments, RLE, 3, None, table) == ([0, None, 1, None, 2], ["codestream"])
    assert grouped(fragments, JPEG, 3, table)[0] == [GO_ON * 2, GO_ON * 2, GO_ON]
    assert grouped(fragments, JPEG, 3, table)[2] == []


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ([], None),
        ([0, 8, 16], None),
        ([8, 16], "the first offset is 8"),
        ([0, 24, 16], "offset 2 is 16"),
        ([0, 24, 24], "offset 2 is 24"),
        ([0, 4], "offset 1 is 4"),
        (OffsetTable(bytes(7), 4), "3 bytes too many"),
        (OffsetTable(bytes(8) + b"\x20" + bytes(7), 8), None),
        (OffsetTable(b"\xff" * 8, 8), "the first offset is 18446744073709551615"),
    ],
)
def test_problems_of_a_table_by_itself(table, problem):
    found = table_problem(table)
    assert found is None if problem is None else found.startswith(problem)


def test_an_offset_table_reads_little_endian_numbers():
    table = OffsetTable(memoryview(b"\0\0\0\0\x01\x02\0\0\xff\xff\xff\xff\7"), 4)
    assert list(table) == [table[i] for i in range(3)] == [0, 0x201, 0xFFFFFFFF]
    assert (len(table), table.rest) == (3, 1)
    with pytest.raises(IndexError):
        table[3]
    large = b"".join(i.to_bytes(8, "little") for i in range(20000))
    assert list(OffsetTable(large, 8)) == list(range(20000))


TWO_EACH = [START, END, START, END, START, END]  # 3 frames, offsets 0, 48, 96


@pytest.mark.parametrize(
    "table",
    [
        [0, 48, 1 << 31],  # past the end
        [0, 48, 4000],
        [0, 49, 96],  # no item tag there
        [0, 47, 96],
        [0, 96, 48],  # descending
        [0, 0, 0],
        [8, 56, 104],  # counted from somewhere else
        [0, 48, (1 << 64) - 8],  # 64 bits that overflow when something is added
        [0, 1 << 63, (1 << 64) - 1],
        [0],
        OffsetTable(bytes([0, 0, 0, 0, 48, 0, 0, 0, 96, 0, 0]), 4),  # odd size
    ],
)
@pytest.mark.parametrize("extended", [False, True])
def test_a_wrong_table_is_left_and_the_markers_tell(table, extended):
    tables = (None, table) if extended else (table, None)
    said, kinds = fed(TWO_EACH, JPEG, 3, *tables)
    assert said == [0, None, 1, None, 2, None]
    assert kinds == ["offset_table"]
    frames, kinds, _ = grouped(TWO_EACH, JPEG, 3, *tables)
    assert frames == [WHOLE] * 3
    assert kinds == ["offset_table"]


def test_a_wrong_extended_table_leaves_the_basic_one():
    fragments = [GO_ON] * 4
    assert fed(fragments, JPEG, 2, [0, 72], [0, 3])[0] == [0, None, None, 1]
    assert grouped(fragments, JPEG, 2, [0, 72], [0, 3])[:2] == ([GO_ON * 3, GO_ON], ["offset_table"])


def test_a_table_that_contradicts_the_number_of_frames_needs_codestreams_on_its_side():
    # An offset for each fragment, which are two a frame.
    offsets = offsets_of(TWO_EACH)
    assert fed(TWO_EACH, JPEG, 3, offsets)[0] == [0, None, 1, None, 2, None]
    assert grouped(TWO_EACH, JPEG, 3, offsets)[0] == [WHOLE] * 3
    # Number of Frames that was never updated.
    said, kinds = fed([WHOLE] * 3, JPEG, 2, [0, 40, 80])
    assert said == [0, 1, 2]
    assert kinds == ["frame_count"]
    assert grouped([WHOLE] * 3, JPEG, 2, [0, 40, 80])[:2] == ([WHOLE] * 3, ["frame_count"])


def test_counts_that_agree_make_one_fragment_one_frame():
    fragments = [GO_ON, b"", START, GO_ON]
    frames, kinds, asked = grouped(fragments, JPEG, 4)
    assert frames == fragments
    assert (kinds, asked) == ([], [])
    frames, kinds, _ = grouped(fragments, JPEG, 3)
    assert frames == [GO_ON, START, GO_ON]
    assert kinds == ["fragments"]


def test_only_ends_of_fragments_are_asked_for():
    fragments = [WHOLE * 50, GO_ON * 50, WHOLE * 50]
    _, _, asked = grouped(fragments, JPEG, 2)
    assert max(asked) <= 12
    assert len(asked) == 6


def test_no_fragments():
    assert grouped([], JPEG, 3) == ([], ["frame_count"], [])
    assert grouped([], None, None) == ([], [], [])


def test_borders_in_a_stream_are_those_of_the_whole_in_real_files(real_files):
    seen = 0
    for _, path in real_files:
        try:
            reader = FrameReader(path)
        except DicomWireError:
            continue
        if not reader.is_encapsulated or not len(reader):
            continue
        data_set = reader.data_set
        fragments = data_set.PixelData
        frames = data_set.get("NumberOfFrames")
        extended = data_set.get("ExtendedOffsetTable")
        borders = FrameBorders(
            reader.transfer_syntax, frames if isinstance(frames, int) else None, fragments.basic_offset_table,
            None if extended is None else OffsetTable(extended, 8),
        )  # fmt: skip
        origin = fragments.extent(0)[0] - 8
        begins = []
        for number, fragment in enumerate(fragments):
            offset, length = fragments.extent(number)
            first = fragment[: borders.first_bytes_needed]
            if borders.feed_fragment(offset - 8 - origin, length, first) is not None:
                begins.append(offset)
            borders.end_fragment(fragment[-borders.last_bytes_needed :])
        assert begins == [frame.offset for frame in reader], path
        seen += len(begins) > 1
    assert seen >= 5
