"""The structure of an HL7 v2 message: one pass finds where its segments and fields lie, values are cut out on demand
(HL7 v2.5.1 chapter 2, sections 2.5 and 2.6).

Segments end in CR (section 2.6).  As they are met: LF, or CR and LF, where what follows looks like a segment, else LF
is text; empty lines count for nothing.  Components, repetitions and subcomponents are looked for when a value is.
"""
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memchr, memcmp, memcpy, memset

from .errors import DecodeError

cdef extern from "separators.h" nogil:
    enum:
        DW_SEPARATOR_STRIDE
    uint32_t dw_separators(const uint8_t*, uint8_t) noexcept
    int dw_lowest_bit(uint32_t) noexcept

cdef enum:
    CR = 0x0D
    LF = 0x0A
    ESC = 0x1B
    DOLLAR = 0x24
    MAX_LENGTH = 0x7FFFFFFF
    MAX_VALUES = 256            # different ones that select() gathers of one place
    LONG_INDEX = 1 << 16        # bytes; indexing these takes longer than handing the GIL over

cdef uint32_t MSH = 0x4D5348, FHS = 0x464853, BHS = 0x424853
cdef str SECTION = "HL7 v2.5.1 2.5.4"


# -------------------------------------------------------------------------------------------------------------- inlines

cdef inline bint is_capital(uint8_t b) noexcept nogil:
    return c"A" <= b <= c"Z"


cdef inline bint is_name_byte(uint8_t b) noexcept nogil:
    return c"A" <= b <= c"Z" or c"0" <= b <= c"9"


cdef inline uint32_t name_at(const uint8_t* p, uint32_t start, uint32_t stop) noexcept nogil:
    """The three bytes of a segment's name, 0 if there are others (section 2.5.2)."""
    if stop - start != 3 or not is_capital(p[start]):
        return 0
    if not is_name_byte(p[start + 1]) or not is_name_byte(p[start + 2]):
        return 0
    return <uint32_t>p[start] << 16 | <uint32_t>p[start + 1] << 8 | p[start + 2]


cdef inline bint is_header(uint32_t name) noexcept nogil:
    """Whether a segment defines the separators, and its field 1 is the first of them (section 2.5.4)."""
    return name == MSH or name == FHS or name == BHS


cdef inline uint32_t number_of_fields(const SegmentPlace* segment) noexcept nogil:
    """How many fields are behind the name; MSH-1 stands in front of the first separator."""
    return segment.count - 1 + (is_header(segment.name) and segment.count > 1)


cdef uint32_t character_size(const uint8_t* p, uint32_t at, uint32_t stop, int multibyte, bint* double) noexcept nogil:
    """How many bytes belong together at ``at``: 1 for what can be a separator."""
    cdef uint8_t b = p[at]
    cdef uint32_t left = stop - at
    if multibyte == PAIRS:
        return 2 if b >= 0x81 and left > 1 and p[at + 1] >= 0x30 else 1
    if b == ESC and left > 2:
        if p[at + 1] == DOLLAR:
            if p[at + 2] == c"(" and left > 3:
                double[0] = True
                return 4
            if p[at + 2] == c"@" or p[at + 2] == c"A" or p[at + 2] == c"B":
                double[0] = True
                return 3
            return 4 if left > 3 else 3
        if p[at + 1] == c"(":
            double[0] = False
        return 3
    if double[0]:
        if b == CR or b == LF:
            double[0] = False
        elif 0x21 <= b <= 0x7E and left > 1 and 0x21 <= p[at + 1] <= 0x7E:
            return 2
    return 1


cdef object text_of(const uint8_t* p, uint32_t start, uint32_t stop, uint8_t escape, object decode):
    """The value's text; what is not plain ASCII goes through ``decode`` as bytes."""
    cdef uint32_t at
    cdef uint8_t b
    for at in range(start, stop):
        b = p[at]
        if b >= 0x80 or b == ESC or (b == escape and escape != 0):
            return decode(PyBytes_FromStringAndSize(<const char*>p + start, stop - start))
    return PyUnicode_DecodeASCII(<const char*>p + start, stop - start, NULL)


