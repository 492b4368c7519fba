"""Colour spaces of pixel data to RGB, in one pass without the GIL (PS3.3 section C.7.6.3.1.2)."""
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int32_t, uint8_t, uint16_t

cdef extern from "colour.h" nogil:
    ctypedef struct DwColour:
        int32_t scale, foot, r, g_b, g_r, b
    enum: DW_COLOUR_BITS
    void dw_ybr_to_rgb_8(uint8_t* to, const uint8_t* source, size_t pixels, const DwColour* colour) noexcept
    void dw_ybr422_to_rgb_8(uint8_t* to, const uint8_t* source, size_t pairs, const DwColour* colour) noexcept
    void dw_ybr_to_rgb_16(uint16_t* to, const uint16_t* source, size_t pixels, int stored,
                          const DwColour* colour) noexcept


cdef int32_t _fixed(double x) noexcept:
    return <int32_t>(x * (1 << DW_COLOUR_BITS) + 0.5)


cdef DwColour _colour(bint partial) noexcept:
    """The inverse of the equations of YBR_FULL or of YBR_PARTIAL_422."""
    cdef DwColour c
    # Weights of red, green and blue in Y, of ITU-R BT.601; the partial range has 219 steps of Y and 224 of the others.
    cdef double red = 0.299, green = 0.587, blue = 0.114, chroma = 255.0 / 224.0 if partial else 1.0
    c.scale = _fixed(255.0 / 219.0) if partial else 1 << DW_COLOUR_BITS
    c.foot = 16 if partial else 0
    c.r = _fixed(2 * (1 - red) * chroma)
    c.b = _fixed(2 * (1 - blue) * chroma)
    c.g_b = _fixed(2 * (1 - blue) * blue / green * chroma)
    c.g_r = _fixed(2 * (1 - red) * red / green * chroma)
    return c


def ybr_to_rgb(source, target, int stored=8, *, bint partial=False, bint subsampled=False):
    """Fill ``target`` with R, G, B of each pixel; ``source`` is Y, CB, CR of each, or Y, Y, CB, CR of each two.

    stored: bits that are used, 8 in bytes, 9 to 16 in words of the host's order; partial: the range of
    YBR_PARTIAL; subsampled: two pixels share their colour differences, of 8 bits only.  The two must not overlap.
    ValueError where lengths do not fit.
    """
    cdef Py_buffer view, filled
    cdef DwColour colour = _colour(partial)
    cdef Py_ssize_t word = 1 if stored == 8 else 2, pixels, needed
    if not 8 <= stored <= 16 or (subsampled and stored != 8):
        raise ValueError(f"stored={stored}: expected 8 to 16, 8 for pixels that share their colour differences")
    PyObject_GetBuffer(source, &view, PyBUF_SIMPLE)
    try:
        PyObject_GetBuffer(target, &filled, PyBUF_SIMPLE | PyBUF_WRITABLE)
        try:
            pixels = filled.len // (3 * word)
            needed = pixels // 2 * 4 if subsampled else pixels * 3 * word
            if needed > view.len or (subsampled and pixels & 1):
                raise ValueError(f"{pixels} pixels need {needed} bytes, {view.len} given")
            with nogil:
                if subsampled:
                    dw_ybr422_to_rgb_8(<uint8_t*>filled.buf, <const uint8_t*>view.buf, <size_t>(pixels // 2), &colour)
                elif word == 2:
                    dw_ybr_to_rgb_16(<uint16_t*>filled.buf, <const uint16_t*>view.buf, <size_t>pixels, stored, &colour)
                else:
                    dw_ybr_to_rgb_8(<uint8_t*>filled.buf, <const uint8_t*>view.buf, <size_t>pixels, &colour)
        finally:
            PyBuffer_Release(&filled)
    finally:
        PyBuffer_Release(&view)
