"""Views of a tape that users hold: DataSet, Sequence, DataElement, Fragments.

A view is two words, a block and an index, and is made anew whenever one is asked for; values are decoded on first
access and kept in the block.  Views keep the source alive and never each other.  PS3.5 sections 6 and 7.
"""
cimport cython
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.stdint cimport uint16_t, uint64_t

from .block cimport ALL, hook
from .decode cimport decode_binary, decode_text, fetched_value, value_view
from .fragments cimport new_fragments
from .pickling cimport encoded_element, encoding_at, inside_state, reduce_inside
from .tape cimport (
    BIG_ENDIAN, CUT_SHORT, DATA_SET, END_UNKNOWN, FRAGMENTS, IMPLICIT, ITEM_TAG, ITEMS, NOT_ENTERED, TapeEntry,
    UNDEFINED_LENGTH, UNORDERED,
)
from .values cimport as_tag, as_uid, plain_value, repeated_text
from .vr cimport DW_VR_BYTES, DW_VR_NONE, DW_VR_SQ, DW_VR_TEXT, DW_VR_UN, dw_vr_traits, vr_name

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(object)
    object PyObject_GenericGetAttr(object, object)
    unsigned int PyUnicode_READ_CHAR(object, Py_ssize_t)
    Py_ssize_t PyUnicode_GET_LENGTH(object)
    PyObject* PyDict_GetItemWithError(object, object) except? NULL
    object PyMemoryView_FromObject(object)
    unsigned long PyLong_AsUnsignedLong(object) except? 0xFFFFFFFF
    object PyLong_FromUnsignedLong(unsigned long)

# Set once by dicomwire/__init__.py (bind), read-only afterwards.
cdef dict _KEYWORDS = {}
cdef str _VALUE = "value"       # interned, as attribute names in code are

cdef enum:
    FAR = 16                    # items beyond the end of a tape from which on those before are only counted


def bind(dict keywords):
    """Give the views the dictionary of keywords, keyword -> tag; called once, at import."""
    global _KEYWORDS
    _KEYWORDS = keywords


# ------------------------------------------------------------------------------------------------------ values

cdef object value_at(Block block, uint32_t index):
    """The value of an element as users see it; decoded once, except for views, which are made anew."""
    if index < block.cache_size and block.cache[index] != NULL and not block.entries[index].flags & NOT_ENTERED:
        return <object>block.cache[index]
    return _first_value(block, index)


cdef object _first_value(Block block, uint32_t index):
    # Few object variables here: each one costs every call.
    cdef TapeEntry* entry = block.entries + index
    cdef uint16_t vr = entry.vr
    cdef int traits
    cdef const uint8_t* p
    cdef bint odd = False
    cdef object value
    if vr <= DW_VR_NONE or vr == DW_VR_UN:
        vr = block.vr_of(index)
        entry = block.entries + index
    if vr == DW_VR_SQ:
        return _sequence_at(block, index)
    traits = dw_vr_traits(vr)
    if traits & DW_VR_BYTES:
        if entry.flags & FRAGMENTS:
            return new_fragments(block, index)
        return value_view(block, entry) if entry.length else None
    if block.own.data == NULL and entry.offset + entry.length <= block.source.first.stop:
        p = block.source.first.data + entry.offset          # the usual case of pointer(), without the calls
    else:
        p = block.pointer(entry)
    if p == NULL:
        p = block.reach(entry)
        entry = block.entries + index
    if p == NULL:
        return fetched_value(block, index, vr, traits)
    if traits & DW_VR_TEXT:
        value = repeated_text(block.texts, vr, p, entry.length) if block.texts != NULL else None
        if value is None:
            value = plain_value(vr, traits, p, entry.length, &odd)
        if odd:
            value = decode_text(block, index, vr, traits, p, entry.length)
    else:
        value = decode_binary(block, index, vr, p)
    if index < block.cache_size and block.cache[index] == NULL:
        Py_INCREF(value)
        block.cache[index] = <PyObject*>value
    else:
        block.put(index, value)
    return value


