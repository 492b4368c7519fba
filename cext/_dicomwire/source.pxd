"""Where the bytes come from, behind windows: a buffer, a file read by position, a store's object, a deflated stream.

A window is a stretch of the source that is in memory.  One is the common case; a header that goes on behind a large
value has more.  Windows are stable once the data set is open, so views may point into them.
"""
from libc.stdint cimport int64_t, uint8_t, uint64_t

cdef struct Window:
    uint8_t* data
    uint64_t start          # absolute offset of data[0]
    uint64_t stop           # one past the last byte held
    uint64_t capacity       # bytes allocated; 0 when borrowed

cdef enum Policy:
    STRICT = 0
    REPORT = 1
    IGNORE = 2

cdef enum:
    FIRST_READ = 8192       # bytes; holds the header of most single-frame images, and a second read is cheap
    MAX_DEVIATIONS = 1000   # kept for each source; one more says that there are others
    KEEP_OPEN_BELOW = 128   # file descriptors up to here are kept while their data set lives

cdef int open_and_read(const char* path, uint8_t* buffer, size_t room, int* descriptor, uint64_t* size,
                       uint64_t* got) noexcept nogil
cdef int read_at(int descriptor, uint8_t* buffer, uint64_t offset, uint64_t length, uint64_t* got) noexcept nogil
cdef void close_descriptor(int descriptor) noexcept nogil


cdef class Source:
    cdef Window first
    cdef Window* more
    cdef int more_count
    cdef int descriptor             # -1 when not open
    cdef bint frozen                # views may exist: windows no longer move
    cdef bint is_file               # read by position: from a descriptor, or by ``remote``
    cdef bint size_known
    cdef bint edited                # something of a data set that was read from here was changed
    cdef uint8_t policy
    cdef uint64_t size              # of the whole source in bytes
    cdef uint64_t origin            # where the source begins in its file
    cdef uint64_t device, inode, length_then
    cdef int64_t modified           # these four of the file that was opened: another one is not read
    cdef object remote              # has size and read_ranges(), in place of a descriptor; or None
    cdef uint64_t step              # bytes of the first read, and of the first one into a further window
    cdef object path                # as given by the caller, or None
    cdef object encoded_path        # bytes
    cdef object inflater            # of a deflated data set, or None
    cdef Source deflated            # what the inflater reads
    cdef list findings              # Deviation objects, at most MAX_DEVIATIONS
    cdef set found                  # the same, to find them again
    cdef object charset             # the caller's override, a tuple of terms, or None
    cdef Py_buffer view
    cdef bint has_view
    cdef object kept                # what keeps the memory of borrowed windows, or None

    cdef const uint8_t* find(self, uint64_t offset, uint64_t length) noexcept nogil
    cdef Window* window_at(self, uint64_t offset) noexcept nogil
    cdef Window* window_of(self, uint64_t offset, uint64_t length) noexcept nogil
    cdef uint64_t read_now(self, uint8_t* data, uint64_t offset, uint64_t length) except? 0
    cdef int need(self, uint64_t offset, uint64_t length) except -1
    cdef uint64_t _gather(self, uint8_t* buffer, uint64_t offset, uint64_t length) noexcept
    cdef object fetch(self, uint64_t offset, uint64_t length)
    cdef int read_piece(self, uint8_t* data, uint64_t offset, uint64_t length, uint64_t* got) except -1
    cdef int _read_remote(self, uint8_t* data, uint64_t offset, uint64_t length, uint64_t* got) except -1
    cdef bint may_grow(self, uint64_t length) noexcept
    cdef int _inflate_to(self, uint64_t stop) except -1
    cdef int _stream_ended(self, uint64_t size) except -1
    cdef int _inflate_value(self, uint64_t offset, uint64_t length) except -1
    cdef int read_into(self, uint8_t* buffer, uint64_t offset, uint64_t length) except -1
    cdef object mapped(self, uint64_t offset, uint64_t length)
    cdef int ensure_open(self) except -1
    cdef int settle(self) except -1
    cdef int release(self) except -1
    cdef int add(self, object deviation) except -1
    cdef int note(self, str kind, uint64_t offset, str message, str section) except -1


cdef Source source_from_path(object path)
cdef Source source_from_buffer(object data)
cdef Source source_from_file(object file)
cdef Source source_from_remote(object remote)
cdef Source source_inflating(Source deflated, uint64_t offset)
