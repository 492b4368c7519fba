"""Values as users give them to value bytes in little endian, and what about them departs from their VR (PS3.5 6.2).

Text becomes UTF-8 here: in which character set it is written is known when its data set is.  What cannot be encoded at
all is an EncodeError; what can be, and should not, is returned as a short text that names sizes and never the value.
"""
from cpython.float cimport PyFloat_AS_DOUBLE
from libc.math cimport isfinite
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memchr, memcpy

from .block cimport hook
from .emitter cimport room, store16, store32
from .values cimport word_size
from .vr cimport (
    DW_VR_AE, DW_VR_AS, DW_VR_AT, DW_VR_CS, DW_VR_DA, DW_VR_DS, DW_VR_DT, DW_VR_FD, DW_VR_FL, DW_VR_IS, DW_VR_LO,
    DW_VR_LT, DW_VR_PN, DW_VR_SH, DW_VR_SINGLE, DW_VR_SL, DW_VR_SS, DW_VR_ST, DW_VR_SV, DW_VR_TEXT, DW_VR_TM,
    DW_VR_UI, DW_VR_UL, DW_VR_US, DW_VR_UV, DW_VR_CHARSET, dw_vr_traits, vr_name,
)

from .errors import EncodeError

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object, Py_ssize_t*) except NULL

cdef enum:
    LONGEST = 0xFFFFFFFE        # bytes of a value

cdef enum TextFault:
    FINE = 0
    TOO_LONG, BAD_CHARACTER, BAD_FORM, NOT_ASCII, ESCAPE

cdef tuple _FAULTS = ("", "is too long", "has a character that the VR does not allow", "does not have the VR's form",
                      "has characters outside the default repertoire", "has an escape character")


# ----------------------------------------------------------------------------------------------------------------- text

cdef inline bint _is_digit(uint8_t c) noexcept nogil:
    return 0x30 <= c <= 0x39


cdef int _uid_fault(const uint8_t* p, uint64_t n) noexcept nogil:
    """Numbers without leading zeros, and dots (PS3.5 section 9.1)."""
    cdef uint64_t i, start = 0
    for i in range(n + 1):
        if i == n or p[i] == 0x2E:
            if i == start or (p[start] == 0x30 and i > start + 1):
                return BAD_FORM
            start = i + 1
        elif not _is_digit(p[i]):
            return BAD_CHARACTER
    return FINE


cdef int _number_fault(const uint8_t* p, uint64_t n, bint whole) noexcept nogil:
    """An IS or DS component, spaces around it allowed."""
    cdef uint64_t i = 0, digits = 0
    while n and p[n - 1] == 0x20:
        n -= 1
    while i < n and p[i] == 0x20:
        i += 1
    if i == n:
        return FINE
    if p[i] == 0x2B or p[i] == 0x2D:
        i += 1
    while i < n and _is_digit(p[i]):
        i += 1
        digits += 1
    if not whole and i < n and p[i] == 0x2E:
        i += 1
        while i < n and _is_digit(p[i]):
            i += 1
            digits += 1
    if digits == 0:
        return BAD_FORM
    if not whole and i < n and p[i] | 0x20 == 0x65:
        i += 1
        if i < n and (p[i] == 0x2B or p[i] == 0x2D):
            i += 1
        if i == n:
            return BAD_FORM
        while i < n and _is_digit(p[i]):
            i += 1
    return FINE if i == n else BAD_FORM


cdef int _date_range_fault(const uint8_t* p, uint64_t n, uint64_t dash) noexcept nogil:
    """Two dates with a dash between them, of which one may be missing; no date with dashes of its own."""
    cdef uint64_t i
    if not (dash == 0 or dash == 8) or not (n == dash + 1 or n == dash + 9) or n == 1:
        return BAD_FORM
    for i in range(dash + 1, n):
        if not _is_digit(p[i]):
            return BAD_FORM
    return FINE