# ------------------------------------------------------------------------------------------------------------------
# keys

cdef object parse_key(object key):
    """A tag as int from a Tag, an int, a pair, a keyword or eight hexadecimal digits; None when it is none of them."""
    cdef PyObject* found
    if isinstance(key, str):
        found = PyDict_GetItemWithError(_KEYWORDS, key)
        if found != NULL:
            return <object>found
        return hook("tag_for_text")(key)
    if isinstance(key, int):
        if 0 <= key <= 0xFFFFFFFF:
            return key
        return None
    if isinstance(key, tuple) and len(key) == 2:
        group, element = key
        if isinstance(group, int) and isinstance(element, int) and 0 <= group <= 0xFFFF and 0 <= element <= 0xFFFF:
            return group << 16 | element
    return None


cdef str _tag_text(object tag):
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


# -----------------------------------------------------------------------------------------------------------
# DataElement

@cython.final
@cython.no_gc
@cython.freelist(256)
cdef class DataElement:
    """One element of a data set: tag, VR, value and where it stands in the source.  A view; PS3.5 section 7.1."""

    def __init__(self):
        raise TypeError("a DataElement is a view and comes from a DataSet")

    def __getattribute__(self, name):
        # The one attribute that loops over thousands of elements ask for takes the short way.
        if name is _VALUE:
            return value_at(self.block, self.index)
        return PyObject_GenericGetAttr(self, name)

    @property
    def tag(self):
        """The tag, an int with ``group`` and ``element``."""
        return as_tag(self.block.entries[self.index].tag)

    @property
    def VR(self):
        """The two letters of the Value Representation, resolved where the encoding leaves it open."""
        return vr_name(self.block.vr_of(self.index))

    @property
    def value(self):
        """The value: str, int, float, a list of them, PersonName, UID, Tag, memoryview, Sequence, Fragments or None.

        Decoded on first access.  Binary values are read-only memoryviews; where the value is in memory they are no
        copies.
        """
        return value_at(self.block, self.index)

    @property
    def VM(self):
        """Value multiplicity: 0 for an empty value, 1 for bytes and for sequences (PS3.5 section 6.4)."""
        value = value_at(self.block, self.index)
        if isinstance(value, list):
            return len(<list>value)
        if self.block.entries[self.index].length == 0 and not isinstance(value, Sequence):
            return 0
        return 0 if value is None or isinstance(value, str) and not value else 1

    @property
    def keyword(self):
        """The keyword of PS3.6, or "" for a tag that has none."""
        return hook("keyword_for_tag")(self.block.entries[self.index].tag)

    @property
    def name(self):
        """The name of PS3.6, or of the private dictionary in brackets."""
        return hook("element_name")(self)

    @property
    def raw(self):
        """The encoded value: a read-only memoryview of its bytes with padding, delimiters and all."""
        cdef TapeEntry* entry = self.block.entries + self.index
        if entry.flags & END_UNKNOWN:
            self.block.resume()
            entry = self.block.entries + self.index
        return value_view(self.block, entry)

    @property
    def offset(self):
        """Absolute offset of the value in the source, in bytes; of a deflated data set, in the inflated stream."""
        return self.block.entries[self.index].offset

    @property
    def length(self):
        """Length of the value in bytes; of an undefined length, the true one without the delimiter."""
        if self.block.entries[self.index].flags & END_UNKNOWN:
            self.block.resume()
        return self.block.entries[self.index].length

    @property
    def header_size(self):
        """Bytes from the tag to the value: 8 or 12."""
        return self.block.entries[self.index].header_size

    @property
    def is_undefined_length(self):
        """Whether the header has no length and a delimiter ends the value (PS3.5 section 7.5.1)."""
        return bool(self.block.entries[self.index].flags & UNDEFINED_LENGTH)

    @property
    def is_truncated(self):
        """Whether the source ended, or the container did, before the value."""
        return bool(self.block.entries[self.index].flags & CUT_SHORT)

    @property
    def is_private(self):
        """Whether the group is odd (PS3.5 section 7.8)."""
        return bool((self.block.entries[self.index].tag >> 16) & 1)

    @property
    def private_creator(self):
        """The Private Creator of the element's block, or None."""
        cdef uint32_t tag = self.block.entries[self.index].tag, creator
        if not (tag >> 16) & 1 or (tag & 0xFFFF) < 0x1000:
            return None
        creator = self.block.find(self.block.entries[self.index].parent, (tag & 0xFFFF0000u) | ((tag >> 8) & 0xFF))
        return value_at(self.block, creator) if creator else None

    @property
    def is_empty(self):
        """Whether there is no value."""
        return self.VM == 0

    @property
    def path(self):
        """Where the element stands, as a key for the data set: "ContentSequence.3.TextValue"."""
        return self.block.path_of(self.index)

    @property
    def repval(self):
        """A short text of the value, as used in listings."""
        return hook("value_text")(self)

    def as_datetime(self):
        """The value of a DA, TM or DT as date, time or datetime; a list of them when there are several.

        Raises ValueDecodeError for text that does not conform, TypeError for other VRs.  PS3.5 section 6.2.
        """
        return hook("as_datetime")(self)

    def __eq__(self, other):
        if not isinstance(other, DataElement):
            return NotImplemented
        return (self.tag == other.tag and self.VR == other.VR and self.value == other.value)

    __hash__ = None

    def __repr__(self):
        return hook("element_text")(self)

    def __reduce__(self):
        cdef TapeEntry* entry = self.block.entries + self.index
        cdef uint32_t creator = 0
        cdef bytes data
        # The element alone, with the private creator that gives it a meaning.
        if (entry.tag >> 16) & 1 and (entry.tag & 0xFFFF) >= 0x1000:
            creator = self.block.find(entry.parent, (entry.tag & 0xFFFF0000u) | ((entry.tag >> 8) & 0xFF))
        data = encoded_element(self.block, creator) if creator else b""
        data += encoded_element(self.block, self.index)
        return _pick, (hook("restore_inside"), (data, DATA_SET, encoding_at(self.block, self.index),
                                                inside_state(self.block, self.index)),
                       self.block.entries[self.index].tag)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self


