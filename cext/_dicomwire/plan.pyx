"""Planning what is written: the walk over what was changed (PS3.5 section 7); see plan.pxd.

In a container that was changed, its elements are taken one by one, those that were not changed as one stretch; of known
length it gets a new one, of undefined length it keeps that.  Group lengths, which say how long a group was, are left
out there (PS3.5 section 7.2).  Where another character set is in force than when the text was read, it is encoded
anew.
"""
cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.object cimport PyObject
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memset

from .block cimport ALL, element_word, hook
from .choice cimport pixel_word, unsigned_value
from .dataset cimport value_at
from .decode cimport value_view
from .edits cimport Change, Edits
from .emitter cimport dw_release, header_size, room, store32, store_header, store_item
from .overlay cimport VR_CHOSEN, edits_of, is_touched, kept_value, members_of, owner_of
from .part10 cimport bare_block
from .source cimport IGNORE
from .swap cimport dw_swap_words, dw_word_of
from .tagindex cimport dw_tag_vr
from .tape cimport (
    BIG_ENDIAN, CUT_SHORT, DATA_SET, DEFAULT_MAX_DEPTH, END_UNKNOWN, EXPLICIT_LE, FRAGMENTS, IMPLICIT, IMPLICIT_IN_UN,
    ITEM_DELIMITER, ITEM_TAG, NOT_ENTERED, SEQUENCE_DELIMITER, TapeEntry, UNDEFINED, UNDEFINED_LENGTH,
)
from .values cimport is_plain
from .vr cimport (
    DW_VR_BYTES, DW_VR_CHARSET, DW_VR_LONG, DW_VR_OB, DW_VR_OB_OW, DW_VR_OW, DW_VR_PN, DW_VR_SINGLE, DW_VR_SQ, DW_VR_SS,
    DW_VR_UN, DW_VR_US, dw_vr_traits,
)

from .errors import EncodeError, NestingError, TruncatedError

cdef enum:
    COPIED = 512                # bytes up to which a stretch that is in memory is copied among our own
    HELD = 4096                 # bytes of a value from which on it is not copied
    LONGEST = 0xFFFFFFFE        # bytes of a value or a container
    PIXEL_DATA = 0x7FE00010
    LENGTH_TO_END = 0x00080001  # retired; says how long a data set was

cdef tuple _DEFAULT = ()


# ------------------------------------------------------------------------------------------------------- character sets

cdef tuple _normal(object terms):
    """Terms of a character set as they compare: without padding, the default repertoire as no term at all."""
    cdef list words = [term.strip(" \0") for term in terms]
    if len(words) == 1 and (words[0] == "" or words[0] == "ISO_IR 6"):
        return _DEFAULT
    return tuple(words)


cdef tuple _declared_terms(Block block, uint32_t item, tuple inherited):
    """Terms of the character set that is in force in an item as it is now."""
    cdef Edits edits = edits_of(block, item)
    cdef Change* change = edits.find(0x00080005) if edits is not None else NULL
    cdef Block own
    cdef uint32_t index
    if change != NULL:
        if change.own == 0:
            return inherited
        own = owner_of(block, edits)
        return _normal(bytes(kept_value(own, change.own)).decode("latin-1").split("\\"))
    if block.is_own:
        return inherited
    if block.source.charset is not None:
        return _normal(block.source.charset)        # what is there is read by it, and stays as it is
    index = block.find(item, 0x00080005)
    if index == 0:
        return inherited
    return _normal(bytes(value_view(block, block.entries + index)).decode("latin-1").split("\\"))


cdef tuple _terms_read(Block block, uint32_t item):
    """Terms of the character set in which the text of an item on a tape stands in the source."""
    cdef PyObject* charset = NULL
    cdef int kind = block.charset_of(item + 1 if block.entries[item].next > item + 1 else item, &charset)
    if charset != NULL:
        return _normal((<object>charset).terms)
    return (_DEFAULT, ("ISO_IR 192",), ("ISO_IR 100",))[kind]


# -------------------------------------------------------------------------------------------------------------- touched