cdef int _instant_fault(const uint8_t* p, uint64_t n, uint16_t vr) noexcept nogil:
    """A date, a time or both: digits in the right number; ranges and wild cards of queries pass (PS3.4 C.2.2.2.5)."""
    cdef uint64_t i, digits = 0
    for i in range(n):
        if _is_digit(p[i]):
            digits += 1
        elif vr == DW_VR_DA and p[i] == 0x2D:
            return _date_range_fault(p, n, i)
        elif p[i] == 0x2D or p[i] == 0x2A or p[i] == 0x3F or p[i] == 0x22:
            return FINE                         # a range, an offset west of Greenwich, a wild card, a missing value
        elif vr == DW_VR_DA or p[i] != 0x2E and p[i] != 0x2B and p[i] != 0x20:
            return BAD_CHARACTER
        elif p[i] == 0x2E or p[i] == 0x2B:
            break
    if vr == DW_VR_DA:
        return FINE if digits == 8 else BAD_FORM
    if vr == DW_VR_TM:
        return FINE if digits == 2 or digits == 4 or digits == 6 else BAD_FORM
    return FINE if digits == 4 or digits == 6 or digits == 8 or digits == 10 or digits == 12 or digits == 14 else (
        BAD_FORM)


cdef int _component_fault(const uint8_t* p, uint64_t n, uint16_t vr) noexcept nogil:
    """What is wrong with one component, in UTF-8; a TextFault."""
    cdef uint64_t i, characters = 0, limit = 0, groups = 1, caps = 0, since = 0
    cdef bint lines = vr == DW_VR_LT or vr == DW_VR_ST
    if vr == DW_VR_UI:
        if n > 64:
            return TOO_LONG
        return _uid_fault(p, n) if n else FINE
    for i in range(n):
        if p[i] & 0xC0 != 0x80:
            characters += 1
        if p[i] == 0x1B:
            return ESCAPE
        if p[i] < 0x20 and limit == 0 and not (p[i] == 9 or p[i] == 10 or p[i] == 12 or p[i] == 13):
            limit = 1                           # remembered: a control character
    if vr == DW_VR_CS:
        if characters > 16:
            return TOO_LONG
        for i in range(n):
            if not (0x41 <= p[i] <= 0x5A or _is_digit(p[i]) or p[i] == 0x20 or p[i] == 0x5F or p[i] == 0x2A
                    or p[i] == 0x3F):
                return BAD_CHARACTER
        return FINE
    if vr == DW_VR_DS or vr == DW_VR_IS:
        if n > (16 if vr == DW_VR_DS else 12):
            return TOO_LONG
        return _number_fault(p, n, vr == DW_VR_IS)
    if vr == DW_VR_DA or vr == DW_VR_TM or vr == DW_VR_DT:
        if n > (54 if vr == DW_VR_DT else 28):
            return TOO_LONG
        return _instant_fault(p, n, vr) if n else FINE
    if vr == DW_VR_AS:
        if n and (n != 4 or not (_is_digit(p[0]) and _is_digit(p[1]) and _is_digit(p[2])) or not (
                p[3] == 0x44 or p[3] == 0x57 or p[3] == 0x4D or p[3] == 0x59)):
            return BAD_FORM
        return FINE
    if vr == DW_VR_PN:
        for i in range(n):
            if p[i] == 0x3D:
                groups += 1
                caps = since = 0
            else:
                caps += p[i] == 0x5E
                since += p[i] & 0xC0 != 0x80
                if since > 64:
                    return TOO_LONG
                if caps > 4:
                    return BAD_FORM
        if groups > 3:
            return BAD_FORM
        return BAD_CHARACTER if limit else FINE
    if limit:
        return BAD_CHARACTER
    if vr == DW_VR_AE or vr == DW_VR_SH:
        limit = 16
    elif vr == DW_VR_LO:
        limit = 64
    elif vr == DW_VR_ST:
        limit = 1024
    elif vr == DW_VR_LT:
        limit = 10240
    else:
        return FINE
    if characters > limit:
        return TOO_LONG
    if not lines:
        for i in range(n):
            if p[i] < 0x20:
                return BAD_CHARACTER
    return FINE