cdef DataElement new_element(Block block, uint32_t index):
    cdef DataElement element = DataElement.__new__(DataElement)
    element.block = block
    element.index = index
    return element


def _pick(restore, arguments, tag):
    """An unpickled element."""
    return restore(*arguments)[tag]


# -------------------------------------------------------------------------------------------------------------- DataSet

@cython.final
@cython.no_gc
@cython.freelist(16)
cdef class Root:
    pass


@cython.final
@cython.no_gc
@cython.freelist(256)
cdef class DataSet:
    """A data set or an item: elements by keyword, tag or path.  A view of a tape; PS3.5 section 7.

    Attributes give values (``ds.PatientID``), subscripts give elements (``ds["PatientID"]``, ``ds[0x0010, 0x0020]``,
    ``ds["RequestAttributesSequence.0.ScheduledProcedureStepID"]``).  Made by :func:`dicomwire.dcmread`.
    """

    def __init__(self):
        raise TypeError("a DataSet comes from dicomwire.dcmread()")

    def __getattribute__(self, name):
        cdef PyObject* found
        cdef uint32_t index
        cdef unsigned int first
        if PyUnicode_GET_LENGTH(name):
            first = PyUnicode_READ_CHAR(name, 0)
            if 0x41 <= first <= 0x5A:
                found = PyDict_GetItemWithError(_KEYWORDS, name)
                if found != NULL:
                    index = self.block.find(self.index, <uint32_t>PyLong_AsUnsignedLong(<object>found))
                    if index:
                        return value_at(self.block, index)
                    raise AttributeError(f"the data set has no {name}")
                tag = hook("tag_for_text")(name)
                if tag is not None:
                    index = self.block.find(self.index, tag)
                    if index:
                        return value_at(self.block, index)
                    raise AttributeError(f"the data set has no {name}")
                raise AttributeError(hook("unknown_attribute")(name))
        return PyObject_GenericGetAttr(self, name)

    def __setattr__(self, name, value):
        raise AttributeError(f"a DataSet is read-only, {name} cannot be set")

    cdef uint32_t _index_of(self, object key) except? 0:
        """Index of an element by keyword, tag or pair in this item, or 0."""
        cdef object tag = parse_key(key)
        if tag is None:
            return 0
        return self.block.find(self.index, <uint32_t>tag)

    def __getitem__(self, key):
        cdef uint32_t index
        if isinstance(key, str) and "." in <str>key:
            return self._by_path(key)
        index = self._index_of(key)
        if index == 0:
            if parse_key(key) is None:
                raise KeyError(f"{key!r} is no tag, keyword or path")
            raise KeyError(f"the data set has no {key if isinstance(key, str) else _tag_text(parse_key(key))}")
        return new_element(self.block, index)

    def _by_path(self, str path):
        """The element at "Sequence.0.Keyword"; KeyError names the step that is missing."""
        cdef list words = path.split(".")
        cdef object at = self
        cdef Py_ssize_t i, last = len(words) - 1
        for i in range(len(words)):
            word = words[i]
            if isinstance(at, DataSet):
                at = (<DataSet>at)[word]
                if i < last:
                    at = (<DataElement>at).value
            elif isinstance(at, Sequence) and word.isdecimal():
                if int(word) >= len(at):
                    raise KeyError(f"{path!r}: no item {word}")
                at = at[int(word)]
            else:
                raise KeyError(f"{path!r}: {word!r} does not lead on")
        return at

    def __contains__(self, key):
        if isinstance(key, str) and "." in <str>key:
            try:
                self._by_path(key)
            except KeyError:
                return False
            return True
        return self._index_of(key) != 0

    def get(self, key, default=None):
        """The value for a keyword or path, the DataElement for a tag, or ``default``."""
        cdef uint32_t index
        if isinstance(key, str):
            if "." in <str>key:
                try:
                    found = self._by_path(key)
                except KeyError:
                    return default
                return found.value if isinstance(found, DataElement) else found
            index = self._index_of(key)
            return value_at(self.block, index) if index else default
        index = self._index_of(key)
        return new_element(self.block, index) if index else default

    def __iter__(self):
        cdef _Elements elements = _Elements.__new__(_Elements)
        elements.block = self.block
        elements.item = elements.last = self.index
        if self.block.entries[self.index].flags & UNORDERED:
            if self.index == 0:
                self.block.resume()
            elements.order = self.block.order_of(self.index)
        return elements

    def __len__(self):
        cdef uint32_t i, n = 0
        if self.index == 0:
            self.block.resume()
        if self.block.entries[self.index].flags & UNORDERED:
            return sum(1 for _ in self)
        i = self.index + 1
        while i < self.block.entries[self.index].next:
            i = self.block.entries[i].next
            n += 1
        return n

    def __bool__(self):
        return len(self) > 0

    def keys(self):
        """The tags, in ascending order."""
        return [element.tag for element in self]

    def values(self):
        """The elements, in tag order."""
        return list(self)

    def items(self):
        """Pairs of tag and element, in tag order."""
        return [(element.tag, element) for element in self]

    def iterall(self):
        """All elements in tag order, those of nested items after the sequence that holds them; an iterator."""
        cdef _AllElements elements = _AllElements.__new__(_AllElements)
        elements.block = self.block
        elements.next = self.index + 1
        elements.stop = self.block.entries[self.index].next
        elements.top = self.index
        if self.block.entries[self.index].flags & UNORDERED:
            return _walk_ordered(self)
        return elements

    def walk(self):
        """Same as iterall."""
        return self.iterall()

    def to_dict(self):
        """The values as plain Python objects by keyword, nested ones too; see dicomwire.dataset.plain."""
        return hook("to_dict")(self)

    def dir(self, *filters):
        """Keywords of the elements, sorted; with ``filters`` those that contain one of them, in any case."""
        words = sorted(word for word in (element.keyword for element in self) if word)
        if filters:
            parts = [part.lower() for part in filters]
            words = [word for word in words if any(part in word.lower() for part in parts)]
        return words

    def __dir__(self):
        return sorted(set(object.__dir__(self)) | set(self.dir()))

    def private_block(self, group, creator):
        """The elements that ``creator`` reserved in an odd group (PS3.5 section 7.8.1); KeyError for none."""
        cdef uint32_t index, number
        if not group & 1:
            raise ValueError(f"private groups are odd, not 0x{group:04X}")
        for number in range(0x10, 0x100):
            index = self.block.find(self.index, <uint32_t>group << 16 | number)
            if index and value_at(self.block, index) == creator:
                return hook("private_block")(self, group, creator, number)
        raise KeyError(f"no private block of this creator in group {group:04X}")

    # ------------------------------------------------------------------------------------------- the whole data set

    @property
    def file_meta(self):
        """File Meta Information, group 0002 (PS3.10 section 7.1); an empty data set when the source had none."""
        if self.root is None:
            raise AttributeError("an item has no file_meta")
        return hook("read_meta")(self)

    @property
    def preamble(self):
        """The 128 bytes before DICM, or None (PS3.10 section 7.1)."""
        if self.root is None or not (<Root>self.root).preamble:
            return None
        return (<Root>self.root).source.fetch(0, 128)

    @property
    def filename(self):
        """The path it was read from, or None."""
        return None if self.root is None else (<Root>self.root).filename

    @property
    def transfer_syntax(self):
        """UID of the transfer syntax that the data set is really encoded in."""
        cdef Root root
        if self.root is None:
            return None
        root = <Root>self.root
        if root.said:
            return self.file_meta.TransferSyntaxUID
        return as_uid(("1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2", "")[self.block.encoding & 3])

    @property
    def deviations(self):
        """Where the source departs from the standard, as far as it was read; the same list for all items."""
        return [] if self.block.source.findings is None else list(self.block.source.findings)

    @property
    def is_implicit_VR(self):
        """Whether the encoding leaves out VRs (PS3.5 section 7.1.3)."""
        return bool(self.block.encoding & IMPLICIT)

    @property
    def is_little_endian(self):
        """Byte order of the encoding (PS3.5 section 7.3)."""
        return not self.block.encoding & BIG_ENDIAN

    # ---------------------------------------------------------------------------------------------------------- pixels

    @property
    def pixel_array(self):
        """The pixel data as a NumPy array, made anew each time: (frames, rows, columns, samples) without axes of one.

        The axis of frames is left out where there is one frame, that of samples where there is one a pixel.  A
        read-only view of the source where the encoding is that of the array; same as decode().  PS3.3 section C.7.6.3.
        """
        return hook("decode")(self)

    @property
    def frames(self):
        """The frames of the pixel data, each an array decoded when it is asked for; see dicomwire.pixel.Frames."""
        return hook("frames")(self)

    def decode(self, frames=None, *, out=None, bint raw=False, int threads=1, fill=None, transfer_syntax=None,
               policy="report"):
        """Frames of the pixel data as one NumPy array: all, one by number, or several; see dicomwire.pixel.decode."""
        return hook("decode")(self, frames, out=out, raw=raw, threads=threads, fill=fill,
                              transfer_syntax=transfer_syntax, policy=policy)

    # ------------------------------------------------------------------------------------------------------- inspection

    def tape(self):
        """The entries of the structural index as tuples, for people who want to see it.

        Each is (index, tag, VR, header size, flags, offset, length, next, parent); tag 0 is the root.
        """
        cdef list entries = []
        cdef uint32_t i
        cdef TapeEntry* e
        if self.index == 0:
            self.block.go_on(ALL, False)
            self.block.resume()
        for i in range(self.index, self.block.entries[self.index].next):
            e = self.block.entries + i
            entries.append((i, e.tag, vr_name(e.vr), e.header_size, e.flags, e.offset, e.length, e.next, e.parent))
        return entries

    def __eq__(self, other):
        if not isinstance(other, DataSet):
            return NotImplemented
        if self is other:
            return True
        return _same(self, other)

    __hash__ = None

    def __repr__(self):
        return hook("data_set_text")(self)

    def _repr_html_(self):
        return hook("data_set_html")(self)

    def __reduce__(self):
        cdef Root root
        if self.root is not None:
            root = <Root>self.root
            return hook("restore"), (root.source.read_all(), root.arguments, root.filename)
        return reduce_inside(self.block, self.index, DATA_SET)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self


