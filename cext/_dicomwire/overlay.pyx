"""Setting, deleting and copying what blocks hold; see overlay.pxd.

Nothing on a tape ever changes: a changed element is an entry of an own block, found through the item's ``Edits`` before
the tape is asked.  So views of what was read stay valid, and writing can tell what is untouched.  PS3.5 section 7.
"""
from cpython.bytes cimport PyBytes_AS_STRING
from cpython.object cimport PyObject
from cpython.ref cimport Py_XDECREF
from libc.stdint cimport uint64_t

from libc.string cimport memcpy, memset

from .block cimport ALL, CHARSET_UNKNOWN, CHARSET_UTF8, PathNode, element_word, hook
from .edits cimport Change
from .emitter cimport dw_grow
from .encode cimport encode_value, kept_bytes
from .source cimport IGNORE, REPORT, STRICT, Source
from .tape cimport (
    BIG_ENDIAN, DATA_SET, END_UNKNOWN, EXPLICIT_LE, FRAGMENTS, IMPLICIT, IMPLICIT_IN_UN, ITEM_TAG, ITEMS, NOT_ENTERED,
    PIECES, TapeEntry, UNDEFINED_LENGTH, VR_GUESSED,
)
from .values cimport word_size
from .vr cimport DW_VR_BYTES, DW_VR_NONE, DW_VR_SINGLE, DW_VR_SQ, DW_VR_TEXT, DW_VR_UN, dw_vr_traits

from .errors import Deviation, EncodeError

cdef uint64_t _KEPT = <uint64_t>1 << 62        # offset of values that are objects of their own: in no window

# Where blocks are that were made: a source of nothing, the same for all, which nobody writes to.
cdef Source _NOWHERE = Source.__new__(Source)
_NOWHERE.policy = IGNORE
_NOWHERE.frozen = True
_NOWHERE.edited = True


# --------------------------------------------------------------------------------------------------------------- blocks

cdef Block fresh_block(uint8_t kind, uint8_t policy=REPORT):
    """An own block with no elements, or no items."""
    cdef Block block = Block.__new__(Block)
    block.entries = <TapeEntry*>dw_grow(NULL, 0, 4 * sizeof(TapeEntry))
    if block.entries == NULL:
        raise MemoryError
    block.capacity = 4
    block.count = 1
    memset(block.entries, 0, sizeof(TapeEntry))
    block.entries[0].next = 1
    block.entries[0].vr = DW_VR_NONE
    block.source = _NOWHERE
    block.policy = policy
    block.is_own = True
    block.encoding = EXPLICIT_LE
    block.kind = kind
    block.charset_kind = CHARSET_UTF8
    block.charset_nested = 0
    return block


cdef Edits edits_of(Block block, uint32_t item):
    """The changes of an item, or None."""
    if item == 0 or block.edits is None:
        return block.edits
    if block.edits.items is None:
        return None
    return <Edits>block.edits.items.get(item)


cdef Edits edits_for(Block block, uint32_t item):
    """The same, made where there are none yet."""
    cdef Edits edits
    if block.edits is None:
        block.edits = Edits.__new__(Edits)
        if block.source is not _NOWHERE:
            block.source.edited = True
    if item == 0:
        return block.edits
    if block.edits.items is None:
        block.edits.items = {}
    edits = <Edits>block.edits.items.get(item)
    if edits is None:
        edits = block.edits.items[item] = Edits.__new__(Edits)
    return edits


cdef Block owner_of(Block block, Edits edits):
    """The block of an item's own elements."""
    return block if edits.own is None else <Block>edits.own


cdef Block _own_for(Block block, uint32_t item, Edits edits):
    cdef Block own
    if block.is_own:
        return block
    if edits.own is None:
        own = fresh_block(DATA_SET, block.source.policy)
        own.path = block._node(item)
        edits.own = own
    return <Block>edits.own


cdef uint32_t _new_entry(Block own, uint32_t tag, uint16_t vr) except 0:
    cdef uint32_t index = own.count, capacity
    cdef TapeEntry* entries
    if index == own.capacity:
        if own.capacity > 0x3FFFFFFF:
            raise MemoryError
        capacity = own.capacity * 2
        entries = <TapeEntry*>dw_grow(own.entries, own.capacity * sizeof(TapeEntry), capacity * sizeof(TapeEntry))
        if entries == NULL:
            raise MemoryError
        own.entries = entries
        own.capacity = capacity
    memset(own.entries + index, 0, sizeof(TapeEntry))
    own.entries[index].tag = tag
    own.entries[index].vr = vr
    own.entries[index].next = index + 1
    own.count += 1
    return index