cdef bytes _touched(Block block):
    """For each entry of a tape whether something inside was changed, as bytes; None where nothing was."""
    cdef uint32_t i, up
    cdef bytes marks
    cdef char* mark
    cdef list places = []
    if block.edits is not None:
        places.extend(block.edits.items or ())
        places.extend(block.edits.lists or ())
        if block.edits.count or block.edits.members is not None:
            places.append(0)
    for i in range(1, min(block.cache_size, block.count)):
        if block.cache[i] != NULL and block.entries[i].flags & NOT_ENTERED and is_touched(<Block>block.cache[i]):
            places.append(i)
    if not places:
        return None
    marks = PyBytes_FromStringAndSize(NULL, block.count)
    mark = PyBytes_AS_STRING(marks)
    memset(mark, 0, block.count)
    for place in places:
        up = place
        while not mark[up]:
            mark[up] = 1
            up = block.entries[up].parent
    return marks


# ----------------------------------------------------------------------------------------------------------------- Plan

@cython.final
@cython.no_gc
cdef class Plan:
    """The bytes of a data set, or of a part of one, as stretches in order.

    lengths     of sequences and items: 0 as they are, 1 known, 2 undefined
    policy      0 or 1: EncodeError for characters outside the declared sets, 2: a question mark for each
    """

    def __cinit__(self, *, lengths=0, policy=1):
        memset(&self.own, 0, sizeof(Window))
        self.runs = NULL
        self.count = self.capacity = self.depth = 0
        self.length = 0
        self.cut = False
        self.lengths = lengths
        self.policy = policy
        self.origins = [None]
        self.places = {}
        self.marks = {}
        self.words = []

    def __dealloc__(self):
        free(self.runs)
        dw_release(self.own.data, <size_t>self.own.capacity)

    def __reduce__(self):
        raise TypeError("a Plan cannot be pickled")

    # ---------------------------------------------------------------------------------------------------- stretches

    cdef int _add_run(self, uint32_t origin, uint64_t offset, uint64_t size) except -1:
        cdef uint32_t capacity
        cdef Run* runs
        cdef Run* last = &self.runs[self.count - 1] if self.count else NULL
        self.length += size
        if last != NULL and last.origin == origin and last.offset + last.length == offset:
            last.length += size
            return 0
        if self.count == self.capacity:
            capacity = self.capacity * 2 if self.capacity else 16
            runs = <Run*>realloc(self.runs, capacity * sizeof(Run))
            if runs == NULL:
                raise MemoryError
            self.runs = runs
            self.capacity = capacity
        self.runs[self.count].origin = origin
        self.runs[self.count].offset = offset
        self.runs[self.count].length = size
        self.count += 1
        return 0

    cdef uint8_t* put(self, uint64_t size) except NULL:
        """Where to write so many bytes of our own; valid until the next call."""
        cdef uint64_t at = self.own.stop
        cdef uint8_t* p = room(&self.own, size)
        if p == NULL:
            raise MemoryError
        self._add_run(0, at, size)
        return p

    cdef int patch(self, uint64_t at, uint64_t begin, bint big) except -1:
        """Write at a place of our own bytes how long all is that came since ``begin``."""
        if self.length - begin > LONGEST:
            raise EncodeError(f"{self.length - begin} bytes are too many for a known length", path=self.path(),
                              section="PS3.5 7.5.1")
        store32(self.own.data + at, <uint32_t>(self.length - begin), big)
        self.cut = False
        return 0

    cdef int delimit(self, uint32_t delimiter, int encoding) except -1:
        """End something of undefined length; EncodeError behind a value that would swallow the delimiter."""
        if self.cut:
            raise EncodeError("nothing can be put behind a value that is cut short", path=self.path(),
                              section="PS3.5 7.1.1")
        store_item(self.put(8), delimiter, 0, encoding)
        return 0

    cdef int take(self, Source source, uint64_t offset, uint64_t size) except -1:
        """A stretch of a source, as it is."""
        cdef const uint8_t* p
        cdef uint32_t place
        cdef Run* last = &self.runs[self.count - 1] if self.count else NULL
        if size == 0:
            return 0
        if size > <uint64_t>1 << 62:
            raise TruncatedError("the source ends before what was read of it does", offset=offset, path=self.path(),
                                 section="PS3.5 7.1.1")
        if last != NULL and last.origin and last.offset + last.length == offset and self.origins[last.origin] is source:
            last.length += size
            self.length += size
            return 0
        if size <= COPIED:
            p = source.find(offset, size)
            if p != NULL:
                memcpy(self.put(size), p, <size_t>size)
                return 0
        found = self.places.get(source)
        if found is None:
            found = self.places[source] = len(self.origins)
            self.origins.append(source)
        place = found
        return self._add_run(place, offset, size)

    cdef int hold(self, object view) except -1:
        """A value that is an object of its own."""
        self.origins.append(view)
        return self._add_run(<uint32_t>(len(self.origins) - 1), 0, <uint64_t>len(view))

    cdef bytes _marks(self, Block block):
        """See _touched; looked for once as long as the tape does not grow."""
        found = self.marks.get(block)
        if found is None or found[0] != block.count:
            found = self.marks[block] = (block.count, _touched(block))
        return <bytes>(<tuple>found)[1]

    cdef str path(self):
        """Where the walk is, as users write it."""
        cdef list words = [str(word[0]) if isinstance(word, tuple) else element_word(<uint32_t>word)
                           for word in self.words]
        return ".".join(words if len(words) <= 16 else words[:8] + ["..."] + words[len(words) - 4:])

    # ------------------------------------------------------------------------------------------------- own elements

    cdef int _header(self, uint32_t tag, uint16_t* vr, uint64_t length, int encoding) except -1:
        """An element's header; the VR is UN where its length has no room for this one (PS3.5 section 6.2.2)."""
        if length > LONGEST and length != <uint64_t>UNDEFINED:
            raise EncodeError(f"a value of {length} bytes", path=self.path(), section="PS3.5 7.1.1")
        if length > 0xFFFF and not encoding & IMPLICIT and not dw_vr_traits(vr[0]) & DW_VR_LONG:
            vr[0] = DW_VR_UN
        store_header(self.put(<uint64_t>header_size(vr[0], encoding)), tag, vr[0], <uint32_t>length, encoding)
        return 0

    cdef int _value(self, uint32_t tag, uint16_t vr, object value, int encoding, int cell=2) except -1:
        """An element whose value is bytes in little endian, padded here if need be.

        ``cell``: bytes of the words of Pixel Data.
        """
        cdef uint64_t size = <uint64_t>len(value), padded = size + (size & 1)
        cdef uint16_t written = vr
        cdef int word = dw_word_of(vr) if encoding & BIG_ENDIAN else 1
        cdef uint8_t* p
        cdef Py_buffer view
        if word == 2 and tag == PIXEL_DATA:
            word = cell
        self._header(tag, &written, padded, encoding)
        if written == DW_VR_UN:
            word = 1
        if size >= HELD and word == 1:
            self.hold(value)
            if padded > size:
                self.put(1)[0] = 0
            return 0
        if padded == 0:
            return 0
        p = self.put(padded)
        p[padded - 1] = 0
        PyObject_GetBuffer(value, &view, PyBUF_SIMPLE)
        if word > 1:
            dw_swap_words(p, <const uint8_t*>view.buf, <size_t>size, word)
        else:
            memcpy(p, view.buf, <size_t>size)
        PyBuffer_Release(&view)
        return 0

    cdef int _text(self, uint32_t tag, uint16_t vr, const uint8_t* p, uint64_t size, int encoding,
                   tuple terms) except -1:
        """An element of text that is UTF-8, in the character sets in force."""
        cdef str text = (<const char*>p)[:size].decode("utf-8")
        cdef object charset = hook("charset_from_terms")(terms)
        cdef bytes data
        text = text.rstrip(" \0")
        try:
            data = hook("encode_text")(text, charset, not dw_vr_traits(vr) & DW_VR_SINGLE, vr == DW_VR_PN,
                                       self.policy == IGNORE)
        except EncodeError as error:
            hint = "" if terms else " (none is declared: SpecificCharacterSet of ISO_IR 192 has every character)"
            raise EncodeError(error.message + hint, path=self.path(), section=error.section) from None
        if len(data) & 1:
            data += b" "
        return self._value(tag, vr, data, encoding)

    cdef int _fragments(self, uint32_t tag, Block pieces, int encoding) except -1:
        """Encapsulated pixel data: the items as they are (PS3.5 section A.4)."""
        cdef uint16_t vr = DW_VR_OB
        cdef TapeEntry* entry = pieces.entries
        if encoding != EXPLICIT_LE:
            raise EncodeError("encapsulated pixel data need explicit VR little endian", path=self.path(),
                              section="PS3.5 A.4")
        self._header(tag, &vr, <uint64_t>UNDEFINED, encoding)
        self.take(pieces.source, entry.offset, entry.length)
        self.delimit(SEQUENCE_DELIMITER, encoding)
        return 0

    cdef int _own_element(self, Block block, uint32_t item, Block own, uint32_t index, int encoding, tuple terms,
                          int representation) except -1:
        cdef TapeEntry* entry = own.entries + index
        cdef uint16_t vr = entry.vr, choice
        cdef uint32_t tag = entry.tag
        cdef int traits, known, word
        cdef uint64_t length = entry.length
        cdef const uint8_t* p
        cdef uint8_t* to
        if vr == DW_VR_SQ or entry.flags & FRAGMENTS:
            self.words.append(tag)
            if vr == DW_VR_SQ:
                self._made_sequence(tag, <Block>own.cache[index], encoding, terms, representation)
            else:
                self._fragments(tag, <Block>own.cache[index], encoding)
            self.words.pop()
            return 0
        if entry.header_size == VR_CHOSEN:
            choice = dw_tag_vr(tag)
            if choice == DW_VR_OB_OW:
                known = unsigned_value(block, item, 0x54001004 if tag >> 16 == 0x5400 else 0x00280100)
                if known >= 0:
                    vr = DW_VR_OB if known <= 8 else DW_VR_OW
            elif vr == DW_VR_US or vr == DW_VR_SS:
                if representation >= 0:
                    vr = DW_VR_SS if representation else DW_VR_US
        traits = dw_vr_traits(vr)
        if traits & DW_VR_BYTES:
            self.words.append(tag)
            known = pixel_word(block, item) if encoding & BIG_ENDIAN and tag == PIXEL_DATA else 2
            self._value(tag, vr, <object>own.cache[index] if length else b"", encoding, known)
            self.words.pop()
            return 0
        p = own.own.data + entry.offset
        if length > 0xFFFF or traits & DW_VR_CHARSET and length and not is_plain(p, length):
            self.words.append(tag)
            if traits & DW_VR_CHARSET:
                self._text(tag, vr, p, length, encoding, terms)
            else:
                self._value(tag, vr, (<const char*>p)[:length], encoding)
            self.words.pop()
            return 0
        to = self.put(<uint64_t>header_size(vr, encoding) + length)
        store_header(to, tag, vr, <uint32_t>length, encoding)
        to += header_size(vr, encoding)
        if encoding & BIG_ENDIAN:
            word = dw_word_of(vr)
            if word > 1:
                dw_swap_words(to, p, <size_t>length, word)
                return 0
        if length:
            memcpy(to, p, <size_t>length)
        return 0

    cdef int _own_elements(self, Block block, uint32_t first, uint32_t stop, Block own, int encoding, tuple terms,
                           int representation) except -1:
        """The elements of an item that was made."""
        cdef uint32_t at
        for at in range(first, stop):
            self._own_element(block, 0, own, block.edits.changes[at].own, encoding, terms, representation)
        return 0

    cdef int _made_sequence(self, uint32_t tag, Block inside, int encoding, tuple terms, int representation) except -1:
        cdef uint16_t vr = DW_VR_SQ
        cdef bint big = encoding & BIG_ENDIAN != 0
        # In implicit VR readers know private sequences by their undefined length alone.
        cdef bint undefined = self.lengths == UNDEFINED_LENGTHS or encoding & IMPLICIT and dw_tag_vr(tag) != DW_VR_SQ
        cdef uint64_t at, begin
        cdef list members = members_of(inside, 0)
        self._header(tag, &vr, <uint64_t>UNDEFINED if undefined else 0, encoding)
        at = self.own.stop - 4
        begin = self.length
        if members is None and not inside.is_own:
            self._sequence_inside(inside, 0, self._marks(inside), encoding, terms, representation, True)
        elif members is not None:
            self._members(inside, members, encoding, terms, representation)
        if undefined:
            self.delimit(SEQUENCE_DELIMITER, encoding)
        else:
            self.patch(at, begin, big)
        return 0

    cdef int _members(self, Block block, list members, int encoding, tuple terms, int representation) except -1:
        """The items of a sequence that was changed: some of its tape, some that are blocks."""
        cdef uint32_t number = 0, i
        cdef bint undefined = self.lengths == UNDEFINED_LENGTHS
        for part in members:
            self.words.append((number,))
            if isinstance(part, int):
                i = part
                self._member(block, i, block.entries[i].flags & UNDEFINED_LENGTH and self.lengths != KNOWN_LENGTHS or (
                    undefined), encoding, terms, representation)
            else:
                self._member(<Block>part, 0, undefined, encoding, terms, representation)
            self.words.pop()
            number += 1
        return 0

    cdef int _member(self, Block block, uint32_t index, bint undefined, int encoding, tuple terms,
                     int representation) except -1:
        """An item: its header, what is in it, and a delimiter if its length is undefined."""
        cdef bint big = encoding & BIG_ENDIAN != 0
        cdef uint64_t at, begin
        store_item(self.put(8), ITEM_TAG, <uint32_t>UNDEFINED if undefined else 0, encoding)
        at = self.own.stop - 4
        begin = self.length
        if index and block.entries[index].flags & NOT_ENTERED:
            self.item(block.inner(index, True), 0, encoding, terms, representation)
        else:
            self.item(block, index, encoding, terms, representation)
        if undefined:
            self.delimit(ITEM_DELIMITER, encoding)
        else:
            self.patch(at, begin, big)
        return 0

    # -------------------------------------------------------------------------------------------------------- items

    cdef int item(self, Block block, uint32_t index, int encoding, tuple terms, int representation) except -1:
        """The elements of an item or a data set, as they are now, in an encoding and under the character set around."""
        cdef int known
        cdef bint recoded
        self.depth += 1
        if self.depth > DEFAULT_MAX_DEPTH // 2:
            raise NestingError(f"nested more than {DEFAULT_MAX_DEPTH} deep", path=self.path(), section="PS3.5 7.5")
        terms = _declared_terms(block, index, terms)
        if block.is_own:
            known = unsigned_value(block, index, 0x00280103)
            if block.edits is not None:
                self._own_elements(block, 0, block.edits.count, block, encoding, terms,
                                   representation if known < 0 else known & 1)
        else:
            if _encoding_of(block, index) != encoding:
                block = _converted(block, index, encoding)
                index = 0
            known = unsigned_value(block, index, 0x00280103)
            recoded = terms != _terms_read(block, index)
            self._tape_item(block, index, self._marks(block), encoding, terms,
                            representation if known < 0 else known & 1, recoded)
        self.depth -= 1
        return 0

    cdef int _tape_item(self, Block block, uint32_t index, bytes touched, int encoding, tuple terms,
                        int representation, bint recoded) except -1:
        cdef Edits edits
        cdef uint32_t i, at = 0, count, tag, stop
        cdef uint64_t start, end
        cdef TapeEntry* entry
        cdef Block own
        cdef bint rewritten, last, copied = not recoded and not self.lengths and not block.sparse
        cdef const char* mark = PyBytes_AS_STRING(touched) if touched is not None else NULL
        if index == 0 and not block.complete:
            count = block.count
            self._walk_as_needed(block, recoded)
            if block.count != count:
                touched = self._marks(block)
                mark = PyBytes_AS_STRING(touched) if touched is not None else NULL
        if not recoded and not self.lengths and (mark == NULL or not mark[index]) and not block.sparse:
            return self.take(block.source, block.entries[index].offset, _end_of(block, index) - (
                block.entries[index].offset))
        edits = edits_of(block, index)
        own = owner_of(block, edits) if edits is not None else None
        count = edits.count if edits is not None else 0
        start = block.entries[index].offset
        i = index + 1
        stop = block.entries[index].next
        while i < stop:
            entry = block.entries + i
            tag = entry.tag
            if (copied and not entry.flags & (CUT_SHORT | UNDEFINED_LENGTH) and (mark == NULL or not mark[i])
                    and tag & 0xFFFF and tag != LENGTH_TO_END and (at == count or edits.changes[at].tag > tag)
                    and (at == 0 or edits.changes[at - 1].tag < tag)):
                self.cut = False        # as most are: a part of the stretch
                i = entry.next
                continue
            last = entry.next >= stop
            if block.sparse:
                start = entry.offset - entry.header_size        # what stands before was not wanted
            if at < count and edits.changes[at].tag <= tag:
                self.take(block.source, start, entry.offset - entry.header_size - start)
                start = entry.offset - entry.header_size
                while at < count and edits.changes[at].tag <= tag:
                    if edits.changes[at].own:
                        self._own_element(block, index, own, edits.changes[at].own, encoding, terms, representation)
                    at += 1
            self.cut = entry.flags & CUT_SHORT != 0
            rewritten = count and edits.find(tag) != NULL or tag & 0xFFFF == 0 or tag == LENGTH_TO_END
            if not rewritten:
                rewritten = mark != NULL and mark[i] or self._is_walked(block, i, recoded)
                if rewritten:
                    self.take(block.source, start, block.entries[i].offset - block.entries[i].header_size - start)
                    if block.entries[i].flags & END_UNKNOWN:
                        self._sequence(block, i, touched, encoding, terms, representation, recoded)
                        return self._rest(block)
                    if block.vr_of(i) == DW_VR_SQ:
                        self._sequence(block, i, touched, encoding, terms, representation, recoded)
                    else:
                        self._recoded(block, i, encoding, terms)
                    start = _end_of_child(block, i, index)
                elif block.sparse or not last and block.entries[i].flags & UNDEFINED_LENGTH:
                    end = _end_of_child(block, i, index)
                    self.take(block.source, start, end - start)
                    start = end
                    if block.entries[i].flags & UNDEFINED_LENGTH and not _has_delimiter(block, i, end):
                        self.delimit(SEQUENCE_DELIMITER, encoding)
            else:
                self.take(block.source, start, entry.offset - entry.header_size - start)
                start = _end_of_child(block, i, index)
                self.cut = False
            i = block.entries[i].next
        end = start if block.sparse else _end_of(block, index)
        if at < count and block.count > 1 and i > index + 1:
            # What comes behind an unfinished sequence would become a part of it.
            self._end_last(block, index, start, end, encoding)
            start = end
        self.take(block.source, start, end - start)
        while at < count:
            if edits.changes[at].own:
                self._own_element(block, index, own, edits.changes[at].own, encoding, terms, representation)
            at += 1
        return 0

    cdef int _end_last(self, Block block, uint32_t index, uint64_t start, uint64_t end, int encoding) except -1:
        """Copy an item's last elements; give the very last one its delimiter where the source has none."""
        cdef uint32_t i = block.entries[index].next - 1
        while block.entries[i].parent != index:
            i = block.entries[i].parent
        if end > start:
            if self.cut:
                raise EncodeError("nothing can be put behind a value that is cut short", path=block.path_of(i),
                                  section="PS3.5 7.1.1")
            self.take(block.source, start, end - start)
            if block.entries[i].flags & UNDEFINED_LENGTH and not _has_delimiter(block, i, end):
                self.delimit(SEQUENCE_DELIMITER, encoding)
        return 0

    cdef int _walk_as_needed(self, Block block, bint recoded) except -1:
        """Walk a root that was left as far as what was changed asks for it."""
        cdef uint32_t left = block.left_in, last = block._last_child() if block.count > 1 else 0
        cdef uint32_t highest = 0
        if block.edits is not None and block.edits.count:
            highest = block.edits.changes[block.edits.count - 1].tag
        if self.lengths or recoded or block.stop_tag or block.sparse:
            if block.is_waiting():
                block.go_on(ALL, False)
            block.resume()
        elif highest and (last == 0 or highest >= block.entries[last].tag or left and (
                highest > block.entries[left].tag)):
            block.resume()
        return 0

    cdef int _rest(self, Block block) except -1:
        """What was not walked of a root: the rest of a long sequence, and all behind it."""
        return self.take(block.source, block.resume_pos, _end_of(block, 0) - block.resume_pos)

    cdef bint _is_walked(self, Block block, uint32_t index, bint recoded) except -1:
        """Whether an element that was not changed is taken apart all the same."""
        cdef uint16_t vr
        cdef int traits
        cdef const uint8_t* p
        cdef TapeEntry* entry = block.entries + index
        if not recoded and not self.lengths:
            return False
        if entry.flags & FRAGMENTS:
            return False
        vr = block.vr_of(index)
        entry = block.entries + index
        if vr == DW_VR_SQ:
            return not entry.flags & END_UNKNOWN
        traits = dw_vr_traits(vr)
        if not recoded or not traits & DW_VR_CHARSET or entry.length == 0:
            return False
        p = block.pointer(entry)
        if p == NULL:
            p = block.reach(entry)
        return p == NULL or not is_plain(p, entry.length)

    cdef int _recoded(self, Block block, uint32_t index, int encoding, tuple terms) except -1:
        """A text element in another character set than in the source."""
        cdef uint16_t vr = block.vr_of(index)
        cdef uint32_t tag = block.entries[index].tag
        cdef bytes data
        value = value_at(block, index)
        if isinstance(value, list):
            value = "\\".join(value)
        data = (<str>value).encode("utf-8", "replace")
        self.words.append(tag)
        self._text(tag, vr, <const uint8_t*>PyBytes_AS_STRING(data), <uint64_t>len(data), encoding, terms)
        self.words.pop()
        return 0

    # ---------------------------------------------------------------------------------------------------- sequences

    cdef int _sequence(self, Block block, uint32_t index, bytes touched, int encoding, tuple terms,
                       int representation, bint recoded) except -1:
        """A sequence on a tape, something in which was changed."""
        cdef TapeEntry* entry = block.entries + index
        cdef bint undefined = entry.flags & UNDEFINED_LENGTH != 0, big = encoding & BIG_ENDIAN != 0
        cdef uint64_t at, begin
        cdef uint8_t size = entry.header_size
        cdef int inner_encoding = IMPLICIT if entry.flags & IMPLICIT_IN_UN else encoding
        cdef bint waits = entry.flags & END_UNKNOWN != 0
        if self.lengths:
            # Where only the undefined length tells that this is a sequence, it stays.
            undefined = self.lengths == UNDEFINED_LENGTHS or undefined and (
                entry.flags & IMPLICIT_IN_UN or encoding & IMPLICIT and dw_tag_vr(entry.tag) != DW_VR_SQ)
        self.words.append(entry.tag)
        header = block.source.fetch(entry.offset - size, size)
        memcpy(self.put(size), PyBytes_AS_STRING(header), size)
        at = self.own.stop - 4
        store32(self.own.data + at, <uint32_t>UNDEFINED if undefined else 0, big)
        begin = self.length
        if entry.flags & NOT_ENTERED:
            inner = block.inner(index, True)
            self._sequence_inside(inner, 0, self._marks(inner), inner_encoding, terms, representation, recoded)
        else:
            self._sequence_inside(block, index, touched, inner_encoding, terms, representation, recoded)
        if waits:
            pass                    # the rest of it is copied with what comes behind
        elif undefined:
            self.delimit(SEQUENCE_DELIMITER, inner_encoding)
        else:
            self.patch(at, begin, big)
        self.words.pop()
        return 0

    cdef int _sequence_inside(self, Block block, uint32_t index, bytes touched, int encoding, tuple terms,
                              int representation, bint recoded) except -1:
        """The items of a sequence on a tape."""
        cdef list members = members_of(block, index)
        cdef const char* mark = PyBytes_AS_STRING(touched) if touched is not None else NULL
        cdef uint32_t i, number = 0, stop
        cdef uint64_t end
        cdef bint undefined
        if members is not None:
            return self._members(block, members, encoding, terms, representation)
        i = index + 1
        stop = block.entries[index].next
        while i < stop:
            end = block.entries[i].offset + block.entries[i].length
            if mark != NULL and mark[i] or recoded or self.lengths:
                undefined = block.entries[i].flags & UNDEFINED_LENGTH != 0
                if self.lengths:
                    undefined = self.lengths == UNDEFINED_LENGTHS
                self.words.append((number,))
                self._member(block, i, undefined, encoding, terms, representation)
                self.words.pop()
            else:
                if block.entries[i].flags & UNDEFINED_LENGTH:
                    if _delimiter_at(block, end, ITEM_DELIMITER):
                        end += 8
                        self.take(block.source, block.entries[i].offset - 8, end - block.entries[i].offset + 8)
                    else:
                        self.take(block.source, block.entries[i].offset - 8, end - block.entries[i].offset + 8)
                        self.delimit(ITEM_DELIMITER, encoding)
                else:
                    self.take(block.source, block.entries[i].offset - 8, end - block.entries[i].offset + 8)
            i = block.entries[i].next
            number += 1
        return 0


