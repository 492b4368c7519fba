"""Messages with data sets from files, sent by a thread that does without the GIL (PS3.8 section 9.3.5).

A longer file is mapped, a window at a time, and goes with the headers of its PDUs in one gathering call of the system,
which lets the peer read while it copies: several calls are slower by half, and so is sending from the page cache
without a copy, whose many small segments cost the peer more than the copy costs us.  Nobody here looks at what is
mapped, so that a file which is truncated meanwhile is an error of the call and no signal.
"""
from libc.errno cimport EAGAIN, EFAULT, EINTR, errno
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from .pdu cimport LAST_FRAGMENT
from .pdv cimport HEADERS, fragment_length_for, put_headers

cdef extern from *:
    """
    #include <sys/types.h>
    #include <sys/socket.h>
    #include <sys/mman.h>
    #ifndef MSG_NOSIGNAL
    #define MSG_NOSIGNAL 0
    #endif
    #ifndef MAP_POPULATE        /* Linux: all pages at once instead of one fault for each few */
    #define MAP_POPULATE 0
    #endif
    """
    enum: MSG_NOSIGNAL, MAP_POPULATE

cdef extern from "<sys/uio.h>" nogil:
    struct iovec:
        void* iov_base
        size_t iov_len

cdef extern from "<sys/socket.h>" nogil:
    struct msghdr:
        iovec* msg_iov
        size_t msg_iovlen
    ssize_t sendmsg(int, const msghdr*, int) noexcept

cdef extern from "<sys/mman.h>" nogil:
    void* mmap(void*, size_t, int, int, int, int64_t) noexcept
    int munmap(void*, size_t) noexcept
    void* MAP_FAILED
    enum: PROT_READ, MAP_SHARED

cdef extern from "<sys/stat.h>" nogil:
    struct file_status "stat":
        int64_t st_size
    int fstat(int, file_status*) noexcept

cdef extern from "<unistd.h>" nogil:
    ssize_t pread(int, void*, size_t, int64_t) noexcept

cdef extern from "<poll.h>" nogil:
    struct pollfd:
        int fd
        short events
        short revents
    int poll(pollfd*, unsigned long, int) noexcept
    enum: POLLIN, POLLOUT

cdef enum:
    WINDOW = 8 << 20            # bytes of a file that are mapped at once
    PAGE = 1 << 16              # what a mapping begins at is a multiple of this, and so of any page size
    BUFFERS = 512               # of one call; systems take 1024
    MOST_PDUS = 256             # the same: each has a header and at least a piece of the file
    MOST_READ = 1 << 14         # bytes of a data set that are sooner read than mapped

cdef const uint8_t* ZERO = b"\0"

cdef enum Outcome:
    IS_SENT = 0
    IS_LOST = 1                 # the connection
    IS_STUCK = 2                # the peer took nothing for as long as was allowed
    IS_STOPPED = 3              # somebody wrote to the wake-up pipe
    IS_CHANGED = 4              # the file is shorter than it was
    IS_UNREADABLE = 5           # the error of the system comes with it

SENT = IS_SENT
LOST = IS_LOST
STUCK = IS_STUCK
STOPPED = IS_STOPPED
CHANGED = IS_CHANGED
UNREADABLE = IS_UNREADABLE


cdef struct Outlet:
    int socket
    int wake
    int timeout_ms
    int failure                 # error number of the system
    int count                   # of ``buffers``
    iovec[BUFFERS] buffers
    uint8_t[MOST_PDUS * HEADERS] headers
    uint8_t[MOST_READ] room


cdef int wait(Outlet* out) noexcept nogil:
    """Return SENT when the socket takes more."""
    cdef pollfd[2] watched
    cdef int ready
    while True:
        watched[0].fd = out.socket
        watched[0].events = POLLOUT
        watched[1].fd = out.wake
        watched[1].events = POLLIN
        watched[0].revents = watched[1].revents = 0
        ready = poll(watched, 2, out.timeout_ms)
        if ready < 0 and errno == EINTR:
            continue
        if ready <= 0:
            return IS_STUCK if ready == 0 else IS_LOST
        return IS_STOPPED if watched[1].revents else IS_SENT


cdef int flush(Outlet* out) noexcept nogil:
    """Send the buffers."""
    cdef msghdr message
    cdef iovec* next = out.buffers
    cdef int count = out.count, outcome
    cdef ssize_t sent
    out.count = 0
    memset(&message, 0, sizeof(message))
    while count:
        message.msg_iov = next
        message.msg_iovlen = count
        sent = sendmsg(out.socket, &message, MSG_NOSIGNAL)
        if sent < 0:
            if errno == EAGAIN:
                outcome = wait(out)
                if outcome != IS_SENT:
                    return outcome
            elif errno == EFAULT:
                return IS_CHANGED       # what was mapped is there no longer
            elif errno != EINTR:
                return IS_LOST
            continue
        while count and <size_t>sent >= next.iov_len:
            sent -= <ssize_t>next.iov_len
            next += 1
            count -= 1
        if count:
            next.iov_base = <uint8_t*>next.iov_base + sent
            next.iov_len -= <size_t>sent
    return IS_SENT


cdef inline void add(Outlet* out, const void* data, size_t length) noexcept nogil:
    out.buffers[out.count].iov_base = <void*>data
    out.buffers[out.count].iov_len = length
    out.count += 1


