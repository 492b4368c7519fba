"""Command sets to Python values and back: implicit VR little endian, group 0000 (PS3.7 section 6.3.1, Annex E).

A command set is a few dozen bytes in front of every data set, so what counts is the time of a single one.  What
does not conform and can be read all the same is a finding; which findings are errors is the caller's policy.
"""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcmp, memcpy

from .tape cimport dw_load16le, dw_load32le
from .values cimport as_tag, as_uid, decode_ascii, is_plain, trimmed
from .vr cimport (
    DW_VR_AE, DW_VR_AT, DW_VR_CS, DW_VR_IS, DW_VR_LO, DW_VR_LT, DW_VR_SH, DW_VR_UI, DW_VR_UL, DW_VR_US, vr_name,
)

from .errors import DecodeError, ElementError, EncodeError, TruncatedError

cdef extern from "Python.h":
    int PyUnicode_Check(object)
    int PyUnicode_KIND(object) noexcept
    void* PyUnicode_DATA(object) noexcept
    Py_ssize_t PyUnicode_GET_LENGTH(object) noexcept
    object PyUnicode_DecodeLatin1(const char*, Py_ssize_t, const char*)

cdef enum:
    HEADER = 8                  # bytes: tag and length
    GROUP_LENGTH_SIZE = 12      # bytes of (0000,0000), header and value
    OVERLAYS = 0x000051B0       # retired; the only US with several values
    MAX_UID = 64
    MAX_TITLE = 16
    MAX_LONG_STRING = 64

MAX_COMMAND_LENGTH = MAX_COMMAND_SIZE


# ------------------------------------------------------------------------------------------------------------ the table

cdef uint16_t command_element_vr(uint32_t tag) noexcept nogil:
    """The VR of a command element, 0 for one that PS3.7 Annex E does not list."""
    if tag in (0x0100, 0x0110, 0x0120, 0x0700, 0x0800, 0x0850, 0x0860, 0x0900, 0x0903, 0x1002, 0x1008, 0x1020,
               0x1021, 0x1022, 0x1023, 0x1031, 0x51B0):
        return DW_VR_US
    if tag in (0x0002, 0x0003, 0x1000, 0x1001):
        return DW_VR_UI
    if tag in (0x0200, 0x0300, 0x0400, 0x0600, 0x1030):
        return DW_VR_AE
    if tag in (0x0901, 0x1005):
        return DW_VR_AT
    if tag in (0x0000, 0x0001):
        return DW_VR_UL
    if tag == 0x0902:
        return DW_VR_LO
    if tag in (0x0010, 0x5010, 0x5020):
        return DW_VR_SH
    if tag in (0x4000, 0x4010, 0x5110, 0x5120):
        return DW_VR_LT
    if tag in (0x5130, 0x5140, 0x5150, 0x5160, 0x5180, 0x5190, 0x51A0):
        return DW_VR_CS
    if tag == 0x5170:
        return DW_VR_IS
    return 0


def command_vr(tag):
    """The VR of a command element ("US"), None for a tag that PS3.7 Annex E does not list."""
    cdef uint16_t vr = command_element_vr(tag) if 0 <= tag <= 0xFFFF else 0
    return vr_name(vr) if vr else None


cdef bint is_uid(const uint8_t* p, Py_ssize_t n) noexcept nogil:
    """Whether these are at most 64 characters, numbers without leading zeros and dots (PS3.5 section 9.1)."""
    cdef Py_ssize_t i
    cdef uint8_t c, before = c'.', before_that = 0
    if not 0 < n <= MAX_UID:
        return False
    for i in range(n):
        c = p[i]
        if c == c'.':
            if before == c'.':
                return False
        elif c < c'0' or c > c'9':
            return False
        elif before == c'0' and before_that == c'.':
            return False
        before_that, before = before, c
    return before != c'.'


# ------------------------------------------------------------------------------------------------------------- decoding

cdef str _path(uint32_t tag):
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


