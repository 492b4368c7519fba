"""Headings: the few values of a data set that say what it is about, read on the way to its pixels (PS3.5 section 7).

What was found is kept as cells in one growing piece of memory.  A heading is read from windows as they come; nothing of
the data set is kept but what a header or a wanted value still needs.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from .tape cimport Stepper

cdef enum:
    FEW_CELLS = 320             # bytes that need no memory of their own: the command set's values of most messages
    MOST_CELLS = 65536          # bytes for one transaction; what does not fit is left out, and said so
    MOST_CELL = 1024            # bytes of a value; longer ones are none of those that are looked for
    MOST_HEADING = 65536        # bytes kept while waiting for the rest of a header or a sequence
    FIRST_HEADING = 4096        # bytes that are waited for before the first look, unless the data set ends

cdef enum CellOrigin:
    OF_REQUEST = 0
    OF_RESPONSE = 1             # the last one
    OF_ANSWER = 2               # a response that is a match; begins with a cell of the tag 0
    NESTED = 4                  # a bit: in an item of a sequence that refers to scheduled steps
    COUNTED = 8                 # a bit: a sequence, and the value is its number of items, 32 bits of the machine

cdef struct Cell:               # header of a cell; its value follows
    uint32_t tag
    uint16_t length
    uint8_t origin
    uint8_t charset             # unused

cdef struct Cells:
    uint8_t* data               # NULL: they are in ``few``
    uint32_t length
    uint32_t room
    bint is_full                # something was left out
    uint8_t[320] few

cdef enum HeadingPhase:
    NO_HEADING = 0              # nothing is looked for
    READING = 1
    DEFLATED = 2                # compressed bytes are kept, for somebody else to inflate
    READ = 3                    # all that there is was seen
    BROKEN_HEADING = 4          # the bytes do not read as a data set, or a header is longer than MOST_HEADING

cdef struct Heading:
    uint64_t at                 # offset in the data set of the next byte that is needed
    uint64_t pixels_at          # offset of the value of the pixel data, 0 without
    uint64_t pixels_length      # its length; 0xFFFFFFFF for encapsulated pixel data
    uint32_t look_at            # bytes from ``at`` on that are to be there before the next look
    uint8_t phase               # HeadingPhase
    uint8_t encoding
    uint8_t origin              # CellOrigin
    bint is_guessed             # the encoding was not negotiated in the capture
    bint only_keys              # of a match: what it is joined by

cdef bint add_cell(Cells* cells, uint32_t tag, uint8_t origin, const uint8_t* p, uint64_t n) noexcept nogil
cdef const uint8_t* find_cell(const Cells* cells, uint32_t tag, uint8_t origin, uint16_t* length) noexcept nogil
cdef void free_cells(Cells* cells) noexcept nogil
cdef list cell_list(const Cells* cells)
cdef void read_heading(Heading* heading, Stepper* s, Cells* cells, const uint8_t* p, uint64_t n,
                       bint is_all) noexcept nogil


cdef inline const uint8_t* cells_of(const Cells* cells) noexcept nogil:
    if cells.data == NULL:
        return cells.few
    return cells.data
