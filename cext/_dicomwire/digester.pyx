"""Hashes of data sets that pass without the GIL: a thread beside the one that receives feeds them.

Whoever receives gives pieces of memory and goes on; before it uses a piece's memory again, it waits for the piece.  The
thread takes the GIL for each call of the hash, which leaves it for as long as it works.
"""
cimport cython
from cpython.buffer cimport PyBUF_READ
from cpython.memoryview cimport PyMemoryView_FromMemory

cdef extern from "<pthread.h>" nogil:
    int pthread_mutex_init(pthread_mutex_t*, const void*) noexcept
    int pthread_mutex_destroy(pthread_mutex_t*) noexcept
    int pthread_mutex_lock(pthread_mutex_t*) noexcept
    int pthread_mutex_unlock(pthread_mutex_t*) noexcept
    int pthread_cond_init(pthread_cond_t*, const void*) noexcept
    int pthread_cond_destroy(pthread_cond_t*) noexcept
    int pthread_cond_signal(pthread_cond_t*) noexcept
    int pthread_cond_wait(pthread_cond_t*, pthread_mutex_t*) noexcept

cdef enum:
    MOST_AT_ONCE = 16           # pieces that the thread takes at once; their memory is free again when all are digested


@cython.final
cdef class Digester:
    """What a thread that receives and one that digests have in common; the latter runs `work`."""

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
        """Digest what is given, until `stop`."""
        cdef HashedPiece[MOST_AT_ONCE] pieces
        cdef int count, k
        while True:
            with nogil:
                count = self.next_pieces(pieces, MOST_AT_ONCE)
            if count == 0:
                return
            if self.failure is None:
                try:
                    for k in range(count):
                        self.digest.update(
                            PyMemoryView_FromMemory(<char*>pieces[k].data, pieces[k].length, PyBUF_READ)
                        )
                except BaseException as error:  # whoever waits for the digest is told
                    self.failure = error
            with nogil:
                self.note_done(count)

    def stop(self):
        """End the thread, when what was given is digested."""
        with nogil:
            pthread_mutex_lock(&self.mutex)
            self.is_stopped = True
            pthread_cond_signal(&self.more)
            pthread_mutex_unlock(&self.mutex)

    cdef int begin(self, object digest) except -1:
        """Say which hash the next pieces are for; all before are digested."""
        self.digest = digest
        self.failure = None
        return 0

    cdef int end(self) except -1:
        """Raise what the hash has raised."""
        failure, self.failure = self.failure, None
        self.digest = None
        if failure is not None:
            raise failure
        return 0

    @cython.nonecheck(False)        # self is there, and looking needs the GIL
    cdef uint64_t give(self, const uint8_t* data, size_t length) noexcept nogil:
        """Have bytes digested; how many pieces were given with them.  They must stay until `wait_for` returns."""
        cdef uint64_t given
        pthread_mutex_lock(&self.mutex)
        while self.given - self.done == PIECES:
            pthread_cond_wait(&self.less, &self.mutex)
        self.pieces[self.given % PIECES].data = data
        self.pieces[self.given % PIECES].length = length
        self.given += 1
        given = self.given
        pthread_cond_signal(&self.more)
        pthread_mutex_unlock(&self.mutex)
        return given

    @cython.nonecheck(False)        # self is there, and looking needs the GIL
    cdef void wait_for(self, uint64_t count) noexcept nogil:
        """Return when so many pieces are digested."""
        pthread_mutex_lock(&self.mutex)
        while self.done < count:
            pthread_cond_wait(&self.less, &self.mutex)
        pthread_mutex_unlock(&self.mutex)

    @cython.nonecheck(False)        # self is there, and looking needs the GIL
    cdef int next_pieces(self, HashedPiece* out, int most) noexcept nogil:
        """Wait for pieces; how many there are, 0 at the end."""
        cdef int count = 0
        pthread_mutex_lock(&self.mutex)
        while self.given == self.done and not self.is_stopped:
            pthread_cond_wait(&self.more, &self.mutex)
        while count < most and self.done + <uint64_t>count < self.given:
            out[count] = self.pieces[(self.done + <uint64_t>count) % PIECES]
            count += 1
        pthread_mutex_unlock(&self.mutex)
        return count

    @cython.nonecheck(False)        # self is there, and looking needs the GIL
    cdef void note_done(self, int count) noexcept nogil:
        pthread_mutex_lock(&self.mutex)
        self.done += <uint64_t>count
        pthread_cond_signal(&self.less)
        pthread_mutex_unlock(&self.mutex)
