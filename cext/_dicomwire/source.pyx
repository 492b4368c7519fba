"""Sources of bytes: read what a header needs, fetch what a value needs, never more.

Files are read by position (``pread``): opening, reading 16 KiB and closing is cheaper than mapping, and a file that
another process truncates gives an error instead of a signal.  PS3.10 section 7.
"""
cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_SetFromErrnoWithFilenameObject
from libc.errno cimport EINTR, errno
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset
from posix.types cimport off_t

from .errors import DecodeError, TruncatedError

cdef extern from "bigmem.h" nogil:
    void* dw_grow(void* old, size_t old_size, size_t new_size) noexcept
    void dw_release(void* array, size_t size) noexcept

cdef extern from "<fcntl.h>" nogil:
    int c_open "open"(const char*, int, ...) noexcept
    enum: O_RDONLY, O_CLOEXEC

cdef extern from "<unistd.h>" nogil:
    ssize_t pread(int, void*, size_t, long) noexcept
    int c_close "close"(int) noexcept
    int dup(int) noexcept
    off_t lseek(int, off_t, int) noexcept
    enum: SEEK_END

cdef extern from "<sys/stat.h>" nogil:
    ctypedef struct stat_t "struct stat":
        long st_size
        unsigned int st_mode
        uint64_t st_dev
        uint64_t st_ino
    int fstat(int, stat_t*) noexcept
    bint S_ISREG(unsigned int) noexcept

cdef extern from "Python.h":
    object PyOS_FSPath(object)
    object PyUnicode_EncodeFSDefault(object)

cdef enum:
    NEAR_BYTES = 65536              # a gap up to this is read through, a longer one gets a window of its own
    INFLATE_STEP = 65536
    INFLATE_RATIO = 16              # a header may grow to this multiple of the deflated bytes ...
    INFLATE_FREE = 32 << 20         # ... plus this many bytes, before it counts as a bomb

cdef uint64_t UNKNOWN_SIZE = <uint64_t>1 << 62


# --------------------------------------------------------------------------------------------------- plain descriptors

cdef int open_and_read(const char* path, uint8_t* buffer, size_t room, int* descriptor, uint64_t* size,
                       uint64_t* got) noexcept nogil:
    """Open a file and read its beginning; 0, or -1 with errno set, or 1 when it is not a regular file.

    ``descriptor`` is open on 0 and 1, closed (-1) on errors.
    """
    cdef int fd
    cdef off_t end
    got[0] = 0
    while True:
        fd = c_open(path, O_RDONLY | O_CLOEXEC)
        if fd >= 0 or errno != EINTR:
            break
    descriptor[0] = fd
    if fd < 0:
        return -1
    # Seeking tells the size for half the price of a stat; what cannot seek, or is longer than it says, is no plain file.
    end = lseek(fd, 0, SEEK_END)
    if end < 0:
        return 1
    size[0] = <uint64_t>end
    if read_at(fd, buffer, 0, room, got) != 0:
        c_close(fd)
        descriptor[0] = -1
        return -1
    return 1 if end == 0 and got[0] else 0


cdef int read_at(int descriptor, uint8_t* buffer, uint64_t offset, uint64_t length, uint64_t* got) noexcept nogil:
    """Read ``length`` bytes at ``offset``, fewer only at the end of the file; 0, or -1 with errno set."""
    cdef uint64_t total = 0
    cdef ssize_t n
    while total < length:
        n = pread(descriptor, buffer + total, <size_t>min(length - total, <uint64_t>1 << 30), <long>(offset + total))
        if n < 0:
            if errno == EINTR:
                continue
            got[0] = total
            return -1
        total += <uint64_t>n
        if n == 0 or total >= length:
            break
        if n < 4096:
            break           # regular files give less than asked only at their end
    got[0] = total
    return 0


cdef void close_descriptor(int descriptor) noexcept nogil:
    if descriptor >= 0:
        c_close(descriptor)


# -------------------------------------------------------------------------------------------------------------- Source

