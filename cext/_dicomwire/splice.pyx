"""Carrying out plans: what a data set is written to, piece by piece and without holding more than one.

Into files with writev: what is in memory, and stretches of other files from mappings of these.  Long stretches are
copied with copy_file_range where the system has it, since some file systems share what is the same.  PS3.10 section 7.1
for what stands before a data set.
"""
cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_CheckSignals, PyErr_SetFromErrno
from libc.errno cimport EINTR, errno
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from .block cimport Block, element_word, hook
from .dataset cimport DataElement, DataSet, Root, adopt_lists, edited_element, new_data_set, value_at
from .edits cimport Change, Edits
from .emitter cimport store_header
from .overlay cimport assign, clone, edits_of, is_touched
from .plan cimport Plan, Run
from .source cimport STRICT, Source
from .part10 cimport bare_block
from .pickling cimport inside_state
from .tape cimport DATA_SET, EXPLICIT_LE
from .vr cimport DW_VR_OB, DW_VR_SH, DW_VR_UI, DW_VR_UL

from os import strerror

from .errors import EncodeError, TruncatedError

cdef extern from "splice.h" nogil:
    ctypedef struct iovec "struct iovec":
        void* iov_base
        size_t iov_len
    ssize_t writev(int, const iovec*, int) noexcept
    ssize_t write(int, const void*, size_t) noexcept
    # How many bytes were copied between two files; -1 with errno, DW_NO_COPY where it is not to be had.
    ssize_t dw_copy_range(int source, uint64_t offset, int target, size_t size) noexcept
    void* dw_map_stretch(int source, uint64_t offset, size_t size) noexcept
    bint dw_reaches(int source, uint64_t offset) noexcept
    int munmap(void*, size_t) noexcept
    long sysconf(int) noexcept
    enum: DW_NO_COPY, _SC_PAGESIZE

cdef enum:
    VECTORS = 64                # stretches of memory that are written at once
    MAP_FROM = 1 << 17          # bytes of a file's stretch from which on it is mapped and not read
    WINDOW = 1 << 22            # bytes that are mapped at once
    COPY_FROM = 1 << 24         # bytes of a file's stretch from which on the system is asked to copy them
    STEP = 1 << 18              # bytes that go through a buffer at once
    RANGE_STEP = 1 << 26        # bytes that the system copies at once, before signals are looked at
    PIECE = 1 << 20


# ---------------------------------------------------------------------------------------------------------------- plans

def is_unchanged(DataSet data_set) -> bool:
    """Whether a data set is all of what was read from its source, and nothing of it was changed."""
    cdef Root root
    if data_set.root is None or data_set.block.is_own:
        return False
    adopt_lists(data_set.block)
    root = <Root>data_set.root
    if root.meta is not None:
        adopt_lists(root.meta)
    if root.source is None or root.new_meta or root.own_preamble is not None:
        return False
    if data_set.block.stop_tag or data_set.block.sparse:
        return False
    if root.meta is not None and is_touched(root.meta):
        return False
    return not data_set.block.source.edited or not is_touched(data_set.block)


def leaves_out(DataSet data_set) -> bool:
    """Whether its source has more than was to be read of a data set: behind a tag to stop at, or unwanted elements."""
    cdef Block block = data_set.block
    if block.is_own:
        return False
    if block.sparse:
        return True
    if block.stop_tag == 0:
        return False
    block.resume()
    return not block.source.size_known or block.resume_pos < block.source.size


def was_read(DataSet data_set) -> bool:
    """Whether a data set came from a source, and not from DataSet()."""
    return not data_set.block.is_own


def was_set(DataSet data_set, uint32_t tag) -> bool:
    """Whether an element was set, and not read."""
    cdef Edits edits = edits_of(data_set.block, data_set.index)
    cdef Change* change = edits.find(tag) if edits is not None else NULL
    return change != NULL and change.own != 0


def encoding_of(DataSet data_set) -> int:
    """The encoding in which a data set was read: of the block's bits explicit 0, 1 big endian, 2 implicit."""
    return data_set.block.encoding


