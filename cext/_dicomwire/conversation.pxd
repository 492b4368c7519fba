"""What is kept of connections that speak DICOM: structs only, filled by `talk`, shown by `record`.

Times are nanoseconds since 1970-01-01 UTC, UNKNOWN_TIME where the packet was not in the capture.  A side is the index
in Connection.side.
"""
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from .sink cimport Connection
from .heading cimport Cells, Heading
from .order cimport Order
from .pdu cimport PDUStream

cdef struct Conversation

cdef enum NodeKind:
    EXCHANGE = 1
    CONVERSATION = 2
    GAP_NODE = 3
    OBJECT = 4

cdef struct Node:               # of the list of what is finished
    Node* next
    int kind                    # NodeKind

cdef struct Passage:            # the packets that carried something
    int64_t first_ns, last_ns
    uint64_t first_frame, last_frame
    uint64_t stream_bytes       # of the PDUs, headers included
    uint64_t wire_bytes         # of the packets, link headers included
    uint32_t packets

cdef struct Tally:              # counters of both sides at one moment
    uint32_t[2] retransmissions
    uint32_t[2] timeouts
    uint32_t[2] zero_windows
    uint64_t[2] retransmitted_bytes
    uint64_t[2] zero_window_ns

cdef enum ExchangeFlag:
    REQUEST_SEEN = 1            # its command set
    REQUEST_DONE = 2            # its last byte
    RESPONSE_SEEN = 4
    FINAL_SEEN = 8              # a response that is not pending, complete
    CANCELLED = 16              # a C-CANCEL-RQ was sent
    IS_SUB_OPERATION = 32
    REQUEST_GAP = 64            # bytes are missing
    RESPONSE_GAP = 128
    SYNTAX_GUESSED = 256
    HEADING_BROKEN = 512
    ID_REUSED = 1024            # another request took its message ID before the answer
    REQUEST_FAULTY = 2048       # the command set does not read to its end, or says nothing of what it must
    RESPONSE_FAULTY = 4096
    DATA_SET_MISSING = 8192     # announced, and not there
    DATA_SET_UNANNOUNCED = 16384
    TOO_MANY_OPEN = 32768       # a bound on requests without an answer
    BOUNDARY_GUESSED = 65536    # which message a fragment belongs to, behind a gap
    REQUEST_BEGUN_BEFORE = 131072       # the capture, or a gap, hides its beginning
    ENDED_EARLY = 262144        # with the connection or the association, see ``end_kind``
    HAS_PARENT = 524288
    HEADING_DEFLATED = 2097152
    AWAITS_REQUEST = 4194304    # which the capture shows later than the response: ``awaited``
    ANSWER_LOST = 8388608       # perhaps, in a gap
    RESPONSE_BEFORE = 1048576   # a final response came before the request's last byte

cdef enum EndCause:             # why something ended; the first six are EndKind
    BY_FIN = 0
    BY_RST = 1
    BY_IDLENESS = 2
    BY_NEW_SYN = 3
    BY_EVICTION = 4
    BY_CAPTURE_END = 5
    BY_ABORT = 6                # A-ABORT
    BY_RELEASE = 7
    BY_REJECTION = 8
    NOT_ENDED = 9

cdef struct Bytes:              # malloc'ed
    uint8_t* data
    uint32_t length

cdef struct Exchange:           # a request and its responses
    Node node                   # next of the open ones, then of the finished ones
    Exchange* previous          # of the open ones
    Conversation* conversation  # until it is shown
    Passage request
    Passage response            # all responses
    uint64_t request_command_size, request_data_set_size, request_pixel_size
    uint64_t response_command_size, response_data_set_size
    uint64_t awaited            # offset in the requestor's stream that the request does not pass
    uint64_t doubted_bytes      # of ``lost_bytes``, in gaps that may have hidden the answer
    uint32_t doubted_gaps
    uint64_t lost_bytes
    uint32_t gaps
    Tally at_request            # before its first packet
    Tally at_end                # behind the last packet of the last response, or of what there is
    int64_t first_pending_ns    # first packet of the first pending response
    int64_t final_ns            # first packet of the final response
    int64_t response_transfer_ns        # all responses
    int64_t rtt_median_ns, rtt_min_ns, rtt_max_ns
    uint32_t responses
    uint32_t[6] by_kind         # success, pending, cancel, warning, failure, unknown
    uint32_t flags              # ExchangeFlag
    uint32_t answers            # matches kept among the cells
    uint16_t command            # Command Field of the request
    uint16_t message_id
    uint16_t status             # of the last response
    uint16_t parent_id          # message ID of the C-GET that this C-STORE is part of
    uint16_t originator_id
    uint16_t[4] counts          # of sub-operations, as last said
    uint8_t counts_present      # a bit for each
    bint has_originator_id
    bint has_message_id
    uint8_t context_id
    uint8_t requestor           # side
    uint8_t end_kind            # EndCause
    uint8_t end_side            # who ended it; 2 nobody
    Cells cells
    Bytes[4] raw                # command set and heading of request and response, where they are to be kept