cdef void _forget_value(Block own, uint32_t index) noexcept:
    cdef PyObject* old
    if index < own.cache_size:
        old = own.cache[index]
        own.cache[index] = NULL
        Py_XDECREF(old)


# --------------------------------------------------------------------------------------------------------------- values

cdef object _path(Block own, uint32_t tag):
    """Where an element stands, for messages: as far as it is known before its data set is written."""
    cdef list words = [element_word(tag)]
    cdef PathNode node = own.path
    while node is not None:
        words.append(str(node.ordinal) if node.is_item else element_word(node.tag))
        node = node.up
    words.reverse()
    return ".".join(words)


cdef object _multiplicity_problem(uint32_t tag, uint16_t vr, int traits, const char* p, uint64_t n):
    """What is wrong with the number of values, or None (PS3.5 section 6.4, PS3.6)."""
    cdef uint64_t count = 1, i
    cdef int size
    cdef object limits
    if n == 0 or traits & DW_VR_SINGLE:
        return None
    if traits & DW_VR_TEXT:
        for i in range(n):
            count += p[i] == 0x5C
    else:
        size = word_size(vr)
        count = n // <uint64_t>size if size else 1
    limits = hook("value_multiplicities")[tag]
    if limits is None:
        return None
    least, most, step = limits
    if count < least or most is not None and count > most or (count - least) % step:
        expected = str(least) if least == most else f"{least} to {most or 'n'}"
        return f"{count} value{'s' if count > 1 else ''}, expected {expected}"
    return None


cdef int _store(Block own, uint32_t index, uint32_t tag, uint16_t vr, object value) except -1:
    """Encode a value at the end of the own block's memory, or where the old one was, and point its entry there."""
    cdef int traits = dw_vr_traits(vr)
    cdef uint64_t start = own.own.stop, length
    cdef object problem = None, kept = None
    cdef TapeEntry* entry
    cdef Block pieces
    try:
        if vr == DW_VR_SQ:
            raise EncodeError("SQ takes data sets", section="PS3.5 7.5")
        if traits & DW_VR_BYTES:
            if value is not None:
                kept = kept_bytes(value)
            length = <uint64_t>len(kept) if kept is not None else 0
            start = _KEPT
        else:
            problem = encode_value(&own.own, vr, value)
            length = own.own.stop - start
            if problem is None:
                problem = _multiplicity_problem(tag, vr, traits, <const char*>own.own.data + start, length)
    except EncodeError as error:
        own.own.stop = start if start != _KEPT else own.own.stop
        raise EncodeError(error.message, path=_path(own, tag), section=error.section) from None
    except BaseException:
        own.own.stop = start if start != _KEPT else own.own.stop
        raise
    if problem is not None and own.policy != IGNORE:
        if own.policy == STRICT:
            own.own.stop = start if start != _KEPT else own.own.stop
            raise EncodeError(problem, path=_path(own, tag), section="PS3.5 6.2")
        if own.findings is None:
            own.findings = []
        own.findings.append(Deviation("value", _path(own, tag), -1, f"{problem}; PS3.5 6.2"))
    entry = own.entries + index
    if start != _KEPT and entry.length >= length and entry.offset + length <= start and entry.offset != _KEPT and (
            entry.length):
        memcpy(own.own.data + entry.offset, own.own.data + start, <size_t>length)   # where the old value was
        own.own.stop = start
        start = entry.offset
    entry.offset = start
    entry.length = length
    entry.vr = vr
    entry.flags = VR_GUESSED if vr == DW_VR_UN else 0       # nobody is to find another VR for it
    _forget_value(own, index)
    if length and traits & DW_VR_BYTES:
        own.put(index, memoryview(kept))
    return 0