cdef list _find(list findings, str kind, uint32_t tag, Py_ssize_t offset, str message, str section):
    """The list with one finding more: kind, tag, offset of the element, what is wrong, section of the standard."""
    if findings is None:
        findings = []
    findings.append((kind, tag, offset, message, section))
    return findings


cdef object _text(const uint8_t* p, Py_ssize_t n):
    # Latin-1 keeps every byte, so that what is not in the default repertoire is encoded again as it came.
    return decode_ascii(p, n) if is_plain(p, n) else PyUnicode_DecodeLatin1(<const char*>p, n, NULL)


cdef tuple _numbers(const uint8_t* p, Py_ssize_t n):
    cdef Py_ssize_t i
    return tuple([dw_load16le(p + i * 2) for i in range(n // 2)])


cdef tuple _tags(const uint8_t* p, Py_ssize_t n):
    cdef Py_ssize_t i
    return tuple([
        as_tag(<uint32_t>dw_load16le(p + i * 4) << 16 | dw_load16le(p + i * 4 + 2)) for i in range(n // 4)
    ])


cdef tuple decode_elements(const uint8_t* p, Py_ssize_t n):
    """Values by tag without the group length, and the findings or None."""
    cdef dict elements = {}
    cdef list findings = None
    cdef Py_ssize_t at = 0, end, length
    cdef uint32_t announced, tag, previous = 0
    cdef uint16_t vr
    cdef const uint8_t* value
    cdef object decoded
    if n > MAX_COMMAND_SIZE:
        raise DecodeError(f"a command set of {n} bytes, expected at most {MAX_COMMAND_SIZE}", section="PS3.7 6.3.1")
    if n >= HEADER and dw_load32le(p) != 0:
        findings = _find(findings, "group_length", 0, 0, "no Command Group Length at the start", "PS3.7 6.3.1")
    while at < n:
        if n - at < HEADER:
            raise TruncatedError(f"an element header needs {HEADER} bytes, {n - at} left", offset=at,
                                 section="PS3.7 6.3.1")
        announced = dw_load32le(p + at + 4)
        tag = <uint32_t>dw_load16le(p + at) << 16 | dw_load16le(p + at + 2)
        if tag > 0xFFFF:
            raise ElementError("an element outside group 0000 in a command set", offset=at, path=_path(tag),
                               section="PS3.7 6.3.1")
        if announced > <uint64_t>(n - at - HEADER):
            raise TruncatedError(f"value needs {announced} bytes, {n - at - HEADER} left", offset=at,
                                 path=_path(tag), section="PS3.7 6.3.1")
        length = announced
        value = p + at + HEADER
        end = at + HEADER + length
        if tag <= previous and at:
            if tag in elements or tag == 0:
                findings = _find(findings, "duplicate_tag", tag, at, "tag occurs twice, the first counts", "PS3.5 7.1")
                at = end
                continue
            findings = _find(findings, "tag_order", tag, at, f"tag comes after {_path(previous)}", "PS3.5 7.1")
        else:
            previous = tag
        if length & 1:
            findings = _find(findings, "odd_length", tag, at, f"odd length {length}", "PS3.5 7.1.1")
        vr = command_element_vr(tag)
        if vr == DW_VR_US and tag != OVERLAYS:
            if length == 2:
                decoded = dw_load16le(value)
            else:
                findings = _find(findings, "value_length", tag, at, f"US of {length} bytes, expected 2", "PS3.7 E.1")
                decoded = <object>dw_load16le(value) if length and not length & 1 else value[:length]
        elif vr == DW_VR_UI:
            length = trimmed(value, length)
            decoded = as_uid(_text(value, length))
            if length and not is_uid(value, length):
                findings = _find(findings, "bad_uid", tag, at, f"{length} characters that are no UID", "PS3.5 9.1")
        elif vr == DW_VR_UL:
            if tag == 0:
                if length == 4 and dw_load32le(value) == n - end:
                    at = end
                    continue
                if length == 4:
                    findings = _find(findings, "group_length", 0, at,
                                     f"Command Group Length is {dw_load32le(value)}, expected {n - end}",
                                     "PS3.7 6.3.1")
                else:
                    findings = _find(findings, "group_length", 0, at,
                                     f"Command Group Length has {length} bytes, expected 4", "PS3.7 6.3.1")
                at = end
                continue
            if length == 4:
                decoded = dw_load32le(value)
            else:
                findings = _find(findings, "value_length", tag, at, f"UL of {length} bytes, expected 4", "PS3.7 E.1")
                decoded = value[:length]
        elif vr == DW_VR_AT or vr == DW_VR_US:
            if length % (4 if vr == DW_VR_AT else 2):
                findings = _find(findings, "value_length", tag, at, f"{vr_name(vr)} of {length} bytes", "PS3.7 E.1")
                decoded = value[:length]
            else:
                decoded = _tags(value, length) if vr == DW_VR_AT else _numbers(value, length)
        elif vr == 0:
            decoded = value[:length]
        else:
            length = trimmed(value, length)
            if not is_plain(value, length):
                findings = _find(findings, "bad_value", tag, at,
                                 f"{vr_name(vr)} with characters outside the default repertoire", "PS3.7 6.3.1")
            if vr == DW_VR_AE:
                while length and value[0] == c' ':
                    value += 1
                    length -= 1
                if length > MAX_TITLE:
                    findings = _find(findings, "bad_value", tag, at,
                                     f"AE of {length} characters, expected at most {MAX_TITLE}", "PS3.5 6.2")
            decoded = _text(value, length)
        elements[tag] = decoded
        at = end
    return elements, findings


def decode_command(data):
    """The values of a command set by tag, and a list of findings or None (PS3.7 section 6.3.1).

    Numbers are int, UIDs are UID, other text is str without padding, AT is a tuple of tags; elements that PS3.7
    Annex E does not list, and numbers of a wrong length, are bytes.  A US of several values gives the first.  Command
    Group Length is checked and left out.  A finding is (kind, tag, offset, message, section).

    Raises TruncatedError for lengths that pass the end, ElementError for another group, DecodeError for more than
    64 KiB.
    """
    cdef Py_buffer view
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        return decode_elements(<const uint8_t*>view.buf, view.len)
    finally:
        PyBuffer_Release(&view)


# ------------------------------------------------------------------------------------------------------------- encoding

cdef inline void _store16(uint8_t* p, uint32_t x) noexcept nogil:
    p[0] = x & 0xFF
    p[1] = x >> 8 & 0xFF


cdef inline void _store32(uint8_t* p, uint32_t x) noexcept nogil:
    _store16(p, x)
    _store16(p + 2, x >> 16)


cdef inline uint8_t* _header(uint8_t* p, uint32_t tag, Py_ssize_t length) noexcept nogil:
    _store16(p, 0)
    _store16(p + 2, tag)
    _store32(p + 4, <uint32_t>length)
    return p + HEADER


cdef _check_text(uint32_t tag, uint16_t vr, const uint8_t* p, Py_ssize_t n):
    """EncodeError unless the text fits its VR, and for a UID that is empty."""
    cdef Py_ssize_t i
    cdef Py_ssize_t most = MAX_TITLE if vr == DW_VR_AE or vr == DW_VR_SH else MAX_LONG_STRING
    if vr == DW_VR_UI:
        # Leading zeros pass: a response gives back what the peer's request has, and real instances have such UIDs.
        for i in range(n):
            if not (c'0' <= p[i] <= c'9' or p[i] == c'.'):
                n = 0
                break
        if not 0 < n <= MAX_UID:
            raise EncodeError("not a UID: 1 to 64 digits and dots expected", path=_path(tag), section="PS3.5 9.1")
        return
    if n > most:
        raise EncodeError(f"{vr_name(vr)} of {n} characters, expected at most {most}", path=_path(tag),
                          section="PS3.5 6.2")
    for i in range(n):
        if p[i] < 0x20 or p[i] > 0x7E or p[i] == c'\\':
            raise EncodeError(f"{vr_name(vr)} with a character outside the default repertoire", path=_path(tag),
                              section="PS3.7 6.3.1")


cdef Py_ssize_t _size(uint32_t tag, object value, bint check) except -1:
    """Bytes that a value takes, padding included."""
    cdef Py_ssize_t n
    cdef uint16_t vr
    if isinstance(value, int):
        vr = command_element_vr(tag)
        if vr == DW_VR_US:
            if not 0 <= value <= 0xFFFF:
                raise EncodeError("a US is a number from 0 to 65535", path=_path(tag), section="PS3.5 6.2")
            return 2
        if vr == DW_VR_UL:
            if not 0 <= value <= 0xFFFFFFFF:
                raise EncodeError("a UL is a number from 0 to 4294967295", path=_path(tag), section="PS3.5 6.2")
            return 4
    elif PyUnicode_Check(value):
        vr = command_element_vr(tag)
        if vr and vr not in (DW_VR_US, DW_VR_UL, DW_VR_AT):
            n = PyUnicode_GET_LENGTH(value)
            if PyUnicode_KIND(value) != 1:
                raise EncodeError("text with a character outside the default repertoire", path=_path(tag),
                                  section="PS3.7 6.3.1")
            if check:
                _check_text(tag, vr, <const uint8_t*>PyUnicode_DATA(value), n)
            return n + (n & 1)
    elif isinstance(value, tuple):
        vr = command_element_vr(tag)
        if vr == DW_VR_AT or tag == OVERLAYS:
            n = 4 if vr == DW_VR_AT else 2
            for number in <tuple>value:
                if not isinstance(number, int) or not 0 <= number < <uint64_t>1 << n * 8:
                    raise EncodeError(f"a value that is no {vr_name(vr)}", path=_path(tag), section="PS3.5 6.2")
            return len(<tuple>value) * n
    elif isinstance(value, bytes):
        return PyBytes_GET_SIZE(value)
    raise EncodeError(f"a value of type {type(value).__name__} where {command_vr(tag) or 'bytes'} is due",
                      path=_path(tag), section="PS3.7 E.1")


cdef uint8_t* _write(uint8_t* p, uint32_t tag, object value, Py_ssize_t size) except NULL:
    """Header and value at p; what is behind them."""
    cdef Py_ssize_t n
    cdef uint32_t number
    p = _header(p, tag, size)
    if isinstance(value, int):
        number = value
        if size == 2:
            _store16(p, number)
        else:
            _store32(p, number)
    elif PyUnicode_Check(value):
        n = PyUnicode_GET_LENGTH(value)
        memcpy(p, PyUnicode_DATA(value), n)
        if n < size:
            p[n] = 0 if command_element_vr(tag) == DW_VR_UI else c' '
    elif isinstance(value, tuple):
        for item in <tuple>value:
            number = item
            if tag == OVERLAYS:
                _store16(p, number)
                p += 2
            else:
                _store16(p, number >> 16)
                _store16(p + 2, number)
                p += 4
        return p
    else:
        memcpy(p, PyBytes_AS_STRING(value), size)
    return p + size


def encode_fields(tags, values, bint check):
    """A command set with its group length of tags in ascending order and their values; None is left out.

    For callers that know the order; others take encode_command.  With ``check`` text must fit its VR and no UID may
    be empty.  Raises EncodeError.
    """
    cdef tuple all_tags = tuple(tags), all_values = tuple(values)
    cdef Py_ssize_t i, n = len(all_tags), total = GROUP_LENGTH_SIZE
    cdef uint8_t* p
    cdef bytes out
    cdef uint32_t tag
    if len(all_values) != n:
        raise ValueError(f"{n} tags and {len(all_values)} values")
    for i in range(n):
        value = all_values[i]
        if value is not None:
            total += HEADER + _size(all_tags[i], value, check)
    if total > MAX_COMMAND_SIZE:
        raise EncodeError(f"a command set of {total} bytes, expected at most {MAX_COMMAND_SIZE}",
                          section="PS3.7 6.3.1")
    out = PyBytes_FromStringAndSize(NULL, total)
    p = _header(<uint8_t*>PyBytes_AS_STRING(out), 0, 4)
    _store32(p, <uint32_t>(total - GROUP_LENGTH_SIZE))
    p += 4
    for i in range(n):
        value = all_values[i]
        if value is not None:
            tag = all_tags[i]
            p = _write(p, tag, value, _size(tag, value, False))
    return out


def encode_command(elements, *, bint check=True):
    """A command set with its group length of values by tag, in the order of the tags (PS3.7 section 6.3.1).

    Values are those of decode_command; bytes are written as they are.  With ``check``, the default, text must fit its
    VR and no UID may be empty.  Raises EncodeError, also for a tag outside group 0000.
    """
    cdef list tags = sorted(elements)
    if tags and not 0 < tags[0] <= tags[len(tags) - 1] <= 0xFFFF:
        raise EncodeError("a tag outside group 0000, or the group length, which is made here", section="PS3.7 6.3.1")
    return encode_fields(tags, [elements[tag] for tag in tags], check)


# ----------------------------------------------------------------------------------------------------------------- echo

cdef enum:
    ECHO_REQUEST = 68           # bytes of a C-ECHO-RQ as everybody sends it
    ECHO_RESPONSE = 78
    ECHO_ID = 56                # where its Message ID is

# Group length 56, Affected SOP Class UID of the Verification SOP Class, Command Field 0030H, Message ID, no data set.
cdef const char* _REQUEST = (
    b"\x00\x00\x00\x00\x04\x00\x00\x00\x38\x00\x00\x00\x00\x00\x02\x00\x12\x00\x00\x00"
    b"1.2.840.10008.1.1\x00"
    b"\x00\x00\x00\x01\x02\x00\x00\x00\x30\x00\x00\x00\x10\x01\x02\x00\x00\x00\x00\x00"
    b"\x00\x00\x00\x08\x02\x00\x00\x00\x01\x01"
)
# Group length 66, the same class, 8030H, Message ID Being Responded To, no data set, Success.
cdef const char* _RESPONSE = (
    b"\x00\x00\x00\x00\x04\x00\x00\x00\x42\x00\x00\x00\x00\x00\x02\x00\x12\x00\x00\x00"
    b"1.2.840.10008.1.1\x00"
    b"\x00\x00\x00\x01\x02\x00\x00\x00\x30\x80\x00\x00\x20\x01\x02\x00\x00\x00\x00\x00"
    b"\x00\x00\x00\x08\x02\x00\x00\x00\x01\x01\x00\x00\x00\x09\x02\x00\x00\x00\x00\x00"
)


def echo_response(request):
    """The C-ECHO-RSP with status Success for an encoded C-ECHO-RQ, None for any other command set.

    Only the 68 bytes that nearly every peer sends are recognised; None says no more than that the command set has
    to be decoded (PS3.7 section 9.3.5).
    """
    cdef Py_buffer view
    cdef const char* p
    cdef char* q
    cdef char[2] message_id
    cdef bint usual
    cdef bytes response
    PyObject_GetBuffer(request, &view, PyBUF_SIMPLE)
    p = <const char*>view.buf
    usual = (view.len == ECHO_REQUEST and memcmp(p, _REQUEST, ECHO_ID) == 0
             and memcmp(p + ECHO_ID + 2, _REQUEST + ECHO_ID + 2, ECHO_REQUEST - ECHO_ID - 2) == 0)
    if usual:
        memcpy(message_id, p + ECHO_ID, 2)
    PyBuffer_Release(&view)
    if not usual:
        return None
    response = PyBytes_FromStringAndSize(_RESPONSE, ECHO_RESPONSE)
    q = PyBytes_AS_STRING(response)
    memcpy(q + ECHO_ID, message_id, 2)
    return response
