"""Messages with data sets from files, sent by a thread that does without the GIL (PS3.8 section 9.3.5).

On Linux the bytes of a longer file go from the page cache to the socket, and only the headers of the PDUs between them
come from here; elsewhere, and for short files, where one call does for all, they are read and sent.
"""
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from .pdu cimport LAST_FRAGMENT
from .pdv cimport HEADERS, fragment_length_for, put_headers

cdef extern from *:
    """
    #include <sys/types.h>
    #include <sys/socket.h>
    #if defined(__linux__)
    #include <sys/sendfile.h>
    #define DW_HAS_SENDFILE 1
    #define dw_sendfile(to, from, offset, count) sendfile(to, from, offset, count)
    #else
    #define DW_HAS_SENDFILE 0
    #define dw_sendfile(to, from, offset, count) (-1)
    #endif
    #ifndef MSG_MORE
    #define MSG_MORE 0
    #endif
    #ifndef MSG_NOSIGNAL
    #define MSG_NOSIGNAL 0
    #endif
    """
    bint DW_HAS_SENDFILE
    ssize_t dw_sendfile(int, int, int64_t*, size_t) noexcept nogil
    enum: MSG_MORE, MSG_NOSIGNAL

cdef extern from "<sys/socket.h>" nogil:
    ssize_t c_send "send"(int, const void*, size_t, int) noexcept

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
    ROOM = 1 << 16              # bytes that are read and sent at once, headers included
    MOST_READ = 1 << 15         # bytes of a data set that are sooner read than sent from the page cache

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
    size_t count                # bytes of ``room`` that wait to be sent
    uint8_t[ROOM] room


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


cdef int push(Outlet* out, const uint8_t* data, size_t length, bint more) noexcept nogil:
    """Send bytes; those of a segment that is not full wait for others if ``more`` come."""
    cdef ssize_t sent
    cdef int outcome
    while length:
        sent = c_send(out.socket, data, length, MSG_NOSIGNAL | (MSG_MORE if more else 0))
        if sent >= 0:
            data += sent
            length -= <size_t>sent
        elif errno == EAGAIN:
            outcome = wait(out)
            if outcome != IS_SENT:
                return outcome
        elif errno != EINTR:
            return IS_LOST
    return IS_SENT


cdef int flush(Outlet* out, bint more) noexcept nogil:
    cdef size_t count = out.count
    out.count = 0
    return push(out, out.room, count, more)


cdef int put_through(Outlet* out, int file, int64_t* offset, size_t length) noexcept nogil:
    """Send bytes of the file from the page cache."""
    cdef ssize_t sent
    cdef int outcome
    while length:
        sent = dw_sendfile(out.socket, file, offset, length)
        if sent > 0:
            length -= <size_t>sent
        elif sent == 0:
            return IS_CHANGED
        elif errno == EAGAIN:
            outcome = wait(out)
            if outcome != IS_SENT:
                return outcome
        elif errno != EINTR:
            out.failure = errno
            return IS_UNREADABLE
    return IS_SENT


cdef int read_in(Outlet* out, int file, int64_t* offset, size_t length) noexcept nogil:
    """Put bytes of the file with those that wait to be sent, and send what there is no room for."""
    cdef ssize_t got
    cdef int outcome
    while length:
        if out.count == ROOM:
            outcome = flush(out, True)
            if outcome != IS_SENT:
                return outcome
        got = pread(file, out.room + out.count, min(length, ROOM - out.count), offset[0])
        if got > 0:
            out.count += <size_t>got
            offset[0] += got
            length -= <size_t>got
        elif got == 0:
            return IS_CHANGED
        elif errno != EINTR:
            out.failure = errno
            return IS_UNREADABLE
    return IS_SENT


cdef int put_in(Outlet* out, const uint8_t* data, size_t length) noexcept nogil:
    """Put bytes with those that wait to be sent."""
    cdef int outcome
    if length > ROOM - out.count:
        outcome = flush(out, True)
        if outcome != IS_SENT:
            return outcome
        if length > ROOM:
            return push(out, data, length, True)
    memcpy(out.room + out.count, data, length)
    out.count += length
    return IS_SENT


cdef int send_all(Outlet* out, const uint8_t* command, size_t command_length, uint8_t context_id, uint32_t most,
                  int file, int64_t offset, uint64_t length) noexcept nogil:
    cdef uint64_t left = length + (length & 1)      # fragments have even lengths (PS3.8 Annex E.1)
    cdef uint32_t n
    cdef size_t of_file
    cdef uint8_t[HEADERS] header
    cdef bint through = DW_HAS_SENDFILE and length > MOST_READ
    cdef int outcome = put_in(out, command, command_length)
    while outcome == IS_SENT:
        n = <uint32_t>min(left, <uint64_t>most)
        left -= n
        put_headers(header, context_id, 0 if left else LAST_FRAGMENT, n)
        outcome = put_in(out, header, HEADERS)
        of_file = n
        if left == 0:
            of_file -= length & 1
        if outcome == IS_SENT and through:
            outcome = flush(out, True)
            if outcome == IS_SENT:
                outcome = put_through(out, file, &offset, of_file)
        elif outcome == IS_SENT:
            outcome = read_in(out, file, &offset, of_file)
        if outcome == IS_SENT and left == 0:
            if length & 1:
                header[0] = 0
                outcome = put_in(out, header, 1)
            if outcome == IS_SENT:
                outcome = flush(out, False)
            return outcome
    return outcome


def send_file(int socket, int wake, bytes command not None, uint8_t context_id, max_pdu_length, int file,
              int64_t offset, uint64_t length, int timeout_ms):
    """Send a message: ``command``, the PDUs of a command set, and as its data set ``length`` bytes of a file.

    What stands in the file's descriptor ``file`` from ``offset`` on goes in P-DATA-TF PDUs, no longer than the peer's
    ``max_pdu_length`` (0: any); a data set of an odd length ends in a zero (PS3.5 section A.5).  ``socket`` does not
    block; ``timeout_ms`` is how long the peer may take nothing.  The result is a pair: SENT, or what kept it from being
    sent, and then half a message is with the peer: LOST, STUCK, STOPPED by something to read from ``wake``, CHANGED when
    the file ends too early, UNREADABLE; and the error number of the system for the latter.

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
