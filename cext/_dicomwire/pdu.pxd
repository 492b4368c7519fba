"""Framing of the Upper Layer: a stream of bytes, in windows as they come, becomes pieces of PDVs and of control PDUs.

A receiver without the GIL owns a PDUStream and a window of its own memory::

    start_stream(&stream, max_control_length, max_pdu_length)
    while receiving:
        n = recv(socket, window, sizeof window, 0)
        show_window(&stream, window, n)
        while True:
            kind = next_piece(&stream, &piece)
            if kind == PDV_PIECE:      # an iovec {piece.data, piece.length} for writev; the message ends on PIECE_LAST
            elif kind == CONTROL_PIECE:  # goes to the state machine; stream.header holds its header
            elif kind == INVALID_PIECE:  # abort_reason(&stream), then close; fault_text(&stream) with the GIL
            else: break                # NO_PIECE: the window is used up

Pieces point into the window and must be written out, or copied, before it is filled again.  Nothing is ever allocated;
what a window's border cuts is at most a header of six bytes, which the stream keeps.  A stream that is picked up in the
middle sets ``phase``, ``pdu_left``, ``pdv_left``, ``context_id`` and ``control`` after start_stream().  PS3.8 section
9.3.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    PDU_HEADER = 6              # type, reserved, 32-bit PDU-length
    PDV_HEADER = 6              # 32-bit item length, presentation context ID, message control header
    PDV_OVERHEAD = 2            # of these, the two that the item length counts

cdef enum PDUType:
    A_ASSOCIATE_RQ = 1
    A_ASSOCIATE_AC = 2
    A_ASSOCIATE_RJ = 3
    P_DATA_TF = 4
    A_RELEASE_RQ = 5
    A_RELEASE_RP = 6
    A_ABORT = 7

cdef enum ControlBit:           # message control header, PS3.8 Annex E.2; the other bits are not looked at
    COMMAND = 1
    LAST_FRAGMENT = 2

cdef enum PieceKind:
    NO_PIECE = 0                # the window is used up
    PDV_PIECE = 1               # bytes of a fragment
    CONTROL_PIECE = 2           # bytes of another PDU, behind its header
    INVALID_PIECE = 3           # the stream is broken, now and from here on

cdef enum PieceFlag:
    PIECE_COMMAND = 1           # of a command set, else of a data set
    PIECE_LAST = 2              # ends the last fragment of its command or data set
    PIECE_ENDS = 4              # ends its PDV or its control PDU

cdef struct Piece:
    const uint8_t* data         # in the window; borrowed
    size_t length               # 0 only for an empty fragment or control PDU
    uint8_t kind                # PieceKind
    uint8_t flags               # PieceFlag
    uint8_t context_id

cdef enum Phase:
    AT_PDU = 0                  # a PDU header comes next, or a part of it is in ``header``
    AT_PDV = 1                  # a PDV header, likewise
    IN_PDV = 2
    IN_CONTROL = 3
    BROKEN = 4

cdef enum PDUFault:
    NO_FAULT = 0
    UNKNOWN_PDU, CONTROL_TOO_LONG, CONTROL_LENGTH, DATA_TOO_LONG, NO_PDV, PDV_TOO_SHORT, PDV_TOO_LONG, PDV_CUT

cdef struct PDUStream:
    const uint8_t* next         # the next byte of the window that was not looked at; borrowed
    const uint8_t* stop         # one past the window's last byte
    uint64_t stop_offset        # of ``stop`` in the stream
    uint64_t pdu_offset         # of the header of the present PDU
    uint32_t max_control_length     # of the PDU-length of all PDUs other than P-DATA-TF
    uint32_t max_pdu_length     # of the PDU-length of P-DATA-TF (PS3.8 Annex D.1); 0 = no limit
    uint32_t pdu_left           # bytes of the present P-DATA-TF behind the present fragment, or of the control PDU
    uint32_t pdv_left           # bytes of the present fragment
    uint32_t pdu_length         # of the present PDU, as its header has it
    uint8_t[6] header           # of the control PDU in hand; else what is there of a header
    uint8_t carried             # bytes of an unfinished header
    uint8_t phase               # Phase
    uint8_t context_id          # of the present fragment
    uint8_t control             # its message control header
    uint8_t fault               # PDUFault
    uint64_t fault_offset       # of the header that is wrong
    uint32_t fault_found        # length or type found
    uint32_t fault_limit        # length allowed

cdef void start_stream(PDUStream* stream, uint32_t max_control_length, uint32_t max_pdu_length) noexcept nogil
cdef int next_piece(PDUStream* stream, Piece* piece) noexcept nogil
cdef int abort_reason(const PDUStream* stream) noexcept nogil
cdef str fault_text(const PDUStream* stream)


cdef inline void show_window(PDUStream* stream, const uint8_t* data, size_t length) noexcept nogil:
    """Give the next bytes; those of the window before must be used up."""
    stream.next = data
    stream.stop = data + length
    stream.stop_offset += length


cdef inline uint64_t stream_offset(const PDUStream* stream) noexcept nogil:
    """How many bytes of the stream were taken."""
    return stream.stop_offset - <uint64_t>(stream.stop - stream.next)


cdef class ControlPDU:
    cdef readonly int pdu_type
    cdef readonly bytes data


cdef class PDVRun:
    cdef readonly uint8_t context_id
    cdef readonly bint is_command
    cdef readonly bint is_last
    cdef readonly list views
    cdef readonly uint64_t length


cdef class InvalidPDU:
    cdef readonly int abort_reason
    cdef readonly str message
    cdef readonly uint64_t offset


cdef class PDUReader:
    cdef PDUStream stream
    cdef bytearray unfinished_control   # of a control PDU that a window's border cuts, header included, or None
    cdef bint is_fed                    # a feed has begun and not ended
    cdef int _take_control(self, Piece* piece, list items) except -1