@cython.final
@cython.no_gc
@cython.freelist(16)
cdef class Source:
    """A file, a buffer or a deflated stream, and the windows of it that are in memory."""

    def __cinit__(self):
        memset(&self.first, 0, sizeof(Window))
        self.descriptor = -1
        self.policy = REPORT
        self.size_known = True

    def __dealloc__(self):
        cdef int i
        if self.has_view:
            PyBuffer_Release(&self.view)
        elif self.first.capacity:
            dw_release(self.first.data, self.first.capacity)
        for i in range(self.more_count):
            if self.more[i].capacity:
                dw_release(self.more[i].data, self.more[i].capacity)
        free(self.more)
        if self.descriptor >= 0:
            c_close(self.descriptor)

    cdef const uint8_t* find(self, uint64_t offset, uint64_t length) noexcept nogil:
        """Where these bytes are in memory, or NULL."""
        cdef int i
        if offset >= self.first.start and offset + length <= self.first.stop and length <= self.first.stop:
            return self.first.data + (offset - self.first.start)
        for i in range(self.more_count - 1, -1, -1):
            if offset >= self.more[i].start and offset + length <= self.more[i].stop and length <= self.more[i].stop:
                return self.more[i].data + (offset - self.more[i].start)
        return NULL

    cdef Window* window_at(self, uint64_t offset) noexcept nogil:
        """The newest window that holds ``offset`` or ends there."""
        cdef int i
        for i in range(self.more_count - 1, -1, -1):
            if self.more[i].start <= offset <= self.more[i].stop:
                return self.more + i
        if self.first.start <= offset <= self.first.stop:
            return &self.first
        return NULL

    cdef int need(self, uint64_t offset, uint64_t length) except -1:
        """Bring ``length`` bytes at ``offset`` into one window; 0 when the source ends before.

        Only while opening: it may move the last window.  Windows lie in ascending order.
        """
        cdef Window* window
        cdef Window* windows
        cdef uint64_t wanted, room, got = 0
        cdef uint8_t* data
        if self.find(offset, length) != NULL:
            return 1
        if self.inflater is not None:
            return self._inflate_to(offset + length)
        if offset + length > self.size or self.has_view:
            return 0
        self.ensure_open()
        window = self.more + (self.more_count - 1) if self.more_count else &self.first
        if offset < window.start or offset > window.stop + NEAR_BYTES:
            windows = <Window*>realloc(self.more, (self.more_count + 1) * sizeof(Window))
            if windows == NULL:
                raise MemoryError
            self.more = windows
            window = windows + self.more_count
            memset(window, 0, sizeof(Window))
            window.start = window.stop = offset
            self.more_count += 1
        room = window.stop - window.start
        wanted = max(offset + length - window.start, max(<uint64_t>FIRST_READ, room * 4 if room < 1048576 else room * 2))
        wanted = min(wanted, self.size - window.start)
        data = <uint8_t*>dw_grow(window.data, window.capacity, <size_t>wanted)
        if data == NULL:
            raise MemoryError
        window.data = data
        window.capacity = wanted
        self.read_piece(data + room, window.stop, wanted - room, &got)
        window.stop += got
        if window.stop < offset + length:
            self.size = window.stop     # shorter than it was when opened
            return 0
        return 1

    cdef int read_piece(self, uint8_t* data, uint64_t offset, uint64_t length, uint64_t* got) except -1:
        cdef int failed
        with nogil:
            failed = read_at(self.descriptor, data, self.origin + offset, length, got)
        if failed:
            PyErr_SetFromErrnoWithFilenameObject(OSError, self.path)
        return 0

    cdef int read_into(self, uint8_t* buffer, uint64_t offset, uint64_t length) except -1:
        """Fill ``buffer`` with ``length`` bytes from ``offset``; TruncatedError when the source has fewer."""
        cdef const uint8_t* data = self.find(offset, length)
        cdef uint64_t got = 0
        if data == NULL and self.inflater is not None:
            self._inflate_value(offset, length)
            data = self.find(offset, length)
        if data != NULL:
            memcpy(buffer, data, <size_t>length)
            return 0
        if self.inflater is not None:
            got = self._gather(buffer, offset, length)
        elif self.is_file:
            self.ensure_open()
            self.read_piece(buffer, offset, length, &got)
        if got < length:
            raise TruncatedError(f"value needs {length} bytes, the source has {got} left", offset=offset,
                                 section="PS3.5 7.1.1")
        return 0

    cdef uint64_t _gather(self, uint8_t* buffer, uint64_t offset, uint64_t length) noexcept:
        """Copy from as many windows as it takes; the number of bytes that they hold from ``offset`` on."""
        cdef uint64_t got = 0, piece
        cdef Window* window
        cdef int i = -1
        while got < length and i < self.more_count:
            window = &self.first if i < 0 else self.more + i
            if window.start <= offset + got < window.stop:
                piece = min(length - got, window.stop - (offset + got))
                memcpy(buffer + got, window.data + (offset + got - window.start), <size_t>piece)
                got += piece
            i += 1
        return got

    cdef object fetch(self, uint64_t offset, uint64_t length):
        """These bytes, read now, as a bytes object; for what no window holds."""
        cdef object data
        if self.size_known and offset + length > self.size:
            raise TruncatedError(f"value needs {length} bytes, the source has {max(0, self.size - offset)} left",
                                 offset=offset, section="PS3.5 7.1.1")
        if self.inflater is not None:
            self._inflate_value(offset, length)
        data = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>length)
        self.read_into(<uint8_t*>PyBytes_AS_STRING(data), offset, length)
        return data

    cdef int ensure_open(self) except -1:
        """Open the file again if it was closed for want of descriptors; an error when it is another file by now."""
        cdef stat_t info
        if self.descriptor >= 0 or not self.is_file:
            return 0
        if self.encoded_path is None:
            raise DecodeError("the file was closed")
        self.descriptor = c_open(PyBytes_AS_STRING(self.encoded_path), O_RDONLY | O_CLOEXEC)
        if self.descriptor < 0 or fstat(self.descriptor, &info) != 0:
            PyErr_SetFromErrnoWithFilenameObject(OSError, self.path)
        if info.st_dev != self.device or info.st_ino != self.inode:
            c_close(self.descriptor)
            self.descriptor = -1
            raise DecodeError("the file at this path is not the one that was opened")
        return 0

    cdef int settle(self) except -1:
        """Opening is over: windows stay where they are, and the descriptor is closed unless it is worth keeping."""
        cdef stat_t info
        self.frozen = True
        if self.descriptor < 0:
            return 0
        if self.first.stop >= self.size and not self.more_count:
            c_close(self.descriptor)
            self.descriptor = -1
        elif self.descriptor >= KEEP_OPEN_BELOW and self.encoded_path is not None:
            if fstat(self.descriptor, &info) == 0:
                self.device = info.st_dev
                self.inode = info.st_ino
                c_close(self.descriptor)
                self.descriptor = -1
        return 0

    # ---------------------------------------------------------------------------------------------- deflated streams

    cdef int _inflate_to(self, uint64_t stop) except -1:
        """Grow the first window until it ends at ``stop`` or later; 0 when the stream ends before."""
        cdef bytes piece
        cdef uint8_t* data
        cdef uint64_t room
        while self.first.stop < stop and not self.size_known:
            if self.first.stop > INFLATE_RATIO * self.deflated.size + INFLATE_FREE:
                raise DecodeError(f"the deflated data set grew to {self.first.stop} bytes from {self.deflated.size} "
                                  "before its pixel data", offset=self.first.stop, section="PS3.5 A.5")
            piece = self.inflater(max(<uint64_t>INFLATE_STEP, self.first.stop))
            room = self.first.stop
            if len(piece):
                data = <uint8_t*>dw_grow(self.first.data, self.first.capacity, <size_t>(room + len(piece)))
                if data == NULL:
                    raise MemoryError
                memcpy(data + room, PyBytes_AS_STRING(piece), len(piece))
                self.first.data = data
                self.first.stop = self.first.capacity = room + len(piece)
            else:
                self.size_known = True
                self.size = self.first.stop
        return self.first.stop >= stop

    cdef int _inflate_value(self, uint64_t offset, uint64_t length) except -1:
        """Give a value behind the header a window of its own; it was asked for, so its declared length is the bound."""
        cdef Window* windows
        cdef Window* last = self.more + (self.more_count - 1) if self.more_count else &self.first
        cdef uint64_t start = min(offset, last.stop), at = last.stop
        cdef list pieces = []
        cdef bytes piece, joined
        if self.find(offset, length) != NULL or self.size_known or offset < last.start:
            return 0
        if start < at:
            pieces.append(PyBytes_FromStringAndSize(<char*>last.data + (start - last.start), <Py_ssize_t>(at - start)))
        while at < offset + length:
            piece = self.inflater(min(<uint64_t>1 << 20, offset + length - at))
            if not piece:
                self.size_known = True
                self.size = at
                break
            pieces.append(piece)
            at += len(piece)
        joined = b"".join(pieces)
        windows = <Window*>realloc(self.more, (self.more_count + 1) * sizeof(Window))
        if windows == NULL:
            raise MemoryError
        self.more = windows
        windows += self.more_count
        windows.data = <uint8_t*>PyBytes_AS_STRING(joined)
        windows.start = start
        windows.stop = at
        windows.capacity = 0
        self.held.append(joined)
        self.more_count += 1
        return 0

    # ------------------------------------------------------------------------------------------------ copies and state

    def read_all(self) -> bytes:
        """All bytes of the source, for pickling and for peers; reads what is not in memory."""
        if self.inflater is not None:
            self._inflate_value(self.first.stop, UNKNOWN_SIZE - self.first.stop)
        return self.fetch(0, self.size)


