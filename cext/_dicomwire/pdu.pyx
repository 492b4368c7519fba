"""PDU framing over a chunked stream: P-DATA-TF as views of the chunks, the other PDUs whole (PS3.8 section 9.3).

Lengths are judged as soon as their header is there, before anything is kept; a control PDU is gathered as it comes, so
that a length alone costs no memory.
"""
cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.memoryview cimport PyMemoryView_GET_BUFFER
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from .byteview cimport byte_view, narrow, part_of

cdef extern from "bswap.h" nogil:
    uint32_t dw_load32be(const void*) noexcept

cdef extern from *:
    """
    #if defined(__GNUC__) || defined(__clang__)
    #define DW_PREFETCH(p) __builtin_prefetch(p)
    #else
    #define DW_PREFETCH(p) ((void)(p))
    #endif
    """
    void DW_PREFETCH(const void*) noexcept nogil

cdef enum:
    AHEAD = 4                   # PDUs
    FIXED_LENGTH = 4            # PDU-length of A-ASSOCIATE-RJ, A-RELEASE-RQ, A-RELEASE-RP and A-ABORT
    UNRECOGNIZED_PDU = 1        # Reason/Diag. of A-ABORT, PS3.8 section 9.3.8
    INVALID_PDU_PARAMETER = 6
    FEW_VIEWS = 8               # joined without an allocation of their own
    LONG_JOIN = 1 << 18         # bytes; copying these takes longer than handing the GIL over


# ------------------------------------------------------------------------------------------------------ without objects

cdef void start_stream(PDUStream* stream, uint32_t max_control_length, uint32_t max_pdu_length) noexcept nogil:
    """A stream before its first byte."""
    memset(stream, 0, sizeof(PDUStream))
    stream.max_control_length = max_control_length
    stream.max_pdu_length = max_pdu_length


cdef inline const uint8_t* take_header(PDUStream* stream) noexcept nogil:
    """The six bytes of a header, in the window or put together; NULL when the window ends before they do."""
    cdef const uint8_t* p = stream.next
    cdef size_t left = stream.stop - p, wanted = PDU_HEADER - stream.carried
    if left < wanted:
        if left:
            memcpy(stream.header + stream.carried, p, left)
            stream.carried += <uint8_t>left
            stream.next = stream.stop
        return NULL
    stream.next = p + wanted
    if stream.carried == 0:
        return p
    memcpy(stream.header + stream.carried, p, wanted)
    stream.carried = 0
    return stream.header


cdef int fail(PDUStream* stream, Piece* piece, int fault, uint64_t offset, uint32_t found,
              uint32_t limit) noexcept nogil:
    stream.phase = BROKEN
    stream.fault = fault
    stream.fault_offset = offset
    stream.fault_found = found
    stream.fault_limit = limit
    piece.kind = INVALID_PIECE
    return INVALID_PIECE