cdef DataSet new_data_set(Block block, uint32_t index):
    cdef DataSet data_set = DataSet.__new__(DataSet)
    data_set.block = block
    data_set.index = index
    data_set.root = None
    return data_set


cdef bint _same(a, b) except -1:
    """Whether two data sets, sequences or lists of items are equal; nesting costs no stack."""
    cdef list pairs = [(iter(a), iter(b))]
    cdef object end = object()
    while pairs:
        left, right = pairs[len(pairs) - 1]
        x, y = next(left, end), next(right, end)
        if x is end or y is end:
            if x is not y:
                return False
            pairs.pop()
        elif isinstance(x, DataSet) and isinstance(y, DataSet):
            pairs.append((iter(x), iter(y)))
        elif not isinstance(x, DataElement) or not isinstance(y, DataElement):
            if x != y:
                return False
        elif x.tag != y.tag or x.VR != y.VR:
            return False
        else:
            x, y = x.value, y.value
            if isinstance(x, Sequence) and isinstance(y, Sequence):
                pairs.append((iter(x), iter(y)))
            elif x != y:
                return False
    return True


@cython.final
@cython.no_gc
@cython.freelist(64)
cdef class _Elements:
    """Iterator over the elements of one item."""
    cdef Block block
    cdef uint32_t item, last    # last: what was handed out, the item itself at first; its subtree may still grow
    cdef bytes order            # of an item out of order: Block.order_of, or None
    cdef Py_ssize_t at          # position there

    def __iter__(self):
        return self

    cdef inline uint32_t _following(self) noexcept:
        return self.last + 1 if self.last == self.item else self.block.entries[self.last].next

    def __next__(self):
        cdef uint32_t i
        if self.order is not None:
            return self._next_in_order()
        i = self._following()
        while i >= self.block.entries[self.item].next:
            if self.item != 0 or self.block.complete:
                raise StopIteration
            if self.block.is_waiting():
                self.block.go_on(ALL, True)
            else:
                self.block.resume()
            if self.block.entries[0].flags & UNORDERED:
                self.block.resume()
                self.order = self.block.order_of(0)
                return self._next_in_order()
            i = self._following()
        self.last = i
        return new_element(self.block, i)

    cdef DataElement _next_in_order(self):
        """The next element by tag; of elements with the same tag the first counts."""
        cdef const uint64_t* keys = <const uint64_t*><const char*>self.order
        cdef Py_ssize_t n = len(self.order) // <Py_ssize_t>sizeof(uint64_t), at = self.at
        cdef uint32_t first = self._following() if self.item == 0 else 0
        # What was handed out before the order was known to be lost is not handed out again.
        while at < n and (at and keys[at] >> 32 == keys[at - 1] >> 32 or <uint32_t>keys[at] < first):
            at += 1
        self.at = at + 1
        if at >= n:
            raise StopIteration
        return new_element(self.block, <uint32_t>keys[at])


