"""Pixels of pictures: levels by tables, other sizes, and lines, without the GIL (PS3.3 sections C.11, C.10.4, C.10.5).

Sizes and indices are checked against the buffers before anything is touched; ValueError where they do not fit.
"""
cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int8_t, int16_t, int64_t, uint8_t, uint16_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

cdef extern from "raster.h" nogil:
    void dw_look_up_u8(uint8_t* to, const uint8_t* source, size_t count, const uint8_t* table, int64_t entries,
                       int64_t low, size_t samples) noexcept
    void dw_look_up_i8(uint8_t* to, const int8_t* source, size_t count, const uint8_t* table, int64_t entries,
                       int64_t low, size_t samples) noexcept
    void dw_look_up_u16(uint8_t* to, const uint16_t* source, size_t count, const uint8_t* table, int64_t entries,
                        int64_t low, size_t samples) noexcept
    void dw_look_up_i16(uint8_t* to, const int16_t* source, size_t count, const uint8_t* table, int64_t entries,
                        int64_t low, size_t samples) noexcept
    void dw_add_row(float* sums, const uint8_t* row, size_t count, float weight) noexcept
    void dw_mix_columns(uint8_t* to, const float* sums, const int64_t* first, const float* weights, size_t pixels,
                        size_t taps, size_t samples) noexcept
    void dw_draw_line(uint8_t* picture, int64_t rows, int64_t columns, size_t samples, const double* line,
                      const int64_t* pen, size_t strokes, const uint8_t* colour) noexcept


cdef enum:
    FARTHEST = 1 << 30      # pixels from the picture to the end of a line


@cython.final
@cython.internal
cdef class _Held:
    """A buffer of so many numbers, held while a kernel runs."""
    cdef Py_buffer view
    cdef bint is_held
    cdef Py_ssize_t count

    def __dealloc__(self):
        if self.is_held:
            PyBuffer_Release(&self.view)


cdef _Held _held(object source, Py_ssize_t size, int flags=PyBUF_SIMPLE):
    cdef _Held held = _Held.__new__(_Held)
    PyObject_GetBuffer(source, &held.view, flags)
    held.is_held = True
    if held.view.len % size:
        raise ValueError(f"{held.view.len} bytes: expected a multiple of {size}")
    held.count = held.view.len // size
    return held


cdef Py_ssize_t _taps(_Held first, _Held weights, Py_ssize_t length) except -1:
    """How many weights a pixel has; ValueError unless all of them are for pixels of an axis of this length."""
    cdef Py_ssize_t taps, i
    cdef const int64_t* places = <const int64_t*>first.view.buf
    if first.count == 0 or weights.count % first.count:
        raise ValueError(f"{weights.count} weights for {first.count} pixels")
    taps = weights.count // first.count
    for i in range(first.count):
        if places[i] < 0 or places[i] > length - taps:
            raise ValueError(f"pixels {places[i]} to {places[i] + taps}: the axis has {length}")
    return taps


def look_up(source, int word, target, table, Py_ssize_t samples=1, int64_t low=0, *, bint signed=False):
    """Fill ``target`` with the entries, of ``samples`` bytes, that ``table`` has for values, the first one for ``low``.

    word: bytes of a value of ``source``, 1 or 2 in the host's order.  Values beyond the table take its first and last
    entry.
    """
    if word not in (1, 2) or samples < 1:
        raise ValueError(f"word={word}, samples={samples}: expected values of 1 or 2 bytes, and at least a sample")
    cdef _Held values = _held(source, word), filled = _held(target, samples, PyBUF_SIMPLE | PyBUF_WRITABLE)
    cdef _Held entries = _held(table, samples)
    if entries.count == 0 or filled.count != values.count:
        raise ValueError(f"{values.count} pixels, {filled.count} in the target, {entries.count} in the table")
    if not -FARTHEST <= low <= FARTHEST:
        raise ValueError(f"low={low}: expected a value of {word} bytes")
    cdef uint8_t* to = <uint8_t*>filled.view.buf
    cdef const uint8_t* known = <const uint8_t*>entries.view.buf
    cdef const void* stored = values.view.buf
    cdef int64_t most = entries.count
    cdef size_t count = <size_t>values.count
    with nogil:
        if word == 1 and signed:
            dw_look_up_i8(to, <const int8_t*>stored, count, known, most, low, <size_t>samples)
        elif word == 1:
            dw_look_up_u8(to, <const uint8_t*>stored, count, known, most, low, <size_t>samples)
        elif signed:
            dw_look_up_i16(to, <const int16_t*>stored, count, known, most, low, <size_t>samples)
        else:
            dw_look_up_u16(to, <const uint16_t*>stored, count, known, most, low, <size_t>samples)


