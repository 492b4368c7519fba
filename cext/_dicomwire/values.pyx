"""Value bytes to Python objects (PS3.5 section 6.2): numbers, number strings, plain text.

Functions of text get one component, without the delimiters; those of numbers a whole value.  What does not conform
gives ``None`` from the number string functions, and the caller decides by policy.
"""
from cpython.float cimport PyFloat_FromDouble
from cpython.list cimport PyList_New, PyList_SET_ITEM
from cpython.long cimport PyLong_FromLong, PyLong_FromLongLong, PyLong_FromUnsignedLong, PyLong_FromUnsignedLongLong
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.stdint cimport int16_t, int32_t, int64_t, uint32_t
from libc.string cimport memchr, memcmp, memcpy

from .tape cimport dw_load16be, dw_load16le, dw_load32be, dw_load32le, dw_load64be, dw_load64le
from .vr cimport (
    DW_VR_AE, DW_VR_AT, DW_VR_CS, DW_VR_DS, DW_VR_FD, DW_VR_FL, DW_VR_IS, DW_VR_OB, DW_VR_OD, DW_VR_OF, DW_VR_OL,
    DW_VR_OV, DW_VR_OW, DW_VR_PN, DW_VR_SINGLE, DW_VR_SL, DW_VR_SS, DW_VR_SV, DW_VR_UI, DW_VR_UL, DW_VR_US,
    DW_VR_UV,
)

cdef extern from "Python.h":
    object PyUnicode_New(Py_ssize_t size, unsigned int maxchar)
    void* PyUnicode_DATA(object)
    Py_ssize_t PyUnicode_GET_LENGTH(object)
    object PyUnicode_DecodeLatin1(const char*, Py_ssize_t, const char*)
    ctypedef struct PyTypeObject:
        object (*tp_new)(PyTypeObject*, object, void*)

cdef extern from "subtext.h":
    object dw_subtext(object kind, const void* text, Py_ssize_t n)

cdef double[23] _POWERS = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                           1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22]


# ---------------------------------------------------------------------------------------------------------------- text

cdef enum:
    NOT_PLAIN = 1               # a byte of 0x80 and up, or an ESC
    BACKSLASH = 2


cdef inline uint64_t _equal(uint64_t word, uint64_t repeated) noexcept nogil:
    """High bits set where a byte equals the repeated one: the exclusive or makes it zero, which borrows."""
    word ^= repeated
    return (word - 0x0101010101010101u) & ~word & 0x8080808080808080u


cdef inline int _classify(const uint8_t* p, uint64_t n) noexcept nogil:
    """What there is in a text besides plain characters, in one pass over words; the last two may overlap."""
    cdef uint64_t i = 8, word, odd = 0, slashes = 0
    if n >= 8:
        word = dw_load64le(p + n - 8)
        odd = (word & 0x8080808080808080u) | _equal(word, 0x1B1B1B1B1B1B1B1Bu)
        slashes = _equal(word, 0x5C5C5C5C5C5C5C5Cu)
        while i < n:
            word = dw_load64le(p + i - 8)
            odd |= (word & 0x8080808080808080u) | _equal(word, 0x1B1B1B1B1B1B1B1Bu)
            slashes |= _equal(word, 0x5C5C5C5C5C5C5C5Cu)
            i += 8
    else:
        if n >= 4:
            word = <uint64_t>dw_load32le(p) << 32 | dw_load32le(p + n - 4)
        elif n:
            # First, middle and last byte are all there are.
            word = <uint64_t>p[0] << 16 | <uint64_t>p[n >> 1] << 8 | <uint64_t>p[n - 1]
        else:
            return 0
        odd = (word & 0x8080808080808080u) | _equal(word, 0x1B1B1B1B1B1B1B1Bu)
        slashes = _equal(word, 0x5C5C5C5C5C5C5C5Cu)
    return (NOT_PLAIN if odd else 0) | (BACKSLASH if slashes else 0)