cdef uint32_t assign(Block block, uint32_t item, uint32_t tag, uint16_t vr, object value, bint chosen) except 0:
    """Give an item's element a value, inserting it if need be; its index in the own block.

    ``chosen``: the VR is one of several that the dictionary has, and may be chosen again when the rest is known.
    """
    cdef Edits edits = edits_for(block, item)
    cdef Block own = _own_for(block, item, edits)
    cdef Change* change = edits.find(tag)
    cdef uint32_t index = change.own if change != NULL else 0, count = own.count
    if index == 0:
        index = _new_entry(own, tag, vr)
    try:
        _store(own, index, tag, vr, value)
        own.entries[index].header_size = VR_CHOSEN if chosen else 0
        edits.put(tag, index)
    except BaseException:
        own.count = count
        raise
    if own is not block and (tag >> 16) & 1 and tag & 0xFFFF >= 0x1000:
        creator = creator_of(block, item, tag)
        if creator is not None:
            if own.privates is None:
                own.privates = {}
            own.privates[tag >> 8] = creator        # for its views, which cannot see what is around it
    if block.source is not _NOWHERE:
        block.source.edited = True
    return index


cdef uint32_t assign_inside(Block block, uint32_t item, uint32_t tag, uint16_t vr, Block inside) except 0:
    """Make an element a sequence, or encapsulated pixel data, whose inside is a block."""
    cdef Edits edits = edits_for(block, item)
    cdef Block own = _own_for(block, item, edits)
    cdef Change* change = edits.find(tag)
    cdef uint32_t index = change.own if change != NULL else 0
    if index == 0:
        index = _new_entry(own, tag, vr)
    edits.put(tag, index)
    _place_inside(own, index, vr, inside)
    if vr == DW_VR_SQ:
        edits.holds_items = True
    if block.source is not _NOWHERE:
        block.source.edited = True
    return index


cdef int _place_inside(Block own, uint32_t index, uint16_t vr, Block inside) except -1:
    own.put(index, inside)
    own.entries[index].vr = vr
    own.entries[index].offset = _KEPT
    own.entries[index].length = 0
    own.entries[index].header_size = 0
    own.entries[index].flags = NOT_ENTERED if vr == DW_VR_SQ else NOT_ENTERED | FRAGMENTS | UNDEFINED_LENGTH
    return 0


cdef int assign_again(Block own, uint32_t index, object value) except -1:
    """Give an own element another value; of a sequence, or of fragments, a Block."""
    if isinstance(value, Block):
        return _place_inside(own, index, DW_VR_SQ if (<Block>value).kind == ITEMS else own.entries[index].vr,
                             <Block>value)
    return _store(own, index, own.entries[index].tag, own.entries[index].vr, value)


cdef uint32_t single_element(Block own, uint32_t tag, uint16_t vr, object value) except 0:
    """An element that belongs to no item yet, in an own block."""
    cdef uint32_t index = _new_entry(own, tag, vr)
    if isinstance(value, Block):
        _place_inside(own, index, vr, <Block>value)
    else:
        _store(own, index, tag, vr, value)
    return index


cdef object kept_value(Block own, uint32_t index):
    """The bytes of an own element in little endian, text in UTF-8; a memoryview."""
    cdef TapeEntry* entry = own.entries + index
    if entry.length == 0:
        return memoryview(b"")
    if entry.offset == _KEPT:
        return <object>own.cache[index]
    return memoryview((<const char*>own.own.data)[entry.offset:entry.offset + entry.length])


cdef bint remove(Block block, uint32_t item, uint32_t tag) except -1:
    """Delete an element; False when there is none."""
    cdef Edits edits = edits_of(block, item)
    cdef Change* change = edits.find(tag) if edits is not None else NULL
    cdef bint beneath
    if change != NULL and change.own == 0:
        return False
    beneath = not block.is_own and block.find(item, tag) != 0
    if change == NULL and not beneath:
        return False
    if beneath:
        edits_for(block, item).put(tag, 0)
        block.source.edited = True
    else:
        edits.forget(tag)
    return True


cdef str creator_of(Block block, uint32_t item, uint32_t tag):
    """Private Creator of a private element's block, as it is now in its item; None where there is none (PS3.5 7.8.1)."""
    cdef Edits edits = edits_of(block, item)
    cdef uint32_t creator = (tag & 0xFFFF0000u) | ((tag >> 8) & 0xFF), index
    cdef Change* change = edits.find(creator) if edits is not None else NULL
    cdef Block own
    cdef bytes text
    if change != NULL:
        if change.own == 0:
            return None
        own = owner_of(block, edits)
        text = bytes(kept_value(own, change.own))
    else:
        index = 0 if block.is_own else block.find(item, creator)
        if index == 0:
            return None
        text = block.fetch(block.entries + index)
    return text.decode("latin-1").strip(" \0")


