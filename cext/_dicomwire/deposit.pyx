"""Instances of C-STORE from a window to files of their own, and their answers, without the GIL.

An Intake has received a request in its usual form and the beginning of its data set.  A Deposit does the rest: it looks
whether the data set is of the instance that the command names, opens a file under a temporary name, lets the Intake
write to it, gives it its name and encodes the answer.  A Place says what is the same for all instances of a
presentation context.  Whatever is not as usual is left to the caller, with the file as far as there is one: policy is
not here (PS3.4 Annex B, PS3.10 section 7.1).
"""
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.errno cimport EAGAIN, EEXIST, EINTR, EINVAL, ENOSYS, errno
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from .cstore cimport MOST_STORE_RESPONSE, read_store_request, write_store_response
from .identify cimport LeadingUIDs, find_leading_uids
from .intake cimport IS_ENDED, IS_NOT_WRITTEN
from .pdu cimport COMMAND, LAST_FRAGMENT, PDV_HEADER
from .pdv cimport HEADERS, put_headers
from .writer cimport Writer

cdef extern from "Python.h":
    str PyUnicode_DecodeFSDefault(const char*)

cdef extern from "bswap.h" nogil:
    void dw_store32le(void*, uint32_t) noexcept

cdef extern from "naming.h" nogil:
    int dw_open_new(const char* path, int mode) noexcept
    bint dw_is_missing(const char* path) noexcept
    int dw_rename_new(const char*, const char*) noexcept

cdef extern from *:
    """
    #include <sys/socket.h>
    #include <unistd.h>
    #ifndef MSG_NOSIGNAL
    #define MSG_NOSIGNAL 0
    #endif
    """
    enum: MSG_NOSIGNAL, MSG_DONTWAIT
    int close_file "close"(int) noexcept nogil
    int unlink(const char*) noexcept nogil
    ssize_t send(int, const void*, size_t, int) noexcept nogil

cdef extern from "<stdio.h>" nogil:
    int rename(const char*, const char*) noexcept

UNUSUAL = IS_UNUSUAL
STORED = IS_STORED
NEW = NAME_NEW
REPLACES = NAME_REPLACES
LATER = NAME_LATER

cdef enum:
    MODE = 0o600                # of files with patients' data
    INSTANCE_HEADER = 8         # bytes of the header of (0002,0003)
    DIGITS = 20                 # of the largest number of 64 bits
    MOST_ENDING = DIGITS + 5    # of a temporary name: number and ".part"

cdef uint64_t NO_LIMIT = <uint64_t>-1
cdef const uint8_t* GROUP_LENGTH = b"\2\0\0\0UL\4\0"
cdef const uint8_t* INSTANCE_UID = b"\2\0\3\0UI"


cdef inline char* put_text(char* to, const char* text, Py_ssize_t length) noexcept nogil:
    """Write a text and a NUL; where the NUL is."""
    memcpy(to, text, length)
    to[length] = 0
    return to + length


cdef inline char* put_number(char* to, uint64_t number) noexcept nogil:
    cdef char[DIGITS] digits
    cdef int at = DIGITS
    while True:
        at -= 1
        digits[at] = <char>(c"0" + number % 10)
        number //= 10
        if not number:
            return put_text(to, digits + at, DIGITS - at)


cdef Text text_of(bytes text):
    cdef Text borrowed
    borrowed.at = PyBytes_AS_STRING(text)
    borrowed.length = PyBytes_GET_SIZE(text)
    return borrowed


@cython.final
cdef class Place:
    """Where instances of one presentation context go, and what their files begin with.

    sop_class       the abstract syntax of the context; requests for others are unusual
    before, behind  elements of File Meta Information in front of and behind (0002,0003), the UID of the instance
    start, ending   of the path, around the UID of the instance; ``start`` is None where nothing is written
    naming          NEW, REPLACES, or LATER: the file keeps its temporary name, and the caller goes on
    is_looked_for   an instance is unusual, before its data set comes, when there is something of its name
    checks          a data set is unusual that does not begin with the UIDs of the command, encoded in ``explicit_vr``
                    and ``little_endian``
    max_length      most bytes of a file, 0 for any
    """

    def __init__(self, bytes sop_class not None, bytes before not None, bytes behind not None, bytes start,
                 bytes ending not None, *, int naming, bint is_looked_for, bint checks, bint explicit_vr,
                 bint little_endian, uint64_t max_length):
        cdef Py_ssize_t first = PREAMBLE + 12 + len(before) + INSTANCE_HEADER + 64 + len(behind)
        if first > MOST_FIRST:
            raise ValueError(f"{first} bytes in front of a data set, expected at most {MOST_FIRST}")
        self.writes = start is not None
        if start is None:
            start = b""
        if b"\0" in start or b"\0" in ending:
            raise ValueError("a path with a NUL")
        self.kept = (sop_class, before, behind, start, ending)
        self.sop_class = text_of(sop_class)
        self.before = text_of(before)
        self.behind = text_of(behind)
        self.start = text_of(start)
        self.ending = text_of(ending)
        self.folder_length = start.rfind(b"/") + 1
        self.naming = naming
        self.is_looked_for = is_looked_for
        self.checks = checks
        self.explicit_vr = explicit_vr
        self.little_endian = little_endian
        self.max_length = max_length


