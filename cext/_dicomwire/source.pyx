"""Sources of bytes: read what a header needs, fetch what a value needs, never more.

Files are read by position (``pread``): opening, reading 16 KiB and closing is cheaper than mapping, and a file that
another process truncates gives an error instead of a signal.  PS3.10 section 7.
"""
cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_SetFromErrnoWithFilenameObject
from libc.errno cimport EINTR, errno
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset
from posix.types cimport off_t

from .mapping cimport MAP_FROM, map_value

from .errors import DecodeError, Deviation, TruncatedError

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
    bint S_ISCHR(unsigned int) noexcept

cdef extern from *:
    """
    #if defined(__APPLE__)
    #define DW_MODIFIED(info) ((info)->st_mtimespec.tv_sec * 1000000000LL + (info)->st_mtimespec.tv_nsec)
    #else
    #define DW_MODIFIED(info) ((info)->st_mtim.tv_sec * 1000000000LL + (info)->st_mtim.tv_nsec)
    #endif
    """
    int64_t DW_MODIFIED(stat_t*) noexcept nogil

cdef extern from "Python.h":
    object PyOS_FSPath(object)
    object PyUnicode_EncodeFSDefault(object)

cdef enum:
    LONG_HEADER = 1 << 17           # bytes of header from which on room for the rest is reserved at once ...
    RESERVED_FIRST = 4000000        # ... up to this many, without huge pages yet, then
    RESERVED_MOST = 31 << 20
    LATER_MOST = 1 << 24            # bytes of a window that is made when the data set is open
    NEAR_BYTES = 65536              # a gap up to this is read through, a longer one gets a window of its own
    REMOTE_SECOND = 1 << 20         # a header beyond the first guess gets this at once: a request costs as much
    REMOTE_STEP_MOST = 1 << 24      # bytes that a remote object may name as its first guess
    REMOTE_INFLATE_MOST = 1 << 22   # deflated bytes asked for at once
    INFLATE_STEP = 65536
    INFLATE_MOST = 1 << 20
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
    # Seeking tells the size for half the price of a stat; what cannot seek, or is longer than it says, is no plain
    # file.
    end = lseek(fd, 0, SEEK_END)
    if end < 0:
        return 1
    size[0] = <uint64_t>end
    if read_at(fd, buffer, 0, min(<uint64_t>room, size[0]) if end else room, got) != 0:
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
        if n == 0:
            break
        total += <uint64_t>n
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
        self.step = FIRST_READ

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

    cdef Window* window_of(self, uint64_t offset, uint64_t length) noexcept nogil:
        """The newest window that holds all of these bytes, or NULL."""
        cdef int i
        for i in range(self.more_count - 1, -1, -1):
            if offset >= self.more[i].start and offset + length <= self.more[i].stop and length <= self.more[i].stop:
                return self.more + i
        if offset >= self.first.start and offset + length <= self.first.stop and length <= self.first.stop:
            return &self.first
        return NULL

    cdef uint64_t read_now(self, uint8_t* data, uint64_t offset, uint64_t length) except? 0:
        """Read from a local file without giving up the GIL, for tapes that others may look at; how many bytes."""
        cdef uint64_t got = 0
        if read_at(self.descriptor, data, self.origin + offset, length, &got) != 0:
            PyErr_SetFromErrnoWithFilenameObject(OSError, self.path)
        return got

    cdef int need(self, uint64_t offset, uint64_t length) except -1:
        """Bring ``length`` bytes at ``offset`` into one window; 0 when the source ends before.

        While opening, the last window may move; later it may not, so that there is a new one, and the GIL is kept.
        Windows lie in ascending order.
        """
        cdef Window* window
        cdef Window* windows
        cdef uint64_t wanted, room, capacity, got = 0
        cdef uint8_t* data
        if self.find(offset, length) != NULL:
            return 1
        if self.inflater is not None:
            return self._inflate_to(offset + length)
        if offset + length > self.size or self.has_view:
            return 0
        self.ensure_open()
        window = self.more + (self.more_count - 1) if self.more_count else &self.first
        wanted = self.step
        if offset < window.start or offset > window.stop + NEAR_BYTES or self.frozen:
            if self.frozen:
                wanted = max(wanted, min((window.stop - window.start) * 2, <uint64_t>LATER_MOST))
            windows = <Window*>realloc(self.more, (self.more_count + 1) * sizeof(Window))
            if windows == NULL:
                raise MemoryError
            self.more = windows
            window = windows + self.more_count
            memset(window, 0, sizeof(Window))
            window.start = window.stop = offset
            self.more_count += 1
        room = window.stop - window.start
        wanted = max(wanted, room * 4 if room < LONG_HEADER else room * 2)
        if self.remote is not None and room and room < REMOTE_SECOND:
            wanted = REMOTE_SECOND
        wanted = max(offset + length - window.start, wanted)
        wanted = min(wanted, self.size - window.start)
        if wanted > window.capacity:
            # A long header is likely to be all there is: room that is not touched costs nothing, moving does.
            capacity = wanted
            if room >= LONG_HEADER:
                capacity = min(self.size - window.start, <uint64_t>(
                    RESERVED_FIRST if wanted <= RESERVED_FIRST else RESERVED_MOST))
                capacity = max(wanted, capacity)
            data = <uint8_t*>dw_grow(window.data, window.capacity, <size_t>capacity)
            if data == NULL:
                raise MemoryError
            window.data = data
            window.capacity = capacity
        data = window.data
        if self.frozen and self.remote is None:
            got = self.read_now(data, window.stop, wanted)
        else:
            self.read_piece(data + room, window.stop, wanted - room, &got)
        window.stop += got
        if window.stop < offset + length:
            self.size = window.stop     # shorter than it was when opened
            return 0
        return 1

    cdef int read_piece(self, uint8_t* data, uint64_t offset, uint64_t length, uint64_t* got) except -1:
        cdef int failed
        if self.remote is not None:
            return self._read_remote(data, offset, length, got)
        with nogil:
            failed = read_at(self.descriptor, data, self.origin + offset, length, got)
        if failed:
            PyErr_SetFromErrnoWithFilenameObject(OSError, self.path)
        return 0

    cdef int _read_remote(self, uint8_t* data, uint64_t offset, uint64_t length, uint64_t* got) except -1:
        cdef Py_buffer view
        cdef object piece
        piece, = self.remote.read_ranges([(offset, length)])
        PyObject_GetBuffer(piece, &view, PyBUF_SIMPLE)
        try:
            if <uint64_t>view.len > length:
                raise DecodeError(f"asked for {length} bytes, the remote source gave {view.len}", offset=offset)
            memcpy(data, view.buf, <size_t>view.len)
            got[0] = <uint64_t>view.len
        finally:
            PyBuffer_Release(&view)
        return 0

    cdef int read_into(self, uint8_t* buffer, uint64_t offset, uint64_t length) except -1:
        """Fill ``buffer`` with ``length`` bytes from ``offset``; TruncatedError when the source has fewer."""
        cdef const uint8_t* data = self.find(offset, length)
        cdef uint64_t got = 0
        if data != NULL:
            memcpy(buffer, data, <size_t>length)
            return 0
        if self.inflater is not None:
            self._inflate_value(offset, length)
            got = self._gather(buffer, offset, length)
        if self.is_file:
            self.ensure_open()
            self.read_piece(buffer, offset, length, &got)
            self.release()
        if got < length:
            raise TruncatedError(f"value needs {length} bytes, the source has {got} left", offset=offset,
                                 section="PS3.5 7.1.1")
        return 0

    cdef uint64_t _gather(self, uint8_t* buffer, uint64_t offset, uint64_t length) noexcept:
        """Copy what windows hold of these bytes from the first one on, across their borders; how many."""
        cdef uint64_t got = 0, n
        cdef Window* window
        cdef int i = -1
        while got < length and i < self.more_count:
            window = &self.first if i < 0 else self.more + i
            if window.start <= offset + got < window.stop:
                n = min(length - got, window.stop - offset - got)
                memcpy(buffer + got, window.data + (offset + got - window.start), <size_t>n)
                got += n
            i += 1
        return got

    cdef object fetch(self, uint64_t offset, uint64_t length):
        """These bytes, read now, as a bytes object; for what no window holds."""
        cdef object data
        if self.inflater is not None:
            self._inflate_value(offset, length)
        if self.size_known and offset + length > self.size:
            raise TruncatedError(f"value needs {length} bytes, the source has "
                                 f"{self.size - offset if self.size > offset else 0} left",
                                 offset=offset, section="PS3.5 7.1.1")
        data = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>length)
        self.read_into(<uint8_t*>PyBytes_AS_STRING(data), offset, length)
        return data

    cdef object mapped(self, uint64_t offset, uint64_t length):
        """An exporter of these bytes without a copy; None where they must be read into memory, as small values are.

        A mapping of the file, or what the remote source answered.
        """
        cdef stat_t info
        cdef object value
        if self.remote is not None:
            if offset + length > self.size or length == 0:
                return None
            value, = self.remote.read_ranges([(offset, length)])
            value = memoryview(value).toreadonly()
            return value if value.nbytes == length and value.c_contiguous and value.itemsize == 1 else None
        if not self.is_file or length < MAP_FROM:
            return None
        self.ensure_open()
        if fstat(self.descriptor, &info) != 0 or <uint64_t>info.st_size < self.origin + offset + length:
            return None             # reading it says how much is left
        value = map_value(self.descriptor, self.origin + offset, length)
        self.release()
        return value

    cdef int ensure_open(self) except -1:
        """Open the file again if it was closed for want of descriptors; an error when it is another file by now."""
        cdef stat_t info
        if self.descriptor >= 0 or not self.is_file or self.remote is not None:
            return 0
        if self.encoded_path is None:
            raise DecodeError("the file was closed")
        self.descriptor = c_open(PyBytes_AS_STRING(self.encoded_path), O_RDONLY | O_CLOEXEC)
        if self.descriptor < 0 or fstat(self.descriptor, &info) != 0:
            PyErr_SetFromErrnoWithFilenameObject(OSError, self.path)
        if (info.st_dev != self.device or info.st_ino != self.inode or <uint64_t>info.st_size != self.length_then
                or DW_MODIFIED(&info) != self.modified):
            c_close(self.descriptor)
            self.descriptor = -1
            raise DecodeError("the file at this path is not the one that was opened, or has changed since")
        return 0

    cdef int release(self) except -1:
        """Close the descriptor again if it is one of many; it is opened anew by its path."""
        if self.descriptor >= KEEP_OPEN_BELOW and self.encoded_path is not None and self.frozen:
            c_close(self.descriptor)
            self.descriptor = -1
        return 0

    cdef int settle(self) except -1:
        """Opening is over: windows stay where they are, and the descriptor is closed unless it is worth keeping."""
        cdef stat_t info
        cdef Window* window = self.more + (self.more_count - 1) if self.more_count else &self.first
        cdef uint64_t used = window.stop - window.start
        cdef uint8_t* data
        if window.capacity > RESERVED_FIRST and window.capacity > used * 2 and not self.frozen:
            data = <uint8_t*>dw_grow(window.data, window.capacity, <size_t>used)
            if data != NULL:
                window.data = data
                window.capacity = used
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
                self.length_then = <uint64_t>info.st_size
                self.modified = DW_MODIFIED(&info)
                self.release()
        return 0

    # --------------------------------------------------------------------------------------------------- deviations

    cdef int add(self, object deviation) except -1:
        """List a deviation once; there is an end to the list."""
        if self.findings is None:
            self.findings, self.found = [], set()
        if deviation in self.found or len(self.findings) > MAX_DEVIATIONS:
            return 0
        if len(self.findings) == MAX_DEVIATIONS:
            deviation = Deviation("more", "", deviation.offset, "further deviations are not listed")
        self.findings.append(deviation)
        self.found.add(deviation)
        return 0

    cdef int note(self, str kind, uint64_t offset, str message, str section) except -1:
        """A deviation of the source as a whole: an error when strict."""
        if self.policy == STRICT:
            raise DecodeError(message, offset=offset, path="", section=section)
        if self.policy == REPORT:
            self.add(Deviation(kind, "", offset, f"{message}; {section}"))
        return 0

    # ---------------------------------------------------------------------------------------------- deflated streams

    cdef bint may_grow(self, uint64_t length) noexcept:
        """Whether ``length`` bytes are in proportion to the deflated ones, for what nobody has asked for by name."""
        return length <= INFLATE_RATIO * self.deflated.size + INFLATE_FREE

    cdef int _stream_ended(self, uint64_t size) except -1:
        """The inflater has no more: now the size is known, and what was wrong with the stream."""
        self.size_known = True
        self.size = size
        if self.inflater.problem is not None:
            self.note("deflate", size, self.inflater.problem, "PS3.5 A.5")
        return 0

    cdef int _inflate_to(self, uint64_t stop) except -1:
        """Grow the first window until it ends at ``stop`` or later; 0 when the stream ends before."""
        cdef bytes piece
        cdef uint8_t* data
        cdef uint64_t room, capacity
        while self.first.stop < stop and not self.size_known:
            if not self.may_grow(self.first.stop):
                raise DecodeError(f"the deflated data set grew to {self.first.stop} bytes from {self.deflated.size} "
                                  "before its pixel data", offset=self.first.stop, path="", section="PS3.5 A.5")
            piece = self.inflater(min(max(<uint64_t>INFLATE_STEP, self.first.stop), <uint64_t>INFLATE_MOST))
            room = self.first.stop
            if len(piece):
                if room + len(piece) > self.first.capacity:
                    capacity = room + max(<uint64_t>len(piece), room >> 2)
                    data = <uint8_t*>dw_grow(self.first.data, self.first.capacity, <size_t>capacity)
                    if data == NULL:
                        raise MemoryError
                    self.first.data = data
                    self.first.capacity = capacity
                memcpy(self.first.data + room, PyBytes_AS_STRING(piece), len(piece))
                self.first.stop = room + len(piece)
            else:
                self._stream_ended(self.first.stop)
        return self.first.stop >= stop

    cdef int _inflate_value(self, uint64_t offset, uint64_t length) except -1:
        """Give a value behind the header a window of its own; it was asked for, so its declared length is the bound."""
        cdef Window* windows
        cdef Window* last = self.more + (self.more_count - 1) if self.more_count else &self.first
        cdef uint64_t start = min(max(offset, last.start), last.stop), target = offset + length, capacity
        cdef uint8_t* data
        cdef bytes piece
        if self.find(offset, length) != NULL or self.size_known or target <= last.stop:
            return 0
        windows = <Window*>realloc(self.more, (self.more_count + 1) * sizeof(Window))
        if windows == NULL:
            raise MemoryError
        self.more = windows
        last = windows + (self.more_count - 1) if self.more_count else &self.first
        windows += self.more_count
        memset(windows, 0, sizeof(Window))
        windows.start = windows.stop = start
        self.more_count += 1
        piece = PyBytes_FromStringAndSize(<char*>last.data + (start - last.start), <Py_ssize_t>(last.stop - start))
        while True:
            # What a decompressor held back comes in one piece that may pass the target.
            if windows.stop + len(piece) - start > windows.capacity:
                capacity = max(min(windows.capacity * 2, target - start), windows.stop + len(piece) - start)
                data = <uint8_t*>dw_grow(windows.data, windows.capacity, <size_t>capacity)
                if data == NULL:
                    raise MemoryError
                windows.data = data
                windows.capacity = capacity
            if len(piece):
                memcpy(windows.data + (windows.stop - start), PyBytes_AS_STRING(piece), len(piece))
                windows.stop += len(piece)
            if windows.stop >= target:
                return 0
            piece = self.inflater(min(<uint64_t>INFLATE_MOST, target - windows.stop))
            if not piece:
                self._stream_ended(windows.stop)
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
    cdef stat_t info
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
        if fstat(source.descriptor, &info) == 0 and S_ISCHR(info.st_mode):
            raise DecodeError("a character device is no file of bytes", offset=0, path="", section="PS3.10 7")
        # What was opened is read, and not opened again: a pipe has one end only.
        file = open(source.descriptor, "rb")
        source.descriptor = -1
        with file:
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
    """A source over a binary file object from where it stands: by position where it is a plain file, else whole."""
    cdef Source source
    cdef stat_t info
    cdef uint64_t got = 0
    cdef int fd
    from io import BufferedReader, BytesIO, FileIO, TextIOBase
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
                source.size = max(<uint64_t>info.st_size, source.origin) - source.origin
                source.first.data = <uint8_t*>malloc(FIRST_READ)
                if source.first.data == NULL:
                    raise MemoryError
                source.first.capacity = FIRST_READ
                source.read_piece(source.first.data, 0, min(<uint64_t>FIRST_READ, source.size), &got)
                source.first.stop = got
                return source
    if isinstance(file, TextIOBase):
        raise TypeError("the file object must be opened in binary mode")
    data = file.read()
    if isinstance(data, str):
        raise TypeError("the file object must be opened in binary mode")
    source = source_from_buffer(data)
    name = getattr(file, "name", None)
    source.path = name if isinstance(name, str) else None
    return source