@cython.final
@cython.no_gc
@cython.freelist(16)
cdef class _AllElements:
    """Iterator over all elements of an item, nested ones too, in the order of the tape."""
    cdef Block block            # being walked
    cdef uint32_t next, stop, top
    cdef list stack             # of (block, next, stop) to come back to
    cdef Block entering         # a sequence that was just handed out and is walked next
    cdef object ordered         # an iterator over an item whose elements are not in order
    # DataElements handed out last and before, to be used again if nobody kept them; owned.  Not as objects, since
    # counting references when they change places takes as long as all the rest of a step.
    cdef PyObject* given
    cdef PyObject* given_before

    def __dealloc__(self):
        Py_XDECREF(self.given)
        Py_XDECREF(self.given_before)

    def __iter__(self):
        return self

    cdef inline DataElement _element(self, uint32_t i):
        """A DataElement: the one before the last, if the caller let go of it; a loop still holds the last."""
        cdef PyObject* old = self.given_before
        cdef DataElement element
        if old != NULL and Py_REFCNT(<object>old) == 1 and (<DataElement>old).block is self.block:
            (<DataElement>old).index = i
            self.given_before = self.given
            self.given = old
            return <DataElement>old
        element = new_element(self.block, i)
        Py_INCREF(element)
        self.given_before = self.given
        self.given = <PyObject*>element
        Py_XDECREF(old)
        return element

    cdef int _enter(self, Block inner) except -1:
        if self.stack is None:
            self.stack = []
        self.stack.append((self.block, self.next, self.stop))
        self.block = inner
        self.next = 1
        self.stop = inner.entries[0].next
        return 0

    def __next__(self):
        cdef uint32_t i, last = 0
        cdef uint16_t vr
        cdef TapeEntry* entry
        cdef Block inner
        if self.ordered is not None:
            for element in self.ordered:
                return element
            self.ordered = None
        if self.entering is not None:
            inner = self.entering
            self.entering = None
            self._enter(inner)
        while True:
            while self.next < self.stop:
                i = self.next
                entry = self.block.entries + i
                if entry.tag == ITEM_TAG:
                    if entry.flags & NOT_ENTERED:
                        self.next = i + 1
                        self._enter(self.block.inner(i, True))
                        if self.block.entries[0].flags & UNORDERED:
                            self.next = self.stop
                            self.ordered = _walk_ordered(new_data_set(self.block, 0))
                            return next(self)
                    elif entry.flags & UNORDERED:
                        self.next = entry.next
                        self.ordered = _walk_ordered(new_data_set(self.block, i))
                        return next(self)
                    else:
                        self.next = i + 1
                    continue
                if entry.flags & FRAGMENTS:
                    if entry.flags & END_UNKNOWN:
                        self.block.resume()
                        self.stop = self.block.entries[0].next
                        self.next = self.block.entries[i].next
                        self._in_order(i)
                        return self._element(i)
                    self.next = self.block.entries[i].next
                    return self._element(i)
                self.next = i + 1
                vr = entry.vr
                if vr <= DW_VR_NONE or vr == DW_VR_UN:
                    vr = self.block.vr_of(i)
                if vr == DW_VR_SQ and self.block.entries[i].flags & NOT_ENTERED:
                    self.entering = self.block.inner(i, True)
                return self._element(i)
            if self.stack:
                self.block, self.next, self.stop = self.stack.pop()
            else:
                if self.top == 0:
                    last = self.stop - 1
                    while self.block.entries[last].parent:
                        last = self.block.entries[last].parent
                    if last and last == self.block.left_in and self.block.is_waiting():
                        self.block.go_on(0, False)
                    if last and self.block.entries[last].next > self.stop:
                        self.stop = self.block.entries[last].next       # it had been left, and goes on here
                        continue
                    if self.stop == self.block.entries[0].next:
                        self.block.resume()     # someone else may have done it since this walk began
                if self.top != 0 or self.stop == self.block.entries[0].next:
                    raise StopIteration
                self.stop = self.block.entries[0].next
                self._in_order(last)
                if self.ordered is not None:
                    return next(self)

    cdef int _in_order(self, uint32_t last) except -1:
        """Where what stood behind the root's pixel data is out of order, walk the elements after ``last`` by tag."""
        cdef _Elements rest
        if self.block.entries[0].flags & UNORDERED:
            self.block.resume()
            rest = _Elements.__new__(_Elements)
            rest.block = self.block
            rest.last = last
            rest.order = self.block.order_of(0)
            self.ordered = _walk_ordered(rest)
            self.next = self.stop = self.block.entries[0].next
        return 0