@cython.final
cdef class Deposit:
    """One instance after the other, of one thread.

    ``prefix`` begins the names of temporary files, which end in ".part"; no other Deposit of any process may have it.
    """

    def __cinit__(self):
        self.file = -1

    def __init__(self, bytes prefix not None):
        self.kept = prefix
        self.prefix = text_of(prefix)
        if b"\0" in prefix or b"/" in prefix:
            raise ValueError("a prefix that is no part of a name")

    def __dealloc__(self):
        self.drop()

    @property
    def command(self):
        """The command set of the present request; there until the Intake looks for the next one."""
        return PyBytes_FromStringAndSize(<const char*>self.command_at, self.command_length)

    @property
    def path(self):
        """The name of the file of the instance that was stored."""
        return PyUnicode_DecodeFSDefault(self.place)

    def receive(self, Intake intake not None, PDUReader reader not None, Place place not None, int socket, int wake,
                int timeout_ms, int turn_ms, Writer writer=None, digest=None):
        """Receive an instance whose request an Intake has found, see `Intake.next_request`, and store it.

        STORED     the file has its name, `path`, and `size` bytes; `answer` is due.  `has_replaced`: there was another
        UNUSUAL    the caller has to look at command and data set; nothing of the data set was taken
        ENDED      the data set is complete, and the file still to be named: its name is taken, say
        or why the data set is not complete, as of `Intake.pass_on`.  `hand_over` gives the file then.

        ``passed``, ``ended`` and ``failure`` of the Intake say as much as after `pass_on`, whose ``writer`` and
        ``digest`` are these, for all bytes of the file.
        """
        cdef int why
        if reader.is_fed or reader.unfinished_control is not None:
            raise RuntimeError("the reader is being fed, or between two pieces of a control PDU")
        if writer is not None:
            intake.widen()
        with nogil:
            why = self.take(intake, reader, place, writer, digest, socket, wake, timeout_ms, turn_ms)
        intake.raise_error()
        return why

    def answer(self, int socket, uint16_t status, uint32_t max_pdu_length):
        """Send the response to the request that was stored; what of it is left to be sent, or None.

        ``max_pdu_length`` is what the peer takes, 0 for any length; ValueError when the response does not fit one PDU.
        A connection that is lost is no error here: whoever receives from it next is told.
        """
        cdef uint8_t[HEADERS + MOST_STORE_RESPONSE] message
        cdef Py_ssize_t size
        cdef ssize_t sent
        with nogil:
            size = write_store_response(message + HEADERS, self.request.message_id, &self.request.sop_class,
                                        &self.request.instance, status)
            put_headers(message, self.context_id, COMMAND | LAST_FRAGMENT, <uint32_t>size)
        if 0 < max_pdu_length < size + PDV_HEADER:
            raise ValueError(f"a response of {size} bytes to a peer that takes {max_pdu_length}")
        size += HEADERS
        with nogil:
            while True:
                sent = send(socket, message, size, MSG_NOSIGNAL | MSG_DONTWAIT)
                if sent >= 0 or errno != EINTR:
                    break
            if sent < 0:
                sent = 0 if errno == EAGAIN else size
        return None if sent == size else PyBytes_FromStringAndSize(<const char*>message + sent, size - sent)

    def hand_over(self):
        """Descriptor, temporary name and name of the file of an instance that was not stored: the caller's from now on.

        None where there is no file.  The descriptor is -1 when it is closed.
        """
        if not self.is_written:
            return None
        file = self.file, PyUnicode_DecodeFSDefault(self.temporary), PyUnicode_DecodeFSDefault(self.place)
        self.file = -1
        self.is_written = False
        return file

    def discard(self):
        """Remove the file of an instance that was not stored, and that nobody took."""
        with nogil:
            self.drop()

    @cython.nonecheck(False)        # self is there, and looking needs the GIL
    cdef void drop(self) noexcept nogil:
        if self.file >= 0:
            close_file(self.file)
            self.file = -1
        if self.is_written:
            unlink(self.temporary)
            self.is_written = False

    @cython.nonecheck(False)        # the arguments are there, and looking needs the GIL
    cdef bint open(self, Place place) noexcept nogil:
        """Open a file under a temporary name; False for whatever does not work."""
        cdef Py_ssize_t used = place.start.length + self.request.instance.length + place.ending.length
        cdef char* p
        if max(used, place.folder_length + self.prefix.length + MOST_ENDING) >= LONGEST_PATH:
            return False
        p = put_text(self.place, place.start.at, place.start.length)
        p = put_text(p, <const char*>self.request.instance.text, self.request.instance.length)
        put_text(p, place.ending.at, place.ending.length)
        if place.is_looked_for and not dw_is_missing(self.place):
            return False
        p = put_text(self.temporary, place.start.at, place.folder_length)
        p = put_text(p, self.prefix.at, self.prefix.length)
        self.count += 1
        put_text(put_number(p, self.count), b".part", 5)
        self.file = dw_open_new(self.temporary, MODE)
        self.is_written = self.file >= 0
        return self.is_written

    @cython.nonecheck(False)        # the arguments are there, and looking needs the GIL
    cdef bint begin(self, Intake intake, Place place) noexcept nogil:
        """Look at request and data set, and open the file; False when they are not as usual."""
        cdef StoreRequest* request = &self.request
        cdef LeadingUIDs found
        cdef const uint8_t* data = intake.memory + intake.data_start
        cdef Py_ssize_t before = place.before.length, behind = place.behind.length, padded
        cdef uint8_t* p = self.first
        if not read_store_request(intake.kept, intake.kept_length, request):
            return False
        if (request.sop_class.length != place.sop_class.length
                or memcmp(request.sop_class.text, place.sop_class.at, request.sop_class.length) != 0):
            return False
        if place.checks:
            if not find_leading_uids(data, intake.data_end - intake.data_start, place.explicit_vr,
                                     place.little_endian, &found):
                return False
            if (found.length[0] != request.sop_class.length or found.length[1] != request.instance.length
                    or memcmp(data + found.offset[0], request.sop_class.text, found.length[0]) != 0
                    or memcmp(data + found.offset[1], request.instance.text, found.length[1]) != 0):
                return False
        if place.writes and not self.open(place):
            return False
        self.command_at = intake.kept
        self.command_length = intake.kept_length
        self.context_id = <uint8_t>intake.context_id
        # Preamble and prefix, then File Meta Information with its group length.
        padded = request.instance.length + (request.instance.length & 1)
        memset(p, 0, PREAMBLE - 4)
        memcpy(p + PREAMBLE - 4, b"DICM", 4)
        p += PREAMBLE
        memcpy(p, GROUP_LENGTH, 8)
        dw_store32le(p + 8, <uint32_t>(before + INSTANCE_HEADER + padded + behind))
        p += 12
        memcpy(p, place.before.at, before)
        p += before
        memcpy(p, INSTANCE_UID, 6)
        p[6] = <uint8_t>padded
        p[7] = 0
        p[INSTANCE_HEADER + padded - 1] = 0
        memcpy(p + INSTANCE_HEADER, request.instance.text, request.instance.length)
        p += INSTANCE_HEADER + padded
        memcpy(p, place.behind.at, behind)
        self.first_length = <size_t>(p + behind - self.first)
        self.size = self.first_length
        return True

    @cython.nonecheck(False)        # the arguments are there, and looking needs the GIL
    cdef int take(self, Intake intake, PDUReader reader, Place place, Writer writer, object digest, int socket,
                  int wake, int timeout_ms, int turn_ms) noexcept nogil:
        cdef uint64_t limit = NO_LIMIT
        cdef int why, closed
        self.drop()
        self.has_replaced = False
        if not self.begin(intake, place):
            return IS_UNUSUAL
        if place.max_length:
            limit = place.max_length - self.size if place.max_length > self.size else 0
        why = intake.run(&reader.stream, socket, wake, intake.context_id, self.file, self.first, self.first_length,
                         limit, writer, digest, timeout_ms, turn_ms)
        self.size += intake.passed
        if why != IS_ENDED or place.naming == NAME_LATER:
            return why
        if not place.writes:
            return IS_STORED
        closed = close_file(self.file)
        self.file = -1
        if closed != 0 and errno != EINTR:      # a disk that is far away, and has no room after all
            intake.failure = errno
            return IS_NOT_WRITTEN
        closed = dw_rename_new(self.temporary, self.place)
        if place.naming == NAME_REPLACES and (closed == EEXIST or closed == EINVAL or closed == ENOSYS):
            self.has_replaced = closed == EEXIST or not dw_is_missing(self.place)
            closed = rename(self.temporary, self.place)
        if closed != 0:
            return IS_ENDED
        self.is_written = False
        return IS_STORED
