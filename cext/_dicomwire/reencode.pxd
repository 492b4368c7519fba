"""Re-encoding of a data set as it streams: what the stepper wrote of each chunk is written anew in another encoding."""
from libc.stdint cimport int8_t, uint8_t, uint16_t, uint32_t, uint64_t

from .block cimport Block
from .events cimport EventBatch
from .parser cimport StreamParser
from .source cimport Source
from .tape cimport TapeEntry

cdef struct Level:
    # A sequence, an item or the data set itself that is open; of items also what gives later elements a meaning.
    uint64_t begin              # bytes that were produced before its content
    uint64_t source_end         # where the last element so far ends in the source
    uint64_t length             # of the content where it was written in the header, else NO_LENGTH
    uint64_t serial             # no two items have the same
    uint32_t last_tag           # the highest so far
    uint32_t waiting            # VRs that had to wait before it was opened
    uint32_t lut_entries        # first number of LUT Descriptor (0028,3002), or NOT_KNOWN
    uint32_t bits_allocated     # (0028,0100), or NOT_KNOWN
    uint32_t waveform_bits      # (5400,1004), or NOT_KNOWN
    int8_t pixel_representation  # (0028,0103), -1 when it has not come
    uint8_t source              # Encoding bits of its content as it is read ...
    uint8_t target              # ... and as it is written
    uint8_t is_item
    uint8_t delimited           # a delimiter ends it where it is written
    uint8_t fixed               # its length, or that of a container around it, is written already
    uint8_t has_creators        # Private Creators of it are known

cdef struct Waiting:
    # A header that was written with US, and may have to say SS.
    uint64_t position           # of the VR's first letter, in what was produced
    uint64_t offset             # of the value in the source
    uint32_t level              # the item whose Pixel Representation may still come, or SETTLED

cdef class Reencoder:
    cdef StreamParser parser
    cdef uint8_t target             # Encoding bits
    cdef bint takes_fragments
    cdef bint big_pixels            # of the source: Pixel Data in big endian words all the same
    cdef bint begun
    cdef bint closed
    cdef object error
    # what is written and not handed over yet
    cdef list pieces
    cdef uint8_t* out
    cdef uint64_t size
    cdef uint64_t capacity
    cdef uint64_t handed            # bytes produced before ``out``
    # the containers that are open
    cdef Level* levels
    cdef uint32_t depth
    cdef uint32_t level_capacity
    cdef uint64_t serials
    cdef Waiting* waiting
    cdef uint32_t waiting_count
    cdef uint32_t waiting_capacity
    # what stands behind the last element: padding, if it is zeros
    cdef uint64_t fed               # bytes of all chunks
    cdef uint64_t last_nonzero      # offset of the last byte that is not zero, of those that were not written
    # the value that comes in pieces
    cdef int word                   # bytes of its words, 1 when they are not swapped
    cdef bint pad                   # whether a byte is to be added
    cdef uint8_t padding
    cdef uint8_t[8] tail            # of a word that a cut has parted
    cdef int tail_size
    # the place on the batch's tape
    cdef uint32_t next
    cdef uint32_t open
    # private elements of implicit VR
    cdef dict creators              # VRs by creator's item, group and block number
    cdef uint16_t private_vr
    cdef bint private_known

    cdef int _walk(self, EventBatch batch) except -1
    cdef int _note_rest(self, object chunk) except -1
    cdef int _run(self, TapeEntry* entries, Source source, uint32_t stop, uint32_t closing,
                  uint64_t piece_limit) noexcept nogil
    cdef int _room(self, uint64_t more) noexcept nogil
    cdef int _push(self, TapeEntry* e, uint8_t source, uint8_t target, bint is_item) noexcept nogil
    cdef int _open(self, TapeEntry* e) noexcept nogil
    cdef int _close(self, TapeEntry* e) noexcept nogil
    cdef int _element(self, TapeEntry* e, const uint8_t* p) noexcept nogil
    cdef void _pass(self, Level* level, uint32_t tag) noexcept nogil
    cdef void _learn(self, Level* level, uint32_t tag, uint16_t number) noexcept nogil
    cdef uint16_t _resolved(self, Level* level, TapeEntry* e, uint16_t choice, int* status) noexcept nogil
    cdef void _settle(self, uint32_t first, uint32_t level, uint32_t start) noexcept nogil
    cdef void _give_up(self) noexcept nogil
    cdef int _hand_over(self) except -1
    cdef int _pieces_of(self, EventBatch batch, TapeEntry* e, uint64_t at) except -1
    cdef int _piece(self, Block block, uint64_t offset, uint64_t size, bint is_last) except -1
    cdef int _write_tail(self, int word) except -1
    cdef int _add_creator(self, Block block, TapeEntry* e) except -1
    cdef int _find_private(self, TapeEntry* e) except -1
    cdef int _raise(self, int status, Block block, uint32_t index) except -1
