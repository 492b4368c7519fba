"""Digester: a thread that feeds a hash from memory that another thread receives into."""
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint64_t

cdef extern from "<pthread.h>" nogil:
    ctypedef struct pthread_mutex_t:
        pass
    ctypedef struct pthread_cond_t:
        pass

cdef enum:
    PIECES = 256                # that wait to be digested; whoever has more waits

cdef struct HashedPiece:
    const uint8_t* data         # borrowed until it is digested
    size_t length

cdef class Digester:
    cdef pthread_mutex_t mutex
    cdef pthread_cond_t more, less
    cdef bint has_locks
    cdef HashedPiece[PIECES] pieces
    cdef uint64_t given, done           # pieces so far; given - done of them wait
    cdef bint is_stopped
    cdef object digest                  # what `hashlib` gives
    cdef object failure                 # what it has raised
    cdef uint64_t give(self, const uint8_t* data, size_t length) noexcept nogil
    cdef void wait_for(self, uint64_t count) noexcept nogil
    cdef int next_pieces(self, HashedPiece* out, int most) noexcept nogil
    cdef void note_done(self, int count) noexcept nogil
    cdef int begin(self, object digest) except -1
    cdef int end(self) except -1
