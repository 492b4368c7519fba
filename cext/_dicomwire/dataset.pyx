"""Views of a tape that users hold: DataSet, Sequence, DataElement, Fragments.

A view is two words, a block and an index, and is made anew whenever one is asked for; values are decoded on first
access and kept in the block.  Views keep the source alive and never each other.  PS3.5 sections 6 and 7.
"""
cimport cython
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint64_t

from .block cimport ALL, element_word, hook
from .choice cimport pixel_word, vr_code_of, vr_for, vr_of_choice
from .decode cimport decode_binary, decode_text, fetched_value, value_view
from .edits cimport Change, Edits
from .fragments cimport Fragments, new_fragments
from .overlay cimport (
    VR_CHOSEN, assign, assign_again, assign_inside, clone, edits_for, edits_of, fresh_block, holds, kept_value,
    members_of, own_members, owner_of, remove, single_element,
)
from .pickling cimport encoded_element, encoding_at, inside_state, reduce_inside
from .source cimport IGNORE, REPORT, STRICT
from .tape cimport (
    BIG_ENDIAN, CUT_SHORT, DATA_SET, END_UNKNOWN, FRAGMENTS, IMPLICIT, ITEM_TAG, ITEMS, NOT_ENTERED, TapeEntry,
    UNDEFINED_LENGTH, UNORDERED,
)
from .swap cimport dw_swap_words, dw_word_of
from .values cimport as_tag, as_uid, is_plain, plain_value, repeated_text
from .vr cimport (
    DW_VR_BYTES, DW_VR_LONG, DW_VR_NONE, DW_VR_OB, DW_VR_OW, DW_VR_SQ, DW_VR_TEXT, DW_VR_UN, dw_vr_traits, vr_name,
)

from .errors import EncodeError

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(object)
    object PyObject_GenericGetAttr(object, object)
    unsigned int PyUnicode_READ_CHAR(object, Py_ssize_t)
    Py_ssize_t PyUnicode_GET_LENGTH(object)
    bint PyList_CheckExact(object)
    PyObject* PyDict_GetItemWithError(object, object) except? NULL
    object PyMemoryView_FromObject(object)
    unsigned long PyLong_AsUnsignedLong(object) except? 0xFFFFFFFF
    object PyLong_FromUnsignedLong(unsigned long)

# Set once by dicomwire/__init__.py (bind), read-only afterwards.
cdef dict _KEYWORDS = {}
cdef str _LINE = "%(tag)s %(name)-35.35s %(VR)s: %(repval)s"
cdef str _VALUE = "value"       # interned, as attribute names in code are

cdef enum:
    PIXEL_DATA = 0x7FE00010
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
            return new_fragments(block.inner(index), 0) if block.is_own else new_fragments(block, index)
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


cdef object _no_key(object key):
    """The error for what is no key; with keywords that may have been meant."""
    cdef object mark = "", hint = ""
    if isinstance(key, str) and (<str>key).isidentifier():
        _, mark, hint = hook("unknown_attribute")(key).partition("; ")
    return KeyError(f"{key!r} is no tag, keyword or path{mark}{hint}")


cdef str _tag_text(object tag):
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


# -----------------------------------------------------------------------------------------------------------
# DataElement