cdef enum Stage:
    NO_MESSAGE = 0
    IN_COMMAND = 1
    IN_DATA_SET = 2

cdef struct Message:            # in the making; one for each side (PS3.8 Annex E: fragments are not interleaved)
    Passage passage
    Tally tally
    Exchange* exchange          # NULL: of no use, or not known yet
    uint64_t start              # offset in the stream of its first PDU
    uint64_t command_size, data_set_size
    uint64_t lost_bytes
    uint32_t gaps
    uint16_t status
    uint8_t stage               # Stage
    uint8_t context_id
    bint is_response
    bint is_headless            # its command set was not seen
    bint is_claimable           # a gap, or what was before the capture, hides its command set: a response may claim it
    bint is_damaged             # bytes of its command set are missing
    uint8_t raw                 # index of Exchange.raw for the heading
    uint64_t held_at            # offset in the data set of the first byte held
    Heading heading
    PyObject* file              # takes the data set, or NULL

cdef struct Control:            # a PDU other than P-DATA-TF
    int64_t time_ns             # of the packet with its first byte
    uint64_t frame
    uint8_t pdu_type
    uint8_t side
    uint8_t[4] fields           # of the short ones

cdef enum HalfMode:
    AT_START = 0                # what it speaks is not known
    SEARCHING = 1               # for a PDU
    WALKING = 2

cdef enum:
    MOST_CONTROLS = 12
    RTT_SAMPLES = 16

cdef struct Half:               # one direction
    PDUStream stream
    Message message
    Passage lead                # packets since the last end of a PDU: what comes next began in them
    uint8_t* held               # of a command set, a control PDU or a heading that packets cut
    uint32_t held_length, held_room
    uint8_t[128] tail           # of what was looked at and may be the front of a PDU
    uint32_t tail_length
    uint8_t mode                # HalfMode
    uint64_t offset             # in the stream, of what comes next
    PDUStream broken            # as it was at the first invalid PDU; see ``is_broken``
    bint is_broken
    bint is_uncertain           # behind a gap: which message comes next is a guess
    bint is_rejected            # a control PDU in hand that cannot be kept
    uint64_t early_gap          # bytes missing before it was known what the connection speaks
    uint64_t early_gap_end      # offset behind the last of them
    uint8_t early_gap_kind      # GapKind of the last
    uint64_t searched           # bytes that no PDU was found in
    uint64_t pdu_offset         # of the P-DATA-TF that was counted last
    Exchange* first             # requests of this side without a final response
    Exchange* last
    uint32_t open_count
    uint32_t[8] pdus            # by type; 0: what is none
    uint32_t messages
    uint32_t requests
    uint32_t longest_pdu        # PDU-length of P-DATA-TF
    uint32_t too_long           # PDUs longer than the peer takes
    uint32_t maximum_length     # that this side takes, 0: no limit or not known
    uint64_t data_bytes         # in presentation data values
    uint64_t skipped            # bytes in which no PDU was found
    uint32_t rtt_seen
    Passage headless            # a data set whose command set was not seen, until a response claims it
    uint64_t headless_size
    bint has_headless

cdef struct Conversation:       # a connection that speaks DICOM, or may
    Node node
    Conversation* before        # of the live ones
    Conversation* after
    Connection* connection      # NULL when the connection was forgotten: see ``copy``
    Connection copy
    Half[2] half
    Order order
    uint8_t[256] syntax         # by context ID: 0 not known, else SyntaxKind
    Bytes request               # A-ASSOCIATE-RQ
    Bytes answer                # A-ASSOCIATE-AC
    Control[12] control
    uint8_t controls
    uint8_t protocol            # Protocol
    uint8_t requestor           # who sent the A-ASSOCIATE-RQ; 2 not seen
    uint8_t end_kind            # EndCause
    uint8_t end_side            # 2: nobody in particular
    uint8_t forgotten_kind      # EndKind
    int64_t end_ns
    bint is_asynchronous        # several requests may be without an answer
    bint is_midstream           # picked up without its beginning
    bint is_stale               # ``facts`` are older than the A-ASSOCIATE PDUs
    bint is_released            # A-RELEASE-RQ was seen
    uint32_t transactions
    int64_t[16] rtt
    uint32_t rtt_count
    PyObject* facts             # what Python knows of the association, or NULL
    PyObject* handler           # of an HL7 stream, or NULL

cdef struct GapNode:
    Node node
    Conversation* conversation
    int64_t first_ns, last_ns
    uint64_t first_frame, last_frame
    uint64_t length
    uint64_t offset             # in the stream
    uint32_t count              # gaps in a row that are said as one
    uint16_t message_id
    uint16_t command
    uint8_t side
    uint8_t kind                # GapKind
    uint8_t stage               # Stage of the message in flight
    bint is_bridged             # the lengths around it say where the next PDU begins

cdef struct ObjectNode:
    Node node
    PyObject* object