cdef bint is_plain(const uint8_t* p, uint64_t n) noexcept nogil:
    """Whether there is neither a byte of 0x80 and up nor an ESC, so that every character set reads it alike."""
    return not _classify(p, n) & NOT_PLAIN


cdef uint64_t trimmed(const uint8_t* p, uint64_t n) noexcept nogil:
    """The length without trailing spaces and NULs."""
    while n and (p[n - 1] == 0x20 or p[n - 1] == 0):
        n -= 1
    return n


cdef object decode_ascii(const uint8_t* p, uint64_t n):
    """Text of bytes that are known to be below 0x80."""
    if n == 0:
        return ""
    if n == 1:
        return PyUnicode_DecodeLatin1(<const char*>p, 1, NULL)      # the interpreter's own one-letter objects
    text = PyUnicode_New(<Py_ssize_t>n, 127)
    memcpy(PyUnicode_DATA(text), p, <size_t>n)
    return text


# The classes of UI, PN and AT values; set once, at import, and read-only afterwards.
cdef object _UID = str
cdef object _PERSON_NAME = str
cdef object _TAG = int


def bind_classes(uid, person_name, tag):
    """Give the decoders the classes of UI, PN and AT values, subclasses of str and int; called once, at import."""
    global _UID, _PERSON_NAME, _TAG
    _UID, _PERSON_NAME, _TAG = uid, person_name, tag


cdef inline object _as(object kind, object text):
    """A str as an instance of a subclass, without the detour through the metaclass."""
    return (<PyTypeObject*>kind).tp_new(<PyTypeObject*>kind, (text,), NULL)


cdef object as_uid(object text):
    """A UID."""
    return _as(_UID, text)


cdef object as_person_name(object text):
    """A PersonName."""
    return _as(_PERSON_NAME, text)


cdef object as_tag(uint32_t tag):
    """A Tag; the 32 bits need no checking."""
    return (<PyTypeObject*>int).tp_new(<PyTypeObject*>_TAG, (tag,), NULL)


cdef object plain_component(uint16_t vr, const uint8_t* p, uint64_t n, bint* odd):
    """One component of plain text: str, int, float, UID or PersonName.

    Sets ``odd`` for an IS or DS that is not a number; the value is None then, as for an empty one.
    """
    cdef object value
    n = trimmed(p, n)
    if vr == DW_VR_DS or vr == DW_VR_IS:
        value = decode_decimal_string(p, n) if vr == DW_VR_DS else decode_integer_string(p, n)
        if value is None and n:
            odd[0] = True
        return value
    if vr == DW_VR_AE or vr == DW_VR_CS:
        while n and p[0] == 0x20:
            p += 1
            n -= 1
    if vr == DW_VR_UI:
        return dw_subtext(_UID, p, <Py_ssize_t>n)
    if vr == DW_VR_PN:
        return dw_subtext(_PERSON_NAME, p, <Py_ssize_t>n)
    return decode_ascii(p, n)


cdef object repeated_text(PyObject** texts, uint16_t vr, const uint8_t* p, uint64_t n):
    """A short plain text of one component: the str that ``texts`` holds of these bytes, or a new one that it keeps.

    None for everything else, which is left to plain_value.  Reports say the same few words in each of their items.
    """
    cdef uint64_t first, last
    cdef PyObject** slot
    if vr == DW_VR_DS or vr == DW_VR_IS or vr == DW_VR_UI or vr == DW_VR_PN:
        return None
    n = trimmed(p, n)
    if (vr == DW_VR_CS or vr == DW_VR_AE) and n:
        while p[0] == 0x20:         # ends at the latest where the trimmed text does
            p += 1
            n -= 1
    if n < 2 or n > REPEATED_MOST:
        return None
    if n >= 8:
        first, last = dw_load64le(p), dw_load64le(p + n - 8)
    elif n >= 4:
        first, last = dw_load32le(p), dw_load32le(p + n - 4)
    else:
        first, last = dw_load16le(p), dw_load16le(p + n - 2)
    slot = texts + (((first * 0x9E3779B97F4A7C15u) ^ (last + n) * 0xC2B2AE3D27D4EB4Fu) >> (64 - REPEATED_BITS))
    if slot[0] != NULL and <uint64_t>PyUnicode_GET_LENGTH(<object>slot[0]) == n and memcmp(
            PyUnicode_DATA(<object>slot[0]), p, <size_t>n) == 0:
        return <object>slot[0]
    if _classify(p, n):
        return None
    text = decode_ascii(p, n)
    Py_INCREF(text)
    Py_XDECREF(slot[0])
    slot[0] = <PyObject*>text
    return text


