"""Intake: a thread's window on sockets, and data sets that go from it to files without the GIL (PS3.8 9.3.5)."""
from libc.stdint cimport uint8_t, uint64_t

from .pdu cimport PDUStream
from .writer cimport Writer, iovec

cdef enum:
    BUFFERS_AT_ONCE = 64        # of one writev; a window of 256 KiB holds 17 PDUs of 16 KiB
    MOST_COMMAND = 1024         # bytes of a command that is kept
    PANES = 4                   # of a window whose bytes are written elsewhere: one is received into, others wait

cdef enum Pause:
    IS_ENDED = 0                   # the data set is complete
    IS_OTHER = 1                   # what follows in the window does not belong to the data set, or goes over the limit
    IS_CLOSED = 2                  # the peer has closed, or the connection is lost
    IS_SILENT = 3                  # nothing came for as long as was allowed
    IS_WOKEN = 4                   # somebody wrote to the wake-up pipe
    IS_TURN_OVER = 5               # the time is over; there is more
    IS_REQUEST = 7             # a whole command is there, and the beginning of its data set
    IS_NOT_WRITTEN = 6             # the file does not take it, ``failure`` says why

cdef class Intake:
    cdef readonly memoryview view       # the window's memory
    cdef uint8_t* memory                # the same
    cdef Py_ssize_t size                    # of a pane: what is received at once
    cdef int panes                          # 1, or PANES
    cdef readonly Py_ssize_t start, end     # bytes of the window that nobody has looked at yet
    cdef readonly Py_ssize_t data_start, data_end   # of these, the first of a data set
    cdef readonly int context_id        # of the command that is kept
    cdef uint8_t[MOST_COMMAND] kept
    cdef Py_ssize_t kept_length
    cdef readonly uint64_t passed       # bytes of the data set that the last call of pass_on() took
    cdef readonly bint ended            # whether it is complete with them
    cdef object error                   # what a hash has raised
    cdef readonly int failure      # why the file took no more: an error number of the system
    cdef void look_again(self, PDUStream* stream) noexcept nogil
    cdef int find_request(self, PDUStream* stream, int socket, int wake, int timeout_ms) noexcept nogil
    cdef int widen(self) except -1
    cdef int run(self, PDUStream* stream, int socket, int wake, int context_id, int file, const uint8_t* first,
                 size_t first_length, uint64_t limit, Writer writer, object digest, int timeout_ms,
                 int turn_ms) noexcept nogil
    cdef int pass_windows(self, PDUStream* stream, int socket, int wake, int context_id, int file,
                          const uint8_t* first, size_t first_length, uint64_t limit, Writer writer, object digest,
                          int timeout_ms, int turn_ms) noexcept nogil
    cdef int put_out(self, int file, iovec* buffers, int count, Writer writer, object digest,
                     uint64_t* given) noexcept nogil
    cdef int raise_error(self) except -1
