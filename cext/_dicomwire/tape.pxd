"""The tape: a data set's structure as one flat array of 32-byte entries, and the stepper that writes it.

The stepper is resumable: it reads from a window of the source, and when the window does not hold the next header it
returns
NEED_DATA with ``pos`` on that header, ``need`` bytes wanted.  The caller shows it another window and calls again.
It never reads a value, so values need not be in any window.  PS3.5 section 7.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "bswap.h" nogil:
    uint16_t dw_load16le(const void*) noexcept
    uint16_t dw_load16be(const void*) noexcept
    uint32_t dw_load32le(const void*) noexcept
    uint32_t dw_load32be(const void*) noexcept
    uint64_t dw_load64le(const void*) noexcept
    uint64_t dw_load64be(const void*) noexcept

cdef extern from "bigmem.h" nogil:
    void* dw_grow(void* old, size_t old_size, size_t new_size) noexcept
    void dw_release(void* array, size_t size) noexcept

# Structs and constants that include/usual.h works with, too.
cdef extern from "tape.h" nogil:
    enum:
        ITEM_TAG "DW_ITEM_TAG"                          # FFFEE000
        ITEM_DELIMITER "DW_ITEM_DELIMITER"              # FFFEE00D
        SEQUENCE_DELIMITER "DW_SEQUENCE_DELIMITER"      # FFFEE0DD
        UNDEFINED "DW_UNDEFINED"                        # FFFFFFFF

    enum:   # flags of an entry, bits
        UNDEFINED_LENGTH "DW_UNDEFINED_LENGTH"  # the header says FFFFFFFF; ``length`` is true once END_UNKNOWN is gone
        END_UNKNOWN "DW_END_UNKNOWN"            # the end was not looked for yet, see PAUSED
        NOT_ENTERED "DW_NOT_ENTERED"            # a container of known length whose inside is not on this tape
        FRAGMENTS "DW_FRAGMENTS"                # encapsulated pixel data: items are fragments (PS3.5 Annex A.4)
        IMPLICIT_IN_UN "DW_IMPLICIT_IN_UN"      # UN of undefined length: implicit VR little endian inside (6.2.2 note)
        VR_GUESSED "DW_VR_GUESSED"              # the VR is not the header's: unknown there, or resolved from UN
        CUT_SHORT "DW_CUT_SHORT"                # ``length`` was clipped to what is there
        UNORDERED "DW_UNORDERED"                # an item whose elements are not in strictly ascending order

    enum:   # encodings
        EXPLICIT_LE "DW_EXPLICIT_LE"    # 0
        BIG_ENDIAN "DW_BIG_ENDIAN"      # a bit
        IMPLICIT "DW_IMPLICIT"          # a bit

    enum:   # kinds of containers
        DATA_SET "DW_DATA_SET"          # an item, or the data set at the root
        ITEMS "DW_ITEMS"                # a sequence: holds items
        PIECES "DW_PIECES"              # encapsulated pixel data: holds fragments

    enum:
        FEW_FRAMES "DW_FEW_FRAMES"

    ctypedef struct TapeEntry "DwTapeEntry":
        uint64_t offset         # of the value, absolute in the source
        uint64_t length         # of the value in bytes; see UNDEFINED_LENGTH, END_UNKNOWN, CUT_SHORT
        uint32_t tag            # ITEM_TAG for items and fragments, 0 for the root of a block
        uint32_t next           # index of the first entry after this one's subtree
        uint32_t parent         # index of the container; the root's is itself
        uint16_t vr             # 0 = not resolved yet (implicit VR: empty, private, ambiguous)
        uint8_t header_size     # bytes from the tag to the value
        uint8_t flags

    ctypedef struct Frame "DwFrame":
        uint64_t bound          # absolute offset that the container cannot pass
        uint32_t entry
        uint32_t last_tag       # of the elements seen so far, plus one
        uint8_t kind            # of container
        uint8_t encoding
        uint8_t undefined       # ended by a delimiter

    ctypedef struct RawFinding "DwRawFinding":
        uint64_t offset         # of the header concerned
        uint64_t expected       # bytes or tag, by kind
        uint64_t found
        uint32_t entry          # tape index of the element or container concerned
        uint32_t tag
        uint16_t kind           # Finding

    ctypedef struct Stepper "DwStepper":
        # input: a window of the source
        const uint8_t* base     # byte at absolute offset ``start``; borrowed
        uint64_t start
        uint64_t stop           # one past the last byte of the window
        uint64_t pos
        uint64_t need
        # limits
        uint32_t first_tag      # at the root, tags outside first_tag .. first_tag + tag_span end the run
        uint32_t tag_span
        uint64_t enter_limit    # containers of known length up to this are entered, longer ones skipped
        uint32_t max_depth
        uint8_t strict
        uint8_t look_up         # implicit VR: look up what the dictionary alone decides, sequences above all
        uint8_t skim            # of the items of a sequence that PAUSED may leave, keep no more than where they are
        uint32_t look_ahead     # a stream, whose end is not known: decisions see this many bytes from a header on
        uint32_t finding_limit  # findings kept; 0 means MAX_FINDINGS
        uint32_t pause_at       # entries from which on an undefined sequence at the top level is left; 0: never
        # output
        TapeEntry* entries
        uint32_t count
        uint32_t capacity
        Frame* frames
        uint32_t depth
        uint32_t frame_capacity
        Frame* few              # FEW_FRAMES of them, until nesting is deeper
        RawFinding* findings
        uint32_t finding_count
        uint32_t finding_capacity
        uint32_t findings_dropped

cdef enum Finding:          # what was tolerated; the words are in finding.pyx
    NO_FINDING = 0
    HEADER_CUT, VALUE_CUT, OVERRUN, ODD_LENGTH, UNDEFINED_NOT_ALLOWED, MISSING_DELIMITER, STRAY_DELIMITER
    DELIMITER_LENGTH, NOT_AN_ITEM, IMPLICIT_ELEMENT, UNKNOWN_VR, TAG_ORDER, DUPLICATE_TAG, TRAILING_BYTES
    LENGTH_WRAPPED, STRAY_ITEM, UNREADABLE

cdef enum Status:
    DONE = 0                # the root ended
    NEED_DATA = 1           # ``need`` bytes at ``pos`` are not in the window
    STOPPED = 2             # the element at ``pos`` is outside the wanted tags
    PAUSED = 3              # at ``pos``, at the top level: fragments, run again to walk them, or see ``pause_at``
    TOO_DEEP = 4
    OUT_OF_MEMORY = 5
    REFUSED = 6             # strict, and there is a finding

cdef enum:
    MAX_FINDINGS = 200      # kept for each block; further ones are counted
    DEFAULT_MAX_DEPTH = 1024

cdef int stepper_begin(Stepper* s, uint64_t offset, uint64_t end, uint8_t kind, uint8_t encoding) noexcept nogil
cdef int stepper_reserve(Stepper* s, uint32_t capacity) noexcept nogil
cdef TapeEntry* stepper_take(Stepper* s, uint32_t* capacity) noexcept nogil
cdef int stepper_reopen(Stepper* s, uint32_t left_in, uint64_t end, uint8_t encoding) noexcept nogil
cdef int stepper_set_end(Stepper* s, uint64_t end) noexcept nogil
cdef void stepper_free(Stepper* s) noexcept nogil
cdef int stepper_run(Stepper* s) noexcept nogil
cdef int stepper_note(Stepper* s, uint16_t kind, uint32_t entry, uint32_t tag, uint64_t offset, uint64_t expected,
                      uint64_t found) noexcept nogil