cdef int next_piece(PDUStream* stream, Piece* piece) noexcept nogil:
    """The next piece of the window; a PieceKind, which ``piece.kind`` repeats unless it is NO_PIECE.

    The piece's bytes count as used up.
    """
    cdef const uint8_t* p
    cdef size_t n
    cdef uint32_t length
    cdef int fault
    while True:
        if stream.phase == AT_PDV:
            if stream.pdu_left < PDV_HEADER:
                return fail(stream, piece, PDV_CUT, stream_offset(stream), stream.pdu_left, PDV_HEADER)
            p = take_header(stream)
            if p == NULL:
                return NO_PIECE
            length = dw_load32be(p)
            if length < PDV_OVERHEAD:
                return fail(stream, piece, PDV_TOO_SHORT, stream_offset(stream) - PDV_HEADER, length, PDV_OVERHEAD)
            stream.pdu_left -= PDV_HEADER
            if length - PDV_OVERHEAD > stream.pdu_left:
                return fail(stream, piece, PDV_TOO_LONG, stream_offset(stream) - PDV_HEADER, length,
                            stream.pdu_left + PDV_OVERHEAD)
            stream.context_id = p[4]
            stream.control = p[5]
            stream.pdv_left = length - PDV_OVERHEAD
            stream.pdu_left -= stream.pdv_left
            stream.phase = IN_PDV

        if stream.phase == IN_PDV:
            n = stream.stop - stream.next
            if n >= stream.pdv_left:
                n = stream.pdv_left
                stream.phase = AT_PDV if stream.pdu_left else AT_PDU
                piece.flags = (stream.control & (COMMAND | LAST_FRAGMENT)) | PIECE_ENDS
            elif n == 0:
                return NO_PIECE
            else:
                piece.flags = stream.control & COMMAND
            piece.data = stream.next
            piece.length = n
            piece.context_id = stream.context_id
            piece.kind = PDV_PIECE
            stream.next += n
            stream.pdv_left -= <uint32_t>n
            return PDV_PIECE

        if stream.phase == AT_PDU:
            p = take_header(stream)
            if p == NULL:
                return NO_PIECE
            length = dw_load32be(p + 2)
            stream.pdu_offset = stream_offset(stream) - PDU_HEADER
            stream.pdu_length = stream.pdu_left = length
            if p[0] == P_DATA_TF:
                if length == 0:
                    return fail(stream, piece, NO_PDV, stream.pdu_offset, 0, PDV_HEADER)
                if length > stream.max_pdu_length != 0:
                    return fail(stream, piece, DATA_TOO_LONG, stream.pdu_offset, length, stream.max_pdu_length)
                stream.phase = AT_PDV
                # Headers are far apart, each a miss of all caches: those of the PDUs to come are asked for early, where
                # they will be if these have the same length.
                if <size_t>(stream.stop - stream.next) > AHEAD * (<size_t>length + PDU_HEADER):
                    DW_PREFETCH(stream.next + AHEAD * (<size_t>length + PDU_HEADER) - PDU_HEADER)
                continue
            if p != stream.header:
                memcpy(stream.header, p, PDU_HEADER)
            fault = control_fault(stream, p[0], length)
            if fault:
                return fail(stream, piece, fault, stream.pdu_offset, length if fault != UNKNOWN_PDU else p[0],
                            stream.max_control_length if fault == CONTROL_TOO_LONG else FIXED_LENGTH)
            stream.phase = IN_CONTROL

        if stream.phase == IN_CONTROL:
            n = stream.stop - stream.next
            if n >= stream.pdu_left:
                n = stream.pdu_left
                stream.phase = AT_PDU
                piece.flags = PIECE_ENDS
            elif n == 0:
                return NO_PIECE
            else:
                piece.flags = 0
            piece.data = stream.next
            piece.length = n
            piece.kind = CONTROL_PIECE
            stream.next += n
            stream.pdu_left -= <uint32_t>n
            return CONTROL_PIECE

        piece.kind = INVALID_PIECE
        return INVALID_PIECE


cdef int control_fault(const PDUStream* stream, uint8_t pdu_type, uint32_t length) noexcept nogil:
    """What is wrong with the header of a PDU other than P-DATA-TF, a PDUFault."""
    if pdu_type < A_ASSOCIATE_RQ or pdu_type > A_ABORT:
        return UNKNOWN_PDU
    if pdu_type > A_ASSOCIATE_AC:
        return NO_FAULT if length == FIXED_LENGTH else CONTROL_LENGTH
    return CONTROL_TOO_LONG if length > stream.max_control_length else NO_FAULT


cdef int abort_reason(const PDUStream* stream) noexcept nogil:
    """The Reason/Diag. with which a broken stream is aborted by the service provider (PS3.8 section 9.3.8)."""
    return UNRECOGNIZED_PDU if stream.fault == UNKNOWN_PDU else INVALID_PDU_PARAMETER


# ------------------------------------------------------------------------------------------------------------- in words

cdef str NOT_NOW = "this PDUReader is being fed, or has failed while it was"
cdef tuple _PDU_NAMES = (
    "", "A-ASSOCIATE-RQ", "A-ASSOCIATE-AC", "A-ASSOCIATE-RJ", "P-DATA-TF", "A-RELEASE-RQ", "A-RELEASE-RP", "A-ABORT",
)
cdef tuple _HTTP = (b"GET ", b"HEAD", b"POST", b"PUT ", b"DELE", b"CONN", b"OPTI", b"TRAC", b"PATC", b"PRI ", b"HTTP")