cdef Source source_from_path(object path):
    """Open a file and read its first window; anything but a regular file is read whole."""
    cdef Source source = Source.__new__(Source)
    cdef object fs_path = PyOS_FSPath(path)
    cdef bytes encoded = <bytes>(fs_path if isinstance(fs_path, bytes) else PyUnicode_EncodeFSDefault(fs_path))
    cdef const char* name = PyBytes_AS_STRING(encoded)
    cdef int outcome
    if b"\0" in encoded:
        raise ValueError("embedded null byte in a path")
    source.path = path
    source.encoded_path = encoded
    source.is_file = True
    source.first.data = <uint8_t*>malloc(FIRST_READ)
    if source.first.data == NULL:
        raise MemoryError
    source.first.capacity = FIRST_READ
    with nogil:
        outcome = open_and_read(name, source.first.data, FIRST_READ, &source.descriptor, &source.size,
                                &source.first.stop)
    if outcome < 0:
        PyErr_SetFromErrnoWithFilenameObject(OSError, path)
    if outcome > 0:
        with open(path, "rb") as file:
            other = source_from_buffer(file.read())
        (<Source>other).path = path
        return other
    if source.first.stop < FIRST_READ and source.first.stop < source.size:
        source.size = source.first.stop
    return source


cdef Source source_from_buffer(object data):
    """A source over a caller's buffer, which is kept and never copied."""
    cdef Source source = Source.__new__(Source)
    PyObject_GetBuffer(data, &source.view, PyBUF_SIMPLE)
    source.has_view = True
    source.first.data = <uint8_t*>source.view.buf
    source.first.stop = source.size = <uint64_t>source.view.len
    return source


