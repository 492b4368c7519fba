"""The Native DICOM Model as XML, from tapes and value bytes straight to UTF-8 (PS3.19 Annex A.1)."""
cimport cython
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport strlen

from .block cimport Block, hook
from .dataset cimport new_element
from .exchange cimport ModelWriter, Text, put
from .vr cimport DW_VR_SQ

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object, Py_ssize_t*) except NULL

cdef const char* HEX = b"0123456789ABCDEF"
cdef const char* HEAD = (b'<?xml version="1.0" encoding="UTF-8"?>\n'
                         b'<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM" '
                         b'xml:space="preserve">\n')
cdef const char* NOT_XML = b"\xEF\xBF\xBD"      # U+FFFD in place of characters that XML 1.0 does not have

# Names of the component groups of a person name, and of the components of each (PS3.5 section 6.2.1).
cdef const char* GROUPS[3]
GROUPS[:] = [b"Alphabetic", b"Ideographic", b"Phonetic"]
cdef const char* COMPONENTS[5]
COMPONENTS[:] = [b"FamilyName", b"GivenName", b"MiddleName", b"NamePrefix", b"NameSuffix"]


cdef int _put(Text* text, const char* word) except -1 nogil:
    return put(text, word, strlen(word))


cdef int _put_escaped(Text* text, const uint8_t* p, size_t n) except -1 nogil:
    """UTF-8 as character data or the value of an attribute (XML 1.0 section 2.4)."""
    cdef size_t i = 0, start = 0, size
    cdef const char* word
    while i < n:
        word = NULL
        size = 1
        if p[i] == c"&":
            word = b"&amp;"
        elif p[i] == c"<":
            word = b"&lt;"
        elif p[i] == c">":
            word = b"&gt;"
        elif p[i] == c'"':
            word = b"&quot;"
        elif p[i] < 0x20:
            # Readers make a line feed of a carriage return, and a blank of all three in an attribute.
            word = NOT_XML
            if p[i] == 13:
                word = b"&#13;"
            elif p[i] == 10:
                word = b"&#10;"
            elif p[i] == 9:
                word = b"&#9;"
        elif p[i] == 0xEF and i + 2 < n and p[i + 1] == 0xBF and p[i + 2] >= 0xBE:
            word = NOT_XML          # U+FFFE and U+FFFF
            size = 3
        if word != NULL:
            put(text, p + start, i - start)
            _put(text, word)
            start = i + size
        i += size
    if n > start:
        put(text, p + start, n - start)
    return 0


cdef int _put_decimal(Text* text, uint32_t number) except -1 nogil:
    cdef uint8_t[12] digits
    cdef int n = 12
    while True:
        n -= 1
        digits[n] = <uint8_t>(c"0" + number % 10)
        number //= 10
        if number == 0:
            break
    return put(text, digits + n, 12 - n)


cdef int _put_str(Text* text, object word) except -1:
    cdef Py_ssize_t n = 0
    cdef const char* p = PyUnicode_AsUTF8AndSize(word, &n)
    return _put_escaped(text, <const uint8_t*>p, <size_t>n)


@cython.final
cdef class XMLWriter(ModelWriter):
    """Writes a data set as a NativeDicomModel document."""

    cdef int open_model(self) except -1:
        return _put(&self.text, HEAD)

    cdef int close_model(self) except -1:
        return _put(&self.text, b"</NativeDicomModel>\n")

    cdef int open_element(self, Block block, uint32_t index, uint32_t tag, uint16_t vr, uint32_t number) except -1:
        cdef uint8_t[10] digits
        cdef int i
        cdef object creator = None, keyword
        if tag >> 16 & 1:
            creator = new_element(block, index).private_creator
            creator = creator if isinstance(creator, str) and creator else None
            keyword = ""
        else:
            keyword = hook("keyword_for_tag")(tag)
        if creator is not None:
            tag &= 0xFFFF00FFu      # the creator stands for the number of the block
        for i in range(8):
            digits[i] = HEX[tag >> (28 - 4 * i) & 15]
        _put(&self.text, b'<DicomAttribute tag="')
        put(&self.text, digits, 8)
        _put(&self.text, b'" vr="')
        digits[0] = <uint8_t>(vr & 0xFF)
        digits[1] = <uint8_t>(vr >> 8)
        _put_escaped(&self.text, digits, 2)
        if creator is not None:
            _put(&self.text, b'" privateCreator="')
            _put_str(&self.text, creator)
        elif keyword:
            _put(&self.text, b'" keyword="')
            _put_str(&self.text, keyword)
        _put(&self.text, b'">')
        return _put(&self.text, b"\n") if vr == DW_VR_SQ else 0

    cdef int close_element(self) except -1:
        return _put(&self.text, b"</DicomAttribute>\n")

    cdef int open_sequence(self) except -1:
        return 0

    cdef int close_sequence(self) except -1:
        return 0

    cdef int open_item(self, uint32_t number) except -1:
        _put(&self.text, b'<Item number="')
        _put_decimal(&self.text, number + 1)
        return _put(&self.text, b'">\n')

    cdef int close_item(self) except -1:
        return _put(&self.text, b"</Item>\n")

    cdef int open_values(self, bint names) except -1:
        return 0

    cdef int close_values(self) except -1:
        return 0

    cdef int put_text(self, uint32_t number, const uint8_t* p, size_t n) except -1:
        _put(&self.text, b'<Value number="')
        _put_decimal(&self.text, number + 1)
        _put(&self.text, b'">')
        _put_escaped(&self.text, p, n)
        return _put(&self.text, b"</Value>")

    cdef int put_number(self, uint32_t number, const uint8_t* p, size_t n) except -1:
        return self.put_text(number, p, n)

    cdef int put_nothing(self, uint32_t number) except -1:
        return self.put_text(number, b"", 0)

    cdef int put_name(self, uint32_t number, const uint8_t* p, size_t n) except -1:
        cdef size_t start = 0, end, at, stop
        cdef int group = 0, component
        _put(&self.text, b'<PersonName number="')
        _put_decimal(&self.text, number + 1)
        _put(&self.text, b'">')
        while group < 3 and start <= n:
            end = start
            while end < n and (p[end] != c"=" or group == 2):
                end += 1
            at = start
            while at < end and p[at] == c"^":
                at += 1
            if at < end:            # there is more than separators
                _put(&self.text, b"<")
                _put(&self.text, GROUPS[group])
                _put(&self.text, b">")
                at = start
                component = 0
                while component < 5 and at <= end:
                    stop = at
                    while stop < end and (p[stop] != c"^" or component == 4):   # what is too much stays with the last
                        stop += 1
                    if stop > at:
                        _put(&self.text, b"<")
                        _put(&self.text, COMPONENTS[component])
                        _put(&self.text, b">")
                        _put_escaped(&self.text, p + at, stop - at)
                        _put(&self.text, b"</")
                        _put(&self.text, COMPONENTS[component])
                        _put(&self.text, b">")
                    component += 1
                    at = stop + 1
                _put(&self.text, b"</")
                _put(&self.text, GROUPS[group])
                _put(&self.text, b">")
            group += 1
            start = end + 1
        return _put(&self.text, b"</PersonName>")

    cdef int open_bytes(self) except -1:
        return _put(&self.text, b"<InlineBinary>")

    cdef int close_bytes(self) except -1:
        return _put(&self.text, b"</InlineBinary>")

    cdef int put_uri(self, str uri) except -1:
        _put(&self.text, b'<BulkData uri="')
        _put_str(&self.text, uri)
        return _put(&self.text, b'"/>')