def resample(source, tuple shape not None, down_first, down_weights, across_first, across_weights, target,
             Py_ssize_t width, Py_ssize_t top, Py_ssize_t left):
    """Fill a part of ``target`` with weighted sums of pixels of ``source``, along columns and then along rows.

    source: bytes of this shape (rows, columns, samples).  For each row of the part: where its first row is in the
    source (int64), and its weights (float32); for each column likewise.  target: bytes of rows of ``width`` pixels;
    top, left: where the part begins in it.  Values are rounded to the nearest, halves up.
    """
    cdef Py_ssize_t rows, columns, samples, i, k, taps_down, taps_across, high
    rows, columns, samples = shape
    cdef _Held pixels = _held(source, 1), filled = _held(target, 1, PyBUF_SIMPLE | PyBUF_WRITABLE)
    cdef _Held down = _held(down_first, 8), across = _held(across_first, 8)
    cdef _Held down_weight = _held(down_weights, 4), across_weight = _held(across_weights, 4)
    if rows < 1 or columns < 1 or not 1 <= samples <= 4 or pixels.count != rows * columns * samples:
        raise ValueError(f"{pixels.count} bytes are no picture of {rows} x {columns} x {samples}")
    taps_down, taps_across = _taps(down, down_weight, rows), _taps(across, across_weight, columns)
    if width < 1 or filled.count % (width * samples):
        raise ValueError(f"{filled.count} bytes are no rows of {width} x {samples}")
    high = filled.count // (width * samples)
    if not 0 <= top <= high - down.count or not 0 <= left <= width - across.count:
        raise ValueError(f"{down.count} x {across.count} pixels at {top}, {left} of {high} x {width}")
    cdef size_t count = <size_t>(columns * samples)
    cdef float* sums = <float*>calloc(count, sizeof(float))
    if sums == NULL:
        raise MemoryError
    cdef const uint8_t* from_ = <const uint8_t*>pixels.view.buf
    cdef uint8_t* to = <uint8_t*>filled.view.buf
    cdef const int64_t* places = <const int64_t*>down.view.buf
    cdef const float* weights = <const float*>down_weight.view.buf
    cdef const int64_t* places_across = <const int64_t*>across.view.buf
    cdef const float* weights_across = <const float*>across_weight.view.buf
    cdef Py_ssize_t many_down = down.count, many_across = across.count
    with nogil:
        for i in range(many_down):
            memset(sums, 0, count * sizeof(float))
            for k in range(taps_down):
                if weights[i * taps_down + k] != 0:
                    dw_add_row(sums, from_ + (places[i] + k) * <Py_ssize_t>count, count, weights[i * taps_down + k])
            dw_mix_columns(to + ((top + i) * width + left) * samples, sums, places_across, weights_across,
                           <size_t>many_across, <size_t>taps_across, <size_t>samples)
        free(sums)


def draw_lines(picture, tuple shape not None, lines, pen, colour):
    """Draw straight lines in a picture of bytes of this shape (rows, columns, samples).

    lines: x and y of both ends of each, as four float64; within 2^30 pixels of the picture.  pen: pairs of int64, the
    places x, y around each pixel of a line that are drawn; colour: a byte for each sample.
    """
    cdef Py_ssize_t rows, columns, samples, i
    rows, columns, samples = shape
    cdef _Held filled = _held(picture, 1, PyBUF_SIMPLE | PyBUF_WRITABLE), shown = _held(colour, 1)
    cdef _Held drawn = _held(lines, 32), strokes = _held(pen, 16)
    if rows < 1 or columns < 1 or samples < 1 or filled.count != rows * columns * samples or shown.count != samples:
        raise ValueError(f"{filled.count} bytes, {shown.count} of colour: no picture of {rows} x {columns} x {samples}")
    cdef const double* ends = <const double*>drawn.view.buf
    cdef const int64_t* places = <const int64_t*>strokes.view.buf
    for i in range(4 * drawn.count):
        if not -FARTHEST <= ends[i] <= FARTHEST:
            raise ValueError(f"a line that ends more than {FARTHEST} pixels away")
    for i in range(2 * strokes.count):
        if not -FARTHEST <= places[i] <= FARTHEST:
            raise ValueError(f"a pen of more than {FARTHEST} pixels")
    cdef uint8_t* to = <uint8_t*>filled.view.buf
    cdef const uint8_t* colours = <const uint8_t*>shown.view.buf
    cdef Py_ssize_t many = drawn.count, around = strokes.count
    with nogil:
        for i in range(many):
            dw_draw_line(to, rows, columns, <size_t>samples, ends + 4 * i, places, <size_t>around, colours)
