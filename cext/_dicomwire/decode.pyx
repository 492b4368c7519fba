"""A value's bytes where they lie, and as what its VR and character set make of them (PS3.5 sections 6.1 and 6.2).

What does not conform is told to the block, which lists it or raises by policy, and handed over as it is.
"""
cimport cython
from cpython.buffer cimport PyBuffer_FillInfo
from cpython.bytes cimport PyBytes_AS_STRING
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_DecodeLatin1, PyUnicode_DecodeUTF8
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memchr

from .block cimport CHARSET_LATIN1, CHARSET_UTF8, hook
from .tape cimport dw_load16le, dw_load32be
from .values cimport (
    as_person_name, as_tag, as_uid, decode_decimal_string, decode_numbers, is_plain, plain_component, plain_value,
    word_size,
)
from .vr cimport (
    DW_VR_AE, DW_VR_AT, DW_VR_CHARSET, DW_VR_CS, DW_VR_DS, DW_VR_IS, DW_VR_PN, DW_VR_SINGLE, DW_VR_TEXT, DW_VR_UI,
    vr_name,
)

cdef extern from "Python.h":
    object PyMemoryView_FromObject(object)


@cython.final
cdef class _ValueBuffer:
    """Exports a stretch of memory that ``owner`` keeps alive, read-only."""
    cdef object owner
    cdef const uint8_t* data
    cdef Py_ssize_t size

    def __getbuffer__(self, Py_buffer* buffer, int flags):
        PyBuffer_FillInfo(buffer, self, <void*>self.data, self.size, 1, flags)


cdef object value_view(Block block, TapeEntry* entry):
    """A read-only memoryview of a value: of memory that holds it, of a mapping of the file, or of bytes read now."""
    cdef _ValueBuffer buffer
    cdef object mapped
    cdef const uint8_t* p = block.pointer(entry)
    if p == NULL:
        p = block.reach(entry)
    if p == NULL:
        mapped = block.source.mapped(entry.offset, entry.length)
        return PyMemoryView_FromObject(block.fetch(entry) if mapped is None else mapped)
    buffer = _ValueBuffer.__new__(_ValueBuffer)
    buffer.owner = block if block.own.data != NULL else block.source
    buffer.data = p
    buffer.size = <Py_ssize_t>entry.length
    return PyMemoryView_FromObject(buffer)


cdef object view_of(Block block, uint64_t offset, uint64_t length):
    """A read-only memoryview of bytes that a window of the block's source holds; None where none does."""
    cdef _ValueBuffer buffer
    cdef const uint8_t* p = block.source.find(offset, length)
    if p == NULL and length:
        return None
    buffer = _ValueBuffer.__new__(_ValueBuffer)
    buffer.owner = block.source
    buffer.data = p
    buffer.size = <Py_ssize_t>length
    return PyMemoryView_FromObject(buffer)


cdef object _odd_numbers(Block block, uint32_t index, uint16_t vr, const uint8_t* p, uint64_t n):
    """An IS or DS value with components that do not conform: a decimal as IS is taken, other text is handed over."""
    cdef list values = []
    cdef bytes text
    cdef object value, number
    cdef bint odd
    for text in (<const char*>p)[:n].split(b"\\"):
        odd = False
        value = plain_component(vr, text, <uint64_t>len(text), &odd)
        if odd:
            text = text.strip(b" \0")
            number = decode_decimal_string(text, <uint64_t>len(text)) if vr == DW_VR_IS else None
            if number is not None and -1e300 < number < 1e300:
                block.report("value", index, "an IS value is written as a decimal", "PS3.5 6.2")
                value = int(number) if number == int(number) else number
            elif text:
                block.report("value", index, f"{vr_name(vr)} value of {len(text)} bytes is not a number", "PS3.5 6.2")
                value = text.decode("latin-1")
        values.append(value)
    return values[0] if len(values) == 1 else values


cdef object _typed(Block block, uint32_t index, uint16_t vr, str text):
    """A decoded component as the VR's type, without its padding."""
    text = text.rstrip(" \0")
    if vr == DW_VR_PN:
        return as_person_name(text)
    if vr == DW_VR_UI:
        return as_uid(text)
    if vr == DW_VR_AE or vr == DW_VR_CS:
        return text.lstrip(" ")
    if vr == DW_VR_DS or vr == DW_VR_IS:
        block.report("value", index, f"{vr_name(vr)} value of {len(text)} characters is not a number", "PS3.5 6.2")
    return text


