"""The DICOM JSON Model, from tapes and value bytes straight to UTF-8 (PS3.18 Annex F)."""
cimport cython

from .exchange cimport ModelWriter, Text, put, reserve

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object, Py_ssize_t*) except NULL

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from .block cimport Block

cdef const char* HEX = b"0123456789ABCDEF"

cdef enum:
    PLAIN = 0                   # stands for itself in a string
    CONTROL = 1                 # as \u00xx
    # others: the letter behind a backslash

# What stands for a byte in a string of JSON (RFC 8259 section 7).  DEL is escaped too, for terminals' sake.
cdef uint8_t[256] ESCAPES


cdef void _fill_escapes() noexcept:
    cdef int i
    for i in range(256):
        ESCAPES[i] = CONTROL if i < 0x20 or i == 0x7F else PLAIN
    ESCAPES[0x22] = c'"'
    ESCAPES[0x5C] = c"\\"
    ESCAPES[8] = c"b"
    ESCAPES[9] = c"t"
    ESCAPES[10] = c"n"
    ESCAPES[12] = c"f"
    ESCAPES[13] = c"r"


_fill_escapes()


cdef int _put_string(Text* text, const uint8_t* p, size_t n) except -1 nogil:
    """UTF-8 as a string with its quotation marks."""
    cdef size_t i
    cdef uint8_t kind
    cdef uint8_t* out
    reserve(text, n + 2)
    out = text.data + text.size
    out[0] = c'"'
    out += 1
    for i in range(n):
        kind = ESCAPES[p[i]]
        if kind == PLAIN:
            out[0] = p[i]
            out += 1
            continue
        text.size = <size_t>(out - text.data)
        reserve(text, n - i + 8)
        out = text.data + text.size
        out[0] = c"\\"
        if kind == CONTROL:
            out[1] = c"u"
            out[2] = out[3] = c"0"
            out[4] = HEX[p[i] >> 4]
            out[5] = HEX[p[i] & 15]
            out += 6
        else:
            out[1] = kind
            out += 2
    out[0] = c'"'
    text.size = <size_t>(out + 1 - text.data)
    return 0


@cython.final
cdef class JSONWriter(ModelWriter):
    """Writes a data set as one DICOM JSON Model object, without a line end."""

    cdef int open_model(self) except -1:
        return put(&self.text, b"{", 1)

    cdef int close_model(self) except -1:
        return put(&self.text, b"}", 1)

    cdef int open_element(self, Block block, uint32_t index, uint32_t tag, uint16_t vr, uint32_t number) except -1:
        cdef uint8_t* out
        cdef int i
        reserve(&self.text, 32)
        out = self.text.data + self.text.size
        if number:
            out[0] = c","
            out += 1
            self.text.size += 1
        out[0] = c'"'
        for i in range(8):
            out[1 + i] = HEX[tag >> (28 - 4 * i) & 15]
        out[9] = c'"'
        out[10] = c":"
        out[11] = c"{"
        out[12] = c'"'
        out[13] = c"v"
        out[14] = c"r"
        out[15] = c'"'
        out[16] = c":"
        out[17] = c'"'
        out[18] = <uint8_t>(vr & 0xFF)
        out[19] = <uint8_t>(vr >> 8)
        out[20] = c'"'
        self.text.size += 21
        return 0

    cdef int close_element(self) except -1:
        return put(&self.text, b"}", 1)

    cdef int open_sequence(self) except -1:
        return put(&self.text, b',"Value":[', 10)

    cdef int close_sequence(self) except -1:
        return put(&self.text, b"]", 1)

    cdef int open_item(self, uint32_t number) except -1:
        return put(&self.text, b",{" if number else b"{", 2 if number else 1)

    cdef int close_item(self) except -1:
        return put(&self.text, b"}", 1)

    cdef int open_values(self, bint names) except -1:
        return put(&self.text, b',"Value":[', 10)

    cdef int close_values(self) except -1:
        return put(&self.text, b"]", 1)

    cdef int put_text(self, uint32_t number, const uint8_t* p, size_t n) except -1:
        if number:
            put(&self.text, b",", 1)
        return _put_string(&self.text, p, n)

    cdef int put_number(self, uint32_t number, const uint8_t* p, size_t n) except -1:
        if number:
            put(&self.text, b",", 1)
        return put(&self.text, p, n)

    cdef int put_nothing(self, uint32_t number) except -1:
        return put(&self.text, b",null" if number else b"null", 5 if number else 4)

    cdef int put_name(self, uint32_t number, const uint8_t* p, size_t n) except -1:
        cdef size_t start = 0, end = 0
        cdef int group = 0
        cdef bint several = False
        put(&self.text, b",{" if number else b"{", 2 if number else 1)
        while group < 3 and start <= n:
            end = start
            while end < n and (p[end] != c"=" or group == 2):       # what is too much stays with the last group
                end += 1
            if end > start:
                if several:
                    put(&self.text, b",", 1)
                several = True
                if group == 0:
                    put(&self.text, b'"Alphabetic":', 13)
                elif group == 1:
                    put(&self.text, b'"Ideographic":', 14)
                else:
                    put(&self.text, b'"Phonetic":', 11)
                _put_string(&self.text, p + start, end - start)
            group += 1
            start = end + 1
        return put(&self.text, b"}", 1)

    cdef int open_bytes(self) except -1:
        return put(&self.text, b',"InlineBinary":"', 17)

    cdef int close_bytes(self) except -1:
        return put(&self.text, b'"', 1)

    cdef int put_uri(self, str uri) except -1:
        cdef Py_ssize_t n = 0
        cdef const char* p = PyUnicode_AsUTF8AndSize(uri, &n)
        put(&self.text, b',"BulkDataURI":', 15)
        return _put_string(&self.text, <const uint8_t*>p, <size_t>n)


def json_depth(data) -> int:
    """How deep arrays and objects are nested in a text of JSON, given as bytes; of what is no JSON, an upper bound."""
    cdef const uint8_t[::1] view = data
    cdef Py_ssize_t n = view.shape[0]
    cdef const uint8_t* p = &view[0] if n else NULL
    cdef int depth
    with nogil:
        depth = _depth(p, n)
    return depth


cdef int _depth(const uint8_t* p, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i = 0
    cdef int depth = 0, deepest = 0
    while i < n:
        if p[i] == c'"':
            i += 1
            while i < n and p[i] != c'"':
                i += 2 if p[i] == c"\\" else 1
        elif p[i] == c"[" or p[i] == c"{":
            depth += 1
            deepest = max(deepest, depth)
        elif p[i] == c"]" or p[i] == c"}":
            depth -= 1
        i += 1
    return deepest