@cython.final
@cython.no_gc
@cython.freelist(256)
cdef class DataElement:
    """One element of a data set: tag, VR, value and where it stands in the source.  A view; PS3.5 section 7.1."""

    def __init__(self, tag, VR, value=None, *, policy="report"):
        """An element that belongs to no data set yet; one takes it up by ``ds[tag] = element`` or ``ds.add(element)``.

        ``policy`` judges the value as in DataSet.  ValueError for what is no tag or no VR, EncodeError for a value
        that the VR cannot hold.
        """
        cdef object key = parse_key(tag)
        cdef uint16_t vr
        cdef Block own
        if key is None:
            raise ValueError(f"{tag!r} is no tag or keyword")
        own = fresh_block(DATA_SET, policy_code(policy))
        vr = vr_code_of(VR)
        if vr < DW_VR_NONE:
            vr = DW_VR_OB if isinstance(value, Fragments) else vr_of_choice(own, 0, <uint32_t>key, vr, value)
        self.index = single_element(own, <uint32_t>key, vr, _inside_or_value(own, vr, value))
        self.block = own

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
        copies.  Setting it changes the data set that the element is of.
        """
        return value_at(self.block, self.index)

    @value.setter
    def value(self, value):
        cdef Block block = self.block
        cdef uint32_t item, tag
        cdef uint16_t vr
        cdef bint chosen = False
        if block.is_own:
            vr = block.entries[self.index].vr
            assign_again(block, self.index, _inside_or_value(block, vr, value))
            return
        tag = block.entries[self.index].tag
        item = block.entries[self.index].parent
        vr = block.vr_of(self.index)
        self.index = _set(block, item, tag, vr, value, chosen)
        self.block = owner_of(block, edits_of(block, item))

    @property
    def VM(self):
        """Value multiplicity: 0 for an empty value, 1 for bytes and for sequences (PS3.5 section 6.4)."""
        value = value_at(self.block, self.index)
        if isinstance(value, list):
            return len(<list>value)
        if self.block.entries[self.index].length == 0 and not isinstance(value, (Sequence, Fragments)):
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
        if self.block.is_own:
            if entry.flags & NOT_ENTERED:
                raise ValueError("what was set has no encoding before its data set is written")
            return kept_value(self.block, self.index)
        if entry.flags & END_UNKNOWN:
            self.block.resume()
            entry = self.block.entries + self.index
        return value_view(self.block, entry)

    @property
    def offset(self):
        """Absolute offset of the value in the source, in bytes; of a deflated data set, in the inflated stream.

        -1 for a value that was set.
        """
        return -1 if self.block.is_own else self.block.entries[self.index].offset

    @property
    def length(self):
        """Length of the value in bytes; of an undefined length, the true one without the delimiter."""
        if self.block.entries[self.index].flags & END_UNKNOWN:
            self.block.resume()
        return self.block.entries[self.index].length

    @property
    def header_size(self):
        """Bytes from the tag to the value: 8 or 12; of a value that was set, in explicit VR."""
        if self.block.is_own:
            return 12 if dw_vr_traits(self.block.entries[self.index].vr) & DW_VR_LONG else 8
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
        if self.block.is_own:
            if self.block.edits is None:
                return None if self.block.privates is None else self.block.privates.get(tag >> 8)
            found = edited_element(self.block, 0, (tag & 0xFFFF0000u) | ((tag >> 8) & 0xFF))
            return None if found is None else found.value
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

    def __getitem__(self, key):
        """One of several values, or an item of a sequence."""
        return self.value[key]

    def clear(self):
        """Take the value away: the element stays, empty."""
        self.value = None

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
        if self.block.is_own or _changed_list(self.block, self.index) is not None:
            return DataElement, (int(entry.tag), self.VR, self.value)
        # The element alone, with the private creator that gives it a meaning.
        if (entry.tag >> 16) & 1 and (entry.tag & 0xFFFF) >= 0x1000:
            creator = self.block.find(entry.parent, (entry.tag & 0xFFFF0000u) | ((entry.tag >> 8) & 0xFF))
        data = encoded_element(self.block, creator) if creator else b""
        data += encoded_element(self.block, self.index)
        return _pick, (hook("restore_inside"), (data, DATA_SET, encoding_at(self.block, self.index),
                                                inside_state(self.block, self.index)),
                       self.block.entries[self.index].tag)

    def __copy__(self):
        return self.__deepcopy__(None)

    def __deepcopy__(self, memo):
        cdef uint32_t tag = self.block.entries[self.index].tag
        cdef uint16_t vr = self.block.vr_of(self.index)
        cdef Block own = fresh_block(DATA_SET, IGNORE)
        return new_element(own, single_element(own, tag, vr, _inside_or_value(own, vr, value_to_set(self), True)))


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
    """What belongs to a whole data set; see dataset.pxd."""


cdef uint8_t policy_code(object policy) except 255:
    """The Policy of a word."""
    if policy == "report":
        return REPORT
    if policy == "strict":
        return STRICT
    if policy == "ignore":
        return IGNORE
    raise ValueError(f"policy={policy!r}: expected 'strict', 'report' or 'ignore'")


# -------------------------------------------------------------------------------------------------------- what is set

cdef DataElement edited_element(Block block, uint32_t item, uint32_t tag):
    """An element of an item that may have been changed, or None."""
    cdef Edits edits = edits_of(block, item)
    cdef Change* change = edits.find(tag) if edits is not None else NULL
    cdef uint32_t index
    if change != NULL:
        return new_element(owner_of(block, edits), change.own) if change.own else None
    index = block.find(item, tag)
    return new_element(block, index) if index else None


cdef object value_to_set(DataElement element):
    """A value of an element as another data set can take it over, with as little change as can be.

    Plain text stays the text that it is: numbers keep their digits.
    """
    cdef Block block = element.block
    cdef TapeEntry* entry = block.entries + element.index
    cdef uint16_t vr = block.vr_of(element.index)
    cdef int traits = dw_vr_traits(vr), word
    cdef bytes text
    cdef bytearray swapped
    entry = block.entries + element.index
    if vr == DW_VR_SQ or entry.flags & FRAGMENTS:
        return value_at(block, element.index)
    changed = _changed_list(block, element.index)
    if changed is not None:
        return changed
    if traits & DW_VR_TEXT:
        text = bytes(kept_value(block, element.index) if block.is_own else value_view(block, entry))
        if is_plain(text, <uint64_t>len(text)):
            return text.decode("ascii").rstrip(" \0")
    value = value_at(block, element.index)
    if isinstance(value, bytes) and not traits & DW_VR_BYTES:
        raise EncodeError(f"{len(value)} bytes are no whole number of {vr_name(vr)} values",
                          path=block.path_of(element.index), section="PS3.5 6.2")
    if traits & DW_VR_BYTES and value is not None and not block.is_own and block.is_big_endian(element.index):
        word = dw_word_of(vr)
        if vr == DW_VR_OW and block.entries[element.index].tag == PIXEL_DATA:
            word = pixel_word(block, block.entries[element.index].parent)
        if word > 1:
            text = bytes(value)
            swapped = bytearray(len(text))
            dw_swap_words(swapped, text, <size_t>len(text), word)
            return bytes(swapped)
    return value


cdef Block _item_block(object item, Block holder):
    """The block of an item to be put into a sequence: a data set that was made itself, of one that was read a copy."""
    cdef DataSet data_set
    if not isinstance(item, DataSet):
        other = hook("item_from_pydicom")(item)
        if other is None:
            raise EncodeError(f"items are data sets, not {type(item).__name__}", section="PS3.5 7.5")
        item = other
    data_set = <DataSet>item
    if not data_set.block.is_own or data_set.block.kind != DATA_SET:
        adopt_lists(data_set.block, data_set.index)
        return clone(_walked(data_set.block, data_set.index), data_set.index)
    if holder is not None and data_set.block.edits is not None and data_set.block.edits.holds_items and (
            holder.edits is None or holder.edits.is_held) and holds(data_set.block, holder):
        raise ValueError("a data set cannot be an item of itself")
    edits_for(data_set.block, 0).is_held = True
    return data_set.block


cdef DataElement _own_element(object element):
    """A DataElement that was given, or one of pydicom's as ours."""
    if not isinstance(element, DataElement):
        made = hook("element_from_pydicom")(element)
        if made is None:
            raise TypeError(f"expected a DataElement, not {type(element).__module__}.{type(element).__name__}")
        return made
    return <DataElement>element


