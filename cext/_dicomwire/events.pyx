"""Batches of events and the events themselves (PS3.5 section 7).

A batch owns the tape of what one chunk brought: the entries of the containers that were open when it began, and behind
them the new ones.  Ends of sequences and items are not stored; they follow from the parents of the entries.
"""
cimport cython
from enum import IntEnum

from .dataset cimport parse_key, value_at
from .block cimport hook
from .decode cimport view_of
from .tagindex cimport dw_tag_vr
from .tape cimport FRAGMENTS as FRAGMENTS_FLAG
from .tape cimport ITEM_TAG, NOT_ENTERED, UNDEFINED_LENGTH
from .values cimport as_tag
from .vr cimport DW_VR_SQ, vr_name

cdef uint64_t NO_LENGTH = <uint64_t>1 << 61     # from here on a length only says that no end is known


class EventKind(IntEnum):
    """What an event tells.  PS3.5 sections 7.1, 7.5 and Annex A.4, PS3.10 section 7.1."""

    ELEMENT = 1
    PIECE = 2
    SEQUENCE = 3
    SEQUENCE_END = 4
    ITEM = 5
    ITEM_END = 6
    FRAGMENTS = 7
    FRAGMENT = 8
    FRAGMENTS_END = 9
    FRAME = 10
    META = 11
    END = 12


cdef tuple _KINDS = (None, *EventKind)


cdef bint is_container(TapeEntry* entries, uint32_t index) noexcept nogil:
    """Whether an entry of a stream's tape holds others: everything that can be entered was."""
    cdef TapeEntry* e = entries + index
    if e.flags & UNDEFINED_LENGTH:
        return True
    if e.tag == ITEM_TAG:
        return not entries[e.parent].flags & FRAGMENTS_FLAG
    if e.vr == DW_VR_SQ:
        return not e.flags & NOT_ENTERED
    return e.vr == 0 and e.length == 0 and dw_tag_vr(e.tag) == DW_VR_SQ


cdef inline uint8_t _kind_of(TapeEntry* entries, uint32_t index) noexcept nogil:
    """Kind of the event that begins a container."""
    if entries[index].flags & FRAGMENTS_FLAG:
        return FRAGMENTS
    return ITEM if entries[index].tag == ITEM_TAG else SEQUENCE


cdef class Producer:
    cdef EventBatch more(self, EventBatch after):
        return None


# ---------------------------------------------------------------------------------------------------------------- Event

