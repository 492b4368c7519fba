"""PDV fragmentation: lists of buffers for one gathering write, made around the caller's bytes (PS3.8 section 9.3.5).

A payload is named in slices and not copied; only where a docstring says so are short pieces put beside the headers,
because a view and an entry of the gathering write cost more than their bytes.
"""
cimport cython
from cpython.buffer cimport PyObject_CheckBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.memoryview cimport PyMemoryView_GET_BUFFER
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from .byteview cimport byte_view, part_of
from .pdu cimport COMMAND, LAST_FRAGMENT, PDV_HEADER

from .errors import EncodeError, LocalProtocolError

cdef enum:
    FIRST_ROOM = 256                # bytes; holds the headers and the command set of most messages
    SHORT_PIECE = 4096              # bytes that are copied sooner than named
    MOST_HELD = 16384               # bytes of short writes that a Fragmenter collects into one fragment


cdef uint32_t fragment_length_for(object max_pdu_length) except 0:
    """The most bytes of one fragment, an even number (PS3.8 Annex D.1)."""
    cdef uint32_t limit = max_pdu_length
    if limit == 0:
        limit = UNLIMITED_PDU_LENGTH
    elif limit < LEAST_PDU_LENGTH:
        raise EncodeError(f"maximum length {limit}, at least {LEAST_PDU_LENGTH} expected", section="PS3.8 Annex D.1")
    return (limit - PDV_HEADER) & ~<uint32_t>1


cdef int check_context(int context_id) except -1:
    if not 0 < context_id < 256 or not context_id & 1:
        raise EncodeError(f"presentation context ID {context_id}, expected an odd one from 1 to 255",
                          section="PS3.8 9.3.2.2")
    return 0


@cython.final
cdef class Gathering:
    """Buffers in the making: headers and short pieces collected, longer pieces as views."""

    def __cinit__(self):
        self.buffers = []

    def __dealloc__(self):
        free(self.short_bytes)

    cdef uint8_t* reserve(self, size_t length) except NULL:
        """Room for so many more short bytes; they count as written."""
        cdef size_t wanted = self.count + length
        cdef uint8_t* grown
        if wanted > self.room:
            wanted = max(wanted, 2 * self.room, <size_t>FIRST_ROOM)
            grown = <uint8_t*>realloc(self.short_bytes, wanted)
            if grown == NULL:
                raise MemoryError
            self.short_bytes = grown
            self.room = wanted
        grown = self.short_bytes + self.count
        self.count += length
        return grown

    cdef int flush(self) except -1:
        """Make the short bytes so far a buffer of the list."""
        if self.count:
            self.buffers.append(PyBytes_FromStringAndSize(<char*>self.short_bytes, self.count))
            self.count = 0
        return 0

    cdef int add_fragments(self, int context_id, uint8_t kind, bint ends, list views, uint64_t total,
                           uint32_t fragment_length, Py_ssize_t short_piece) except -1:
        """Add ``total`` bytes of views as P-DATA-TF, at least one; the last is marked as such if ``ends``.

        Pieces of fewer than ``short_piece`` bytes are copied.
        """
        cdef uint64_t left = total
        cdef uint32_t length
        cdef Py_ssize_t number = 0, at = 0, n
        cdef memoryview view
        cdef Py_buffer* inside
        while True:
            length = <uint32_t>min(left, <uint64_t>fragment_length)
            left -= length
            put_headers(self.reserve(HEADERS), context_id, kind | (LAST_FRAGMENT if ends and not left else 0), length)
            while length:
                view = <memoryview>views[number]
                inside = PyMemoryView_GET_BUFFER(view)
                n = min(inside.len - at, <Py_ssize_t>length)
                if n == 0:
                    number += 1
                    at = 0
                    continue
                if n < short_piece:
                    memcpy(self.reserve(n), <uint8_t*>inside.buf + at, n)
                else:
                    self.flush()
                    self.buffers.append(view if n == inside.len else part_of(view, at, n))
                at += n
                length -= <uint32_t>n
            if left == 0:
                return 0


cdef list views_of(payload):
    """Views of one buffer, or of each of an iterable of buffers."""
    if PyObject_CheckBuffer(payload):
        return [byte_view(payload)]
    return [byte_view(buffer) for buffer in payload]


cdef uint64_t length_of(list views):
    cdef uint64_t total = 0
    for view in views:
        total += <uint64_t>PyMemoryView_GET_BUFFER(<memoryview>view).len
    return total