cdef Block _walked(Block block, uint32_t index):
    """The same block, walked to the end of an entry that had been left."""
    cdef uint32_t i = index
    if block.entries[i].flags & END_UNKNOWN and i:
        if block.entries[i].flags & FRAGMENTS:
            block.resume()
        else:
            block.go_on(ALL, True)
    return block


cdef Block sequence_block(object value, Block holder, bint copied):
    """The inside of a sequence from what users give for one: the block of a Sequence that was made, or a new one."""
    cdef Block made
    cdef Sequence sequence
    if isinstance(value, Sequence):
        sequence = <Sequence>value
        if copied or not sequence.block.is_own or sequence.entry:
            adopt_lists(sequence.block, sequence.entry)
            return clone(_walked(sequence.block, sequence.entry), sequence.entry)
        if holder is not None and holder.edits is not None and holder.edits.is_held and holds(sequence.block, holder):
            raise ValueError("a data set cannot be an item of itself")
        edits_for(sequence.block, 0).is_held = True
        return sequence.block
    if value is None:
        value = ()
    if isinstance(value, (DataSet, str, bytes, int, float)) or not hasattr(value, "__iter__"):
        raise EncodeError(f"SQ takes a list of data sets, not {type(value).__name__}", section="PS3.5 7.5")
    made = fresh_block(ITEMS)
    edits_for(made, 0).members = [_item_block(item, None) for item in value]
    if holder is not None and holder.edits is not None and holder.edits.is_held and holds(made, holder):
        raise ValueError("a data set cannot be an item of itself")
    made.edits.is_held = True
    return made


cdef object _inside_or_value(Block holder, uint16_t vr, object value, bint copied=False):
    """A value as overlay takes it: the block of a sequence or of fragments, or the value itself."""
    cdef Fragments fragments
    if vr == DW_VR_SQ:
        return sequence_block(value, holder, copied)
    if isinstance(value, Fragments):
        if not dw_vr_traits(vr) & DW_VR_BYTES:
            raise EncodeError(f"{vr_name(vr)} takes no fragments", section="PS3.5 A.4")
        fragments = <Fragments>value
        return clone(_walked(fragments.block, fragments.index), fragments.index)
    return value


cdef uint32_t _set(Block block, uint32_t item, uint32_t tag, uint16_t vr, object value, bint chosen) except 0:
    """Set an element of an item; its index in the own block."""
    cdef object inside
    if isinstance(value, Fragments) and dw_vr_traits(vr) & DW_VR_BYTES:
        vr = DW_VR_OB
    try:
        inside = _inside_or_value(block, vr, value)
    except EncodeError as error:
        raise EncodeError(error.message, path=_path_to(block, item, tag), section=error.section) from None
    if vr == DW_VR_SQ or isinstance(value, Fragments):
        return assign_inside(block, item, tag, vr, <Block>inside)
    return assign(block, item, tag, vr, value, chosen)


cdef str _path_to(Block block, uint32_t item, uint32_t tag):
    around = block.path_of(item)
    word = element_word(tag)
    return f"{around}.{word}" if around else word


cdef int adopt_lists(Block block, uint32_t index=0) except -1:
    """Make lists of values that users changed in place the values of their elements, in all that is at an entry.

    A list whose element was set or deleted since is nobody's value any more.
    """
    cdef list pending = [(block, None, index)]
    cdef Block at
    cdef Edits edits
    cdef uint32_t i, first, stop
    while pending:
        at, edits, first = pending.pop()
        stop = min(at.cache_size, at.entries[first].next if first else at.count)
        if edits is None and at.is_own:
            edits = at.edits
        for i in range(first + 1, stop):
            if at.cache[i] == NULL:
                continue
            if at.entries[i].flags & NOT_ENTERED:
                if not at.entries[i].flags & FRAGMENTS and _is_current(at, i, edits):
                    pending.append((<object>at.cache[i], None, 0))
            elif PyList_CheckExact(<object>at.cache[i]) and _is_current(at, i, edits):
                _adopt_list(at, i)
        if at.edits is None:
            continue
        if first == 0:
            if at.edits.own is not None:
                pending.append((at.edits.own, at.edits, 0))
            if at.edits.members is not None:
                pending.extend([(part, None, 0) for part in at.edits.members if isinstance(part, Block)])
        for place, inside in (at.edits.items or {}).items():
            if (<Edits>inside).own is not None and (first == 0 or first <= place < at.entries[first].next):
                pending.append(((<Edits>inside).own, inside, 0))
        for place, members in (at.edits.lists or {}).items():
            if first == 0 or first <= place < at.entries[first].next:
                pending.extend([(part, None, 0) for part in members if isinstance(part, Block)])
    return 0