cdef str foreign_protocol(bytes start):
    """What else the first six bytes of a connection look like, or an empty text."""
    if start[:4] in _HTTP:
        return "HTTP"
    if 0x14 <= start[0] <= 0x17 and start[1] == 3 and start[2] <= 4:
        return "TLS"
    if start[:4] == b"SSH-":
        return "SSH"
    return ""


cdef str fault_text(const PDUStream* stream):
    """One sentence: what is wrong, expected against found, and the section of the standard."""
    cdef int fault = stream.fault
    cdef uint32_t found = stream.fault_found, limit = stream.fault_limit
    cdef str text
    if fault == UNKNOWN_PDU:
        text = foreign_protocol(stream.header[:PDU_HEADER])
        text = f", the bytes look like {text}" if text else ""
        return f"PDU of unknown type 0x{found:02X}{text}; PS3.8 9.3.1"
    if fault == CONTROL_TOO_LONG:
        return f"{_PDU_NAMES[stream.header[0]]} has PDU-length {found}, limit is {limit}; PS3.8 9.3.2"
    if fault == CONTROL_LENGTH:
        return f"{_PDU_NAMES[stream.header[0]]} has PDU-length {found}, expected {limit}; PS3.8 9.3.4 to 9.3.8"
    if fault == DATA_TOO_LONG:
        return f"P-DATA-TF has PDU-length {found}, the maximum length is {limit}; PS3.8 Annex D.1"
    if fault == NO_PDV:
        return "P-DATA-TF without a presentation data value; PS3.8 9.3.5"
    if fault == PDV_TOO_SHORT:
        return f"presentation data value item has length {found}, at least {limit} expected; PS3.8 9.3.5.1"
    if fault == PDV_TOO_LONG:
        return f"presentation data value item has length {found}, {limit} bytes left in its PDU; PS3.8 9.3.5.1"
    return f"{found} bytes left in a P-DATA-TF, the header of a presentation data value needs {limit}; PS3.8 9.3.5"


# -------------------------------------------------------------------------------------------------------- what is given

@cython.final
@cython.no_gc
cdef class ControlPDU:
    """A complete PDU other than P-DATA-TF: its type and its bytes, header included."""

    def __init__(self, int pdu_type, bytes data not None):
        self.pdu_type = pdu_type
        self.data = data

    def __eq__(self, other):
        if isinstance(other, ControlPDU):
            return self.pdu_type == (<ControlPDU>other).pdu_type and self.data == (<ControlPDU>other).data
        return NotImplemented

    __hash__ = None

    def __repr__(self):
        name = _PDU_NAMES[self.pdu_type] if 0 < self.pdu_type < len(_PDU_NAMES) else f"type {self.pdu_type}"
        return f"<ControlPDU: {name}, {len(self.data)} bytes>"


@cython.final
@cython.no_gc
@cython.freelist(64)
cdef class PDVRun:
    """Successive bytes of one command set or data set: presentation data values of one context and kind.

    ``views`` are read-only memoryviews of the fed chunk, in order, none of them empty; they are good as long as the
    chunk's bytes are left alone.  ``length`` is their sum in bytes.  ``is_last`` says that the command set or data set
    ends with this run.
    """

    def __init__(self, uint8_t context_id, bint is_command, bint is_last, list views not None, length=None):
        self.context_id = context_id
        self.is_command = is_command
        self.is_last = is_last
        self.views = views
        self.length = sum([len(view) for view in views]) if length is None else length

    def __eq__(self, other):
        cdef PDVRun run
        if isinstance(other, PDVRun):
            run = other
            return (self.context_id == run.context_id and self.is_command == run.is_command
                    and self.is_last == run.is_last and self.length == run.length and self.views == run.views)
        return NotImplemented

    __hash__ = None

    def __repr__(self):
        kind = "command" if self.is_command else "data set"
        last = ", last" if self.is_last else ""
        return f"<PDVRun: context {self.context_id}, {kind}, {self.length} bytes in {len(self.views)} views{last}>"