def is_deflated(DataSet data_set) -> bool:
    """Whether a data set is inflated while it is read."""
    return data_set.block.source.inflater is not None


def source_plan(DataSet data_set) -> Plan:
    """All bytes that a data set was read from, file and all."""
    cdef Plan plan = Plan()
    cdef Source source = (<Root>data_set.root).source
    plan.take(source, 0, source.size)
    return plan


def data_set_plan(DataSet data_set, int encoding, *, int lengths=0, int policy=1, preamble=None, DataSet meta=None,
                  inherited=None) -> Plan:
    """A data set or an item as it is now; with File Meta Information the file, its group length counted.

    encoding    0 explicit VR little endian, 1 big endian, 2 implicit VR little endian
    preamble    128 bytes, for a file
    inherited   terms of the character set around an item
    """
    cdef Plan plan = Plan(lengths=lengths, policy=policy)
    cdef uint64_t at, begin
    cdef bytes start = preamble
    cdef uint8_t* p
    adopt_lists(data_set.block)
    if start is not None:
        p = plan.put(<uint64_t>len(start) + 4)
        memcpy(p, PyBytes_AS_STRING(start), <size_t>len(start))
        memcpy(p + len(start), b"DICM", 4)
    if meta is not None:
        p = plan.put(12)
        store_header(p, 0x00020000, DW_VR_UL, 4, EXPLICIT_LE)
        at = plan.own.stop - 4
        begin = plan.length
        plan.item(meta.block, meta.index, EXPLICIT_LE, (), -1)
        plan.patch(at, begin, False)
    plan.lengths = lengths
    plan.item(data_set.block, data_set.index, encoding, inherited or (), data_set.block.outer_pixel_representation)
    return plan


def contradicted_syntax(DataSet data_set) -> str | None:
    """Transfer Syntax UID that the file of a data set named, where it is in another encoding; else None."""
    cdef object found
    if data_set.root is None or (<Root>data_set.root).source is None or (<Root>data_set.root).said:
        return None
    found = hook("read_syntax")(data_set)
    return str(found) if isinstance(found, str) and found else None


def named_syntax(DataSet data_set) -> str | None:
    """Transfer Syntax UID that File Meta Information names, where it was made or changed; else None."""
    cdef Root root
    cdef DataElement element
    if data_set.root is None:
        return None
    root = <Root>data_set.root
    if root.meta is None or root.meta.edits is None and not root.new_meta:
        return None
    element = edited_element(root.meta, 0, 0x00020010)
    return None if element is None else str(element.value) or None


cdef object _uid_at(Block block, uint32_t item, uint32_t tag):
    """A UID of an item as it is now, "" for none."""
    cdef DataElement element = edited_element(block, item, tag)
    cdef object value = None if element is None else value_at(element.block, element.index)
    return value if isinstance(value, str) else ""


cdef int _set_meta(Block meta, uint32_t tag, uint16_t vr, object value) except -1:
    if _uid_at(meta, 0, tag) != value:
        assign(meta, 0, tag, vr, value, False)
    return 0


cdef int _refuse_foreign_groups(DataSet data_set) except -1:
    """EncodeError for elements of a command or of File Meta Information that were set in a data set."""
    cdef Edits edits = edits_of(data_set.block, data_set.index)
    cdef uint32_t at = 0
    while edits is not None and at < edits.count and edits.changes[at].tag < 0x00030000:
        if edits.changes[at].own:
            raise EncodeError("this element does not belong to a data set; group 0002 is set in file_meta",
                              path=element_word(edits.changes[at].tag), section="PS3.10 7.1")
        at += 1
    return 0