cdef Source source_from_remote(object remote):
    """A source over an object that has ``size`` in bytes and answers ``read_ranges([(offset, length), ...])``.

    The answers are as many buffers, shorter only at the end.  ``first_guess``, if it is there, says how much is read
    at first and as the least later on; ``name`` serves as the file name.
    """
    cdef Source source = Source.__new__(Source)
    cdef uint64_t first_guess = getattr(remote, "first_guess", 65536)
    source.remote = remote
    source.is_file = True
    source.size = remote.size
    if source.size >= UNKNOWN_SIZE:
        raise ValueError(f"a remote source of {source.size} bytes")
    source.step = min(max(first_guess, <uint64_t>FIRST_READ), <uint64_t>REMOTE_STEP_MOST)
    name = getattr(remote, "name", None)
    source.path = name if isinstance(name, str) else None
    if source.size:
        source.need(0, 1)
    return source


class _Inflater:
    """Feeds a deflated source to zlib (isal where installed) and gives up to ``limit`` bytes a call, b"" at the end.

    ``problem`` says what was tolerated: a stream that is cut, damaged, wrapped, or followed by something.
    """

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
        self.step = 262144
        self.started = False
        self.ended = False
        self.problem = None

    def __call__(self, limit):
        cdef Source deflated = <Source>self.deflated
        if self.ended:
            return b""
        data = self.decompressor.unconsumed_tail
        while not self.decompressor.eof:
            if not data:
                length = deflated.size - self.offset
                held = deflated.first.stop - self.offset if deflated.first.stop > self.offset else 0
                if held:
                    length = min(length, held, 262144)      # nothing is read as long as there is something in memory
                elif deflated.remote is not None:
                    length = min(length, self.step)
                    self.step = min(self.step * 2, REMOTE_INFLATE_MOST)
                else:
                    length = min(length, 262144)
                if length <= 0:
                    piece = self.decompressor.flush()
                    if piece:
                        return piece        # what the decompressor held back when it had reached the limit
                    if self.decompressor.eof:
                        break
                    self.ended = True
                    self.problem = "the deflated stream ends before its final block does"
                    return b""
                data = deflated.fetch(self.offset, length)
                self.offset += length
            try:
                piece = self.decompressor.decompress(data, limit)
            except self.error as error:
                if not self.started and data[:1] == b"\x78":
                    self.decompressor = self.make_wrapped()
                    self.started = True
                    self.problem = "the deflated stream has a zlib header"
                    continue
                if self.problem is not None or not self.started:
                    raise DecodeError(f"the deflated data set cannot be inflated ({error})",
                                      offset=self.offset - len(data), path="", section="PS3.5 A.5") from error
                self.ended = True
                self.problem = f"the deflated stream is damaged ({error})"
                return b""
            self.started = True
            if piece:
                return piece
            data = self.decompressor.unconsumed_tail
        self.ended = True
        behind = len(self.decompressor.unused_data) + deflated.size - self.offset
        if behind > 1 and self.problem is None:       # one NUL makes the length even
            self.problem = f"{behind} bytes behind the deflated stream"
        return b""


cdef Source source_inflating(Source deflated, uint64_t offset):
    """The data set of a deflated transfer syntax as a source of its own, inflated as far as it is read."""
    cdef Source source = Source.__new__(Source)
    source.inflater = _Inflater(deflated, offset)
    source.deflated = deflated
    source.size_known = False
    source.size = UNKNOWN_SIZE
    source.path = deflated.path
    source.policy = deflated.policy
    source.charset = deflated.charset
    if deflated.findings is None:
        deflated.findings, deflated.found = [], set()
    source.findings, source.found = deflated.findings, deflated.found
    return source