cdef bint _is_current(Block block, uint32_t index, Edits edits) except -1:
    """Whether an entry is the element that its tag now stands for; ``edits``: of the item whose own block this is."""
    cdef uint32_t tag = block.entries[index].tag, item
    cdef Change* change
    if block.is_own:
        if edits is None:
            return True                         # an element that belongs to no item
        change = edits.find(tag)
        return change != NULL and change.own == index
    if block.edits is None:
        return True
    item = block.entries[index].parent
    edits = edits_of(block, item)
    return edits is None or edits.find(tag) == NULL


cdef object _changed_list(Block block, uint32_t index):
    """The list of values that users have of an element, if they changed it in place; else None."""
    cdef object old, fresh
    if index >= block.cache_size or block.cache[index] == NULL or block.entries[index].flags & NOT_ENTERED or (
            not PyList_CheckExact(<object>block.cache[index])):
        return None
    old = <object>block.cache[index]
    Py_XDECREF(block.cache[index])
    block.cache[index] = NULL
    try:
        fresh = _first_value(block, index)
    finally:
        block.put(index, old)
    return None if _are_equal(fresh, old) else old


cdef bint _are_equal(list fresh, list old) except -1:
    """Whether two lists of values are the same, not-a-number too."""
    if fresh == old:
        return True
    if len(fresh) != len(old):
        return False
    for a, b in zip(fresh, old):
        if a != b and not (isinstance(a, float) and isinstance(b, float) and a != a and b != b):
            return False
    return True


cdef int _adopt_list(Block block, uint32_t index) except -1:
    cdef object changed = _changed_list(block, index)
    cdef uint32_t tag = block.entries[index].tag
    if changed is None:
        return 0
    if block.is_own:
        assign_again(block, index, changed)
    else:
        assign(block, block.entries[index].parent, tag, block.vr_of(index), changed, False)
    return 0


def _merged(DataSet data_set):
    """The elements of an item that was changed, in tag order."""
    cdef Edits edits = edits_of(data_set.block, data_set.index)
    cdef _Elements tape = _tape_elements(data_set.block, data_set.index)
    cdef DataElement pending = next(tape, None)
    cdef int64_t last = -1
    cdef uint32_t at, tag
    while True:
        while pending is not None:
            tag = pending.block.entries[pending.index].tag
            if tag > last and edits.find(tag) == NULL:
                break
            pending = next(tape, None)
        at = edits.position(<uint32_t>(last + 1)) if last < 0xFFFFFFFF else edits.count
        if at < edits.count and (pending is None or edits.changes[at].tag < pending.block.entries[pending.index].tag):
            last = edits.changes[at].tag
            if edits.changes[at].own:
                yield new_element(owner_of(data_set.block, edits), edits.changes[at].own)
        elif pending is None:
            return
        else:
            last = pending.block.entries[pending.index].tag
            yield pending