def complete_meta(DataSet data_set, syntax, int policy) -> DataSet:
    """A copy of a data set's File Meta Information, set to what it has to be in a file of this implementation.

    syntax      UID of the transfer syntax; None leaves what is there
    policy      0: EncodeError for a SOP class or instance that nothing names

    UIDs of the data set go before those that stood there.  PS3.10 section 7.1.
    """
    cdef DataSet old = data_set.file_meta
    cdef Block meta = clone(old.block, old.index)
    cdef uint32_t tag
    _refuse_foreign_groups(data_set)
    if edited_element(meta, 0, 0x00020001) is None:
        assign(meta, 0, 0x00020001, DW_VR_OB, b"\0\1", False)
    for tag in range(0x00020002, 0x00020004):
        uid = _uid_at(data_set.block, data_set.index, 0x00080016 if tag == 0x00020002 else 0x00080018)
        if uid:
            _set_meta(meta, tag, DW_VR_UI, uid)
        elif policy == STRICT and edited_element(meta, 0, tag) is None:
            raise EncodeError(f"no SOP {'Class' if tag == 0x00020002 else 'Instance'} UID, which File Meta Information "
                              "needs", section="PS3.10 7.1")
    if syntax is not None:
        _set_meta(meta, 0x00020010, DW_VR_UI, syntax)
    class_uid, version_name = hook("implementation")()
    _set_meta(meta, 0x00020012, DW_VR_UI, class_uid)
    _set_meta(meta, 0x00020013, DW_VR_SH, version_name)
    return new_data_set(meta, 0)


def prefix_plan(preamble, DataSet meta) -> Plan:
    """What stands before a data set in a file: preamble, prefix, File Meta Information."""
    cdef Plan plan = Plan()
    cdef bytes start = preamble
    cdef uint8_t* p = plan.put(<uint64_t>len(start) + 16)
    cdef uint64_t begin
    memcpy(p, PyBytes_AS_STRING(start), <size_t>len(start))
    memcpy(p + len(start), b"DICM", 4)
    store_header(p + len(start) + 4, 0x00020000, DW_VR_UL, 4, EXPLICIT_LE)
    begin = plan.length
    plan.item(meta.block, meta.index, EXPLICIT_LE, (), -1)
    plan.patch(<uint64_t>len(start) + 12, begin, False)
    return plan


# -------------------------------------------------------------------------------------------------------------- pickles

def reduce_edited(DataSet data_set):
    """What pickles a data set or an item that was made or changed: its bytes as it would be written now."""
    cdef Root root = None if data_set.root is None else <Root>data_set.root
    cdef Block block = data_set.block
    cdef object state = (1, None, None, -1), meta = None
    cdef tuple inherited = ()
    if not block.is_own:
        state = inside_state(block, data_set.index)
        inherited = state[2] or ()
    else:
        state = (1, None, ("ISO_IR 192",), -1)      # the character set of text whose set nobody has said yet
        inherited = ("ISO_IR 192",)
    data = to_bytes(data_set_plan(data_set, block.encoding if not block.is_own else EXPLICIT_LE, inherited=inherited))
    if root is not None:
        file_meta = data_set.file_meta
        meta = to_bytes(data_set_plan(file_meta, EXPLICIT_LE))
    return restore_edited, (data, block.encoding, state, meta, data_set.preamble, data_set.filename)


def restore_edited(data, int encoding, state, meta, preamble, filename):
    """An unpickled data set or item that had been made or changed."""
    cdef DataSet data_set = hook("restore_inside")(data, <int>DATA_SET, encoding, state)
    cdef Root root
    if meta is not None:
        root = Root.__new__(Root)
        root.meta = bare_block(meta, DATA_SET, EXPLICIT_LE, state[0])
        root.new_meta = True
        root.own_preamble = preamble
        root.filename = filename
        data_set.root = root
    return data_set


# ------------------------------------------------------------------------------------------------------ in this process

cdef int _fill(Plan plan, Run* run, uint64_t at, uint8_t* to, uint64_t size) except -1:
    """Copy a part of a stretch."""
    cdef Py_buffer view
    cdef object origin
    if run.origin == 0:
        memcpy(to, plan.own.data + run.offset + at, <size_t>size)
        return 0
    origin = plan.origins[run.origin]
    if isinstance(origin, Source):
        (<Source>origin).read_into(to, run.offset + at, size)
        return 0
    PyObject_GetBuffer(origin, &view, PyBUF_SIMPLE)
    memcpy(to, <uint8_t*>view.buf + run.offset + at, <size_t>size)
    PyBuffer_Release(&view)
    return 0


