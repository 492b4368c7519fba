"""A block: one tape with its source, encoding, cached values and what it inherits from the blocks around it.

A data set opens as one block.  A sequence or item of known length that the pass skipped becomes a block of its own
when it
is first asked for; the parent caches it.  Ownership runs one way only: block -> source and block -> blocks inside it.
A block never holds a view or a block around it, so that reference counting alone frees everything.
"""
from cpython.ref cimport PyObject
from libc.stdint cimport int8_t, uint8_t, uint16_t, uint32_t, uint64_t

from .edits cimport Edits
from .source cimport Source, Window
from .tape cimport Stepper, TapeEntry


cdef class PathNode:
    """Where a block hangs: an element, or an item by number, inside another node; rendered only for messages."""
    cdef PathNode up
    cdef bint is_item
    cdef uint32_t tag           # of an element
    cdef uint32_t ordinal       # of an item


cdef enum:
    ROOT_ENTER_LIMIT = 4096     # bytes; known-length containers up to this are entered while a root is opened
    PIXEL_TAGS = 0x7FE00008     # Float Pixel Data, the first of the three
    ALL = 0xFFFFFFFF            # for ``go_on``: more entries than there can be


cdef enum CharsetKind:
    CHARSET_UNKNOWN = -1
    CHARSET_DEFAULT = 0         # ISO-IR 6, nothing declared
    CHARSET_UTF8 = 1
    CHARSET_LATIN1 = 2
    CHARSET_OTHER = 3           # a CharacterSet object decides


cdef class Block:
    cdef Source source
    cdef Window own             # borrowed from ``held``: bytes that no window of the source holds
    cdef bytes held             # ... shared with the blocks inside; of an own block memory of its own, that grows
    cdef bint is_own            # holds what was set and not what was read, see overlay.pxd
    cdef uint8_t policy         # Policy for values that are set, of an own block ...
    cdef list findings          # ... and their Deviations, or None
    cdef bint sparse            # elements that were read are not on the tape, since others were wanted
    cdef Edits edits            # what was changed, or None
    cdef dict orders            # sort keys of the elements of items out of order, by item
    cdef TapeEntry* entries
    cdef uint32_t count
    cdef uint32_t capacity
    cdef PyObject** cache       # one slot an entry: a decoded value, or the Block of a container not entered
    cdef uint32_t cache_size
    cdef PyObject** texts       # of a large block: short texts by their bytes, see repeated_text; or NULL
    cdef uint8_t encoding       # Encoding bits of the root
    cdef uint8_t kind           # ContainerKind of the root
    cdef bint complete          # False: the root goes on at resume_pos
    cdef uint64_t resume_pos
    cdef uint64_t end
    cdef uint32_t left_in       # fragments, or a long sequence, to walk first, or 0
    cdef uint32_t stop_tag      # tags from here on were not asked for, or 0
    cdef uint32_t depth         # of the root below the data set's root
    cdef int8_t charset_kind    # of the root
    cdef object charset         # CharacterSet of the root when charset_kind is CHARSET_OTHER
    cdef dict privates          # VRs of a private block's elements by item, group and block number
    cdef uint64_t private_key   # the last key there ...
    cdef dict private_vrs       # ... and what it has
    cdef dict charsets          # CharacterSet by index of the element that declares it
    cdef int8_t charset_nested  # -1 not looked for, 0 no item declares its own, 1 some do
    cdef int8_t outer_pixel_representation  # around this block: 0, 1, or -1 not known
    cdef PathNode path
    cdef uint32_t counted_item  # item number memo: this item ...
    cdef uint32_t counted       # ... is the n-th of its sequence
    cdef uint32_t* bases        # of a stretch of a stream: items that these sequences had before it, by entry
    cdef uint32_t base_count

    cdef const uint8_t* pointer(self, TapeEntry* entry) noexcept nogil
    cdef uint32_t _index_of(self, TapeEntry* entry) noexcept nogil
    cdef void _clip(self, TapeEntry* entry, uint64_t end) noexcept nogil
    cdef const uint8_t* reach(self, TapeEntry* entry) except? NULL
    cdef object fetch(self, TapeEntry* entry)
    cdef int put(self, uint32_t index, object value) except -1
    cdef uint32_t find(self, uint32_t item, uint32_t tag) except? 0
    cdef bytes order_of(self, uint32_t item)
    cdef uint32_t _find_in_large(self, uint32_t item, uint32_t tag) except? 0
    cdef bint is_waiting(self) noexcept
    cdef int go_on(self, uint32_t more, bint skim) except -1
    cdef int resume(self) except -1
    cdef int _reopen(self, Stepper* s) except -1
    cdef int _leave(self, Stepper* s, int status) noexcept
    cdef int _walk_sequence(self, Stepper* s, uint8_t* scratch) except -1
    cdef int _walk_on(self, Stepper* s, Window* scratch) except -1
    cdef uint16_t vr_of(self, uint32_t index) except? 0
    cdef bint is_big_endian(self, uint32_t index) noexcept
    cdef bint is_implicit(self, uint32_t index) noexcept
    cdef int charset_of(self, uint32_t index, PyObject** charset) except -2
    cdef int inherit(self, object terms) except -1
    cdef Block inner(self, uint32_t index, bint whole=*)
    cdef uint32_t ordinal_of(self, uint32_t item) noexcept
    cdef str path_of(self, uint32_t index)
    cdef uint32_t _last_child(self) noexcept
    cdef uint16_t _resolve_vr(self, uint32_t index) except? 0
    cdef uint16_t _private_vr(self, uint32_t index) except? 0
    cdef uint16_t _ambiguous_vr(self, uint32_t index, uint16_t choice) except? 0
    cdef int _pixel_representation(self, uint32_t index) except -2
    cdef int _declared_charset(self, uint32_t index, PyObject** charset) except -2
    cdef PathNode _node(self, uint32_t index)
    cdef int report(self, str kind, uint32_t index, str message, str section) except -1


cdef Block block_of_tape(Source source, Stepper* s)
cdef int collect_findings(Block block, Stepper* s) except -1
cdef int raise_status(int status, Block block, Stepper* s) except -1
cdef object hook(str name)
cdef str element_word(uint32_t tag)
cdef int add_finding(Source source, object deviation) except -1