@cython.final
@cython.no_gc
@cython.freelist(256)
cdef class DataSet:
    """A data set or an item: elements by keyword, tag or path.  A view of a tape; PS3.5 section 7.

    Attributes give values (``ds.PatientID``), subscripts give elements (``ds["PatientID"]``, ``ds[0x0010, 0x0020]``,
    ``ds["RequestAttributesSequence.0.ScheduledProcedureStepID"]``).  Read by :func:`dicomwire.dcmread`, or made.

    Setting an attribute, or ``ds[key] = value``, changes an element or inserts one.  What was read stays as it is
    beneath the changes, so that writing copies all else as it was.
    """

    def __init__(self, elements=None, *, policy="report", **values):
        """A data set with the elements of another one, or of a mapping from keys to values; empty without.

        values      values by keyword: ``DataSet(PatientID="1", Rows=512)``
        policy      what happens to values that can be encoded but depart from their VR: "strict" raises EncodeError,
                    "report" lists them in ``deviations``, "ignore" does neither
        """
        self.block = fresh_block(DATA_SET, policy_code(policy))
        self.index = 0
        edits_for(self.block, 0)
        if elements is not None:
            self.update(elements)
        for name, value in values.items():
            setattr(self, name, value)

    def __getattribute__(self, name):
        cdef PyObject* found
        cdef uint32_t index
        cdef unsigned int first
        if PyUnicode_GET_LENGTH(name):
            first = PyUnicode_READ_CHAR(name, 0)
            if 0x41 <= first <= 0x5A:
                found = PyDict_GetItemWithError(_KEYWORDS, name)
                if self.block.edits is not None:
                    return self._edited_value(name)
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

    cdef object _edited_value(self, object name):
        """An attribute's value where elements may have been changed."""
        cdef object tag = parse_key(name)
        cdef DataElement element
        if tag is None:
            raise AttributeError(hook("unknown_attribute")(name))
        element = edited_element(self.block, self.index, <uint32_t>tag)
        if element is None:
            raise AttributeError(f"the data set has no {name}")
        return value_at(element.block, element.index)

    def __setattr__(self, name, value):
        cdef object tag
        cdef bint chosen = False
        cdef uint16_t vr
        if not 0x41 <= PyUnicode_READ_CHAR(name, 0) <= 0x5A:
            if name == "preamble":
                self._root().own_preamble = hook("checked_preamble")(value)
            elif name == "file_meta":
                if not isinstance(value, DataSet):
                    raise TypeError(f"file_meta is a DataSet, not {type(value).__name__}")
                if (<DataSet>value).block.is_own or (<DataSet>value).index == 0:
                    self._root().meta = (<DataSet>value).block
                    self._root().new_meta = True
                else:
                    raise TypeError("an item cannot be file_meta")
            elif name == "is_little_endian" or name == "is_implicit_VR":
                raise AttributeError(f"{name} tells how a data set was read; it is written as "
                                     "file_meta.TransferSyntaxUID, or the argument transfer_syntax, says")
            else:
                raise AttributeError(f"a DataSet has no attribute {name} that can be set")
            return
        tag = parse_key(name)
        if tag is None:
            raise AttributeError(hook("unknown_attribute")(name))
        vr = vr_for(self.block, self.index, <uint32_t>tag, value, &chosen)
        _set(self.block, self.index, <uint32_t>tag, vr, value, chosen)

    def __delattr__(self, name):
        cdef object tag = parse_key(name)
        if tag is None or not remove(self.block, self.index, <uint32_t>tag):
            raise AttributeError(f"the data set has no {name}")

    cdef Root _root(self):
        """What belongs to the whole data set; made for one that was made."""
        cdef Root root
        if self.root is None:
            if not self.block.is_own:
                raise AttributeError("an item has no file_meta and no preamble")
            root = Root.__new__(Root)
            root.meta = fresh_block(DATA_SET)
            edits_for(root.meta, 0)
            self.root = root
        return <Root>self.root

    def __setitem__(self, key, value):
        cdef object tag
        cdef bint chosen = False
        cdef uint16_t vr
        cdef DataElement element
        if isinstance(key, str) and "." in <str>key:
            around, _, last = (<str>key).rpartition(".")
            item = self._by_path(around)
            if isinstance(item, Sequence) or isinstance(item, DataSet):
                item[int(last) if isinstance(item, Sequence) else last] = value
                return
            item = (<DataElement>item).value
            if not isinstance(item, Sequence) or not last.isdecimal():
                raise KeyError(f"{key!r} leads to no element")
            item[int(last)] = value
            return
        tag = parse_key(key)
        if tag is None:
            raise _no_key(key)
        if not isinstance(value, DataElement) and hasattr(value, "VR"):
            value = _own_element(value)
        if isinstance(value, DataElement):
            element = <DataElement>value
            if element.block.entries[element.index].tag != tag:
                raise ValueError(f"the element is {_tag_text(element.block.entries[element.index].tag)}, "
                                 f"its key is {_tag_text(tag)}")
            self._take(element)
            return
        vr = vr_for(self.block, self.index, <uint32_t>tag, value, &chosen)
        _set(self.block, self.index, <uint32_t>tag, vr, value, chosen)

    cdef int _take(self, DataElement element) except -1:
        """Take over another data set's element, or one that belongs to none: its VR and a copy of its value."""
        cdef uint32_t tag = element.block.entries[element.index].tag
        cdef bint chosen = element.block.is_own and element.block.entries[element.index].header_size == VR_CHOSEN
        _set(self.block, self.index, tag, element.block.vr_of(element.index), value_to_set(element), chosen)
        return 0

    def __delitem__(self, key):
        cdef object tag
        if isinstance(key, slice):
            hook("delete_part")(self, key)
            return
        if isinstance(key, str) and "." in <str>key:
            around, _, last = (<str>key).rpartition(".")
            item = self._by_path(around)
            if isinstance(item, DataElement):
                item = (<DataElement>item).value
            del item[int(last) if isinstance(item, Sequence) else last]
            return
        tag = parse_key(key)
        if tag is None:
            raise _no_key(key)
        if not remove(self.block, self.index, <uint32_t>tag):
            raise KeyError(f"the data set has no {key if isinstance(key, str) else _tag_text(tag)}")

    def add(self, element):
        """Take over an element."""
        self._take(_own_element(element))

    def add_new(self, tag, VR, value):
        """Set an element with a VR that the caller chooses."""
        cdef object key = parse_key(tag)
        cdef uint16_t vr = vr_code_of(VR)
        cdef bint chosen = False
        if key is None:
            raise KeyError(f"{tag!r} is no tag or keyword")
        if vr < DW_VR_NONE:
            chosen = True
            vr = vr_of_choice(self.block, self.index, <uint32_t>key, vr, value)
        _set(self.block, self.index, <uint32_t>key, vr, value, chosen)

    def update(self, elements):
        """Take over the elements of a data set, or set values by key from a mapping or from pairs."""
        hook("update")(self, elements)

    def setdefault(self, key, default=None):
        """The element for a key, which is set to ``default``, a value or a DataElement, where there is none."""
        return hook("setdefault")(self, key, default)

    def pop(self, key, *default):
        """Delete an element and return it; ``default`` or KeyError where there is none."""
        return hook("pop")(self, key, *default)

    def clear(self):
        """Delete all elements."""
        for tag in self.keys():
            remove(self.block, self.index, <uint32_t>tag)

    def save_as(self, filename, **options):
        """Write the data set as a file; see :func:`dicomwire.dcmwrite` for the options."""
        hook("dcmwrite")(filename, self, **options)

    def copy(self):
        """A data set that can be changed without changing this one; what was read is not copied."""
        return self.__copy__()

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
        if self.block.edits is not None:
            tag = parse_key(key)
            found = None if tag is None else edited_element(self.block, self.index, <uint32_t>tag)
            if found is not None:
                return found
            index = 0
        else:
            index = self._index_of(key)
        if index == 0:
            if isinstance(key, slice):
                return hook("part")(self, key)
            if parse_key(key) is None:
                raise _no_key(key)
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
        if self.block.edits is not None:
            tag = parse_key(key)
            return tag is not None and edited_element(self.block, self.index, <uint32_t>tag) is not None
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
            if self.block.edits is not None:
                return self[key].value if key in self else default
            index = self._index_of(key)
            return value_at(self.block, index) if index else default
        if self.block.edits is not None:
            return self[key] if key in self else default
        index = self._index_of(key)
        return new_element(self.block, index) if index else default

    def __iter__(self):
        if self.block.edits is not None and edits_of(self.block, self.index) is not None:
            return _merged(self)
        return _tape_elements(self.block, self.index)

    def __len__(self):
        cdef uint32_t i, n = 0
        if self.block.edits is not None:
            return sum(1 for _ in self)
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
        if self.block.entries[self.index].flags & UNORDERED or self.block.source.edited:
            return _walk_ordered(self)
        return elements

    def walk(self, callback=None, recursive=True):
        """Call ``callback(data_set, element)`` for each element, with the item that it is in; it may change both.

        ``recursive``: elements of items, too.  Without a callback the same as iterall, or as iter.
        """
        if callback is None:
            return self.iterall() if recursive else iter(self)
        hook("walk")(self, callback, recursive)

    def elements(self):
        """The elements, in tag order; an iterator."""
        return iter(self)

    def data_element(self, name):
        """The element with this keyword, or None."""
        return self[name] if name in self else None

    def get_item(self, key):
        """The element for a key; same as subscripts."""
        return self[key]

    def group_dataset(self, group):
        """A data set with the elements of one group, a copy like ``ds[first:stop]``."""
        return hook("group")(self, group)

    def remove_private_tags(self):
        """Delete all private elements, in items too."""
        hook("remove_private")(self)

    def formatted_lines(self, element_format=_LINE, sequence_element_format=_LINE):
        """A line for each element, nested ones too, from formats that name attributes of DataElement; an iterator."""
        return hook("data_set_lines")(self, element_format, sequence_element_format)

    def top(self):
        """The elements as text, without those in items."""
        return hook("data_set_text")(self, is_nested=False)

    def to_dict(self):
        """The values as plain Python objects by keyword, nested ones too; see dicomwire.dataset.plain."""
        return hook("to_dict")(self)

    def to_json(self, **options):
        """The DICOM JSON Model object as text (PS3.18 Annex F); see dicomwire.dataset.json.iter_json for options."""
        return hook("to_json")(self, **options)

    def to_json_dict(self, **options):
        """The DICOM JSON Model object as Python objects; options as for to_json."""
        return hook("to_json_dict")(self, **options)

    @classmethod
    def from_json(cls, source, **options):
        """The data set of a DICOM JSON Model object; see dicomwire.dataset.json.from_json for options."""
        return hook("from_json")(source, **options)

    def to_xml(self, **options):
        """The NativeDicomModel document as text (PS3.19 Annex A.1); see dicomwire.dataset.xml.iter_xml for options."""
        return hook("to_xml")(self, **options)

    @classmethod
    def from_xml(cls, source, **options):
        """The data set of a NativeDicomModel document; see dicomwire.dataset.xml.from_xml for options."""
        return hook("from_xml")(source, **options)

    def to_pydicom(self):
        """A pydicom Dataset with the same elements; see dicomwire.dataset.pydicom."""
        return hook("to_pydicom")(self)

    @classmethod
    def from_pydicom(cls, dataset):
        """The data set of a pydicom Dataset; see dicomwire.dataset.pydicom."""
        return hook("from_pydicom")(dataset)

    def dir(self, *filters):
        """Keywords of the elements, sorted; with ``filters`` those that contain one of them, in any case."""
        words = sorted(word for word in (element.keyword for element in self) if word)
        if filters:
            parts = [part.lower() for part in filters]
            words = [word for word in words if any(part in word.lower() for part in parts)]
        return words

    def __dir__(self):
        return sorted(set(object.__dir__(self)) | set(self.dir()))

    def private_block(self, group, creator, *, create=False):
        """The elements that ``creator`` reserved in an odd group (PS3.5 section 7.8.1).

        ``create``: reserves the first block that is free where it has none; else that is a KeyError.
        """
        cdef uint32_t number, free = 0
        cdef DataElement element
        if not group & 1 or not 0 < group <= 0xFFFF:
            raise ValueError(f"private groups are odd, not 0x{group:04X}")
        for number in range(0x10, 0x100):
            element = edited_element(self.block, self.index, <uint32_t>group << 16 | number)
            if element is None:
                free = free if free else number
            elif value_at(element.block, element.index) == creator:
                return hook("private_block")(self, group, creator, number)
        if create:
            if not free:
                raise ValueError(f"all private blocks of group {group:04X} are taken; PS3.5 7.8.1")
            self[<uint32_t>group << 16 | free] = creator
            return hook("private_block")(self, group, creator, free)
        raise KeyError(f"no private block of this creator in group {group:04X}")

    def private_creators(self, group):
        """The creators that reserved blocks of an odd group."""
        return hook("private_creators")(self, group)

    def get_private_item(self, group, element_offset, private_creator):
        """The element of a creator's block, by the last two digits of its tag; KeyError where there is none."""
        return self.private_block(group, private_creator)[element_offset]

    # ------------------------------------------------------------------------------------------- the whole data set

    @property
    def file_meta(self):
        """File Meta Information, group 0002 (PS3.10 section 7.1); an empty data set when the source had none."""
        cdef Root root = self._root()
        if root.meta is not None:
            return new_data_set(root.meta, 0)
        return hook("read_meta")(self)

    @property
    def preamble(self):
        """The 128 bytes before DICM, or None (PS3.10 section 7.1)."""
        if self.root is not None and (<Root>self.root).own_preamble is not None:
            return (<Root>self.root).own_preamble
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
        if root.source is None:
            found = self.file_meta.get("TransferSyntaxUID")
        elif root.said:
            found = hook("read_syntax")(self)
        else:
            found = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2", "")[self.block.encoding & 3]
            return as_uid(found)
        # Several values are no UID that anybody knows; in one piece they are at least a text.
        return as_uid("\\".join(found)) if isinstance(found, list) else found

    @property
    def deviations(self):
        """Where the source departs from the standard, as far as it was read: one list for all items.

        Behind these come values that were set in this item and depart from it.
        """
        cdef list found = [] if self.block.source.findings is None else list(self.block.source.findings)
        cdef Edits edits = edits_of(self.block, self.index)
        if edits is not None and owner_of(self.block, edits).findings is not None:
            found.extend(owner_of(self.block, edits).findings)
        return found

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

    def compress(self, transfer_syntax, **options):
        """Encode the pixel data in another transfer syntax, in place; see dicomwire.pixel.encoding.compress."""
        hook("compress")(self, transfer_syntax, **options)

    def decompress(self, **options):
        """Make the pixel data native, in place; see dicomwire.pixel.encoding.decompress."""
        hook("decompress")(self, **options)

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
        adopt_lists(self.block)
        if self.block.source.edited or self.root is not None and (<Root>self.root).new_meta:
            return hook("reduce_edited")(self)
        if self.root is not None:
            root = <Root>self.root
            return hook("restore"), (root.source.read_all(), root.arguments, root.filename)
        return reduce_inside(self.block, self.index, DATA_SET)

    def __copy__(self):
        cdef DataSet copy
        cdef Root root, made
        adopt_lists(self.block)
        copy = new_data_set(clone(_walked(self.block, self.index), self.index), 0)
        if self.root is not None:
            root = <Root>self.root
            made = Root.__new__(Root)
            made.meta = clone(root.meta, 0) if root.meta is not None else None
            made.has_meta, made.source, made.preamble, made.said = root.has_meta, root.source, root.preamble, root.said
            made.filename, made.arguments, made.own_preamble = root.filename, root.arguments, root.own_preamble
            made.new_meta = root.new_meta
            copy.root = made
        return copy

    def __deepcopy__(self, memo):
        return self.__copy__()