cdef object plain_value(uint16_t vr, int traits, const uint8_t* p, uint64_t n, bint* odd):
    """A text value: one component, or a list of them; ``odd`` as for plain_component.

    None, with ``odd`` set, when the text is not plain (see is_plain) and its character set matters.
    """
    cdef const uint8_t* end
    cdef const uint8_t* delimiter
    cdef list values
    cdef int found = _classify(p, n)
    if found & NOT_PLAIN:
        odd[0] = True
        return None
    if not found or traits & DW_VR_SINGLE:
        return plain_component(vr, p, n, odd)
    n = trimmed(p, n)
    delimiter = <const uint8_t*>memchr(p, 0x5C, <size_t>n)
    end = p + n
    values = []
    while delimiter != NULL:
        values.append(plain_component(vr, p, delimiter - p, odd))
        p = delimiter + 1
        delimiter = <const uint8_t*>memchr(p, 0x5C, <size_t>(end - p))
    values.append(plain_component(vr, p, end - p, odd))
    return values


# ------------------------------------------------------------------------------------------------------ number strings

cdef object decode_integer_string(const uint8_t* p, uint64_t n):
    """One IS component as int; None when it is empty or not a number."""
    cdef uint64_t i = 0
    cdef int64_t value = 0
    cdef bint negative = False
    cdef uint64_t digits
    while n and (p[n - 1] == 0x20 or p[n - 1] == 0):
        n -= 1
    while i < n and p[i] == 0x20:
        i += 1
    if i < n and (p[i] == 0x2D or p[i] == 0x2B):
        negative = p[i] == 0x2D
        i += 1
    digits = n - i
    if digits == 0:
        return None
    if digits <= 18:
        while i < n:
            if p[i] < 0x30 or p[i] > 0x39:
                return None
            value = value * 10 + (p[i] - 0x30)
            i += 1
        return PyLong_FromLongLong(-value if negative else value)
    for k in range(i, n):
        if p[k] < 0x30 or p[k] > 0x39:
            return None
    if digits > 4000:
        return None
    return int((<const char*>p)[:n].decode("ascii"))