@cython.final
@cython.no_gc
@cython.freelist(512)
cdef class Event:
    """One event of a stream.  A view of its batch, which it keeps alive."""

    def __init__(self):
        raise TypeError("an Event comes from an EventBatch")

    @property
    def kind(self):
        """What it is, an EventKind."""
        return _KINDS[self.code]

    @property
    def tag(self):
        """The tag of the element or item, or of the container that ends."""
        return as_tag(self.batch.block.entries[self.index].tag if self.code != END else 0)

    @property
    def VR(self):
        """The two letters of the Value Representation; "" for items, fragments and the end."""
        cdef TapeEntry* entry
        if self.code == END:
            return ""
        entry = self.batch.block.entries + self.index
        if entry.tag == ITEM_TAG:
            return ""
        if is_container(self.batch.block.entries, self.index) and not entry.flags & FRAGMENTS_FLAG:
            return "SQ"
        return vr_name(self.batch.block.vr_of(self.index))

    @property
    def keyword(self):
        """The keyword of PS3.6, or ""."""
        return hook("keyword_for_tag")(self.batch.block.entries[self.index].tag) if self.code != END else ""

    @property
    def offset(self):
        """Absolute offset in the stream: of the value, of a piece's first byte, of a container's end.

        Of a deflated data set, in the inflated stream.
        """
        cdef TapeEntry* entry
        if self.code == PIECE or self.code == END:
            return self.at
        entry = self.batch.block.entries + self.index
        if self.code == SEQUENCE_END or self.code == ITEM_END or self.code == FRAGMENTS_END:
            return entry.offset + entry.length
        return entry.offset

    @property
    def length(self):
        """Length in bytes of the value as its header says it, None when undefined; of a piece, its own.

        Of a frame of native pixel data the frame's, of an encapsulated one None.
        """
        cdef TapeEntry* entry
        if self.code == FRAME:
            return self.size or None
        if self.code == PIECE:
            return self.size
        if self.code == END:
            return 0
        entry = self.batch.block.entries + self.index
        return None if entry.flags & UNDEFINED_LENGTH or entry.length >= NO_LENGTH else entry.length

    @property
    def header_size(self):
        """Bytes from the tag to the value: 8 or 12; 0 for what has no header."""
        if self.code == PIECE or self.code == END or self.code == FRAME:
            return 0
        return self.batch.block.entries[self.index].header_size

    @property
    def depth(self):
        """How many sequences and items are around it."""
        cdef uint32_t i = self.index, depth = 0
        if self.code == END:
            return 0
        i = self.batch.block.entries[i].parent
        while i:
            i = self.batch.block.entries[i].parent
            depth += 1
        return depth

    @property
    def path(self):
        """Where it stands: "ContentSequence.3.TextValue"."""
        return self.batch.block.path_of(self.index) if self.code != END else ""

    @property
    def number(self):
        """Number of an item, a fragment (0 is the Basic Offset Table) or a frame, from 0; else None."""
        if self.code == FRAME:
            return self.at
        if self.code == ITEM or self.code == ITEM_END or self.code == FRAGMENT:
            return self.batch.block.ordinal_of(self.index)
        return None

    @property
    def position(self):
        """Of a piece: how many bytes of the value came before it; else 0."""
        return self.at - self.batch.block.entries[self.index].offset if self.code == PIECE else 0

    @property
    def is_last(self):
        """Of a piece: whether the value ends with it; else True."""
        cdef TapeEntry* entry
        if self.code != PIECE:
            return True
        entry = self.batch.block.entries + self.index
        return self.at + self.size == entry.offset + entry.length

    @property
    def comes_in_pieces(self):
        """Whether the value is longer than the piece limit: PIECE events follow."""
        return (self.code == ELEMENT or self.code == META or self.code == FRAGMENT) and (
            self.batch.block.entries[self.index].length > self.batch.piece_limit)

    @property
    def value(self):
        """The encoded bytes, a read-only memoryview of the chunk where it holds them; None where there are none.

        It keeps the chunk alive.  A chunk that the caller fills anew changes under it.
        """
        cdef TapeEntry* entry
        if self.code == PIECE:
            return view_of(self.batch.block, self.at, self.size)
        if self.code != ELEMENT and self.code != FRAGMENT and self.code != META:
            return None
        entry = self.batch.block.entries + self.index
        return None if entry.length > self.batch.piece_limit else view_of(self.batch.block, entry.offset, entry.length)

    def decoded(self):
        """The value as DataElement.value has it: str, int, float, a list of them, PersonName, UID, Tag or bytes.

        TypeError for what is no element, or has its value in pieces.  PS3.5 section 6.2.
        """
        if self.code != ELEMENT and self.code != META:
            raise TypeError(f"{self.kind.name} has no value to decode")
        if self.batch.block.entries[self.index].length > self.batch.piece_limit:
            raise TypeError("the value comes in pieces")
        return value_at(self.batch.block, self.index)

    def __repr__(self):
        if self.code == END:
            return "<Event END>"
        if self.code == PIECE:
            return f"<Event PIECE of {self.path}: {self.size} bytes from {self.position}>"
        return f"<Event {self.kind.name} {self.path}: {'undefined length' if self.length is None else self.length}>"

    def __reduce__(self):
        raise TypeError("an Event cannot be pickled; its values can be copied")


def frame_at(Event event, number, length=0):
    """The FRAME event of a frame that begins with ``event``, a fragment or the element of native pixel data.

    ``length`` is 0 where it is not known.
    """
    cdef Event frame = _event(event.batch, FRAME, event.index)
    frame.at, frame.size = number, length
    return frame


def piece_at(Event event, offset, length):
    """A PIECE event of bytes of an element's value that are in memory, by their absolute offset."""
    cdef Event piece = _event(event.batch, PIECE, event.index)
    piece.at, piece.size = offset, length
    return piece


def first_bytes(Event event, Py_ssize_t length):
    """Up to ``length`` bytes that an event's value begins with, as far as they are there."""
    cdef TapeEntry* entry = event.batch.block.entries + event.index
    cdef object view = None
    cdef uint64_t n = min(entry.length, <uint64_t>length)
    while n and view is None:
        view = view_of(event.batch.block, entry.offset, n)
        n -= 1
    return b"" if view is None else bytes(view)