cdef int _text_fault(const uint8_t* p, uint64_t n, uint16_t vr, int traits) noexcept nogil:
    """The first fault of a value of one or more components."""
    cdef const uint8_t* end = p + n
    cdef const uint8_t* delimiter
    cdef uint64_t i
    cdef int fault
    if not traits & DW_VR_CHARSET:
        for i in range(n):
            if p[i] & 0x80:
                return NOT_ASCII
    while True:
        delimiter = NULL
        if not traits & DW_VR_SINGLE:
            delimiter = <const uint8_t*>memchr(p, 0x5C, <size_t>(end - p))
        fault = _component_fault(p, <uint64_t>((delimiter if delimiter != NULL else end) - p), vr)
        if fault or delimiter == NULL:
            return fault
        p = delimiter + 1


cdef object number_text(object value, uint16_t vr):
    """A number as the text of a DS or IS component; EncodeError where there is none (PS3.5 section 6.2)."""
    cdef int digits
    if vr == DW_VR_IS:
        if isinstance(value, float) or not hasattr(value, "__index__"):
            try:
                whole = int(value)
            except (TypeError, ValueError, OverflowError):
                raise EncodeError(f"IS takes whole numbers, not {type(value).__name__}", section="PS3.5 6.2") from None
            if whole != value:
                raise EncodeError("IS takes whole numbers", section="PS3.5 6.2")
            return str(whole)
        return str(int(value))
    if isinstance(value, int) and not isinstance(value, bool):
        text = str(value)
        if len(text) <= 16:
            return text
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise EncodeError(f"DS takes numbers, not {type(value).__name__}", section="PS3.5 6.2") from None
    if not isfinite(<double>PyFloat_AS_DOUBLE(number)):
        raise EncodeError("DS has no infinite numbers", section="PS3.5 6.2")
    text = str(value) if not isinstance(value, float) else repr(number)
    if text.endswith(".0") and isinstance(value, float):
        text = text[:len(text) - 2] if len(text) > 16 else text
    if len(text) <= 16 and text.isascii():
        return text
    for digits in range(16, 0, -1):             # as many digits as 16 characters hold
        text = f"{number:.{digits}g}"
        if len(text) <= 16:
            return text
    raise EncodeError("the number does not fit into 16 characters", section="PS3.5 6.2")


