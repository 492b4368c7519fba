"""Frames of RLE: to samples, and segments of samples (PS3.5 Annex G).

The header of what is encoded is the caller's business: see dicomwire.pixel.rle.
"""
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc

from .errors import PixelError

cdef extern from "bswap.h" nogil:
    enum: DW_BIG_ENDIAN_HOST

cdef extern from "rle.h" nogil:
    ctypedef struct DwRleSegment:
        const uint8_t* at "from"
        const uint8_t* stop
        size_t held
    size_t dw_rle_decode(uint8_t* to, size_t count, DwRleSegment* segments, uint8_t* blocks, int samples, int word,
                         int up, int down, int is_signed, int* bad) noexcept
    size_t dw_rle_encode(uint8_t* to, const uint8_t* source, size_t length) noexcept
    enum: DW_RLE_STRIDE

cdef enum:
    MOST_SEGMENTS = 15
    HEADER = 64

cdef enum Flaw:
    NONE
    NO_HEADER           # fewer bytes than a header has
    OTHER_NUMBER        # of segments
    NO_ORDER            # of their offsets
    ENDS_EARLY          # a segment, before it has filled its plane


cdef inline uint32_t header_number(const uint8_t* data, int i) noexcept nogil:
    """A number of the header, which is little endian."""
    data += 4 * i
    return data[0] | <uint32_t>data[1] << 8 | <uint32_t>data[2] << 16 | <uint32_t>data[3] << 24


cdef Flaw take_segments(const Py_buffer* frame, int segments, DwRleSegment* parts) noexcept nogil:
    """Where the segments of a frame are (PS3.5 section G.5)."""
    cdef const uint8_t* data = <const uint8_t*>frame.buf
    cdef uint32_t begin = HEADER, offset
    cdef int i
    if frame.len < HEADER:
        return NO_HEADER
    if header_number(data, 0) != <uint32_t>segments:
        return OTHER_NUMBER
    for i in range(segments):
        offset = header_number(data, i + 1)
        if offset < begin or offset > <uint64_t>frame.len:
            return NO_ORDER
        parts[i].at = data + offset
        parts[i].held = 0
        if i:
            parts[i - 1].stop = parts[i].at
        begin = offset
    parts[segments - 1].stop = data + frame.len
    return NONE


def decode_frames(frames, target, int samples, int word, *, int up=0, int down=0, bint signed=False):
    """Fill ``target`` with the samples of each pixel side by side, words in the host's order, of RLE frames.

    frames: a sequence of buffers; ``target`` has room for as many images of the same size, one after the other.
    word: bytes a sample, samples * word segments a frame, the most significant byte of a sample first; up, down,
    signed: unused bits of a word, as in unpack.unpack_words.  Returns nothing; runs without the GIL.

    PixelError, whose ``frame`` is the place in ``frames``, for a header that does not fit and where a segment ends
    before it has filled its plane; what it has beyond that is left aside.
    """
    cdef DwRleSegment[MOST_SEGMENTS] parts
    cdef Py_buffer filled
    cdef Py_buffer* views = NULL
    cdef uint8_t* blocks = NULL
    cdef int segments = samples * word, bad = 0
    cdef Py_ssize_t number = len(frames), held = 0, i = 0
    cdef size_t count, done = 0
    cdef Flaw flaw = NONE
    if samples < 1 or word not in (1, 2, 4, 8) or segments > MOST_SEGMENTS:
        raise ValueError(f"samples={samples}, word={word}: expected 1 to {MOST_SEGMENTS} segments")
    if not 0 <= up < 8 * word or not 0 <= down < 8 * word:
        raise ValueError(f"shifts {up} and {down} of words of {8 * word} bits: expected fewer")
    if number == 0:
        return
    PyObject_GetBuffer(target, &filled, PyBUF_SIMPLE | PyBUF_WRITABLE)
    try:
        if filled.len % (number * segments):
            raise ValueError(f"{filled.len} bytes: expected {number} images of {segments} bytes a pixel")
        count = <size_t>(filled.len // number // segments)
        views = <Py_buffer*>malloc(<size_t>number * sizeof(Py_buffer))
        blocks = <uint8_t*>malloc(<size_t>segments * DW_RLE_STRIDE)
        if views == NULL or blocks == NULL:
            raise MemoryError
        while held < number:
            PyObject_GetBuffer(frames[held], views + held, PyBUF_SIMPLE)
            held += 1
        with nogil:
            for i in range(number):
                flaw = take_segments(views + i, segments, parts)
                if flaw == NONE:
                    done = dw_rle_decode(<uint8_t*>filled.buf + <size_t>i * count * <size_t>segments, count, parts,
                                         blocks, samples, word, up, down, signed, &bad)
                    if done < count:
                        flaw = ENDS_EARLY
                if flaw != NONE:
                    break
        if flaw != NONE:
            raise flawed(flaw, views + i, i, segments, bad, done, count)
    finally:
        while held:
            held -= 1
            PyBuffer_Release(views + held)
        free(views)
        free(blocks)
        PyBuffer_Release(&filled)


cdef object flawed(Flaw flaw, const Py_buffer* frame, Py_ssize_t number, int segments, int bad, size_t done,
                   size_t count):
    """The error to raise for what is wrong with a frame."""
    cdef const uint8_t* data = <const uint8_t*>frame.buf
    offset = None
    if flaw == NO_HEADER:
        message = f"an RLE frame has {frame.len} bytes, its header {HEADER}; PS3.5 G.5"
    elif flaw == OTHER_NUMBER:
        message = f"an RLE frame has {header_number(data, 0)} segments: expected {segments}; PS3.5 G.2"
    elif flaw == NO_ORDER:
        message = f"offsets of RLE segments do not ascend from {HEADER} to {frame.len}; PS3.5 G.5"
    else:
        message = f"RLE segment {bad} has {done} bytes, {count} are needed; PS3.5 G.3"
        offset = header_number(data, bad + 1)
    return PixelError(message, frame=number, offset=offset)


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