cdef _Elements _tape_elements(Block block, uint32_t item):
    """The elements of an item as they were read; an iterator."""
    cdef _Elements elements = _Elements.__new__(_Elements)
    elements.block = block
    elements.item = elements.last = item
    if block.entries[item].flags & UNORDERED:
        if item == 0:
            block.resume()
        elements.order = block.order_of(item)
    return elements


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

    def __init__(self, items=()):
        """A sequence that belongs to no data set yet; data sets that were read are copied, others are the items."""
        self.block = sequence_block(items if not isinstance(items, Sequence) else list(items), None, False)
        self.entry = 0

    def __len__(self):
        cdef uint32_t i = self.entry + 1, n = 0
        if self.block.edits is not None:
            members = members_of(self.block, self.entry)
            if members is not None:
                return len(members)
        if self.block.entries[self.entry].flags & END_UNKNOWN:
            self.block.go_on(ALL, True)
        while i < self.block.entries[self.entry].next:
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
        if self.block.edits is not None:
            members = members_of(self.block, self.entry)
            if members is not None:
                if not -len(members) <= wanted < len(members):
                    raise IndexError("item number out of range")
                return _member(self.block, (<list>members)[wanted + (len(members) if wanted < 0 else 0)])
        if wanted < 0:
            wanted += len(self)
        i = self.entry + 1
        stop = self.block.entries[self.entry].next
        if self.block.counted_item and self.block.counted <= wanted and (
                self.block.entries[self.block.counted_item].parent == self.entry):
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
            if not self.block.entries[self.entry].flags & END_UNKNOWN:
                break
            # Who takes one after the other wants what is inside, too; those before a distant one may not be wanted.
            self.block.go_on(<uint32_t>min(wanted - n + 1, <Py_ssize_t>ALL - 1), wanted - n >= FAR)
            stop = self.block.entries[self.entry].next
        raise IndexError("item number out of range")

    def offsets(self):
        """Absolute offsets of the items' tags in the source, in bytes, in their order; -1 for one that was set."""
        cdef list found = []
        cdef uint32_t i
        cdef object part
        if self.block.edits is not None:
            members = members_of(self.block, self.entry)
            if members is not None:
                for part in members:
                    if isinstance(part, int):
                        found.append(self.block.entries[<uint32_t>part].offset
                                     - self.block.entries[<uint32_t>part].header_size)
                    else:
                        found.append(-1)
                return found
        if self.block.entries[self.entry].flags & END_UNKNOWN:
            self.block.go_on(ALL, True)
        i = self.entry + 1
        while i < self.block.entries[self.entry].next:
            found.append(self.block.entries[i].offset - self.block.entries[i].header_size)
            i = self.block.entries[i].next
        return found

    def __setitem__(self, key, value):
        cdef list members = own_members(self.block, self.entry)
        self._touch()
        if isinstance(key, slice):
            members[key] = [_item_block(item, self.block) for item in value]
        else:
            if not -len(members) <= key < len(members):
                raise IndexError("item number out of range")
            members[key + (len(members) if key < 0 else 0)] = _item_block(value, self.block)

    def __delitem__(self, key):
        cdef list members = own_members(self.block, self.entry)
        self._touch()
        if not isinstance(key, slice):
            if not -len(members) <= key < len(members):
                raise IndexError("item number out of range")
            key += len(members) if key < 0 else 0
        members.__delitem__(key)

    cdef int _touch(self) except -1:
        if not self.block.is_own:
            self.block.source.edited = True
        return 0

    def append(self, item):
        """Put an item at the end: a data set that was made, or a copy of one that was read."""
        own_members(self.block, self.entry).append(_item_block(item, self.block))
        self._touch()

    def insert(self, Py_ssize_t position, item):
        """Put an item before the one at a position, as lists do."""
        own_members(self.block, self.entry).insert(position, _item_block(item, self.block))
        self._touch()

    def extend(self, items):
        """Put items at the end."""
        made = [_item_block(item, self.block) for item in items]
        own_members(self.block, self.entry).extend(made)
        self._touch()

    def __iadd__(self, items):
        self.extend(items)
        return self

    def pop(self, Py_ssize_t position=-1):
        """Take an item out and return it."""
        item = self[position]
        del self[position]
        return item

    def remove(self, item):
        """Take out the first item that is equal; ValueError where there is none."""
        del self[self.index(item)]

    def index(self, item, start=0, stop=None):
        """The position of the first item that is equal; ValueError where there is none."""
        items = list(self)
        for position in range(*slice(start, stop).indices(len(items))):
            if items[position] == item:
                return position
        raise ValueError("no item is equal to this one")

    def count(self, item):
        """How many items are equal."""
        return sum(1 for found in self if found == item)

    def sort(self, *, key, reverse=False):
        """Order the items by what ``key`` says of each."""
        order = sorted(range(len(self)), key=[key(item) for item in self].__getitem__, reverse=reverse)
        members = own_members(self.block, self.entry)
        members[:] = [members[at] for at in order]
        self._touch()

    def copy(self):
        """A sequence that belongs to no data set, with copies of the items."""
        return self.__copy__()

    def __add__(self, items):
        if not isinstance(items, (Sequence, list, tuple)):
            return NotImplemented
        return [*self, *items]

    def __radd__(self, items):
        if not isinstance(items, (list, tuple)):
            return NotImplemented
        return [*items, *self]

    def clear(self):
        """Take all items out."""
        own_members(self.block, self.entry).clear()
        self._touch()

    def reverse(self):
        """Turn the order of the items around."""
        own_members(self.block, self.entry).reverse()
        self._touch()

    def __iter__(self):
        if self.block.edits is not None:
            members = members_of(self.block, self.entry)
            if members is not None:
                return iter([_member(self.block, part) for part in members])
        return self._tape_items()

    cdef object _tape_items(self):
        cdef _Items items = _Items.__new__(_Items)
        items.block = self.block
        items.sequence = self.entry
        items.next = self.entry + 1
        items.stop = self.block.entries[self.entry].next
        return items

    def __eq__(self, other):
        if isinstance(other, Sequence) or isinstance(other, list):
            return _same(self, other)
        return NotImplemented

    __hash__ = None

    def __repr__(self):
        return hook("sequence_text")(self)

    def __reduce__(self):
        adopt_lists(self.block, self.entry)
        if self.block.source.edited:
            return Sequence, (list(self),)
        return reduce_inside(self.block, self.entry, ITEMS)

    def __copy__(self):
        adopt_lists(self.block, self.entry)
        return new_sequence(clone(_walked(self.block, self.entry), self.entry), 0)

    def __deepcopy__(self, memo):
        return self.__copy__()


cdef DataSet _member(Block block, object part):
    """An item of a sequence that was changed."""
    return _item_at(block, <uint32_t>part) if isinstance(part, int) else new_data_set(<Block>part, 0)


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
    sequence.entry = index
    return sequence


cdef object _sequence_at(Block block, uint32_t index):
    if block.entries[index].flags & NOT_ENTERED:
        return new_sequence(block.inner(index), 0)
    return new_sequence(block, index)