def fragment(int context_id, bint is_command, payload, max_pdu_length):
    """Buffers whose bytes in a row are the P-DATA-TF PDUs of a whole command set or data set.

    ``payload`` is a buffer or an iterable of buffers, and none of its bytes are copied: the list holds headers of 12
    bytes and read-only views, which keep the payload's memory.  ``max_pdu_length`` is the maximum length that the peer
    announced, 0 for no limit; then PDUs get a length of 1 MiB.  Each PDU carries one fragment, each fragment but the
    last has an even length, and an empty payload is one empty fragment.  EncodeError if the maximum length is 1 to 11
    or the context ID is even (PS3.8 section 9.3.5, Annex D.1).
    """
    cdef Gathering out = Gathering.__new__(Gathering)
    cdef uint32_t fragment_length = fragment_length_for(max_pdu_length)
    cdef list views = views_of(payload)
    check_context(context_id)
    out.add_fragments(context_id, COMMAND if is_command else 0, True, views, length_of(views), fragment_length, 0)
    out.flush()
    return out.buffers


def message_buffers(int context_id, command, data_set, max_pdu_length):
    """Buffers of a whole message: the PDUs of its command set and, unless it is None, those of its data set.

    ``command`` and ``data_set`` are a buffer or an iterable of buffers each.  Pieces of fewer than 4096 bytes are
    copied beside the headers, so that a message without a long data set is one buffer; longer ones are read-only views
    that keep their memory.  For the rest see fragment().
    """
    cdef Gathering out = Gathering.__new__(Gathering)
    cdef uint32_t fragment_length = fragment_length_for(max_pdu_length)
    cdef list views = views_of(command)
    check_context(context_id)
    out.add_fragments(context_id, COMMAND, True, views, length_of(views), fragment_length, SHORT_PIECE)
    if data_set is not None:
        views = views_of(data_set)
        out.add_fragments(context_id, 0, True, views, length_of(views), fragment_length, SHORT_PIECE)
    out.flush()
    return out.buffers


@cython.final
cdef class Fragmenter:
    """Makes P-DATA-TF PDUs of a command set or data set that comes in pieces and whose length is not known.

    Every write gives the buffers that can be sent; finish() gives the last fragment, which is not empty unless all is:
    a little is held back until it is known what follows.  Short writes are collected (copied) until they make a
    fragment; of one longer than a fragment or 16 KiB all is named in views but for what would begin a fragment of less
    than 4 KiB. Arguments and errors are those of fragment().
    """

    def __init__(self, int context_id, bint is_command, max_pdu_length):
        check_context(context_id)
        self.fragment_length = fragment_length_for(max_pdu_length)
        self.held_limit = min(self.fragment_length, <uint32_t>MOST_HELD)
        self.context_id = context_id
        self.kind = COMMAND if is_command else 0
        self.held = bytearray()

    def write(self, chunk):
        """Buffers for what can be sent after these bytes, maybe none; views in them keep the memory of ``chunk``."""
        cdef Gathering out
        cdef memoryview view = byte_view(chunk)
        cdef Py_ssize_t length = PyMemoryView_GET_BUFFER(view).len
        cdef Py_ssize_t before = len(self.held), total = before + length, back
        cdef list views
        if self.is_finished:
            raise LocalProtocolError("the last fragment was made already", section="PS3.8 Annex E.2")
        if total <= self.held_limit:
            self.held += view
            return []
        # An even number of bytes goes, and at least one is left for the last fragment: one or two, or what would be no
        # more than a short fragment.
        back = total % self.fragment_length
        if not 0 < back <= SHORT_PIECE:
            back = 2 if total % 2 == 0 else 1
        if length < back:               # what goes was held, all of it
            self.held += view
            views = [byte_view(bytes(self.held[:total - back]))]
            self.held = self.held[total - back:]
        else:
            views = [part_of(view, 0, length - back)]
            if before:
                views.insert(0, byte_view(self.held))
            self.held = bytearray(part_of(view, length - back, back))
        out = Gathering.__new__(Gathering)
        out.add_fragments(self.context_id, self.kind, False, views, <uint64_t>(total - back), self.fragment_length,
                          SHORT_PIECE)
        out.flush()
        return out.buffers

    def finish(self):
        """Buffers of the last fragment; nothing can be written any more."""
        cdef Gathering out = Gathering.__new__(Gathering)
        if self.is_finished:
            raise LocalProtocolError("the last fragment was made already", section="PS3.8 Annex E.2")
        self.is_finished = True
        out.add_fragments(self.context_id, self.kind, True, [byte_view(self.held)], <uint64_t>len(self.held),
                          self.fragment_length, SHORT_PIECE)
        out.flush()
        return out.buffers