def _walk_ordered(elements):
    """All elements of an item whose own elements are not in tag order, or what an iterator over them has left."""
    stack = [iter(elements)]
    while stack:
        for found in stack[len(stack) - 1]:
            if isinstance(found, DataSet):
                stack.append(iter(found))
                break
            yield found
            if (<DataElement>found).block.vr_of((<DataElement>found).index) == DW_VR_SQ:
                stack.append(iter(found.value))
                break
        else:
            stack.pop()


# ------------------------------------------------------------------------------------------------------------- Sequence

@cython.final
@cython.no_gc
@cython.freelist(128)
cdef class Sequence:
    """The items of a sequence, each a DataSet; a view.  PS3.5 section 7.5."""

    def __init__(self):
        raise TypeError("a Sequence comes from a DataSet")

    def __len__(self):
        cdef uint32_t i = self.index + 1, n = 0
        if self.block.entries[self.index].flags & END_UNKNOWN:
            self.block.go_on(ALL, True)
        while i < self.block.entries[self.index].next:
            i = self.block.entries[i].next
            n += 1
        return n

    def __getitem__(self, key):
        cdef Py_ssize_t wanted
        cdef uint32_t i, stop, n = 0
        if isinstance(key, slice):
            items = list(self)
            return items[key]
        wanted = key
        if wanted < 0:
            wanted += len(self)
        i = self.index + 1
        stop = self.block.entries[self.index].next
        if self.block.counted_item and self.block.counted <= wanted and (
                self.block.entries[self.block.counted_item].parent == self.index):
            i = self.block.counted_item
            n = self.block.counted
        while wanted >= 0:
            while i < stop:
                if n == wanted:
                    self.block.counted_item = i
                    self.block.counted = n
                    return _item_at(self.block, i)
                i = self.block.entries[i].next
                n += 1
            if not self.block.entries[self.index].flags & END_UNKNOWN:
                break
            # Who takes one after the other wants what is inside, too; those before a distant one may not be wanted.
            self.block.go_on(<uint32_t>min(wanted - n + 1, <Py_ssize_t>ALL - 1), wanted - n >= FAR)
            stop = self.block.entries[self.index].next
        raise IndexError("item number out of range")

    def __iter__(self):
        cdef _Items items = _Items.__new__(_Items)
        items.block = self.block
        items.sequence = self.index
        items.next = self.index + 1
        items.stop = self.block.entries[self.index].next
        return items

    def __eq__(self, other):
        if isinstance(other, Sequence) or isinstance(other, list):
            return _same(self, other)
        return NotImplemented

    __hash__ = None

    def __repr__(self):
        return hook("sequence_text")(self)

    def __reduce__(self):
        return reduce_inside(self.block, self.index, ITEMS)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self