def to_bytes(Plan plan) -> bytes:
    """All of a plan's bytes."""
    cdef uint32_t i
    cdef uint64_t at = 0
    cdef bytes data = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>plan.length)
    for i in range(plan.count):
        _fill(plan, plan.runs + i, 0, <uint8_t*>PyBytes_AS_STRING(data) + at, plan.runs[i].length)
        at += plan.runs[i].length
    return data


def pieces(Plan plan, uint64_t size=PIECE):
    """A plan's bytes in pieces of up to ``size`` bytes; an iterator of bytes."""
    cdef uint32_t i = 0
    cdef uint64_t at = 0, filled, n
    cdef bytes piece
    if size == 0:
        raise ValueError("pieces of no bytes")
    while i < plan.count:
        n = 0
        filled = 0
        piece = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>min(size, _left(plan, i, at)))
        while i < plan.count and filled < <uint64_t>len(piece):
            n = min(plan.runs[i].length - at, <uint64_t>len(piece) - filled)
            _fill(plan, plan.runs + i, at, <uint8_t*>PyBytes_AS_STRING(piece) + filled, n)
            filled += n
            at += n
            if at == plan.runs[i].length:
                i += 1
                at = 0
        yield piece


cdef uint64_t _left(Plan plan, uint32_t i, uint64_t at):
    cdef uint64_t left = 0
    while i < plan.count and left < <uint64_t>1 << 40:
        left += plan.runs[i].length
        i += 1
    return left - at


# ------------------------------------------------------------------------------------------------------ to a descriptor

cdef int _write_all(int target, iovec* vectors, int count) noexcept nogil:
    """Write stretches of memory, all of them; -1 with errno set, -2 when a signal came."""
    cdef ssize_t n
    while count:
        while count and vectors[0].iov_len == 0:
            vectors += 1
            count -= 1
        if count == 0:
            break
        n = writev(target, vectors, count)
        if n < 0:
            return -2 if errno == EINTR else -1
        while n:
            if <size_t>n >= vectors[0].iov_len:
                n -= <ssize_t>vectors[0].iov_len
                vectors[0].iov_len = 0
                vectors += 1
                count -= 1
            else:
                vectors[0].iov_base = <uint8_t*>vectors[0].iov_base + n
                vectors[0].iov_len -= <size_t>n
                n = 0
    return 0


