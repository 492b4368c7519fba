"""Frames of RLE: segments to the samples of a frame and back (PS3.5 Annex G).

The header is the caller's business: see dicomwire.pixel.rle.
"""
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint16_t
from libc.stdlib cimport free, malloc

from .errors import PixelError

cdef extern from "bswap.h" nogil:
    enum: DW_BIG_ENDIAN_HOST

cdef extern from "unpack.h" nogil:
    void dw_mask_words(uint8_t* to, size_t count, int word, int up, int down, int is_signed) noexcept
    void dw_interleave(void* to, const uint8_t* source, size_t count, int planes, int word) noexcept

cdef extern from "rle.h" nogil:
    size_t dw_rle_decode(uint8_t* to, size_t size, const uint8_t* source, size_t length) noexcept
    size_t dw_rle_encode(uint8_t* to, const uint8_t* source, size_t length) noexcept
    void dw_join_2(uint16_t* to, const uint8_t* high, const uint8_t* low, size_t count, int up, int down,
                   int is_signed) noexcept
    void dw_join(uint8_t* to, const uint8_t* planes, size_t count, int word, int samples, int is_little) noexcept

cdef enum:
    MOST_SEGMENTS = 15
    HEADER = 64


def decode_segments(source, offsets, target, int samples, int word, *, int up=0, int down=0, bint signed=False):
    """Fill ``target`` with the samples of each pixel side by side, words in the host's order, from an RLE frame.

    source: the frame; offsets: where its segments begin and, after them, where the last one ends: samples * word of
    them, the most significant byte of a sample first; word: bytes a sample; up, down, signed: unused bits of a word, as
    in unpack.unpack_words.  Returns nothing.  Raises PixelError where a
    segment ends before it has filled its plane; what it has beyond that is left aside.  ValueError for offsets that
    do not ascend inside ``source``.
    """
    cdef Py_buffer view, filled
    cdef Py_ssize_t[16] places
    cdef int segments = samples * word, i, bad = -1
    cdef size_t count, done = 0
    cdef uint8_t* planes = NULL
    cdef const uint8_t* data
    cdef uint8_t* to
    if samples < 1 or word not in (1, 2, 4, 8) or segments > MOST_SEGMENTS:
        raise ValueError(f"samples={samples}, word={word}: expected 1 to {MOST_SEGMENTS} segments")
    if not 0 <= up < 8 * word or not 0 <= down < 8 * word:
        raise ValueError(f"shifts {up} and {down} of words of {8 * word} bits: expected fewer")
    if len(offsets) != segments + 1:
        raise ValueError(f"{len(offsets)} offsets: expected {segments + 1}")
    PyObject_GetBuffer(source, &view, PyBUF_SIMPLE)
    try:
        for i in range(segments + 1):
            places[i] = offsets[i]
            if places[i] > view.len or places[i] < (places[i - 1] if i else 0):
                raise ValueError(f"offset {places[i]} of segment {i} in {view.len} bytes")
        PyObject_GetBuffer(target, &filled, PyBUF_SIMPLE | PyBUF_WRITABLE)
        try:
            count = <size_t>(filled.len // segments)
            data = <const uint8_t*>view.buf
            to = <uint8_t*>filled.buf
            if segments > 1:
                planes = <uint8_t*>malloc(max(count * <size_t>segments, <size_t>1))
                if planes == NULL:
                    raise MemoryError
                to = planes
            with nogil:
                for i in range(segments):
                    done = dw_rle_decode(to + <size_t>i * count, count, data + places[i],
                                         <size_t>(places[i + 1] - places[i]))
                    if done < count:
                        bad = i
                        break
                if bad < 0 and segments > 1:
                    to = <uint8_t*>filled.buf
                    if word == 1:
                        dw_interleave(to, planes, count, samples, 1)
                    elif word == 2 and samples == 1:
                        dw_join_2(<uint16_t*>to, planes, planes + count, count, up, down, signed)
                    else:
                        dw_join(to, planes, count, word, samples, not DW_BIG_ENDIAN_HOST)
                if bad < 0 and down and (word != 2 or samples > 1):  # the others are done
                    dw_mask_words(<uint8_t*>filled.buf, count * <size_t>samples, word, up, down, signed)
            if bad >= 0:
                raise PixelError(f"RLE segment {bad} has {done} bytes, {count} are needed; PS3.5 G.3",
                                 offset=places[bad])
        finally:
            free(planes)
            PyBuffer_Release(&filled)
    finally:
        PyBuffer_Release(&view)


def encode_segments(source, int rows, int samples, int word) -> list:
    """The segments of a frame, as bytes of even length; rows are encoded by themselves (PS3.5 section G.3.1).

    source: rows of samples side by side, words of 1, 2, 4 or 8 bytes in the host's order.
    """
    cdef Py_buffer view
    cdef int segments = samples * word, s, b, place
    cdef size_t row, width, i, step, size
    cdef uint8_t* plane = NULL
    cdef uint8_t* out = NULL
    cdef uint8_t* at
    cdef const uint8_t* data
    cdef list result = []
    if samples < 1 or rows < 1 or word not in (1, 2, 4, 8) or segments > MOST_SEGMENTS:
        raise ValueError(f"rows={rows}, samples={samples}, word={word}: expected 1 to {MOST_SEGMENTS} segments")
    PyObject_GetBuffer(source, &view, PyBUF_SIMPLE)
    try:
        if view.len % (<Py_ssize_t>rows * segments):
            raise ValueError(f"{view.len} bytes are no {rows} rows of {segments} bytes a pixel")
        width = <size_t>(view.len // rows // segments)
        step = <size_t>segments
        data = <const uint8_t*>view.buf
        plane = <uint8_t*>malloc(width + 1)
        out = <uint8_t*>malloc(<size_t>rows * (width + width // 128 + 2) + 1)
        if plane == NULL or out == NULL:
            raise MemoryError
        for s in range(samples):
            for b in range(word):
                place = s * word + (b if DW_BIG_ENDIAN_HOST else word - 1 - b)
                with nogil:
                    at = out
                    for row in range(<size_t>rows):
                        for i in range(width):
                            plane[i] = data[(row * width + i) * step + <size_t>place]
                        at += dw_rle_encode(at, plane, width)
                    size = <size_t>(at - out)
                    if size & 1:
                        out[size] = 0
                        size += 1
                result.append(PyBytes_FromStringAndSize(<char*>out, <Py_ssize_t>size))
    finally:
        free(plane)
        free(out)
        PyBuffer_Release(&view)
    return result