# ----------------------------------------------------------------------------------------------------------- extents

cdef int _encoding_of(Block block, uint32_t item) except -1:
    """Encoding of the elements of an item on a tape."""
    cdef uint32_t inside = item + 1 if block.entries[item].next > item + 1 else item
    if block.encoding & IMPLICIT:
        return block.encoding
    if block.is_implicit(inside):
        return IMPLICIT
    return block.encoding


cdef uint64_t _end_of(Block block, uint32_t index) except? 0:
    """Where an item or a data set ends in its source, delimiters not counted."""
    if index or block.kind != DATA_SET:
        return block.entries[index].offset + block.entries[index].length
    if block.stop_tag and block.complete and block.resume_pos:
        return block.resume_pos
    if block.path is not None:
        return block.end
    if block.source.inflater is not None and not block.source.size_known:
        block.source.read_all()
    return block.source.size


cdef bint _delimiter_at(Block block, uint64_t offset, uint32_t delimiter) except -1:
    """Whether a delimiter stands at a place of the source."""
    cdef uint8_t[8] little
    cdef uint8_t[8] big
    store_item(little, delimiter, 0, EXPLICIT_LE)
    store_item(big, delimiter, 0, BIG_ENDIAN)       # inside of UN the order is another one
    if block.source.size_known and offset + 8 > block.source.size:
        return False
    found = block.source.fetch(offset, 4)
    return found == (<const char*>little)[:4] or found == (<const char*>big)[:4]