# ------------------------------------------------------------------------------------------------------------ selection

cdef uint32_t _number(str text, str place, uint32_t most) except? 0:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) <= most):
        raise ValueError(f"{place!r}: expected SEG-FIELD[REPETITION].COMPONENT.SUBCOMPONENT, numbers from 1")
    return int(text)


@cython.final
cdef class Selection:
    """Places of values, made ready for ``SegmentIndex.select``.

    A place is ``PID-3.1``: segment, field, component, and a subcomponent behind another point; numbers count from 1.
    Without a component it is the whole field, of repetitions each for itself; ``PID-3[1].4`` is of the first repetition
    alone.  ``OBX-5.1?3.1=110180`` counts only in segments whose component 3.1 is that text.

    Raises ValueError for what is no place.
    """

    def __cinit__(self, places):
        cdef Py_ssize_t k
        cdef str place, where, condition, expected, segment, rest, field, repetition
        cdef bytes name
        self.places = tuple(places)
        self.conditions = []
        self.wanted = <Wanted*>calloc(max(<Py_ssize_t>len(self.places), 1), sizeof(Wanted))
        if self.wanted == NULL:
            raise MemoryError
        for k, place in enumerate(self.places):
            where, _, condition = place.partition("?")
            segment, _, rest = where.partition("-")
            name = segment.encode("ascii", "replace")
            self.wanted[k].name = name_at(name, 0, len(name))
            if self.wanted[k].name == 0:
                raise ValueError(f"{place!r}: a segment's name has three capitals or digits")
            field, *parts = rest.split(".")
            if len(parts) > 2:
                raise ValueError(f"{place!r}: there is nothing below a subcomponent")
            if field.endswith("]"):
                field, _, repetition = field.removesuffix("]").partition("[")
                self.wanted[k].repetition = _number(repetition, place, 0xFFFF)
            self.wanted[k].field = _number(field, place, 0xFFFF)
            if parts:
                self.wanted[k].component = _number(parts[0], place, 0xFFFF)
            if len(parts) > 1:
                self.wanted[k].subcomponent = _number(parts[1], place, 0xFFFF)
            if condition:
                condition, _, expected = condition.partition("=")
                parts = condition.split(".")
                if len(parts) != 2 or not expected:
                    raise ValueError(f"{place!r}: a condition is FIELD.COMPONENT=TEXT")
                self.wanted[k].if_field = _number(parts[0], place, 0xFFFF)
                self.wanted[k].if_component = _number(parts[1], place, 0xFFFF)
                self.conditions.append(expected.encode("utf-8"))
            else:
                self.conditions.append(None)
            self.count += 1

    def __dealloc__(self):
        free(self.wanted)

    def __len__(self):
        return self.count

    def __repr__(self):
        return f"Selection({list(self.places)!r})"


# ---------------------------------------------------------------------------------------------------------------- index