cdef DataSet _item_at(Block block, uint32_t index):
    """The item at an entry; one that was not entered opens as a block of its own."""
    if block.entries[index].flags & NOT_ENTERED:
        return new_data_set(block.inner(index), 0)
    return new_data_set(block, index)


@cython.final
@cython.no_gc
@cython.freelist(64)
cdef class _Items:
    """Iterator over the items of a sequence."""
    cdef Block block
    cdef uint32_t sequence, next, stop

    def __iter__(self):
        return self

    def __next__(self):
        cdef uint32_t i = self.next
        if i >= self.stop:
            if self.block.entries[self.sequence].flags & END_UNKNOWN:
                self.block.go_on(0, False)
            self.stop = self.block.entries[self.sequence].next
            if i >= self.stop:
                raise StopIteration
        self.next = self.block.entries[i].next
        self.block.ordinal_of(i)
        return _item_at(self.block, i)


cdef Sequence new_sequence(Block block, uint32_t index):
    cdef Sequence sequence = Sequence.__new__(Sequence)
    sequence.block = block
    sequence.index = index
    return sequence


cdef object _sequence_at(Block block, uint32_t index):
    if block.entries[index].flags & NOT_ENTERED:
        return new_sequence(block.inner(index), 0)
    return new_sequence(block, index)