cdef Source source_from_file(object file):
    """A source over a binary file object from its current position: by position where it is a plain file, else whole."""
    cdef Source source
    cdef stat_t info
    cdef uint64_t got = 0
    cdef int fd
    from io import BufferedReader, BytesIO, FileIO
    if type(file) is BytesIO:
        view = file.getbuffer()
        return source_from_buffer(view[file.tell():] if file.tell() else view)
    if type(file) is BufferedReader and type(file.raw) is FileIO or type(file) is FileIO:
        fd = dup(file.fileno())
        if fd >= 0:
            source = Source.__new__(Source)
            source.descriptor = fd
            source.is_file = True
            source.path = file.name if isinstance(file.name, str) else None
            if fstat(fd, &info) == 0 and S_ISREG(info.st_mode):
                source.origin = file.tell()
                source.size = <uint64_t>info.st_size - source.origin if info.st_size > source.origin else 0
                source.first.data = <uint8_t*>malloc(FIRST_READ)
                if source.first.data == NULL:
                    raise MemoryError
                source.first.capacity = FIRST_READ
                source.read_piece(source.first.data, 0, min(<uint64_t>FIRST_READ, source.size), &got)
                source.first.stop = got
                return source
    data = file.read()
    if isinstance(data, str):
        raise TypeError("the file object must be opened in binary mode")
    source = source_from_buffer(data)
    name = getattr(file, "name", None)
    source.path = name if isinstance(name, str) else None
    return source


class _Inflater:
    """Feeds a deflated source to zlib (isal where installed) and gives up to ``limit`` bytes a call, b"" at the end."""

    def __init__(self, Source deflated, offset):
        try:
            from isal import isal_zlib as zlib
        except ImportError:
            import zlib
        self.error = zlib.error
        self.decompressor = zlib.decompressobj(wbits=-15)
        self.make_wrapped = lambda: zlib.decompressobj(wbits=15)
        self.deflated = deflated
        self.offset = offset
        self.started = False

    def __call__(self, limit):
        cdef Source deflated = <Source>self.deflated
        data = self.decompressor.unconsumed_tail
        while True:
            if self.decompressor.eof:
                return b""
            if not data:
                length = min(262144, deflated.size - self.offset)
                if length <= 0:
                    return self.decompressor.flush() if not self.decompressor.eof else b""
                data = deflated.fetch(self.offset, length)
                self.offset += length
            try:
                piece = self.decompressor.decompress(data, limit)
            except self.error as error:
                if not self.started and data[:1] == b"\x78":
                    # A zlib header, which the standard does not have here (PS3.5 A.5).
                    self.decompressor = self.make_wrapped()
                    self.started = True
                    continue
                raise DecodeError(f"deflated data set cannot be inflated ({error})", offset=self.offset,
                                  section="PS3.5 A.5") from error
            self.started = True
            if piece:
                return piece
            data = self.decompressor.unconsumed_tail


cdef Source source_inflating(Source deflated, uint64_t offset):
    """The data set of a deflated transfer syntax as a source of its own, inflated as far as it is read."""
    cdef Source source = Source.__new__(Source)
    source.inflater = _Inflater(deflated, offset)
    source.deflated = deflated
    source.held = []
    source.size_known = False
    source.size = UNKNOWN_SIZE
    source.path = deflated.path
    source.policy = deflated.policy
    source.charset = deflated.charset
    source.findings = deflated.findings
    return source
