"""Data sets from a socket to a file, by a thread that does without the GIL (PS3.8 section 9.3.5).

An Intake is the memory that one thread receives into.  `receive` fills it for a PDUReader, which makes objects of what
is there; `pass_on` goes on from the same reader's stream where a data set is to be written as it comes: it receives,
walks over the headers of PDUs and PDVs and writes what is between them, without an object or a copy.  What does not
belong to the data set is left in the window for the reader, which therefore never knows the difference.
"""
cimport cython
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.buffer cimport PyBUF_READ
from cpython.memoryview cimport PyMemoryView_FromMemory, PyMemoryView_GET_BUFFER

from .pdu cimport (
    NO_PIECE,
    PDV_PIECE,
    PIECE_COMMAND,
    PIECE_ENDS,
    PIECE_LAST,
    PDUReader,
    PDUStream,
    Piece,
    next_piece,
    show_window,
)
from .writer cimport Writer, iovec, put

cdef extern from "bswap.h" nogil:
    uint32_t dw_load32le(const void*) noexcept

cdef extern from "<sys/socket.h>" nogil:
    ssize_t recv(int, void*, size_t, int) noexcept

cdef extern from "<poll.h>" nogil:
    struct pollfd:
        int fd
        short events
        short revents
    int poll(pollfd*, unsigned long, int) noexcept
    enum: POLLIN

ENDED = IS_ENDED
OTHER = IS_OTHER
CLOSED = IS_CLOSED
SILENT = IS_SILENT
WOKEN = IS_WOKEN
TURN_OVER = IS_TURN_OVER
NOT_WRITTEN = IS_NOT_WRITTEN
REQUEST = IS_REQUEST

cdef str NOT_NOW = "the reader is being fed, or between two pieces of a control PDU"


cdef const uint8_t* AFFECTED_SOP_CLASS = b"\0\0\2\0"
cdef const uint8_t* IS_STORE = b"\0\0\0\1\2\0\0\0\1\0"      # (0000,0100), Command Field: C-STORE-RQ


cdef bint is_store(const uint8_t* command, size_t length) noexcept nogil:
    """Whether a command set is a C-STORE-RQ, its elements in their usual order: the answer to others is not to wait for
    what comes behind them."""
    cdef size_t sop_class
    if length < 30 or memcmp(command + 12, AFFECTED_SOP_CLASS, 4) != 0:
        return False
    sop_class = dw_load32le(command + 16)
    return sop_class <= length - 30 and memcmp(command + 20 + sop_class, IS_STORE, 10) == 0


cdef int64_t now_ms() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return <int64_t>t.tv_sec * 1000 + t.tv_nsec // 1000000


cdef ssize_t take(int socket, int wake, int timeout_ms, uint8_t* memory, size_t size, int* why) noexcept nogil:
    """Receive what is there, or what comes first.  Bytes above 0, or 0 and in ``why`` CLOSED, SILENT or WOKEN.

    The socket does not block: with an event loop that watches others nothing else is possible, and what is there
    already, as under load nearly always, takes one call of the system.
    """
    cdef ssize_t got
    cdef pollfd[2] watched
    cdef int ready
    while True:
        got = recv(socket, memory, size, 0)
        if got > 0:
            return got
        if got == 0 or (errno != EINTR and errno != EAGAIN):
            why[0] = IS_CLOSED
            return 0
        if errno == EINTR:
            continue
        watched[0].fd = socket
        watched[1].fd = wake
        watched[0].events = watched[1].events = POLLIN
        watched[0].revents = watched[1].revents = 0
        ready = poll(watched, 2, timeout_ms)
        if ready == 0:
            why[0] = IS_SILENT
            return 0
        if ready > 0 and watched[1].revents:
            why[0] = IS_WOKEN
            return 0