# ------------------------------------------------------------------------------------------------------------ sequences

cdef list members_of(Block block, uint32_t sequence):
    """Items of a sequence that was changed: indices on its tape, or blocks; None for one that is as it was read."""
    if block.edits is None:
        return None
    if sequence == 0:
        return block.edits.members
    return None if block.edits.lists is None else <list>block.edits.lists.get(sequence)


cdef list own_members(Block block, uint32_t sequence):
    """The same, made from the tape when there is none yet."""
    cdef list members = members_of(block, sequence)
    cdef uint32_t i
    if members is not None:
        return members
    members = []
    if not block.is_own:
        if block.entries[sequence].flags & END_UNKNOWN:
            block.go_on(ALL, True)
        i = sequence + 1
        while i < block.entries[sequence].next:
            members.append(i)
            i = block.entries[i].next
    if sequence == 0:
        edits_for(block, 0).members = members
    else:
        edits_for(block, 0)
        if block.edits.lists is None:
            block.edits.lists = {}
        block.edits.lists[sequence] = members
    return members


cdef bint is_touched(Block block) except -1:
    """Whether something was changed in a block or in one inside it."""
    cdef uint32_t i
    cdef list pending = [block]
    cdef Block at
    while pending:
        at = <Block>pending.pop()
        if at.edits is not None:
            return True
        for i in range(1, at.cache_size):
            if at.cache[i] != NULL and at.entries[i].flags & NOT_ENTERED:
                pending.append(<object>at.cache[i])
    return False


cdef bint holds(Block outer, Block wanted) except -1:
    """Whether ``wanted`` is ``outer`` or somewhere in it, among what was set: then it cannot take it up."""
    cdef list pending = [outer]
    cdef Block at
    cdef uint32_t i
    cdef list members
    while pending:
        at = <Block>pending.pop()
        if at is wanted:
            return True
        if at.edits is not None and at.edits.members is not None:
            pending.extend([part for part in at.edits.members if isinstance(part, Block)])
        for i in range(1, at.cache_size):
            if at.cache[i] != NULL and at.entries[i].flags & NOT_ENTERED and not at.entries[i].flags & FRAGMENTS:
                pending.append(<object>at.cache[i])
        if at.edits is not None:
            for edits in (at.edits.items or {}).values():
                if (<Edits>edits).own is not None:
                    pending.append((<Edits>edits).own)
            for members in (at.edits.lists or {}).values():
                pending.extend([part for part in members if isinstance(part, Block)])
            if at.edits.own is not None:
                pending.append(at.edits.own)
    return False


# --------------------------------------------------------------------------------------------------------------- copies

cdef Block clone(Block block, uint32_t index):
    """The data set, item, sequence or pixel data at an entry as a block of its own, with copies of what was changed.

    What was read is not copied: both have the same source.
    """
    cdef Block copy
    cdef TapeEntry* entry = block.entries + index
    cdef uint32_t i, count, stop
    cdef PyObject* charset = NULL
    if index and entry.flags & NOT_ENTERED:
        return clone(block.inner(index), 0)
    stop = block.count if index == 0 else entry.next
    count = stop - index
    copy = Block.__new__(Block)
    copy.entries = <TapeEntry*>dw_grow(NULL, 0, max(count, <uint32_t>4) * sizeof(TapeEntry))
    if copy.entries == NULL:
        raise MemoryError
    copy.capacity = max(count, <uint32_t>4)
    copy.count = count
    memcpy(copy.entries, entry, count * sizeof(TapeEntry))
    for i in range(count):
        if copy.entries[i].next < index:
            copy.entries[i].next = index
        copy.entries[i].next -= index
        copy.entries[i].parent = copy.entries[i].parent - index if copy.entries[i].parent >= index else 0
    copy.source = block.source
    copy.is_own = block.is_own
    copy.policy = block.policy
    copy.findings = list(block.findings) if block.findings is not None else None
    copy.held = block.held
    copy.depth = block.depth
    copy.path = block._node(index)
    copy.outer_pixel_representation = block.outer_pixel_representation
    if index == 0:
        copy.encoding, copy.kind, copy.end = block.encoding, block.kind, block.end
        copy.complete, copy.resume_pos, copy.left_in = block.complete, block.resume_pos, block.left_in
        copy.stop_tag, copy.sparse = block.stop_tag, block.sparse
        copy.charset_kind, copy.charset, copy.charset_nested = block.charset_kind, block.charset, block.charset_nested
    else:
        _take_from_around(block, index, copy)
    if block.is_own:
        _copy_memory(block, copy)
    else:
        copy.own = block.own                    # borrowed from ``held``
    for i in range(index, min(stop, block.cache_size)):
        if block.cache[i] == NULL or i == index:
            continue
        if block.entries[i].flags & NOT_ENTERED:
            if block.is_own or is_touched(<Block>block.cache[i]):
                copy.put(i - index, clone(<Block>block.cache[i], 0))
        elif block.is_own and not isinstance(<object>block.cache[i], list):     # lists may be changed
            copy.put(i - index, <object>block.cache[i])
    if block.edits is not None:
        _clone_all_edits(block, index, stop, copy)
    return copy