cdef int fragment(Outlet* out, const uint8_t* data, size_t length, uint64_t* left, uint32_t* pdu_left,
                  uint8_t context_id, uint32_t most, bint pads) noexcept nogil:
    """Send bytes of the data set in PDUs, of which the first may have begun and the last may go on.

    ``left`` counts what is not in a PDU yet, a byte of padding included, and ``pdu_left`` what is missing of the last.
    """
    cdef int outcome, headers = 0
    cdef uint8_t* header
    cdef uint32_t n
    cdef size_t k
    while True:
        if out.count > BUFFERS - 3 or headers == MOST_PDUS:
            outcome = flush(out)
            if outcome != IS_SENT:
                return outcome
            headers = 0
        if pdu_left[0] == 0:
            n = <uint32_t>min(left[0], <uint64_t>most)
            left[0] -= n
            pdu_left[0] = n
            header = out.headers + headers * HEADERS
            headers += 1
            put_headers(header, context_id, 0 if left[0] else LAST_FRAGMENT, n)
            add(out, header, HEADERS)
        k = min(length, <size_t>pdu_left[0])
        if k:
            add(out, data, k)
            data += k
            length -= k
            pdu_left[0] -= <uint32_t>k
        if length == 0:
            if pads and left[0] == 0 and pdu_left[0] == 1:
                add(out, ZERO, 1)
                pdu_left[0] = 0
            if left[0] == 1 and pads and pdu_left[0] == 0:
                continue                # the padding has a PDU of its own
            return flush(out)


cdef inline bint is_shorter(int file, int64_t length) noexcept nogil:
    """Whether a file has fewer bytes: a mapping shows zeros behind its end, as far as the last page goes."""
    cdef file_status status
    return fstat(file, &status) != 0 or status.st_size < length


cdef int send_all(Outlet* out, const uint8_t* command, size_t command_length, uint8_t context_id, uint32_t most,
                  int file, int64_t offset, uint64_t length) noexcept nogil:
    cdef bint pads = length & 1         # fragments have even lengths (PS3.8 Annex E.1)
    cdef uint64_t left = length + pads
    cdef uint32_t pdu_left = 0
    cdef int64_t base
    cdef size_t mapped, part, skipped
    cdef ssize_t got
    cdef size_t taken = 0
    cdef void* window
    cdef int outcome
    add(out, command, command_length)
    if length <= MOST_READ:
        while taken < length:
            got = pread(file, out.room + taken, length - taken, offset + <int64_t>taken)
            if got > 0:
                taken += <size_t>got
            elif got == 0:
                return IS_CHANGED
            elif errno != EINTR:
                out.failure = errno
                return IS_UNREADABLE
        return fragment(out, out.room, length, &left, &pdu_left, context_id, most, pads)
    while length:
        base = offset & ~<int64_t>(PAGE - 1)
        skipped = offset - base
        part = min(length, <uint64_t>WINDOW)
        mapped = skipped + part
        window = mmap(NULL, mapped, PROT_READ, MAP_SHARED | MAP_POPULATE, file, base)
        if window == MAP_FAILED:
            out.failure = errno
            return IS_UNREADABLE
        length -= part
        offset += <int64_t>part
        outcome = IS_CHANGED
        if not is_shorter(file, offset):
            outcome = fragment(out, <uint8_t*>window + skipped, part, &left, &pdu_left, context_id, most,
                               pads and length == 0)
            if outcome == IS_SENT and is_shorter(file, offset):
                outcome = IS_CHANGED
        munmap(window, mapped)
        if outcome != IS_SENT:
            return outcome
    return IS_SENT


def send_file(int socket, int wake, bytes command not None, uint8_t context_id, max_pdu_length, int file,
              int64_t offset, uint64_t length, int timeout_ms):
    """Send a message: ``command``, the PDUs of a command set, and as its data set ``length`` bytes of a file.

    What stands in the file's descriptor ``file`` from ``offset`` on goes in P-DATA-TF PDUs, no longer than the peer's
    ``max_pdu_length`` (0: any); a data set of an odd length ends in a zero (PS3.5 section A.5).  ``socket`` does not
    block; ``timeout_ms`` is how long the peer may take nothing.  The result is a pair: SENT, or what kept it from being
    sent, and then half a message is with the peer: LOST, STUCK, STOPPED by something to read from ``wake``, CHANGED
    sent, and then half a message is with the peer: LOST, STUCK, STOPPED by something to read from ``wake``, CHANGED
    when the file ends too early, which may have sent zeros in its place, UNREADABLE; and the error number of the
    system for the latter.
    system for the latter.

    Other threads run meanwhile.  The caller sees to it that SIGPIPE is not delivered.
    """
    cdef Outlet out
    cdef int outcome
    cdef uint32_t most = fragment_length_for(max_pdu_length)
    cdef const uint8_t* first = <const uint8_t*>PyBytes_AS_STRING(command)
    cdef size_t first_length = PyBytes_GET_SIZE(command)
    out.socket = socket
    out.wake = wake
    out.timeout_ms = timeout_ms
    out.failure = 0
    out.count = 0
    with nogil:
        outcome = send_all(&out, first, first_length, context_id, most, file, offset, length)
    return outcome, out.failure
