"""Any file gives frames that lie in it or one of our errors, by a table, a walk, an index and a stream alike."""

from dicomwire import DataSet, FrameReader, dcmread
from dicomwire.errors import DecodeError, DicomWireError
from dicomwire.pixel.encapsulated import FrameBorders
from dicomwire.streaming import EventKind, StreamParser
from tests.fuzz import seeds
from tests.fuzz.harness import Harness, exact
from tests.hostile.reading import POLICIES
from tests.pixel.images import (
    END,
    GO_ON,
    JPEG,
    JPEG_2000,
    JPEG_LS,
    MPEG2,
    RLE,
    START,
    WHOLE,
    encapsulated,
    native,
    offset_table,
    offsets_of,
)

PIECES = [b"", START, GO_ON, END, WHOLE, WHOLE + WHOLE, b"\xff\x4f\xff\x51" + GO_ON, b"\1\0\0\0\x40\0\0\0" + GO_ON]
SYNTAXES = [JPEG, JPEG_2000, RLE, MPEG2, None, "1.2.840.10008.1.2.8.1", "1.2.840.10008.1.2.4.110", "1.2.3"]


def look_at_all(data: bytes, policy: str = "report") -> None:
    """Ask a reader for everything; what it gives must lie in ``data``."""
    try:
        reader = FrameReader(exact(data), policy=policy)  # type: ignore[arg-type]
        is_deflated = reader.transfer_syntax == "1.2.840.10008.1.2.1.99"
        frames = list(reader)
        for frame in frames:
            if is_deflated:
                assert len(bytes(frame)) == frame.length
                continue
            assert all(0 <= offset <= offset + length <= len(data) for offset, length in frame.extents)
            assert bytes(frame) == b"".join(data[offset : offset + length] for offset, length in frame.extents)
        index = reader.build_index()
        assert [index.extents(i) for i in range(len(index))] == [frame.extents for frame in reader]
        for frame in FrameReader(data, index=index):
            assert 0 <= frame.bit_offset < 8
        assert len(frames) <= len(data) * 8
    except DicomWireError:
        pass


def borders_by_hand(data_set: DataSet, *, is_told_later: bool) -> list[int]:
    """Numbers of the fragments that begin a frame, for whoever sees one after the other."""
    fragments = data_set["PixelData"].value
    reader = FrameReader(data_set)
    table = list(fragments.basic_offset_table)
    borders = FrameBorders(data_set.transfer_syntax, reader._finder.number_of_frames, table)
    first, last = borders.first_bytes_needed, borders.last_bytes_needed
    origin = fragments.extent(0)[0] if len(fragments) else 0
    result = []
    for number, fragment in enumerate(fragments):
        offset, length = fragments.extent(number)
        begin, end = bytes(fragment[:first]), bytes(fragment[-last:])
        if is_told_later:
            said = borders.feed_fragment(offset - origin, length, begin)
            borders.end_fragment(end)
        else:
            said = borders.feed_fragment(offset - origin, length, begin, end)
        if said is not None:
            assert said == len(result) == borders.frames - 1
            result.append(number)
    assert all(deviation.message for deviation in borders.finish())
    return result


def streamed(data: bytes, size: int) -> tuple[list[tuple[int, int]], str]:
    """Number and offset of each frame that a stream tells of, and the kind of error that ends it."""
    parser = StreamParser(frames=True)
    found = []
    try:
        for at in range(0, len(data), size):
            found += [(event.number or 0, event.offset) for event in parser.feed(data[at : at + size])
                      if event.kind is EventKind.FRAME]  # fmt: skip
        found += [(event.number or 0, event.offset) for event in parser.close() if event.kind is EventKind.FRAME]
    except DecodeError as error:
        return found, type(error).__name__
    return found, ""


def compare_borders(data: bytes) -> None:
    """What decides fragment by fragment decides alike for all who ask it."""
    whole = streamed(data, max(1, len(data)))
    assert streamed(data, 1 + len(data) // 9) == whole
    # Counted from 0, and anew where pixel data follow pixel data.
    expected = 0
    for number, _ in whole[0]:
        assert number in (0, expected)
        expected = number + 1
    try:
        data_set = dcmread(data)
        if "PixelData" not in data_set or not data_set["PixelData"].is_undefined_length or data_set.deviations:
            return
        by_hand = borders_by_hand(data_set, is_told_later=False)
        assert borders_by_hand(data_set, is_told_later=True) == by_hand
    except DicomWireError:
        return


def run(data: bytes) -> None:
    """First byte: policy; then a file."""
    if not data:
        return
    body = data[1:]
    look_at_all(body, POLICIES[data[0] % 3])
    if data[0] & 4:
        compare_borders(body)


def starts() -> list[bytes]:
    """Encapsulated files of each syntax with and without tables, native ones, and all others."""
    files = []
    for syntax in (*SYNTAXES, JPEG_LS):
        parts = [START, GO_ON, END, WHOLE, b"", START, END]
        offsets = [offset for offset, part in zip(offsets_of(parts), parts, strict=True) if part[:4] == START[:4]]
        files += [
            encapsulated(parts, syntax=syntax, frames="3"),
            encapsulated(parts, syntax=syntax, frames="3", basic=offset_table(offsets)),
            encapsulated(parts, syntax=syntax, extended=offset_table(offsets, 8)),
            encapsulated([WHOLE] * 3, syntax=syntax, frames="3", basic=offset_table(offsets_of([WHOLE] * 3))),
            encapsulated([WHOLE + WHOLE], syntax=syntax, frames="2"),
            encapsulated([PIECES[-1]] * 2, syntax=syntax, frames="2", behind=b"\0"),
            encapsulated(
                [WHOLE] * 2,
                syntax=syntax,
                frames="2",
                extended=offset_table(offsets_of([WHOLE] * 2), 8),
                extended_lengths=offset_table([len(WHOLE), len(WHOLE) - 1], 8),
            ),
        ]
    for rows in (1, 4):
        files += [native(bytes(60), frames="3", rows=rows, columns=5, allocated=bits) for bits in (1, 8, 12)]
    result = [bytes([setup]) + file for file in files for setup in (4, 5)]
    return result + [b"\0" + file for file in seeds.files()]


WORDS = (*seeds.TRICKY, b"\xff\xd8\xff", b"\xff\xd9", b"\xff\x4f\xff\x51", b"IS\2\0", b"\x28\0\x08\0")
HARNESS = Harness("frames", starts, run, WORDS, 1024)