@cython.final
@cython.no_gc
cdef class _Writer:
    """Writes a plan to a descriptor, at its position."""
    cdef int target
    cdef iovec[VECTORS] vectors
    cdef int count
    cdef uint8_t* scratch
    cdef bint copies            # whether the system copies between these files, as far as is known

    def __cinit__(self):
        self.count = 0
        self.scratch = NULL
        self.copies = True

    def __dealloc__(self):
        free(self.scratch)

    cdef int send(self) except -1:
        """Write what has come together; 0, or the system's error."""
        cdef int status
        while self.count:
            with nogil:
                status = _write_all(self.target, self.vectors, self.count)
            if status == -2:
                PyErr_CheckSignals()
                continue
            self.count = 0
            if status != 0:
                return errno
        return 0

    cdef int flush(self) except -1:
        cdef int error = self.send()
        if error:
            raise OSError(error, strerror(error))
        return 0

    cdef int memory(self, const uint8_t* p, uint64_t size) except -1:
        if self.count == VECTORS:
            self.flush()
        self.vectors[self.count].iov_base = <void*>p
        self.vectors[self.count].iov_len = <size_t>size
        self.count += 1
        return 0

    cdef int stretch(self, Source source, uint64_t offset, uint64_t size) except -1:
        """A stretch of a source: from memory where it holds it, else from its file."""
        cdef const uint8_t* p = source.find(offset, size)
        cdef uint64_t n
        cdef bint is_local = source.is_file and source.remote is None and source.inflater is None
        if p != NULL:
            return self.memory(p, size)
        if source.size_known and offset + size > source.size:
            raise TruncatedError(f"{size} bytes to copy, the source has {source.size - min(source.size, offset)} left",
                                 offset=offset, section="PS3.5 7.1.1")
        if is_local:
            source.ensure_open()
            if size >= COPY_FROM and self.copies:
                n = self.copied(source, offset, size)
                offset += n
                size -= n
            while size >= MAP_FROM:
                n = self.mapped(source, offset, size)
                if n == 0:
                    break
                offset += n
                size -= n
        if self.scratch == NULL and size:
            self.scratch = <uint8_t*>malloc(STEP)
            if self.scratch == NULL:
                raise MemoryError
        while size:
            self.flush()
            n = min(size, <uint64_t>STEP)
            source.read_into(self.scratch, offset, n)
            self.memory(self.scratch, n)
            self.flush()
            offset += n
            size -= n
        source.release()
        return 0

    cdef uint64_t copied(self, Source source, uint64_t offset, uint64_t size) except? 0:
        """Have the system copy from a file, which may share what is the same; how many bytes, fewer where it cannot."""
        cdef uint64_t done = 0
        cdef ssize_t n
        self.flush()
        while done < size:
            with nogil:
                n = dw_copy_range(source.descriptor, source.origin + offset + done, self.target,
                                  <size_t>min(size - done, <uint64_t>RANGE_STEP))
            if n == DW_NO_COPY:
                self.copies = False
                break
            if n == 0:                  # the end of the file, or a file system that cannot: reading tells
                break
            if n > 0:
                done += <uint64_t>n
            elif errno != EINTR:
                PyErr_SetFromErrno(OSError)
            PyErr_CheckSignals()
        return done

    cdef uint64_t mapped(self, Source source, uint64_t offset, uint64_t size) except? 0:
        """Write what has come together and a part of a file after it, from a mapping; how many bytes of the file.

        One call for both: what does not begin on a page of the target costs a page of its own each time.  0 where the
        file cannot be mapped.
        """
        cdef uint64_t begin = source.origin + offset
        cdef uint64_t skipped = begin % <uint64_t>sysconf(_SC_PAGESIZE)
        cdef size_t length = <size_t>min(size + skipped, <uint64_t>WINDOW)
        cdef void* base
        cdef int error
        with nogil:
            base = dw_map_stretch(source.descriptor, begin - skipped, length)
        if base == NULL:
            return 0
        try:
            self.memory(<uint8_t*>base + skipped, length - skipped)
            error = self.send()
        finally:
            munmap(base, length)
        # Behind the end of a file that has become shorter a mapping has zeros to the end of the page, and then nothing.
        if not dw_reaches(source.descriptor, begin - skipped + length):
            raise TruncatedError(f"{size} bytes to copy, the file has become shorter", offset=offset,
                                 section="PS3.5 7.1.1")
        if error:
            raise OSError(error, strerror(error))
        return length - skipped


def write_plan(Plan plan, int descriptor) -> int:
    """Write a plan at the position of a descriptor, and return how many bytes that were.

    Raises OSError where the target cannot take them, TruncatedError where a source has become shorter.
    """
    cdef _Writer writer = _Writer.__new__(_Writer)
    cdef uint32_t i
    cdef Run* run
    cdef Py_buffer view
    cdef object origin
    writer.target = descriptor
    for i in range(plan.count):
        run = plan.runs + i
        if run.origin == 0:
            writer.memory(plan.own.data + run.offset, run.length)
            continue
        origin = plan.origins[run.origin]
        if isinstance(origin, Source):
            writer.stretch(<Source>origin, run.offset, run.length)
        else:
            PyObject_GetBuffer(origin, &view, PyBUF_SIMPLE)
            writer.memory(<const uint8_t*>view.buf + run.offset, run.length)
            PyBuffer_Release(&view)         # the plan keeps the object, and with it its memory
    writer.flush()
    return plan.length