def value_beside(Event event, uint32_t tag):
    """The value of an element that stands before ``event`` in the same item and gives a meaning to it, or None."""
    cdef Block block = event.batch.block
    cdef uint32_t index = block.find(block.entries[event.index].parent, tag)
    if index == 0 or block.entries[index].length > event.batch.piece_limit:
        return None
    return value_at(block, index)


cdef inline Event _event(EventBatch batch, uint8_t code, uint32_t index):
    cdef Event event = Event.__new__(Event)
    event.batch = batch
    event.code = code
    event.index = index
    return event


# ----------------------------------------------------------------------------------------------------------- EventBatch

cdef struct Cursor:
    uint32_t next           # entry to look at
    uint32_t open           # the container that the walk is in
    uint32_t pieces         # the entry whose pieces come next, or 0
    uint64_t at             # where they go on
    uint8_t ended
    # what was found
    uint8_t code
    uint32_t index
    uint64_t start
    uint64_t size


cdef void _begin(EventBatch batch, Cursor* c) noexcept:
    c.next = batch.first
    c.open = batch.opening
    c.pieces = batch.leading
    c.at = batch.at
    c.ended = not batch.is_last


cdef inline bint _advance(EventBatch batch, Cursor* c) noexcept:
    """Find the next event of one batch; False when there is none."""
    cdef TapeEntry* entries = batch.block.entries if batch.block is not None else NULL
    cdef TapeEntry* e
    cdef uint64_t limit
    if c.pieces:
        e = entries + c.pieces
        limit = min(e.offset + e.length, batch.end)
        if c.at < limit:
            if c.at < batch.at and limit > batch.at:
                limit = batch.at            # what was kept of the chunks before is a piece of its own
            c.code, c.index, c.start, c.size = PIECE, c.pieces, c.at, limit - c.at
            c.at = limit
            return True
        c.pieces = 0
    if c.next < batch.stop:
        e = entries + c.next
        if e.parent == c.open:
            c.index = c.next
            c.next += 1
            if is_container(entries, c.index):
                c.code = _kind_of(entries, c.index)
                c.open = c.index
                return True
            c.code = FRAGMENT if e.tag == ITEM_TAG else (META if batch.is_meta else ELEMENT)
            if e.length > batch.piece_limit:
                c.pieces = c.index
                c.at = e.offset
            return True
    elif c.open == batch.closing:
        if c.ended:
            return False
        c.ended = True
        c.code, c.index, c.start = END, 0, batch.end
        return True
    c.code = _kind_of(entries, c.open) + 1 if not entries[c.open].flags & FRAGMENTS_FLAG else <uint8_t>FRAGMENTS_END
    c.index = c.open
    c.open = entries[c.open].parent
    return True


@cython.final
@cython.no_gc
@cython.freelist(32)
cdef class EventBatch:
    """The events that one chunk brought, made while the batch is iterated; it can be iterated again.

    Values are views of the chunk, which the batch keeps alive.
    """

    def __init__(self):
        raise TypeError("an EventBatch comes from a StreamParser")

    def __iter__(self):
        cdef _Events events = _Events.__new__(_Events)
        events.batch = self
        _begin(self, &events.cursor)
        return self.framed(events)

    def chosen(self, wanted, until=0):
        """Iterator over the events of some elements of the data set itself, with what they contain, and the end.

        wanted: a set of tags as ints, or None for all.
        until: a tag; the iteration ends before the first element with it or a higher one, and ``is_done`` is True.
        """
        cdef _Events events = _Events.__new__(_Events)
        events.batch = self
        events.wanted = wanted
        events.until = until
        events.choosing = True
        _begin_chosen(self, &events.cursor, wanted)
        return events

    def framed(self, events):
        """``events``, an iterator over those of this batch, with FRAME events if the parser is to give them."""
        return events if self.framer is None else self.framer(events)

    def __len__(self):
        """How many events there are, without frames; of a deflated data set, in what was inflated so far."""
        cdef EventBatch batch = self
        cdef Cursor c
        cdef Py_ssize_t n = 0
        while batch is not None:
            _begin(batch, &c)
            while _advance(batch, &c):
                n += 1
            batch = batch.following
        return n

    def __bool__(self):
        cdef EventBatch batch = self
        cdef Cursor c
        while batch is not None:
            _begin(batch, &c)
            if _advance(batch, &c):
                return True
            batch = batch.following
        return False

    @property
    def tags(self):
        """The tags of the elements and sequences, in their order, as ints; items and fragments are left out."""
        cdef EventBatch batch = self
        cdef list tags = []
        cdef uint32_t i
        while batch is not None:
            for i in range(batch.first, batch.stop):
                if batch.block.entries[i].tag != ITEM_TAG:
                    tags.append(batch.block.entries[i].tag)
            batch = batch.following
        return tags

    def find(self, key):
        """The first event of an element or sequence with this tag or keyword, at any depth; None if there is none."""
        cdef EventBatch batch = self
        cdef object tag = parse_key(key)
        cdef uint32_t wanted, i
        if tag is None:
            raise KeyError(f"{key!r} is no tag or keyword")
        wanted = <uint32_t>tag
        while batch is not None:
            for i in range(batch.first, batch.stop):
                if batch.block.entries[i].tag == wanted:
                    if is_container(batch.block.entries, i):
                        return _event(batch, _kind_of(batch.block.entries, i), i)
                    return _event(batch, META if batch.is_meta else ELEMENT, i)
            batch = batch.following
        return None

    def __repr__(self):
        return f"<EventBatch: {len(self)} events>"

    def __reduce__(self):
        raise TypeError("an EventBatch cannot be pickled")