cdef object decode_decimal_string(const uint8_t* p, uint64_t n):
    """One DS component as float, correctly rounded; None when it is empty or not a number.

    Up to 15 significant digits and powers of ten up to 22 are exact in a double, so that one multiplication or division
    rounds correctly; the rest goes to the interpreter's own conversion.
    """
    cdef uint64_t i = 0, mantissa = 0, start
    cdef int exponent = 0, shift = 0, digits = 0, seen = 0
    cdef bint negative = False, negative_exponent = False
    cdef double value
    while n and (p[n - 1] == 0x20 or p[n - 1] == 0):
        n -= 1
    while i < n and p[i] == 0x20:
        i += 1
    start = i
    if i < n and (p[i] == 0x2D or p[i] == 0x2B):
        negative = p[i] == 0x2D
        i += 1
    while i < n and 0x30 <= p[i] <= 0x39:
        seen += 1
        if digits < 19:
            mantissa = mantissa * 10 + (p[i] - 0x30)
            digits += mantissa != 0
        else:
            shift += 1
        i += 1
    if i < n and p[i] == 0x2E:
        i += 1
        while i < n and 0x30 <= p[i] <= 0x39:
            seen += 1
            if digits < 19:
                mantissa = mantissa * 10 + (p[i] - 0x30)
                digits += mantissa != 0
                shift -= 1
            i += 1
    if seen == 0:
        return None
    if i < n and (p[i] == 0x45 or p[i] == 0x65):
        i += 1
        if i < n and (p[i] == 0x2D or p[i] == 0x2B):
            negative_exponent = p[i] == 0x2D
            i += 1
        if i >= n:
            return None
        while i < n and 0x30 <= p[i] <= 0x39:
            if exponent < 10000:
                exponent = exponent * 10 + (p[i] - 0x30)
            i += 1
    if i != n:
        return None
    exponent = shift - exponent if negative_exponent else shift + exponent
    if mantissa <= 9007199254740992u and -22 <= exponent <= 22 and digits < 19:
        value = <double>mantissa
        if exponent >= 0:
            value *= _POWERS[exponent]
        else:
            value /= _POWERS[-exponent]
        return PyFloat_FromDouble(-value if negative else value)
    return float((<const char*>p)[start:n])


# -------------------------------------------------------------------------------------------------------------- binary

cdef int word_size(uint16_t vr) noexcept nogil:
    """Bytes of one number of a binary VR, 0 for other VRs (PS3.5 section 6.2, 7.3)."""
    if vr == DW_VR_US or vr == DW_VR_SS or vr == DW_VR_OW:
        return 2
    if vr == DW_VR_UL or vr == DW_VR_SL or vr == DW_VR_FL or vr == DW_VR_OL or vr == DW_VR_OF or vr == DW_VR_AT:
        return 4
    if vr == DW_VR_FD or vr == DW_VR_SV or vr == DW_VR_UV or vr == DW_VR_OD or vr == DW_VR_OV:
        return 8
    return 1 if vr == DW_VR_OB else 0


cdef inline object _number(const uint8_t* p, uint16_t vr, bint big):
    cdef uint32_t u32
    cdef uint64_t u64
    cdef float f32
    cdef double f64
    if vr == DW_VR_US:
        return PyLong_FromLong(dw_load16be(p) if big else dw_load16le(p))
    if vr == DW_VR_SS:
        return PyLong_FromLong(<int16_t>(dw_load16be(p) if big else dw_load16le(p)))
    if vr == DW_VR_UL:
        return PyLong_FromUnsignedLong(dw_load32be(p) if big else dw_load32le(p))
    if vr == DW_VR_SL:
        return PyLong_FromLong(<int32_t>(dw_load32be(p) if big else dw_load32le(p)))
    if vr == DW_VR_FL:
        u32 = dw_load32be(p) if big else dw_load32le(p)
        memcpy(&f32, &u32, 4)
        return PyFloat_FromDouble(f32)
    u64 = dw_load64be(p) if big else dw_load64le(p)
    if vr == DW_VR_FD:
        memcpy(&f64, &u64, 8)
        return PyFloat_FromDouble(f64)
    if vr == DW_VR_SV:
        return PyLong_FromLongLong(<int64_t>u64)
    return PyLong_FromUnsignedLongLong(u64)


cdef object decode_numbers(const uint8_t* p, uint64_t n, uint16_t vr, bint big_endian):
    """An int or float, or a list of them; None for no bytes.  ``n`` must be a multiple of the word size."""
    cdef uint64_t size = <uint64_t>word_size(vr), count = n // size, i
    cdef list numbers
    cdef object number
    if count == 0:
        return None
    if count == 1:
        return _number(p, vr, big_endian)
    numbers = PyList_New(<Py_ssize_t>count)
    for i in range(count):
        number = _number(p + i * size, vr, big_endian)
        Py_INCREF(number)
        PyList_SET_ITEM(numbers, <Py_ssize_t>i, number)
    return numbers