cdef int _take_from_around(Block block, uint32_t index, Block copy) except -1:
    """What a container in the middle of a tape has from around it; as ``Block.inner`` does."""
    cdef TapeEntry* entry = block.entries + index
    cdef PyObject* charset = NULL
    cdef uint32_t up = index
    copy.kind = DATA_SET if entry.tag == ITEM_TAG else (PIECES if entry.flags & FRAGMENTS else ITEMS)
    copy.encoding = block.encoding
    if entry.flags & IMPLICIT_IN_UN or block.is_implicit(index):
        copy.encoding = IMPLICIT
        if block.is_big_endian(index) and not entry.flags & IMPLICIT_IN_UN:
            copy.encoding |= BIG_ENDIAN
    if copy.kind == PIECES and entry.flags & END_UNKNOWN:
        raise ValueError("fragments that were not walked")
    while up:
        up = block.entries[up].parent
        copy.depth += 1
    copy.end = entry.offset + entry.length
    copy.outer_pixel_representation = <signed char>block._pixel_representation(index)
    copy.charset_kind = <signed char>block.charset_of(index, &charset)
    copy.charset = <object>charset if charset != NULL else None
    copy.entries[0].tag = 0
    copy.entries[0].vr = DW_VR_NONE
    if copy.kind == DATA_SET and copy.find(0, 0x00080005):
        copy.charset_kind = CHARSET_UNKNOWN
    return 0


cdef int _copy_memory(Block block, Block copy) except -1:
    copy.own.data = NULL
    if block.own.stop:
        copy.own.data = <uint8_t*>dw_grow(NULL, 0, <size_t>block.own.stop)
        if copy.own.data == NULL:
            raise MemoryError
        copy.own.capacity = copy.own.stop = block.own.stop
        memcpy(copy.own.data, block.own.data, <size_t>block.own.stop)
    return 0


cdef list _clone_members(list members, uint32_t shift):
    return [part - shift if isinstance(part, int) else clone(<Block>part, 0) for part in members]


cdef Edits _clone_edits(Edits edits):
    cdef Edits copy = Edits.__new__(Edits)
    cdef uint32_t i
    for i in range(edits.count):
        copy.put(edits.changes[i].tag, edits.changes[i].own)
    copy.own = clone(<Block>edits.own, 0) if edits.own is not None else None
    copy.holds_items = edits.holds_items
    return copy


cdef int _clone_all_edits(Block block, uint32_t index, uint32_t stop, Block copy) except -1:
    """Copy the changes inside of an entry's subtree."""
    cdef Edits edits = edits_of(block, index), made
    cdef list members = members_of(block, index)
    made = _clone_edits(edits) if edits is not None else Edits.__new__(Edits)
    if members is not None:
        made.members = _clone_members(members, index)
    for at, inside in (block.edits.items or {}).items():
        if index < at < stop:
            if made.items is None:
                made.items = {}
            made.items[at - index] = _clone_edits(<Edits>inside)
    for at, members in (block.edits.lists or {}).items():
        if index < at < stop:
            if made.lists is None:
                made.lists = {}
            made.lists[at - index] = _clone_members(members, index)
    if made.count or made.members is not None or made.items is not None or made.lists is not None or copy.is_own:
        copy.edits = made
    return 0