cdef bint _has_delimiter(Block block, uint32_t index, uint64_t end) except -1:
    """Whether the delimiter of an undefined length stands between a value and ``end``."""
    cdef TapeEntry* entry = block.entries + index
    return end >= entry.offset + entry.length + 8 and _delimiter_at(block, entry.offset + entry.length,
                                                                    SEQUENCE_DELIMITER)


cdef uint64_t _end_of_child(Block block, uint32_t index, uint32_t item) except? 0:
    """Where what belongs to an element ends: at the next one's header, or with its value and a delimiter."""
    cdef TapeEntry* entry = block.entries + index
    cdef TapeEntry* following
    if not block.sparse and entry.next < block.entries[item].next:
        following = block.entries + entry.next
        return following.offset - following.header_size
    if entry.flags & END_UNKNOWN:
        block.resume()
        entry = block.entries + index
    return entry.offset + entry.length + (
        8 if entry.flags & UNDEFINED_LENGTH and _delimiter_at(
            block, entry.offset + entry.length, SEQUENCE_DELIMITER) else 0)


cdef Block _converted(Block block, uint32_t index, int encoding):
    """An item that was read in another encoding, with what was changed in it, as a block over its bytes in this one."""
    cdef int found = _encoding_of(block, index)
    cdef Plan plan = Plan()
    cdef tuple terms = _terms_read(block, index)
    cdef Block made
    plan.item(block, index, found, terms, block.outer_pixel_representation)
    data = hook("reencode_item")(plan, found, encoding)
    made = bare_block(data, DATA_SET, encoding, IGNORE)
    made.outer_pixel_representation = block.outer_pixel_representation
    if not made.find(0, 0x00080005):
        made.inherit(terms)
    return made