cdef object _component_text(object value, uint16_t vr):
    """One component as a str."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if vr == DW_VR_DS or vr == DW_VR_IS:
        if type(value) is not float and type(value) is not int and isinstance(
                getattr(value, "original_string", None), str):
            return value.original_string        # numbers of pydicom know the text that they were read from
        if isinstance(value, (bytes, bytearray)):
            return bytes(value).decode("ascii", "replace")
        return number_text(value, vr)
    if (vr == DW_VR_DA or vr == DW_VR_TM or vr == DW_VR_DT) and hasattr(value, "isoformat"):
        return hook("temporal_text")(value, vr_name(vr))
    if vr == DW_VR_PN and hasattr(value, "family_name"):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        try:
            return bytes(value).decode("ascii")
        except UnicodeDecodeError:
            raise EncodeError(f"{vr_name(vr)} takes text; these bytes are not ASCII", section="PS3.5 6.2") from None
    raise EncodeError(f"{vr_name(vr)} takes text, not {type(value).__name__}", section="PS3.5 6.2")


cdef object _many(object value):
    """The components of a value of several, as a list; None for a single one."""
    if isinstance(value, list):
        return value
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, (str, bytes, bytearray, memoryview)):
        return None
    if hasattr(value, "tolist"):                # arrays, and their scalars
        value = value.tolist()
        return value if isinstance(value, list) else [value]
    if hasattr(value, "__getitem__") and hasattr(value, "__len__") and not hasattr(value, "family_name") and (
            not hasattr(value, "keys")):
        return list(value)
    return None


cdef object _encode_text(Window* out, uint16_t vr, int traits, object value):
    cdef const char* data
    cdef Py_ssize_t n = 0
    cdef uint8_t* p
    cdef int fault
    cdef object components
    if not isinstance(value, str):
        components = _many(value)
        if components is not None:
            for part in components:
                if isinstance(part, str) and "\\" in <str>part and not traits & DW_VR_SINGLE:
                    raise EncodeError("a backslash inside one of several values", section="PS3.5 6.2")
            if len(components) > 1 and traits & DW_VR_SINGLE:
                raise EncodeError(f"{vr_name(vr)} takes one value, found {len(components)}", section="PS3.5 6.2")
            value = "\\".join([_component_text(part, vr) for part in components])
        else:
            value = _component_text(value, vr)
    try:
        data = PyUnicode_AsUTF8AndSize(value, &n)
    except UnicodeEncodeError:
        raise EncodeError("the text has lone surrogates", section="PS3.5 6.1") from None
    if n > <Py_ssize_t>LONGEST:
        raise EncodeError(f"a value of {n} bytes", section="PS3.5 7.1.1")
    fault = _text_fault(<const uint8_t*>data, <uint64_t>n, vr, traits)
    if fault == NOT_ASCII or fault == ESCAPE:
        raise EncodeError(f"{vr_name(vr)} value of {n} bytes {_FAULTS[fault]}", section="PS3.5 6.1")
    p = room(out, <uint64_t>(n + (n & 1)))
    if p == NULL:
        raise MemoryError
    memcpy(p, data, <size_t>n)
    if n & 1:
        p[n] = 0 if vr == DW_VR_UI else 0x20
    if fault:
        return f"{vr_name(vr)} value of {n} bytes {_FAULTS[fault]}"
    return None


# --------------------------------------------------------------------------------------------------------------- binary

cdef void _store64(uint8_t* p, uint64_t value) noexcept nogil:
    store32(p, <uint32_t>value, False)
    store32(p + 4, <uint32_t>(value >> 32), False)


cdef object _range_error(uint16_t vr):
    return EncodeError(f"a number outside the range of {vr_name(vr)}", section="PS3.5 6.2")


cdef int _store_number(uint8_t* p, uint16_t vr, object value) except -1:
    cdef int64_t number
    cdef uint64_t unsigned
    cdef double real
    cdef float single
    cdef uint32_t bits
    if vr == DW_VR_FL or vr == DW_VR_FD:
        if isinstance(value, (str, bytes)):
            raise EncodeError(f"{vr_name(vr)} takes numbers, not text", section="PS3.5 6.2")
        try:
            real = float(value)
        except (TypeError, ValueError, OverflowError):
            raise EncodeError(f"{vr_name(vr)} takes numbers, not {type(value).__name__}",
                              section="PS3.5 6.2") from None
        if vr == DW_VR_FD:
            memcpy(&unsigned, &real, 8)
            _store64(p, unsigned)
            return 0
        single = <float>real
        if isfinite(real) and not isfinite(<double>single):
            raise _range_error(vr)
        memcpy(&bits, &single, 4)
        store32(p, bits, False)
        return 0
    if not hasattr(value, "__index__"):
        if not isinstance(value, float) or not (<object>value).is_integer():
            raise EncodeError(f"{vr_name(vr)} takes whole numbers, not {type(value).__name__}", section="PS3.5 6.2")
        value = int(value)
    value = value.__index__()
    try:
        if vr == DW_VR_UV:
            unsigned = value
            _store64(p, unsigned)
            return 0
        number = value
    except OverflowError:
        raise _range_error(vr) from None
    if vr == DW_VR_US and 0 <= number <= 0xFFFF or vr == DW_VR_SS and -0x8000 <= number <= 0x7FFF:
        store16(p, <uint32_t>number & 0xFFFF, False)
    elif vr == DW_VR_UL and 0 <= number <= 0xFFFFFFFF or vr == DW_VR_SL and -0x80000000 <= number <= 0x7FFFFFFF:
        store32(p, <uint32_t>number, False)
    elif vr == DW_VR_SV:
        _store64(p, <uint64_t>number)
    else:
        raise _range_error(vr)
    return 0


cdef int _encode_numbers(Window* out, uint16_t vr, object value) except -1:
    cdef list numbers
    cdef object many
    cdef uint8_t* p
    cdef int size = word_size(vr)
    cdef Py_ssize_t i
    if isinstance(value, (int, float)):
        p = room(out, <uint64_t>size)
        if p == NULL:
            raise MemoryError
        return _store_number(p, vr, value)
    many = [] if value is None or isinstance(value, str) and not value else _many(value)
    numbers = [value] if many is None else <list>many
    if len(numbers) > <Py_ssize_t>(LONGEST // <unsigned>size):
        raise EncodeError(f"{len(numbers)} numbers are too long for a value", section="PS3.5 7.1.1")
    p = room(out, <uint64_t>(len(numbers) * size))
    if p == NULL:
        raise MemoryError
    for i in range(len(numbers)):
        _store_number(p + i * size, vr, numbers[i])
    return 0


cdef int _encode_tags(Window* out, object value) except -1:
    cdef list tags
    cdef uint8_t* p
    if value is None:
        return 0
    if isinstance(value, tuple) and len(value) == 2 and all(
            isinstance(half, int) and 0 <= half <= 0xFFFF for half in value):
        tags = [value]
    elif isinstance(value, (int, str)):
        tags = [value] if value != "" else []
    else:
        tags = list(value)
    for key in tags:
        if isinstance(key, list):
            key = tuple(key)
        tag = hook("tag_of")(key)
        if tag is None:
            raise EncodeError("AT takes tags", section="PS3.5 6.2")
        p = room(out, 4)
        if p == NULL:
            raise MemoryError
        store16(p, <uint32_t>tag >> 16, False)
        store16(p + 2, <uint32_t>tag & 0xFFFF, False)
    return 0


cdef object kept_bytes(object value):
    """A bytes-like value as flat bytes in little endian, without a copy where it is that already."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        raise EncodeError("bytes are expected, not text", section="PS3.5 6.2")
    dtype = getattr(value, "dtype", None)
    if dtype is not None:
        if dtype.hasobject:
            raise EncodeError("an array of objects has no bytes", section="PS3.5 6.2")
        if dtype.byteorder == ">" or dtype.byteorder == "=" and hook("is_big_endian")():
            value = value.astype(dtype.newbyteorder("<"))
        if not value.flags.c_contiguous:
            value = value.copy(order="C")
    try:
        view = memoryview(value)
    except TypeError:
        raise EncodeError(f"bytes are expected, not {type(value).__name__}", section="PS3.5 6.2") from None
    if view.nbytes == 0:
        return b""
    if not view.c_contiguous:
        return view.tobytes()
    if view.nbytes > <Py_ssize_t>LONGEST:
        raise EncodeError(f"a value of {view.nbytes} bytes", section="PS3.5 7.1.1")
    return view.cast("B").toreadonly()


cdef object encode_value(Window* out, uint16_t vr, object value):
    """Append a value's bytes, padded to an even number; what departs from the VR as a text, or None.

    Not for the VRs whose values are bytes, nor for sequences.  After an error there may be a part of the value.
    """
    cdef int traits = dw_vr_traits(vr)
    if traits & DW_VR_TEXT:
        return _encode_text(out, vr, traits, value)
    if vr == DW_VR_AT:
        _encode_tags(out, value)
    else:
        _encode_numbers(out, vr, value)
    return None
