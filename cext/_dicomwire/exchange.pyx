"""The walk through a data set that writes it as text, a piece at a time (PS3.18 Annex F, PS3.19 Annex A.1).

Group lengths are left out, elements come in the order of their tags, of those that stand twice the first counts, text
is UTF-8 whatever the data set declares, and Specific Character Set says so.  Binary values are in little endian.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.math cimport isfinite, signbit
from libc.stdint cimport int16_t, int32_t
from libc.stdio cimport snprintf
from libc.stdlib cimport free, realloc
from libc.string cimport memchr, memset, strlen

from .block cimport ALL, CHARSET_UTF8
from .choice cimport pixel_word
from .dataset cimport DataElement, DataSet, Root, adopt_lists, new_data_set, new_element, new_sequence
from .decode cimport decode_text
from .overlay cimport edits_of, is_touched, kept_value, members_of
from .source cimport Source
from .tape cimport (
    FRAGMENTS, NOT_ENTERED, TapeEntry, UNORDERED, dw_load16be, dw_load16le, dw_load32be, dw_load32le, dw_load64be,
    dw_load64le,
)
from .values cimport is_plain, trimmed, word_size
from .vr cimport (
    DW_VR_AE, DW_VR_AT, DW_VR_BYTES, DW_VR_CHARSET, DW_VR_CS, DW_VR_DS, DW_VR_FD, DW_VR_FL, DW_VR_IS, DW_VR_NONE,
    DW_VR_PN, DW_VR_SINGLE, DW_VR_SL, DW_VR_SQ, DW_VR_SS, DW_VR_SV, DW_VR_TEXT, DW_VR_UL, DW_VR_UN, DW_VR_US,
    DW_VR_UV, dw_vr_traits, vr_name,
)

cdef extern from "swap.h" nogil:
    void dw_swap_words(uint8_t* to, const uint8_t* source, size_t size, int word) noexcept

cdef extern from "Python.h":
    char* PyOS_double_to_string(double value, char code, int precision, int flags, int* kind) except NULL
    void PyMem_Free(void*)
    const char* PyUnicode_AsUTF8AndSize(object, Py_ssize_t*) except NULL
    enum: Py_DTSF_ADD_DOT_0

cdef enum:
    PIXEL_DATA = 0x7FE00010
    FIRST_ROOM = 16384          # bytes of text for a start
    PIECE = 196608              # bytes of a binary value that are read at once: a multiple of 3 and of 8
    REMOTE_PIECE = 3145728      # the same where each reading is a request
    FREE_FROM = 65536           # bytes from which on the GIL is released
    NUMBER_ROOM = 32            # characters that any number takes

cdef const char* BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
cdef const char* UTF8_TERM = b"ISO_IR 192"


# ------------------------------------------------------------------------------------------------------------- numbers

cdef size_t number_text(const uint8_t* p, size_t n, uint8_t* out) noexcept nogil:
    """The text of an IS or DS as a JSON number with the same digits, in ``out`` (n + 2 bytes); 0 if it is none.

    A plus sign and leading zeros go, a digit comes where one is missing before or behind the point.  RFC 8259.
    """
    cdef size_t i = 0, size = 0, whole = 0, behind = 0
    if i < n and (p[i] == c"-" or p[i] == c"+"):
        if p[i] == c"-":
            out[size] = c"-"
            size += 1
        i += 1
    while i + 1 < n and p[i] == c"0" and c"0" <= p[i + 1] <= c"9":
        i += 1
    while i < n and c"0" <= p[i] <= c"9":
        out[size] = p[i]
        size += 1
        i += 1
        whole += 1
    if i < n and p[i] == c".":
        if whole == 0:
            out[size] = c"0"
            size += 1
        out[size] = c"."
        size += 1
        i += 1
        while i < n and c"0" <= p[i] <= c"9":
            out[size] = p[i]
            size += 1
            i += 1
            behind += 1
        if behind == 0:
            out[size] = c"0"
            size += 1
    if whole == 0 and behind == 0:
        return 0
    if i < n and (p[i] == c"e" or p[i] == c"E"):
        out[size] = p[i]
        size += 1
        i += 1
        if i < n and (p[i] == c"-" or p[i] == c"+"):
            out[size] = p[i]
            size += 1
            i += 1
        if i >= n:
            return 0
        while i < n and c"0" <= p[i] <= c"9":
            out[size] = p[i]
            size += 1
            i += 1
    return size if i == n else 0


cdef size_t _integer(uint64_t value, bint negative, uint8_t* out) noexcept nogil:
    """Decimal digits of a number by its absolute value; how many characters."""
    cdef uint8_t[24] digits
    cdef size_t n = 0, size = 0
    while True:
        digits[n] = <uint8_t>(c"0" + value % 10)
        n += 1
        value //= 10
        if value == 0:
            break
    if negative:
        out[0] = c"-"
        size = 1
    while n:
        n -= 1
        out[size] = digits[n]
        size += 1
    return size


cdef inline size_t _signed(int64_t value, uint8_t* out) noexcept nogil:
    return _integer(<uint64_t>0 - <uint64_t>value if value < 0 else <uint64_t>value, value < 0, out)


cdef size_t _float(double value, uint8_t* out) except? 0:
    """The shortest text that reads back as the same number; how many characters."""
    cdef char* text
    cdef size_t size
    if -1e15 < value < 1e15 and value == <double><int64_t>value and not (value == 0 and signbit(value)):
        size = _signed(<int64_t>value, out)
        out[size] = c"."
        out[size + 1] = c"0"
        return size + 2
    text = PyOS_double_to_string(value, c"r", 0, Py_DTSF_ADD_DOT_0, NULL)
    size = min(strlen(text), <size_t>NUMBER_ROOM)
    memcpy(out, text, size)
    PyMem_Free(text)
    return size


cdef void _base64(const uint8_t* p, size_t n, uint8_t* out) noexcept nogil:
    """``n`` bytes as (n + 2) / 3 * 4 characters (RFC 4648 section 4)."""
    cdef size_t i = 0, o = 0
    cdef uint32_t word
    while i + 2 < n:
        word = <uint32_t>p[i] << 16 | <uint32_t>p[i + 1] << 8 | p[i + 2]
        out[o] = BASE64[word >> 18]
        out[o + 1] = BASE64[(word >> 12) & 63]
        out[o + 2] = BASE64[(word >> 6) & 63]
        out[o + 3] = BASE64[word & 63]
        i += 3
        o += 4
    if i < n:
        word = <uint32_t>p[i] << 16 | (<uint32_t>p[i + 1] << 8 if i + 1 < n else 0)
        out[o] = BASE64[word >> 18]
        out[o + 1] = BASE64[(word >> 12) & 63]
        out[o + 2] = BASE64[(word >> 6) & 63] if i + 1 < n else c"="
        out[o + 3] = c"="


cdef bint _is_utf8(const uint8_t* p, uint64_t n):
    """Whether all bytes are UTF-8 and no ESC is among them."""
    if memchr(p, 0x1B, <size_t>n) != NULL:
        return False
    try:
        PyUnicode_DecodeUTF8(<const char*>p, <Py_ssize_t>n, NULL)
    except UnicodeDecodeError:
        return False
    return True


cdef bytes _encoded_fragments(Block block, uint32_t index):
    """Fragments that were set, as encapsulated pixel data hold them: an empty Basic Offset Table and an item for each.

    PS3.5 section A.4.
    """
    cdef list parts = [b"\xFE\xFF\x00\xE0\x00\x00\x00\x00"]
    for fragment in new_element(block, index).value:
        data = bytes(fragment)
        parts.append(b"\xFE\xFF\x00\xE0" + (len(data) + (len(data) & 1)).to_bytes(4, "little"))
        parts.append(data + b"\0" * (len(data) & 1))
    return b"".join(parts)


def is_edited(DataSet data_set) -> bool:
    """Whether something of a data set, or of its File Meta Information, is not what was read."""
    cdef Root root = data_set.root
    adopt_lists(data_set.block)
    if data_set.block.is_own or is_touched(data_set.block):
        return True
    if root is None:
        return False
    if root.meta is not None:
        adopt_lists(root.meta)
        if is_touched(root.meta):
            return True
    return root.new_meta or root.own_preamble is not None


# ---------------------------------------------------------------------------------------------------------- the writer

cdef class ModelWriter:
    """Writes a data set as text; ``take`` gives it piece by piece.  Made by the functions of dicomwire.dataset.json."""

    def __cinit__(self, DataSet data_set not None, *, handler=None, threshold=1024, bint omit=False,
                  bint number_texts=False):
        memset(&self.text, 0, sizeof(Text))
        self.depth = -1
        self.kept = []
        self.handler = handler
        self.threshold = <uint64_t>max(threshold, 0)
        self.omit = omit
        self.number_texts = number_texts
        self.waiting = data_set
        reserve(&self.text, FIRST_ROOM)

    def __dealloc__(self):
        free(self.text.data)
        free(self.levels)
        free(self.piece)

    def take(self, size_t limit):
        """The next piece of the text, of about ``limit`` bytes or all that is left; empty behind the last one.

        Where reading a value fails it raises the error, and the text ends there.
        """
        cdef bytes piece
        self.run(limit)
        piece = PyBytes_FromStringAndSize(<const char*>self.text.data, <Py_ssize_t>self.text.size)
        self.text.size = 0
        return piece

    def take_text(self):
        """All that is left, as str."""
        self.run(<size_t>-1)
        text = PyUnicode_DecodeUTF8(<const char*>self.text.data, <Py_ssize_t>self.text.size, NULL)
        self.text.size = 0
        return text

    # ---------------------------------------------------------------------------------------------------------- walk

    cdef int run(self, size_t limit) except -1:
        """Write until there are ``limit`` bytes of text or nothing is left."""
        cdef DataSet data_set = self.waiting
        if data_set is not None:
            self.waiting = None
            adopt_lists(data_set.block)
            if data_set.index == 0:
                data_set.block.go_on(ALL, False)
                data_set.block.resume()
            self.kept.append(data_set.block)
            self._enter(data_set.block, data_set.index, False, 1)
        while self.text.size < limit and self.depth >= 0:
            if self.bulk is not None:
                self._more_bytes(limit)
            else:
                self._member(self.levels + self.depth)
        return 0

    cdef int _enter(self, Block block, uint32_t index, bint is_sequence, int holds) except -1:
        """Begin with a container; ``holds`` of the last objects in ``kept`` are its own."""
        cdef Level* level
        cdef bytes order
        cdef list parts
        if self.depth + 1 >= self.capacity:
            level = <Level*>realloc(self.levels, (self.capacity * 2 + 16) * sizeof(Level))
            if level == NULL:
                raise MemoryError
            self.levels = level
            self.capacity = self.capacity * 2 + 16
        level = self.levels + self.depth + 1
        level.block = <PyObject*>block
        level.keys = NULL
        level.parts = NULL
        level.key = level.key_count = 0
        level.next = index + 1
        level.stop = block.entries[index].next
        level.number = 0
        level.is_sequence = is_sequence
        if block.edits is not None and (members_of(block, index) is not None if is_sequence
                                        else edits_of(block, index) is not None):
            parts = list(new_sequence(block, index) if is_sequence else new_data_set(block, index))
            self.kept.append(parts)
            holds += 1
            level.parts = <PyObject*>parts
            level.next = 0
            level.stop = <uint32_t>len(parts)
        elif not is_sequence and block.entries[index].flags & UNORDERED:
            order = block.order_of(index)
            self.kept.append(order)
            holds += 1
            level.keys = <const uint64_t*>PyBytes_AS_STRING(order)
            level.key_count = len(order) // <Py_ssize_t>sizeof(uint64_t)
        level.holds = <uint8_t>holds
        self.depth += 1
        if self.depth == 0:
            self.open_model()
        elif is_sequence:
            self.open_sequence()
        else:
            self.open_item(self.levels[self.depth - 1].number)
        return 0

    cdef int _leave(self) except -1:
        """The innermost container ends."""
        cdef Level* level = self.levels + self.depth
        cdef bint is_sequence = level.is_sequence
        for _ in range(level.holds):
            self.kept.pop()
        self.depth -= 1
        if self.depth < 0:
            self.close_model()
            return 0
        if is_sequence:
            self.close_sequence()
            self.close_element()
        else:
            self.close_item()
            self.levels[self.depth].number += 1
        return 0

    cdef int _member(self, Level* level) except -1:
        """Write the next element, or begin with the next item; end the container behind the last one."""
        cdef Block block = <Block>level.block, inner
        cdef uint32_t i
        cdef DataSet item
        cdef DataElement element
        if level.parts != NULL:
            if level.next >= level.stop:
                return self._leave()
            level.next += 1
            if level.is_sequence:
                item = (<list>level.parts)[level.next - 1]
                self.kept.append(item.block)
                return self._enter(item.block, item.index, False, 1)
            element = (<list>level.parts)[level.next - 1]
            return self._element(element.block, element.index, level.number)
        if level.keys != NULL:
            # Of elements with the same tag the first counts.
            while 0 < level.key < level.key_count and level.keys[level.key] >> 32 == level.keys[level.key - 1] >> 32:
                level.key += 1
            if level.key >= level.key_count:
                return self._leave()
            i = <uint32_t>level.keys[level.key]
            level.key += 1
        else:
            i = level.next
            if i >= level.stop:
                return self._leave()
            level.next = block.entries[i].next
        if not level.is_sequence:
            return self._element(block, i, level.number)
        if block.entries[i].flags & NOT_ENTERED:
            inner = block.inner(i, True)
            self.kept.append(inner)
            return self._enter(inner, 0, False, 1)
        return self._enter(block, i, False, 0)

    cdef int _element(self, Block block, uint32_t index, uint32_t number) except -1:
        cdef TapeEntry* entry = block.entries + index
        cdef uint32_t tag = entry.tag
        cdef uint16_t vr = entry.vr
        cdef int traits, word
        cdef const uint8_t* p
        cdef uint64_t n
        cdef object held = None, uri = None
        if tag & 0xFFFF == 0:
            return 0                # a group length, which no model has
        if vr <= DW_VR_NONE or vr == DW_VR_UN:
            vr = block.vr_of(index)
            entry = block.entries + index
        if vr == DW_VR_SQ:
            self.levels[self.depth].number += 1
            self.open_element(block, index, tag, vr, number)
            return self._inside(block, index)
        traits = dw_vr_traits(vr)
        word = word_size(vr)
        if not traits & (DW_VR_BYTES | DW_VR_TEXT) and (word == 0 or entry.length & <uint64_t>(word - 1)):
            block.report("value", index, f"{entry.length} bytes are no whole number of {vr_name(vr)} values",
                         "PS3.5 6.2")
            vr = DW_VR_UN
            traits = dw_vr_traits(vr)
            word = 1
        if traits & DW_VR_BYTES:
            n = entry.length
            if block.is_own:
                held = _encoded_fragments(block, index) if entry.flags & FRAGMENTS else kept_value(block, index)
                n = <uint64_t>len(held)
            if n > self.threshold // 4 * 3:
                if self.omit:
                    return 0
                if self.handler is not None:
                    uri = self.handler(new_element(block, index))
                    if uri is not None and not isinstance(uri, str):
                        raise TypeError(f"a bulk data handler returns a str or None, not {type(uri).__name__}")
            self.levels[self.depth].number += 1
            self.open_element(block, index, tag, vr, number)
            if uri is not None:
                self.put_uri(uri)
            elif held is not None and n:
                return self._begin_held(held)
            elif block.entries[index].length:
                return self._begin_bytes(block, index, word)
            return self.close_element()
        self.levels[self.depth].number += 1
        self.open_element(block, index, tag, vr, number)
        if entry.length:
            p = block.pointer(entry)
            if p == NULL:
                p = block.reach(entry)
                entry = block.entries + index
            n = entry.length
            if p == NULL:
                held = block.fetch(entry)
                p = <const uint8_t*>PyBytes_AS_STRING(held)
                n = <uint64_t>len(held)
            if tag == 0x00080005 and trimmed(p, n):
                self.open_values(False)
                self.put_text(0, <const uint8_t*>UTF8_TERM, 10)
                self.close_values()
            elif traits & DW_VR_TEXT:
                self._text(block, index, vr, traits, p, n)
            elif n:
                self._numbers(block, index, vr, p, n)
        return self.close_element()

    cdef int _inside(self, Block block, uint32_t index) except -1:
        """Enter a sequence, unless it has no items: then its element ends."""
        cdef Block inner
        if block.edits is not None and members_of(block, index):
            self.kept.append(block)
            return self._enter(block, index, True, 1)
        if block.entries[index].flags & NOT_ENTERED:
            inner = block.inner(index, True)
            if inner.entries[0].next > 1 or inner.edits is not None and members_of(inner, 0):
                self.kept.append(inner)
                return self._enter(inner, 0, True, 1)
        elif block.entries[index].next > index + 1 and (block.edits is None or members_of(block, index) is None):
            return self._enter(block, index, True, 0)
        return self.close_element()

    # ---------------------------------------------------------------------------------------------------------- text

    cdef int _text(self, Block block, uint32_t index, uint16_t vr, int traits, const uint8_t* p, uint64_t n) except -1:
        cdef PyObject* charset = NULL
        cdef object value, part
        cdef const char* text
        cdef Py_ssize_t size = 0
        cdef uint32_t number = 0
        if is_plain(p, n) or (traits & DW_VR_CHARSET and block.charset_of(index, &charset) == CHARSET_UTF8
                              and _is_utf8(p, n)):
            return self._plain(vr, traits, p, n)
        value = decode_text(block, index, vr, traits, p, n)
        if not isinstance(value, list):
            value = [value]
        if value == [""]:
            return 0
        self.open_values(vr == DW_VR_PN)
        for part in <list>value:
            text = PyUnicode_AsUTF8AndSize(part if isinstance(part, str) else str(part), &size)
            self._component(number, vr, <const uint8_t*>text, <uint64_t>size)
            number += 1
        return self.close_values()

    cdef int _plain(self, uint16_t vr, int traits, const uint8_t* p, uint64_t n) except -1:
        """The components of a text that is UTF-8 as it stands."""
        cdef const uint8_t* end
        cdef const uint8_t* delimiter
        cdef uint32_t number = 0
        n = trimmed(p, n)
        if n == 0:
            return 0
        self.open_values(vr == DW_VR_PN)
        end = p + n
        if not traits & DW_VR_SINGLE:
            delimiter = <const uint8_t*>memchr(p, 0x5C, <size_t>n)
            while delimiter != NULL:
                self._component(number, vr, p, <uint64_t>(delimiter - p))
                number += 1
                p = delimiter + 1
                delimiter = <const uint8_t*>memchr(p, 0x5C, <size_t>(end - p))
        self._component(number, vr, p, <uint64_t>(end - p))
        return self.close_values()

    cdef int _component(self, uint32_t number, uint16_t vr, const uint8_t* p, uint64_t n) except -1:
        """One value of a text, in UTF-8, without its padding."""
        cdef uint8_t[NUMBER_ROOM] small
        cdef size_t size
        n = trimmed(p, n)
        if vr == DW_VR_AE or vr == DW_VR_CS or vr == DW_VR_DS or vr == DW_VR_IS:
            while n and p[0] == 0x20:
                p += 1
                n -= 1
        if n == 0:
            return self.put_nothing(number)
        if vr == DW_VR_PN:
            return self._name(number, p, n)
        if (vr == DW_VR_DS or vr == DW_VR_IS) and not self.number_texts:
            if n <= NUMBER_ROOM - 2:
                size = number_text(p, <size_t>n, small)
                if size:
                    return self.put_number(number, small, size)
            else:
                held = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>n + 2)
                size = number_text(p, <size_t>n, <uint8_t*>PyBytes_AS_STRING(held))
                if size:
                    return self.put_number(number, <const uint8_t*>PyBytes_AS_STRING(held), size)
        return self.put_text(number, p, <size_t>n)

    cdef int _name(self, uint32_t number, const uint8_t* p, uint64_t n) except -1:
        """A person name, unless nothing but separators of its component groups is there."""
        cdef uint64_t i
        for i in range(n):
            if p[i] != c"=":
                return self.put_name(number, p, <size_t>n)
        return self.put_nothing(number)

    # ------------------------------------------------------------------------------------------------------- numbers

    cdef int _numbers(self, Block block, uint32_t index, uint16_t vr, const uint8_t* p, uint64_t n) except -1:
        cdef bint big = block.is_big_endian(index) if block.encoding else False
        cdef int size = word_size(vr)
        cdef uint64_t i = 0, u64 = 0
        cdef uint32_t u32, number = 0
        cdef float f32
        cdef double f64
        cdef uint8_t[NUMBER_ROOM + 8] small
        cdef size_t length
        self.open_values(False)
        while i < n:
            if vr == DW_VR_AT:
                u32 = dw_load32be(p + i) if big else <uint32_t>dw_load16le(p + i) << 16 | dw_load16le(p + i + 2)
                snprintf(<char*>small, 9, b"%08X", u32)
                self.put_text(number, small, 8)
            elif vr == DW_VR_FL or vr == DW_VR_FD:
                if vr == DW_VR_FL:
                    u32 = dw_load32be(p + i) if big else dw_load32le(p + i)
                    memcpy(&f32, &u32, 4)
                    f64 = f32
                else:
                    u64 = dw_load64be(p + i) if big else dw_load64le(p + i)
                    memcpy(&f64, &u64, 8)
                if isfinite(f64):
                    length = _float(f64, small)
                    self.put_number(number, small, length)
                elif f64 != f64:
                    self.put_text(number, b"NaN", 3)        # JSON has no such number
                else:
                    self.put_text(number, b"Infinity" if f64 > 0 else b"-Infinity", 8 if f64 > 0 else 9)
            else:
                if vr == DW_VR_US:
                    length = _integer(dw_load16be(p + i) if big else dw_load16le(p + i), False, small)
                elif vr == DW_VR_SS:
                    length = _signed(<int16_t>(dw_load16be(p + i) if big else dw_load16le(p + i)), small)
                elif vr == DW_VR_UL:
                    length = _integer(dw_load32be(p + i) if big else dw_load32le(p + i), False, small)
                elif vr == DW_VR_SL:
                    length = _signed(<int32_t>(dw_load32be(p + i) if big else dw_load32le(p + i)), small)
                else:
                    u64 = dw_load64be(p + i) if big else dw_load64le(p + i)
                    length = _signed(<int64_t>u64, small) if vr == DW_VR_SV else _integer(u64, False, small)
                if self.number_texts and (vr == DW_VR_SV or vr == DW_VR_UV):
                    self.put_text(number, small, length)
                else:
                    self.put_number(number, small, length)
            number += 1
            i += <uint64_t>size
        return self.close_values()

    # --------------------------------------------------------------------------------------------------------- bytes

    cdef int _begin_bytes(self, Block block, uint32_t index, int word) except -1:
        """A binary value begins; run() goes on with it until it is written."""
        cdef TapeEntry* entry = block.entries + index
        if block.pointer(entry) == NULL:
            block.reach(entry)
            entry = block.entries + index
            if entry.length == 0:
                return self.close_element()
        if word == 2 and entry.tag == PIXEL_DATA and block.encoding:
            word = pixel_word(block, entry.parent)
        self.open_bytes()
        self.bulk = block
        self.bulk_offset = entry.offset
        self.bulk_left = entry.length
        self.bulk_swap = word if word > 1 and block.encoding and block.is_big_endian(index) else 1
        return 0

    cdef int _begin_held(self, object data) except -1:
        """The same for bytes that were set."""
        cdef const uint8_t[::1] view = data
        self.open_bytes()
        self.bulk = <Block>self.kept[0]
        self.bulk_held = data
        self.bulk_data = &view[0]
        self.bulk_left = <uint64_t>view.shape[0]
        self.bulk_swap = 1
        return 0

    cdef int _more_bytes(self, size_t limit) except -1:
        """Some more of a binary value."""
        cdef Source source = self.bulk.source
        cdef size_t room = REMOTE_PIECE if source.remote is not None else PIECE, n
        cdef const uint8_t* p
        cdef uint8_t* held
        cdef TapeEntry entry
        while self.bulk_left and self.text.size < limit:
            n = <size_t>min(self.bulk_left, <uint64_t>room)
            memset(&entry, 0, sizeof(TapeEntry))
            entry.offset = self.bulk_offset
            entry.length = n
            p = self.bulk_data if self.bulk_data != NULL else self.bulk.pointer(&entry)
            if p == NULL or self.bulk_swap > 1:
                if self.piece_capacity < n * 2:
                    held = <uint8_t*>realloc(self.piece, n * 2)
                    if held == NULL:
                        raise MemoryError
                    self.piece = held
                    self.piece_capacity = n * 2
                if p == NULL:
                    source.read_into(self.piece, self.bulk_offset, n)
                    p = self.piece
                if self.bulk_swap > 1:
                    dw_swap_words(self.piece + n, p, n, self.bulk_swap)
                    p = self.piece + n
            reserve(&self.text, (n + 2) // 3 * 4)
            held = self.text.data + self.text.size
            if n >= FREE_FROM:
                with nogil:
                    _base64(p, n, held)
            else:
                _base64(p, n, held)
            self.text.size += (n + 2) // 3 * 4
            self.bulk_offset += n
            self.bulk_left -= n
            if self.bulk_data != NULL:
                self.bulk_data += n
        if self.bulk_left == 0:
            self.bulk = self.bulk_held = None
            self.bulk_data = NULL
            self.close_bytes()
            self.close_element()
        return 0

    # ------------------------------------------------------------------------------------------- what subclasses write

    cdef int open_model(self) except -1:
        raise NotImplementedError

    cdef int close_model(self) except -1:
        raise NotImplementedError

    cdef int open_element(self, Block block, uint32_t index, uint32_t tag, uint16_t vr, uint32_t number) except -1:
        raise NotImplementedError

    cdef int close_element(self) except -1:
        raise NotImplementedError

    cdef int open_sequence(self) except -1:
        raise NotImplementedError

    cdef int close_sequence(self) except -1:
        raise NotImplementedError

    cdef int open_item(self, uint32_t number) except -1:
        raise NotImplementedError

    cdef int close_item(self) except -1:
        raise NotImplementedError

    cdef int open_values(self, bint names) except -1:
        raise NotImplementedError

    cdef int close_values(self) except -1:
        raise NotImplementedError

    cdef int put_text(self, uint32_t number, const uint8_t* p, size_t n) except -1:
        raise NotImplementedError

    cdef int put_number(self, uint32_t number, const uint8_t* p, size_t n) except -1:
        raise NotImplementedError

    cdef int put_nothing(self, uint32_t number) except -1:
        raise NotImplementedError

    cdef int put_name(self, uint32_t number, const uint8_t* p, size_t n) except -1:
        raise NotImplementedError

    cdef int open_bytes(self) except -1:
        raise NotImplementedError

    cdef int close_bytes(self) except -1:
        raise NotImplementedError

    cdef int put_uri(self, str uri) except -1:
        raise NotImplementedError