@cython.final
@cython.no_gc
@cython.freelist(8)
cdef class SegmentIndex:
    """Where the segments and fields of one message lie.

    ``data`` begins with an MSH, FHS or BHS segment, whose first fields say which separators hold (section 2.5.4).
    ``multibyte`` says how bytes of a character can look like separators: 0 not at all, 1 behind a byte from 0x81 on (GB
    18030, Big 5), 2 between escape sequences (ISO 2022, of MSH-18 "ISO IR87").

    Segments are numbered from 0, as items of a sequence are; fields, components, subcomponents and repetitions from 1,
    as HL7 numbers them.  What is not there is empty.  Raises DecodeError where the separators cannot be told.
    """

    def __cinit__(self, bytes data not None, int multibyte=NO_MULTIBYTE):
        cdef const uint8_t* p = <const uint8_t*>PyBytes_AS_STRING(data)
        cdef Py_ssize_t length = PyBytes_GET_SIZE(data)
        cdef int status
        self.segments = self.few_segments
        self.fields = self.few_fields
        self.segment_room = FEW_SEGMENTS
        self.field_room = FEW_FIELDS
        self.data = data
        if not 0 <= multibyte <= ESCAPES:
            raise ValueError(f"multibyte is {multibyte}, expected 0, 1 or 2")
        self.multibyte = multibyte
        if length > MAX_LENGTH:
            raise DecodeError(f"a message of {length} bytes, limit is {MAX_LENGTH}", section=SECTION)
        if length < 4 or not is_header(name_at(p, 0, 3)):
            raise DecodeError("this does not begin with MSH and a field separator", offset=0, section=SECTION)
        if p[3] < 0x21 or p[3] > 0x7E or is_name_byte(p[3]) or c"a" <= p[3] <= c"z":
            raise DecodeError(f"field separator 0x{p[3]:02X}, expected a printable one", offset=3, section=SECTION)
        take_separators(p, <uint32_t>length, &self.separators)
        if length > LONG_INDEX:
            with nogil:
                status = self._index(p, <uint32_t>length)
        else:
            status = self._index(p, <uint32_t>length)
        if status < 0:
            raise MemoryError

    def __dealloc__(self):
        if self.segments != self.few_segments:
            free(self.segments)
        if self.fields != self.few_fields:
            free(self.fields)

    @cython.nonecheck(False)
    cdef int _index(self, const uint8_t* p, uint32_t length) noexcept nogil:
        """Fill ``fields`` and ``segments``; -1 without memory."""
        cdef uint32_t at = 0, start = 0, bits, size
        cdef uint8_t[DW_SEPARATOR_STRIDE] tail
        cdef bint double = False
        if self._add_field(0) < 0:
            return -1
        if self.multibyte:
            while at < length:
                size = character_size(p, at, length, self.multibyte, &double)
                if size == 1 and (p[at] == self.separators.field or p[at] == CR or p[at] == LF):
                    if self._separator(p, at, length, &start) < 0:
                        return -1
                at += size
            return self._end_segment(p, start, length)
        while at < length:
            if length - at >= DW_SEPARATOR_STRIDE:
                bits = dw_separators(p + at, self.separators.field)
            else:
                memset(tail, 0, DW_SEPARATOR_STRIDE)
                memcpy(tail, p + at, length - at)
                bits = dw_separators(tail, self.separators.field)
            while bits:
                if self._separator(p, at + <uint32_t>dw_lowest_bit(bits), length, &start) < 0:
                    return -1
                bits &= bits - 1
            at += DW_SEPARATOR_STRIDE
        return self._end_segment(p, start, length)

    @cython.nonecheck(False)
    cdef inline int _separator(self, const uint8_t* p, uint32_t at, uint32_t length, uint32_t* start) noexcept nogil:
        """Take note of the separator at ``at`` in the segment that began at ``start``; -1 without memory."""
        if p[at] == self.separators.field:
            return self._add_field(at + 1)
        if p[at] == LF and at > start[0] and not ends_at_line_feed(p, at + 1, length, self.separators.field):
            return 0
        if self._end_segment(p, start[0], at) < 0:
            return -1
        start[0] = at + 1
        return self._add_field(at + 1)

    @cython.nonecheck(False)
    cdef inline int _add_field(self, uint32_t offset) noexcept nogil:
        cdef uint32_t* more
        if self.field_count == self.field_room:
            more = <uint32_t*>grown(self.fields, self.few_fields, sizeof(uint32_t), &self.field_room)
            if more == NULL:
                return -1
            self.fields = more
        self.fields[self.field_count] = offset
        self.field_count += 1
        return 0

    @cython.nonecheck(False)
    cdef int _end_segment(self, const uint8_t* p, uint32_t start, uint32_t stop) noexcept nogil:
        """Note the segment whose fields are there from ``first`` on, or drop it if it is empty; -1 without memory."""
        cdef SegmentPlace* more
        cdef SegmentPlace* segment
        if stop <= start:
            self.field_count = self.first
            return 0
        if self.segment_count == self.segment_room:
            more = <SegmentPlace*>grown(self.segments, self.few_segments, sizeof(SegmentPlace), &self.segment_room)
            if more == NULL:
                return -1
            self.segments = more
        segment = &self.segments[self.segment_count]
        self.segment_count += 1
        segment.first = <uint32_t>self.first
        segment.count = <uint32_t>(self.field_count - self.first)
        if self._add_field(stop + 1) < 0:
            return -1
        segment.name = name_at(p, start, self.fields[self.first + 1] - 1)
        self.first = self.field_count
        return 0

    @cython.nonecheck(False)
    cdef bint _find_field(self, const SegmentPlace* segment, uint32_t number, uint32_t* start,
                          uint32_t* stop) noexcept nogil:
        """Where a field lies; False if it is not there or empty."""
        if is_header(segment.name):
            if number == 1:
                start[0] = self.fields[segment.first] + 3
                stop[0] = start[0] + 1
                return segment.count > 1
            number -= 1
        if number >= segment.count:
            return False
        start[0] = self.fields[segment.first + number]
        stop[0] = self.fields[segment.first + number + 1] - 1
        return stop[0] > start[0]

    @cython.nonecheck(False)
    cdef uint32_t _end_of(self, const uint8_t* p, uint32_t start, uint32_t stop, uint8_t separator) noexcept nogil:
        """Where the separator stands first from ``start`` on, else ``stop``."""
        cdef const void* found
        cdef uint32_t size
        cdef bint double = False
        if separator == 0:
            return stop
        if self.multibyte:
            while start < stop:
                size = character_size(p, start, stop, self.multibyte, &double)
                if size == 1 and p[start] == separator:
                    return start
                start += size
            return stop
        found = memchr(p + start, separator, stop - start)
        return stop if found == NULL else <uint32_t>(<const uint8_t*>found - p)

    @cython.nonecheck(False)
    cdef void _narrow(self, const uint8_t* p, uint32_t number, uint8_t separator, uint32_t* start,
                      uint32_t* stop) noexcept nogil:
        """From the place of a whole to that of its part ``number``, from 1; to an empty one if there is none."""
        cdef uint32_t end
        while True:
            end = self._end_of(p, start[0], stop[0], separator)
            number -= 1
            if number == 0:
                stop[0] = end
                return
            if end >= stop[0]:
                start[0] = stop[0]
                return
            start[0] = end + 1

    cdef SegmentPlace* _place(self, Py_ssize_t number) except NULL:
        if not 0 <= number < self.segment_count:
            raise IndexError(f"segment {number} of {self.segment_count}")
        return &self.segments[number]

    def __len__(self):
        return self.segment_count

    @property
    def field_separator(self):
        """The one byte between fields, MSH-1."""
        return chr(self.separators.field)

    @property
    def encoding_characters(self):
        """Component, repetition, escape and subcomponent separators, as far as the message has them; else the usual
        ones, but for the last two, which a message can be without (MSH-2)."""
        cdef Separators* s = &self.separators
        cdef Py_ssize_t count = 4 if s.subcomponent else (3 if s.escape else 2)
        return PyUnicode_DecodeASCII(<const char*>&s.component, count, NULL)

    @property
    def escape_character(self):
        """The byte around escape sequences, None in a message without."""
        return chr(self.separators.escape) if self.separators.escape else None

    @property
    def subcomponent_separator(self):
        """The byte between subcomponents, None in a message without."""
        return chr(self.separators.subcomponent) if self.separators.subcomponent else None

    def name(self, Py_ssize_t number):
        """The name of a segment, "" if it has none of three capitals and digits."""
        cdef uint32_t name = self._place(number).name
        return "" if name == 0 else chr(name >> 16) + chr(name >> 8 & 0xFF) + chr(name & 0xFF)

    def find(self, str name not None, Py_ssize_t start=0):
        """The number of the first segment of a name from ``start`` on, -1 if there is none."""
        cdef bytes wanted = name.encode("ascii", "replace")
        cdef uint32_t code = name_at(wanted, 0, <uint32_t>min(<Py_ssize_t>len(wanted), 4))
        cdef Py_ssize_t k
        if code:
            for k in range(max(start, 0), self.segment_count):
                if self.segments[k].name == code:
                    return k
        return -1

    def count(self, Py_ssize_t number):
        """How many fields a segment has, those behind its last separator included."""
        cdef SegmentPlace* segment = self._place(number)
        return number_of_fields(segment)

    def segment(self, Py_ssize_t number):
        """All bytes of a segment, without its end."""
        cdef SegmentPlace* segment = self._place(number)
        return self.data[self.fields[segment.first]:self.fields[segment.first + segment.count] - 1]

    def fields_of(self, Py_ssize_t number):
        """The bytes of all fields of a segment, field 1 first.  Those of MSH begin with the separator itself."""
        cdef SegmentPlace* segment = self._place(number)
        cdef uint32_t k, start, stop
        cdef list found = []
        for k in range(1, number_of_fields(segment) + 1):
            found.append(self.data[start:stop] if self._find_field(segment, k, &start, &stop) else b"")
        return found

    def value(self, Py_ssize_t number, uint32_t field, uint32_t component=0, uint32_t subcomponent=0,
              uint32_t repetition=1):
        """The bytes of a value in a segment; 0 is the whole: the field with all repetitions, the component ...

        A component or subcomponent is of the first repetition unless another is given.
        """
        cdef SegmentPlace* segment = self._place(number)
        cdef const uint8_t* p = <const uint8_t*>PyBytes_AS_STRING(self.data)
        cdef uint32_t start, stop
        if field == 0 or not self._find_field(segment, field, &start, &stop):
            return b""
        if is_header(segment.name) and field < 3:
            return self.data[start:stop] if component < 2 and subcomponent < 2 and repetition < 2 else b""
        if component or repetition > 1:
            self._narrow(p, max(repetition, <uint32_t>1), self.separators.repetition, &start, &stop)
        if component:
            self._narrow(p, component, self.separators.component, &start, &stop)
            if subcomponent:
                self._narrow(p, subcomponent, self.separators.subcomponent, &start, &stop)
        return PyBytes_FromStringAndSize(<const char*>p + start, stop - start)

    def select(self, Selection selection not None, decode not None):
        """A tuple with an entry for each place: None for no value, a text, or a tuple of different ones in their order.

        Spaces around values are left out, and so are empty values and ``""``, HL7's null (section 2.5.3).  ``decode``
        makes text of the bytes of values that are not ASCII or hold an escape character.  Of one place at most 256
        different values are taken.
        """
        cdef const uint8_t* p = <const uint8_t*>PyBytes_AS_STRING(self.data)
        cdef list found = [None] * selection.count
        cdef SegmentPlace* segment
        cdef Wanted* wanted
        cdef Py_ssize_t k, n
        for n in range(self.segment_count):
            segment = &self.segments[n]
            for k in range(selection.count):
                wanted = &selection.wanted[k]
                if wanted.name == segment.name and (
                        wanted.if_field == 0 or self._holds(p, segment, wanted, selection.conditions[k])):
                    found[k] = self._gather(p, segment, wanted, found[k], decode)
        for k in range(selection.count):
            if type(found[k]) is dict:
                found[k] = tuple(found[k])
        return tuple(found)

    cdef bint _holds(self, const uint8_t* p, const SegmentPlace* segment, const Wanted* wanted, bytes expected):
        """Whether the component that a place's condition names is as it says."""
        cdef uint32_t start, stop
        if not self._find_field(segment, wanted.if_field, &start, &stop):
            return False
        self._narrow(p, 1, self.separators.repetition, &start, &stop)
        self._narrow(p, wanted.if_component, self.separators.component, &start, &stop)
        return stop - start == <uint32_t>len(expected) and memcmp(p + start, <const char*>expected, stop - start) == 0

    cdef object _gather(self, const uint8_t* p, const SegmentPlace* segment, const Wanted* wanted, object found,
                        object decode):
        """What was found of a place, with the values of one more segment."""
        cdef uint32_t start, stop, field_stop, first, last, repetition = 0
        cdef object value
        if not self._find_field(segment, wanted.field, &start, &field_stop):
            return found
        while start <= field_stop:
            # The separators themselves stand in MSH-1 and MSH-2.
            stop = field_stop
            if wanted.field > 2 or not is_header(segment.name):
                stop = self._end_of(p, start, field_stop, self.separators.repetition)
            repetition += 1
            first, last = start, stop
            start = stop + 1
            if wanted.repetition and wanted.repetition != repetition:
                if repetition > wanted.repetition:
                    break
                continue
            if wanted.component:
                self._narrow(p, wanted.component, self.separators.component, &first, &last)
                if wanted.subcomponent:
                    self._narrow(p, wanted.subcomponent, self.separators.subcomponent, &first, &last)
            while first < last and p[first] == c" ":
                first += 1
            while first < last and p[last - 1] == c" ":
                last -= 1
            if first == last or (last - first == 2 and p[first] == c'"' and p[first + 1] == c'"'):
                continue
            value = text_of(p, first, last, self.separators.escape, decode)
            if found is None:
                found = value
            elif type(found) is dict:
                if len(<dict>found) < MAX_VALUES:
                    (<dict>found)[value] = None
            elif value != found:
                found = {found: None, value: None}
        return found

    def __repr__(self):
        return f"<SegmentIndex: {self.segment_count} segments, {len(self.data)} bytes>"