cdef object decode_text(Block block, uint32_t index, uint16_t vr, int traits, const uint8_t* p, uint64_t n):
    """A text value that plain_value has no answer for: odd numbers, or bytes that a character set gives a meaning."""
    cdef list values
    cdef object text, charset
    cdef str problem = None
    cdef PyObject* declared = NULL
    cdef int kind
    if is_plain(p, n):
        return _odd_numbers(block, index, vr, p, n)
    if not traits & DW_VR_CHARSET:
        text = PyUnicode_DecodeLatin1(<const char*>p, <Py_ssize_t>n, NULL)
        block.report("character_set", index, "bytes outside the default repertoire", "PS3.5 6.1")
    else:
        kind = block.charset_of(index, &declared)
        if kind == CHARSET_UTF8:
            try:
                text = PyUnicode_DecodeUTF8(<const char*>p, <Py_ssize_t>n, NULL)
            except UnicodeDecodeError:
                text = PyUnicode_DecodeUTF8(<const char*>p, <Py_ssize_t>n, "replace")
                block.report("character_set", index, "undecodable bytes for ISO_IR 192", "PS3.5 6.1")
        elif kind == CHARSET_LATIN1 and not memchr(p, 0x1B, <size_t>n):
            text = PyUnicode_DecodeLatin1(<const char*>p, <Py_ssize_t>n, NULL)
        else:
            charset = <object>declared if declared != NULL else hook("charset_from_terms")(
                ("ISO_IR 100",) if kind == CHARSET_LATIN1 else ())
            components, problem = hook("decode_text")((<const char*>p)[:n], charset, not traits & DW_VR_SINGLE,
                                                      vr == DW_VR_PN)
            if problem is not None:
                block.report("character_set", index, problem, "PS3.5 6.1")
            values = [_typed(block, index, vr, text) for text in components]
            return values[0] if len(values) == 1 else values
    if traits & DW_VR_SINGLE or "\\" not in text:
        return _typed(block, index, vr, text)
    return [_typed(block, index, vr, text) for text in (<str>text).rstrip(" \0").split("\\")]


cdef object _decode_tags(const uint8_t* p, uint64_t n, bint big):
    cdef list tags = []
    cdef uint64_t i
    for i in range(0, n - n % 4, 4):
        if big:
            tags.append(as_tag(dw_load32be(p + i)))
        else:
            tags.append(as_tag((<uint32_t>dw_load16le(p + i) << 16) | dw_load16le(p + i + 2)))
    if not tags:
        return None
    return tags[0] if len(tags) == 1 else tags


cdef object fetched_value(Block block, uint32_t index, uint16_t vr, int traits):
    """A value that no window holds: read from the source, decoded and kept."""
    cdef bytes held = block.fetch(block.entries + index)
    cdef const uint8_t* p = <const uint8_t*>PyBytes_AS_STRING(held)
    cdef uint64_t n = <uint64_t>len(held)
    cdef bint odd = False
    cdef object value
    if traits & DW_VR_TEXT:
        value = plain_value(vr, traits, p, n, &odd)
        if odd:
            value = decode_text(block, index, vr, traits, p, n)
    else:
        value = decode_binary(block, index, vr, p)
    block.put(index, value)
    return value


cdef object decode_binary(Block block, uint32_t index, uint16_t vr, const uint8_t* p):
    """Numbers and tags; a length that is no multiple of the word size gives the bytes themselves."""
    cdef TapeEntry* entry = block.entries + index
    cdef bint big = block.is_big_endian(index) if block.encoding else False
    cdef int size = word_size(vr)
    if size == 0 or entry.length & <uint64_t>(size - 1):
        block.report("value", index, f"{entry.length} bytes are no whole number of {vr_name(vr)} values", "PS3.5 6.2")
        return bytes((<const char*>p)[:entry.length])
    if vr == DW_VR_AT:
        return _decode_tags(p, entry.length, big)
    return decode_numbers(p, entry.length, vr, big)
