"""Files of data sets that pass without the GIL: a thread beside the one that receives writes them.

That is for data sets which are digested: the hash takes longer than all else, and whoever receives computes it, so that
it begins with the first bytes and ends with the last.  It gives pieces of memory to be written and goes on; before it
uses a piece's memory again, it waits for the piece.
"""
cimport cython
from libc.errno cimport EINTR, errno
from libc.stdint cimport uint8_t

cdef extern from "<pthread.h>" nogil:
    int pthread_mutex_init(pthread_mutex_t*, const void*) noexcept
    int pthread_mutex_destroy(pthread_mutex_t*) noexcept
    int pthread_mutex_lock(pthread_mutex_t*) noexcept
    int pthread_mutex_unlock(pthread_mutex_t*) noexcept
    int pthread_cond_init(pthread_cond_t*, const void*) noexcept
    int pthread_cond_destroy(pthread_cond_t*) noexcept
    int pthread_cond_signal(pthread_cond_t*) noexcept
    int pthread_cond_wait(pthread_cond_t*, pthread_mutex_t*) noexcept

cdef extern from "<sys/uio.h>" nogil:
    ssize_t writev(int, const iovec*, int) noexcept

cdef enum:
    MOST_AT_ONCE = 64           # pieces of one call of the system


cdef int put(int file, iovec* buffers, int count) noexcept nogil:
    """Write buffers in a row, all of them; 0, or the error of the system.  The list is changed."""
    cdef ssize_t written
    while count:
        written = writev(file, buffers, count)
        if written < 0:
            if errno == EINTR:
                continue
            return errno
        # A disk that is nearly full, or a signal: go on behind what was written, and learn the reason.
        while count and <size_t>written >= buffers[0].iov_len:
            written -= <ssize_t>buffers[0].iov_len
            buffers += 1
            count -= 1
        if count:
            buffers[0].iov_base = <uint8_t*>buffers[0].iov_base + written
            buffers[0].iov_len -= <size_t>written
    return 0


@cython.final
cdef class Writer:
    """What a thread that receives and one that writes have in common; the latter runs `work`."""

    def __cinit__(self):
        if pthread_mutex_init(&self.mutex, NULL) != 0:
            raise MemoryError
        if pthread_cond_init(&self.more, NULL) != 0:
            pthread_mutex_destroy(&self.mutex)
            raise MemoryError
        if pthread_cond_init(&self.less, NULL) != 0:
            pthread_cond_destroy(&self.more)
            pthread_mutex_destroy(&self.mutex)
            raise MemoryError
        self.has_locks = True

    def __dealloc__(self):
        if self.has_locks:
            pthread_cond_destroy(&self.less)
            pthread_cond_destroy(&self.more)
            pthread_mutex_destroy(&self.mutex)

    def work(self):
        """Write what is given, until `stop`."""
        with nogil:
            self.run()

    def stop(self):
        """End the thread, when what was given is written."""
        with nogil:
            pthread_mutex_lock(&self.mutex)
            self.is_stopped = True
            pthread_cond_signal(&self.more)
            pthread_mutex_unlock(&self.mutex)

    @cython.nonecheck(False)        # self is there, and looking needs the GIL
    cdef void begin(self) noexcept nogil:
        """Forget the failure of the file before; all that was given is done."""
        pthread_mutex_lock(&self.mutex)
        self.failure = 0
        pthread_mutex_unlock(&self.mutex)

    @cython.nonecheck(False)        # self is there, and looking needs the GIL
    cdef uint64_t give(self, int file, const iovec* pieces, int count) noexcept nogil:
        """Have bytes written; how many pieces were given with them.  They must stay until `wait_for` returns."""
        cdef uint64_t given
        cdef int k
        pthread_mutex_lock(&self.mutex)
        for k in range(count):
            while self.given - self.done == PIECES:
                pthread_cond_signal(&self.more)
                pthread_cond_wait(&self.less, &self.mutex)
            self.pieces[self.given % PIECES] = pieces[k]
            self.files[self.given % PIECES] = file
            self.given += 1
        given = self.given
        pthread_cond_signal(&self.more)
        pthread_mutex_unlock(&self.mutex)
        return given

    @cython.nonecheck(False)        # self is there, and looking needs the GIL
    cdef int wait_for(self, uint64_t count) noexcept nogil:
        """Return when so many pieces are written: 0, or the error of the system that kept some of them from it."""
        cdef int failure
        pthread_mutex_lock(&self.mutex)
        while self.done < count:
            pthread_cond_wait(&self.less, &self.mutex)
        failure = self.failure
        pthread_mutex_unlock(&self.mutex)
        return failure

    @cython.nonecheck(False)        # self is there, and looking needs the GIL
    cdef int next_pieces(self, iovec* out, int most, int* file, int* failure) noexcept nogil:
        """Wait for pieces of one file; how many there are, 0 at the end."""
        cdef int count = 0
        cdef uint64_t at
        pthread_mutex_lock(&self.mutex)
        while self.given == self.done and not self.is_stopped:
            pthread_cond_wait(&self.more, &self.mutex)
        while count < most and self.done + <uint64_t>count < self.given:
            at = (self.done + <uint64_t>count) % PIECES
            if count and self.files[at] != file[0]:
                break
            file[0] = self.files[at]
            out[count] = self.pieces[at]
            count += 1
        failure[0] = self.failure
        pthread_mutex_unlock(&self.mutex)
        return count

    @cython.nonecheck(False)        # self is there, and looking needs the GIL
    cdef void note_done(self, int count, int failure) noexcept nogil:
        pthread_mutex_lock(&self.mutex)
        self.done += <uint64_t>count
        self.failure = failure
        pthread_cond_signal(&self.less)
        pthread_mutex_unlock(&self.mutex)

    @cython.nonecheck(False)        # self is there, and looking needs the GIL
    cdef void run(self) noexcept nogil:
        cdef iovec[MOST_AT_ONCE] pieces
        cdef int file = -1, count, failure
        while True:
            count = self.next_pieces(pieces, MOST_AT_ONCE, &file, &failure)
            if count == 0:
                return
            if not failure:
                failure = put(file, pieces, count)
            self.note_done(count, failure)
