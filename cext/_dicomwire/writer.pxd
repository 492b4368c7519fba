"""Writer: a thread that writes to files from memory that another thread receives into."""
from libc.stddef cimport size_t
from libc.stdint cimport uint64_t

cdef extern from "<pthread.h>" nogil:
    ctypedef struct pthread_mutex_t:
        pass
    ctypedef struct pthread_cond_t:
        pass

cdef extern from "<sys/uio.h>" nogil:
    struct iovec:
        void* iov_base
        size_t iov_len

cdef enum:
    PIECES = 256                # that wait to be written; whoever has more waits

cdef int put(int file, iovec* buffers, int count) noexcept nogil

cdef class Writer:
    cdef pthread_mutex_t mutex
    cdef pthread_cond_t more, less
    cdef bint has_locks
    cdef iovec[PIECES] pieces           # borrowed until they are written
    cdef int[PIECES] files              # descriptors
    cdef uint64_t given, done           # pieces so far; given - done of them wait
    cdef bint is_stopped
    cdef int failure                    # of the system, since begin(): nothing is written after it
    cdef uint64_t give(self, int file, const iovec* pieces, int count) noexcept nogil
    cdef int wait_for(self, uint64_t count) noexcept nogil
    cdef void begin(self) noexcept nogil
    cdef int next_pieces(self, iovec* out, int most, int* file, int* failure) noexcept nogil
    cdef void note_done(self, int count, int failure) noexcept nogil
    cdef void run(self) noexcept nogil