cdef int _begin_chosen(EventBatch batch, Cursor* c, object wanted) except -1:
    """Leave out what belongs to an element of the data set itself that is not wanted, if the batch begins inside it."""
    cdef TapeEntry* entries
    cdef uint32_t i
    _begin(batch, c)
    i = c.pieces if c.pieces else c.open
    if wanted is None or i == 0:
        return 0
    entries = batch.block.entries
    while entries[i].parent:
        i = entries[i].parent
    if entries[i].tag not in wanted:
        c.pieces = 0
        c.open = 0
        if i >= batch.first or is_container(entries, i):
            c.next = min(max(entries[i].next, batch.first), batch.stop)
    return 0


cdef bint _advance_chosen(EventBatch batch, Cursor* c, object wanted, uint32_t until) except -1:
    """Same as _advance for elements of the data set itself that are wanted, with what they contain.

    A cursor that has come to ``until`` is ``ended`` twice.
    """
    cdef TapeEntry* entries = batch.block.entries if batch.block is not None else NULL
    cdef TapeEntry* e
    if c.pieces:
        e = entries + c.pieces
        if c.at >= min(e.offset + e.length, batch.end):
            c.pieces = 0
    while c.pieces == 0 and c.open == 0:
        if c.next >= batch.stop:
            if c.ended:
                return False
            c.ended = True
            c.code, c.index, c.start = END, 0, batch.end
            return True
        e = entries + c.next
        if until and not batch.is_meta and e.tag >= until:
            c.ended = 2
            return False
        if wanted is None or e.tag in wanted:
            break
        c.next = min(e.next, batch.stop)
    return _advance(batch, c)


@cython.final
@cython.no_gc
@cython.freelist(16)
cdef class _Events:
    """Iterator over the events of a batch and of those that its chunk goes on with."""
    cdef EventBatch batch
    cdef Cursor cursor
    cdef object wanted          # tags of elements of the data set itself, or None for all of them
    cdef uint32_t until         # a tag, or 0
    cdef bint choosing

    def __iter__(self):
        return self

    @property
    def is_done(self):
        """Whether the tag was reached that ends the iteration."""
        return self.cursor.ended == 2

    def __next__(self):
        cdef Event event
        cdef EventBatch following
        while not (_advance_chosen(self.batch, &self.cursor, self.wanted, self.until) if self.choosing
                   else _advance(self.batch, &self.cursor)):
            if self.cursor.ended == 2:
                raise StopIteration
            following = self.batch.following
            if following is None and self.batch.producer is not None:
                following = self.batch.producer.more(self.batch)
            if following is None:
                raise StopIteration
            self.batch = following
            if self.choosing:
                _begin_chosen(following, &self.cursor, self.wanted)
            else:
                _begin(following, &self.cursor)
        event = Event.__new__(Event)
        event.batch = self.batch
        event.code = self.cursor.code
        event.index = self.cursor.index
        event.at = self.cursor.start
        event.size = self.cursor.size
        return event