@cython.final
@cython.no_gc
cdef class InvalidPDU:
    """Where and why a stream is no sequence of PDUs: the reason for an A-ABORT (PS3.8 section 9.3.8), the offset of the
    header concerned from the stream's beginning."""

    def __init__(self, int abort_reason, str message not None, uint64_t offset):
        self.abort_reason = abort_reason
        self.message = message
        self.offset = offset

    def __eq__(self, other):
        cdef InvalidPDU invalid
        if isinstance(other, InvalidPDU):
            invalid = other
            return (self.abort_reason == invalid.abort_reason and self.message == invalid.message
                    and self.offset == invalid.offset)
        return NotImplemented

    __hash__ = None

    def __repr__(self):
        return f"InvalidPDU({self.abort_reason}, {self.message!r}, {self.offset})"


# --------------------------------------------------------------------------------------------------------------- reader

@cython.final
cdef class PDUReader:
    """Takes the bytes of one direction of a connection and gives what they carry.

    ``max_control_length`` limits the PDU-length of A-ASSOCIATE-RQ and -AC, which are kept until they are complete;
    ``max_pdu_length`` that of P-DATA-TF, 0 for no limit: what this side announced as its maximum length (PS3.8 Annex
    D.1).
    """

    def __init__(self, *, uint32_t max_control_length=1 << 20, uint32_t max_pdu_length=0):
        start_stream(&self.stream, max_control_length, max_pdu_length)

    def feed(self, data, Py_ssize_t length=-1):
        """What the next bytes complete, in their order: ControlPDU, PDVRun, and InvalidPDU as the last of all.

        ``length`` says how many bytes of ``data`` count, all unless given.  Nothing of a P-DATA-TF is copied or kept:
        the views of a PDVRun show ``data`` itself, and those who reuse its memory must be done with them before.  A
        fragment that goes on behind ``data`` is handed on as far as it is there.  After an InvalidPDU every feed gives
        an empty list.
        """
        cdef memoryview whole = byte_view(data)
        cdef Py_buffer* inside = PyMemoryView_GET_BUFFER(whole)
        cdef const uint8_t* start = <const uint8_t*>inside.buf
        cdef list items = []
        cdef PDVRun run = None
        cdef list waiting = None        # where the piece found last goes, once it is known whether ``whole`` can be it
        cdef Py_ssize_t offset = 0, size = 0
        cdef Piece piece
        cdef int kind
        if length < 0:
            length = inside.len
        elif length > inside.len:
            raise ValueError(f"length {length} of a buffer of {inside.len} bytes")
        if self.is_fed:
            raise RuntimeError(NOT_NOW)
        if self.stream.phase == BROKEN:
            return items
        self.is_fed = True
        show_window(&self.stream, start, length)
        while True:
            kind = next_piece(&self.stream, &piece)
            if kind == PDV_PIECE:
                if (run is None or run.is_last or run.context_id != piece.context_id
                        or run.is_command != (piece.flags & PIECE_COMMAND)):
                    run = PDVRun.__new__(PDVRun)
                    run.context_id = piece.context_id
                    run.is_command = piece.flags & PIECE_COMMAND
                    run.views = []
                    items.append(run)
                if piece.length:
                    if waiting is not None:
                        waiting.append(part_of(whole, offset, size))
                    waiting = run.views
                    offset = piece.data - start
                    size = piece.length
                    run.length += piece.length
                run.is_last = (piece.flags & PIECE_LAST) != 0
            elif kind == CONTROL_PIECE:
                run = None
                self._take_control(&piece, items)
            elif kind == NO_PIECE:
                break
            else:
                items.append(InvalidPDU(abort_reason(&self.stream), fault_text(&self.stream),
                                        self.stream.fault_offset))
                break
        if waiting is not None:
            narrow(whole, offset, size)
            waiting.append(whole)
        self.is_fed = False             # it stays set after an error: pieces are lost then, and nothing must follow
        return items

    cdef int _take_control(self, Piece* piece, list items) except -1:
        """Give a control PDU that is complete, or keep what is there of it."""
        cdef bytes data
        if self.unfinished_control is not None:
            self.unfinished_control += piece.data[:piece.length]
            if not piece.flags & PIECE_ENDS:
                return 0
            data = bytes(self.unfinished_control)
            self.unfinished_control = None
        elif piece.flags & PIECE_ENDS:
            data = PyBytes_FromStringAndSize(NULL, PDU_HEADER + <Py_ssize_t>piece.length)
            memcpy(PyBytes_AS_STRING(data), self.stream.header, PDU_HEADER)
            memcpy(PyBytes_AS_STRING(data) + PDU_HEADER, piece.data, piece.length)
        else:
            self.unfinished_control = bytearray(self.stream.header[:PDU_HEADER])
            self.unfinished_control += piece.data[:piece.length]
            return 0
        items.append(ControlPDU(data[0], data))
        return 0

    def reset(self):
        """Begin anew with the same limits, as before the first byte."""
        if self.is_fed:
            raise RuntimeError(NOT_NOW)
        start_stream(&self.stream, self.stream.max_control_length, self.stream.max_pdu_length)
        self.unfinished_control = None

    @property
    def max_control_length(self):
        """The limit for the PDU-length of A-ASSOCIATE-RQ and -AC; a new one counts from the next header on."""
        return self.stream.max_control_length

    @max_control_length.setter
    def max_control_length(self, uint32_t length):
        self.stream.max_control_length = length

    @property
    def max_pdu_length(self):
        """The limit for the PDU-length of P-DATA-TF, 0 for none; a new one counts from the next header on."""
        return self.stream.max_pdu_length

    @max_pdu_length.setter
    def max_pdu_length(self, uint32_t length):
        self.stream.max_pdu_length = length

    @property
    def pending_bytes(self):
        """How many bytes are kept because their header or control PDU is not complete."""
        cdef Py_ssize_t kept = self.stream.carried
        if self.unfinished_control is not None:
            kept += len(self.unfinished_control)
        elif self.stream.phase == IN_CONTROL:
            kept += PDU_HEADER
        return kept

    @property
    def is_between_pdus(self):
        """Whether the bytes so far end with a complete PDU, or there were none: where a connection may end."""
        return self.stream.phase == AT_PDU and self.stream.carried == 0

    @property
    def is_in_control(self):
        """Whether a PDU other than P-DATA-TF has begun and is not complete."""
        return self.stream.phase == IN_CONTROL

    @property
    def offset(self):
        """How many bytes were fed since the beginning; it stands still once the stream is broken."""
        return stream_offset(&self.stream)