@cython.final
cdef class Intake:
    """The window of one thread, of ``size`` bytes; `view` shows it.

    A window that stays in the processor's second cache is copied from there when its bytes are written: larger ones
    are not faster.
    """

    def __init__(self, Py_ssize_t size=1 << 17):
        if size < 1:
            raise ValueError(f"a window of {size} bytes")
        self.view = memoryview(bytearray(size))
        self.memory = <uint8_t*>PyMemoryView_GET_BUFFER(self.view).buf
        self.size = size
        self.panes = 1

    cdef int widen(self) except -1:
        """Make room for several panes, of which one is received into while others are digested."""
        cdef memoryview wider
        if self.panes == 1:
            wider = memoryview(bytearray(2 * self.size * PANES))
            memcpy(PyMemoryView_GET_BUFFER(wider).buf, self.memory, self.size)
            self.view = wider
            self.memory = <uint8_t*>PyMemoryView_GET_BUFFER(wider).buf
            self.panes = PANES
            self.size *= 2      # half as often to wake another thread
        return 0

    def receive(self, int socket, int wake, int timeout_ms):
        """Fill the window with what is there, or comes first: ENDED when `start` and `end` say what there is to read.

        Otherwise SILENT after so many milliseconds without anything, WOKEN when there is something to read from
        ``wake``, or CLOSED.
        """
        cdef ssize_t got
        cdef int why = IS_ENDED
        with nogil:
            got = take(socket, wake, timeout_ms, self.memory, self.size, &why)
        self.start = 0
        self.end = got
        return why

    def rest(self):
        """A view of what nobody has looked at yet, for the reader, who looks at it now."""
        rest = self.view[self.start:self.end]
        self.start = self.end = 0
        return rest

    @property
    def command(self):
        """The command set that next_request() has taken from the stream, None if it has taken none."""
        return self.kept[:self.kept_length] if self.kept_length else None

    def next_request(self, PDUReader reader not None, int socket, int wake, int timeout_ms):
        """Take the next command set, where it is a C-STORE-RQ in one fragment, and find the beginning of its data set.

        REQUEST when both are there: `command` is the one, in presentation context `context_id`, and the window shows
        from `data_start` to `data_end` what is there of the data set's first fragment, which is not taken.  Otherwise
        OTHER, CLOSED, SILENT or WOKEN as of `pass_on`; the reader may have lost a command all the same, see `command`.
        """
        cdef int why
        if reader.is_fed or reader.unfinished_control is not None:
            raise RuntimeError(NOT_NOW)
        with nogil:
            why = self.find_request(&reader.stream, socket, wake, timeout_ms)
        return why

    @cython.nonecheck(False)        # self is there, and looking needs the GIL
    cdef void look_again(self, PDUStream* stream) noexcept nogil:
        """What nobody has looked at counts as not received: the reader is shown it again."""
        self.start = stream.next - self.memory
        self.end = stream.stop - self.memory
        stream.stop_offset -= <uint64_t>(stream.stop - stream.next)
        stream.stop = stream.next

    @cython.nonecheck(False)        # self is there, and looking needs the GIL
    cdef int find_request(self, PDUStream* stream, int socket, int wake, int timeout_ms) noexcept nogil:
        cdef PDUStream before
        cdef Piece piece
        cdef ssize_t got
        cdef int kind, why
        self.kept_length = 0
        while True:
            if self.start == self.end:
                got = take(socket, wake, timeout_ms, self.memory, self.size, &why)
                self.start = 0
                self.end = got
                if got <= 0:
                    return why
            show_window(stream, self.memory + self.start, self.end - self.start)
            while True:
                before = stream[0]
                kind = next_piece(stream, &piece)
                if kind == NO_PIECE:
                    self.start = self.end = 0
                    break
                if kind == PDV_PIECE:
                    if not self.kept_length:
                        if (piece.flags == PIECE_COMMAND | PIECE_LAST | PIECE_ENDS
                                and piece.length <= MOST_COMMAND and is_store(piece.data, piece.length)):
                            memcpy(self.kept, piece.data, piece.length)
                            self.kept_length = piece.length
                            self.context_id = piece.context_id
                            continue
                    elif piece.length and not piece.flags & PIECE_COMMAND and piece.context_id == self.context_id:
                        self.data_start = piece.data - self.memory
                        self.data_end = self.data_start + <Py_ssize_t>piece.length
                        stream[0] = before
                        self.look_again(stream)
                        return IS_REQUEST
                stream[0] = before
                self.look_again(stream)
                return IS_OTHER

    def pass_on(self, PDUReader reader not None, int socket, int wake, int context_id, int file, bytes first,
                uint64_t limit, int timeout_ms, int turn_ms, Writer writer=None, digest=None):
        """Receive the rest of a data set, and write it to the file of the descriptor ``file``, or nowhere if it is -1.

        ``first`` is written before it, None for nothing.
        ``reader`` has read all that was received so far, but for what `start` and `end` show; the next bytes of the
        data set, which are in presentation context ``context_id``, are these and those that come.  What `passed`
        counts is written when this returns.  The result says why it does:

        ENDED         the data set is complete
        OTHER         the peer sends something else, or more than ``limit`` bytes; the reader is to judge it
        CLOSED, SILENT, WOKEN   as of `receive`
        TURN_OVER     ``turn_ms`` milliseconds are over
        NOT_WRITTEN   the file took only a part of it, `failure` says why.  What was received counts as passed, and
                      `ended` says whether the data set is complete with it

        `start` and `end` say what of the window is for the reader to read next.  Other threads run meanwhile.

        ``digest`` is fed all that is written, or would be; what it raises is raised here.  ``writer``, whose thread
        works, does the writing beside that.
        """
        cdef int result
        cdef const uint8_t* before = NULL
        cdef size_t length = 0
        if reader.is_fed or reader.unfinished_control is not None:
            raise RuntimeError(NOT_NOW)
        if first is not None:
            before = <const uint8_t*>PyBytes_AS_STRING(first)
            length = PyBytes_GET_SIZE(first)
        if writer is not None:
            self.widen()
        with nogil:
            result = self.run(&reader.stream, socket, wake, context_id, file, before, length, limit, writer, digest,
                              timeout_ms, turn_ms)
        self.raise_error()
        return result

    cdef int raise_error(self) except -1:
        """Raise what a hash has raised."""
        error, self.error = self.error, None
        if error is not None:
            raise error
        return 0

    @cython.nonecheck(False)        # self is there, and looking needs the GIL
    cdef int run(self, PDUStream* stream, int socket, int wake, int context_id, int file, const uint8_t* first,
                 size_t first_length, uint64_t limit, Writer writer, object digest, int timeout_ms,
                 int turn_ms) noexcept nogil:
        cdef int why, failure
        if writer is not None:
            writer.begin()
        why = self.pass_windows(stream, socket, wake, context_id, file, first, first_length, limit, writer, digest,
                                timeout_ms, turn_ms)
        if writer is not None:
            failure = writer.wait_for(writer.given)     # nobody else gives it anything
            if failure:
                self.failure = failure
                return IS_NOT_WRITTEN
        return why

    @cython.nonecheck(False)        # self is there, and looking needs the GIL
    cdef int put_out(self, int file, iovec* buffers, int count, Writer writer, object digest,
                     uint64_t* given) noexcept nogil:
        """Have buffers written, where there is a file, and digested, where there is a digest; 0, or the error."""
        cdef int k, failure = 0
        if file >= 0 and writer is not None:
            given[0] = writer.give(file, buffers, count)
        if digest is not None:
            with gil:
                try:
                    for k in range(count):
                        piece = PyMemoryView_FromMemory(<char*>buffers[k].iov_base, buffers[k].iov_len, PyBUF_READ)
                        digest.update(piece)
                except BaseException as error:      # whoever called this without the GIL raises it
                    self.error = error
        if file >= 0 and writer is None:
            failure = put(file, buffers, count)     # last, for it changes the list
        return failure

    @cython.nonecheck(False)        # self is there, and looking needs the GIL
    cdef int pass_windows(self, PDUStream* stream, int socket, int wake, int context_id, int file,
                          const uint8_t* first, size_t first_length, uint64_t limit, Writer writer, object digest,
                          int timeout_ms, int turn_ms) noexcept nogil:
        cdef iovec[BUFFERS_AT_ONCE] buffers
        cdef uint64_t[PANES] given = [0, 0, 0, 0]   # to the writer, up to the last piece of each pane
        cdef PDUStream before
        cdef Piece piece
        cdef int count = 0, kind, why = IS_ENDED, failure = 0
        cdef bint is_wanted = digest is not None or file >= 0
        cdef Py_ssize_t pane = self.start // self.size
        cdef ssize_t got
        cdef int64_t until = now_ms() + turn_ms
        self.passed = 0
        self.ended = False
        if is_wanted and first_length:
            buffers[0].iov_base = <void*>first
            buffers[0].iov_len = first_length
            count = 1
        while True:
            if self.start == self.end:
                pane = (pane + 1) % PANES if writer is not None else 0
                if writer is not None:
                    writer.wait_for(given[pane])
                self.start = self.end = pane * self.size
                got = take(socket, wake, timeout_ms, self.memory + self.start, self.size, &why)
                self.end += got
                if got <= 0:
                    if count:
                        failure = self.put_out(file, buffers, count, writer, digest, &given[pane])
                        if failure:
                            self.failure = failure
                            return IS_NOT_WRITTEN
                    return why
            show_window(stream, self.memory + self.start, self.end - self.start)
            while True:
                before = stream[0]
                kind = next_piece(stream, &piece)
                if kind == NO_PIECE:
                    break
                if (kind != PDV_PIECE or piece.flags & PIECE_COMMAND or piece.context_id != context_id
                        or piece.length > limit - self.passed):
                    stream[0] = before
                    why = IS_OTHER
                    break
                self.passed += piece.length
                self.ended = (piece.flags & PIECE_LAST) != 0
                if is_wanted and piece.length:
                    buffers[count].iov_base = <void*>piece.data
                    buffers[count].iov_len = piece.length
                    count += 1
                    if count == BUFFERS_AT_ONCE:
                        failure = self.put_out(file, buffers, count, writer, digest, &given[pane])
                        count = 0
                        if failure:
                            break
                if self.ended:
                    break
            if count and not failure:
                failure = self.put_out(file, buffers, count, writer, digest, &given[pane])
                count = 0
            self.look_again(stream)
            if failure:
                self.failure = failure
                return IS_NOT_WRITTEN
            if kind != NO_PIECE:
                return why      # ENDED, or OTHER
            if turn_ms >= 0 and now_ms() >= until:
                return IS_TURN_OVER