cdef void* grown(void* old, void* few, size_t size, Py_ssize_t* room) noexcept nogil:
    """Memory for twice as many entries of ``size`` bytes, with the old ones in front; NULL without memory."""
    cdef void* more
    if old == few:
        more = malloc(2 * <size_t>room[0] * size)
        if more != NULL:
            memcpy(more, old, <size_t>room[0] * size)
    else:
        more = realloc(old, 2 * <size_t>room[0] * size)
    if more != NULL:
        room[0] *= 2
    return more


cdef void take_separators(const uint8_t* p, uint32_t length, Separators* out) noexcept nogil:
    """The separators of MSH-1 and MSH-2, those that are missing as usual (section 2.5.4)."""
    cdef uint32_t n = 0
    out.field = p[3]
    while n < 5 and 4 + n < length and p[4 + n] != out.field and p[4 + n] > 0x20 and p[4 + n] < 0x7F:
        n += 1
    out.component = p[4] if n > 0 else c"^"
    out.repetition = p[5] if n > 1 else c"~"
    out.escape = p[6] if n > 2 else 0
    out.subcomponent = p[7] if n > 3 else 0


cdef bint ends_at_line_feed(const uint8_t* p, uint32_t at, uint32_t length, uint8_t field) noexcept nogil:
    """Whether a segment ends at the LF in front of ``at``: a segment's name and a separator follow, or nothing."""
    cdef uint32_t stop
    while at < length and (p[at] == CR or p[at] == LF):
        at += 1
    if at == length:
        return True
    stop = at + 3
    return stop <= length and name_at(p, at, stop) != 0 and (stop == length or p[stop] == field or p[stop] == CR)