def join(views):
    """The bytes of some buffers in a row, in memory of their own."""
    cdef list held = list(views)
    cdef Py_ssize_t count = len(held), taken = 0, total = 0, k
    cdef Py_buffer[FEW_VIEWS] few
    cdef Py_buffer* all_of_them = few
    cdef bytes joined
    cdef char* to
    if count > FEW_VIEWS:
        all_of_them = <Py_buffer*>malloc(count * sizeof(Py_buffer))
        if all_of_them == NULL:
            raise MemoryError
    try:
        while taken < count:
            PyObject_GetBuffer(held[taken], &all_of_them[taken], PyBUF_SIMPLE)
            total += all_of_them[taken].len
            taken += 1
        joined = PyBytes_FromStringAndSize(NULL, total)
        to = PyBytes_AS_STRING(joined)
        if total < LONG_JOIN:
            copy_buffers(to, all_of_them, count)
        else:
            with nogil:
                copy_buffers(to, all_of_them, count)
        return joined
    finally:
        for k in range(taken):
            PyBuffer_Release(&all_of_them[k])
        if all_of_them != few:
            free(all_of_them)


cdef void copy_buffers(char* to, const Py_buffer* buffers, Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(count):
        if buffers[k].len:
            memcpy(to, buffers[k].buf, <size_t>buffers[k].len)
            to += buffers[k].len
