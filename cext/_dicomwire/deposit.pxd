"""Deposits: instances of C-STORE from a window to files of their own, without the GIL."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from .cstore cimport StoreRequest
from .intake cimport Intake
from .pdu cimport PDUReader
from .writer cimport Writer

cdef enum:
    LONGEST_PATH = 4096         # bytes, as systems have it; longer ones are for somebody else
    MOST_FIRST = 640            # bytes in front of a data set: preamble and File Meta Information at its longest
    PREAMBLE = 132              # with the prefix

cdef enum Standing:             # besides Pause, see intake.pxd
    IS_UNUSUAL = 8              # nothing was taken, and nothing is open: somebody has to look at the request
    IS_STORED = 9               # the instance is complete, and its file has its name

cdef enum Naming:
    NAME_NEW = 0                # no other file may have the name
    NAME_REPLACES = 1           # a file that has it is replaced
    NAME_LATER = 2              # whoever asked gives the name

cdef struct Text:
    const char* at                  # of bytes that a Place or a Deposit keeps, and a NUL behind them
    Py_ssize_t length

cdef class Place:
    cdef tuple kept
    cdef Text sop_class, before, behind, start, ending
    cdef Py_ssize_t folder_length       # bytes of ``start`` up to the last slash
    cdef bint writes, checks, is_looked_for, explicit_vr, little_endian
    cdef int naming
    cdef uint64_t max_length

cdef class Deposit:
    cdef bytes kept
    cdef Text prefix                    # of temporary names
    cdef uint64_t count                 # of files so far
    cdef const uint8_t* command_at      # that the window keeps until it finds the next
    cdef Py_ssize_t command_length
    cdef StoreRequest request           # points into it
    cdef uint8_t context_id
    cdef int file                       # descriptor, -1 for none
    cdef bint is_written                # there is a file, under its temporary name
    cdef readonly uint64_t size         # bytes of the file so far
    cdef readonly bint has_replaced     # the instance that was stored took the place of a file
    cdef char[LONGEST_PATH] temporary
    cdef char[LONGEST_PATH] place
    cdef uint8_t[MOST_FIRST] first
    cdef size_t first_length
    cdef bint begin(self, Intake intake, Place place) noexcept nogil
    cdef bint open(self, Place place) noexcept nogil
    cdef int take(self, Intake intake, PDUReader reader, Place place, Writer writer, object digest, int socket,
                  int wake, int timeout_ms, int turn_ms) noexcept nogil
    cdef void drop(self) noexcept nogil
