"""FRAME events: where the frames of pixel data begin, found while the stream goes by (PS3.5 Annex A.4, section 8)."""

from __future__ import annotations

from collections.abc import Iterator

from _dicomwire.events import Event, EventKind, first_bytes, frame_at, piece_at, value_beside
from dicomwire.errors import Deviation
from dicomwire.pixel.codestreams import FIRST_BYTES, LAST_BYTES
from dicomwire.pixel.encapsulated import ITEM_HEADER, FrameBorders, OffsetTable

PIXEL_DATA = 0x7FE00010
_ALLOCATED = {0x7FE00008: 32, 0x7FE00009: 64}  # Float and Double Float Pixel Data
_EXTENDED_OFFSET_TABLE = 0x7FE00001
_NUMBER_OF_FRAMES = 0x00280008
_ANY = 1 << 31  # Number of Frames is there and no number: as many as the value holds
_MOST_TABLE = 64 << 20  # bytes of a Basic Offset Table that is believed


class FrameEvents:
    """Adds FRAME events to the events of batches, each of which must be given once and in order.

    ``deviations`` lists what is wrong with offset tables and counts.
    """

    first_bytes_needed = FIRST_BYTES

    def __init__(self, transfer_syntax: str | None) -> None:
        self.transfer_syntax = transfer_syntax
        self.deviations: list[Deviation] = []
        self._borders: FrameBorders | None = None
        self._beginning: Event | None = None  # FRAGMENTS, until the first fragment comes
        self._table: bytearray | None = None  # of a Basic Offset Table in pieces
        self._origin = 0
        self._tail = b""
        self._bits = 0  # of a native frame; 0 outside of native pixel data
        self._count = 0
        self._most = 1

    def __call__(self, events: Iterator[Event]) -> Iterator[Event]:
        for event in events:
            kind = event.kind
            if kind is EventKind.FRAGMENTS:
                if event.tag == PIXEL_DATA and event.depth == 0:
                    self._begin(event)
            elif kind is EventKind.FRAGMENT:
                if self._borders is not None or self._beginning is not None:
                    number = self._fragment(event)
                    if number is not None:
                        yield frame_at(event, number)
            elif kind is EventKind.PIECE:
                if self._bits:
                    yield from self._native(event, event.offset, event.length or 0)
                    continue
                self._piece(event)
            elif kind is EventKind.FRAGMENTS_END:
                self._end(event)
            elif kind is EventKind.ELEMENT and event.tag >= 0x7FE00008:
                yield event
                self._bits = self._frame_bits(event)
                self._count = 0
                if self._bits and not event.comes_in_pieces and event.length:
                    yield from self._native(event, event.offset, event.length)
                    self._bits = 0
                continue
            yield event

    # ------------------------------------------------------------------------------------------------- encapsulated

    def _begin(self, event: Event) -> None:
        self._beginning = event
        self._table = bytearray()
        self._borders = None

    def _fragment(self, event: Event) -> int | None:
        """The number of the frame that begins with a fragment."""
        value = event.value
        beginning = self._beginning
        if beginning is not None and event.number == 0:
            assert self._table is not None
            if value is not None:
                self._table += value
            elif (event.length or 0) > _MOST_TABLE:
                self.deviations.append(
                    Deviation(
                        "offset_table",
                        event.path,
                        event.offset,
                        "Basic Offset Table not used: it is too long; PS3.5 A.4",
                    )
                )
                self._table = None
            self._origin = event.offset + (event.length or 0)
            return None
        if beginning is not None:
            self._borders = self._found(beginning)
            self._beginning = self._table = None
        borders = self._borders
        assert borders is not None
        self._tail = b""
        last = bytes(value[-LAST_BYTES:]) if value is not None else b""
        at = event.offset - ITEM_HEADER - self._origin
        return borders.feed_fragment(at, event.length or 0, first_bytes(event, FIRST_BYTES), last)

    def _found(self, beginning: Event) -> FrameBorders:
        number_of_frames = value_beside(beginning, _NUMBER_OF_FRAMES)
        extended = value_beside(beginning, _EXTENDED_OFFSET_TABLE)
        return FrameBorders(
            self.transfer_syntax,
            number_of_frames if isinstance(number_of_frames, int) else None,
            OffsetTable(bytes(self._table), 4) if self._table else None,
            OffsetTable(bytes(extended), 8) if isinstance(extended, memoryview) else None,
            origin=self._origin,
        )

    def _piece(self, event: Event) -> None:
        """Bytes of the offset table, or of a fragment, whose last ones may end an image."""
        value = event.value
        if value is None:
            return
        if self._beginning is not None:
            if self._table is not None:
                self._table += value
        elif self._borders is not None:
            self._tail = (self._tail + bytes(value[-LAST_BYTES:]))[-LAST_BYTES:]
            if event.is_last:
                self._borders.end_fragment(self._tail)

    def _end(self, event: Event) -> None:
        if event.depth == 0 and self._borders is not None:
            self.deviations += self._borders.finish()
            self._borders = None
        self._beginning = self._table = None

    # ------------------------------------------------------------------------------------------------------- native

    def _frame_bits(self, event: Event) -> int:
        """Bits of one frame of native pixel data at the top; 0 for other elements, or where attributes are missing."""
        tag = int(event.tag)
        if event.depth or not (tag == PIXEL_DATA or tag in _ALLOCATED):
            return 0
        rows, columns = value_beside(event, 0x00280010), value_beside(event, 0x00280011)
        allocated = _ALLOCATED.get(tag) or value_beside(event, 0x00280100)
        samples = value_beside(event, 0x00280002) or 1
        if value_beside(event, 0x00280004) in ("YBR_FULL_422", "YBR_PARTIAL_422") and samples == 3:
            samples = 2  # two pixels share their colour differences (PS3.3 C.7.6.3.1.2)
        frames = value_beside(event, _NUMBER_OF_FRAMES)
        self._most = 1 if frames is None else frames if isinstance(frames, int) and frames > 0 else _ANY
        numbers = (rows, columns, allocated, samples)
        if not all(isinstance(number, int) and number > 0 for number in numbers):
            self.deviations.append(
                Deviation(
                    "frame_count",
                    event.path,
                    event.offset,
                    "Rows, Columns or Bits Allocated are missing; PS3.3 C.7.6.3",
                )
            )
            return 0
        return int(rows * columns * allocated * samples)

    def _native(self, event: Event, at: int, length: int) -> Iterator[Event]:
        """A piece, cut at the borders of frames; a frame that begins within a byte begins with that byte."""
        base = at - event.position
        end = at + length
        while at < end:
            if self._count < self._most and at == base + self._count * self._bits // 8:
                begin = self._count * self._bits
                yield frame_at(event, self._count, -(-(begin + self._bits) // 8) - begin // 8)
                self._count += 1
            border = self._count * self._bits
            border = base + (border // 8 if self._count < self._most else -(-border // 8))
            stop = min(end, border) if border > at else end
            yield piece_at(event, at, stop - at)
            at = stop
        if event.kind is EventKind.PIECE and event.is_last:
            self._bits = 0
