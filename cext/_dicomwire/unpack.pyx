"""Native pixel data to arrays of one sample a word: byte order, unused bits, packed pixels, planes (PS3.5 8.1.1).

Each function reads one buffer and fills another, which must not overlap it, in one pass; large ones without the GIL.
Lengths are checked against both buffers before anything is touched; ValueError where they do not fit.
"""
cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uint8_t, uint16_t

cdef extern from "unpack.h" nogil:
    void dw_unpack_words(void* to, const uint8_t* source, size_t count, int word, int is_swapped, int up, int down,
                         int is_signed) noexcept
    int dw_words_are_clean(const uint8_t* source, size_t count, int word, int up, int down, int is_signed) noexcept
    void dw_unpack_bits(uint8_t* to, const uint8_t* source, size_t count, int skip) noexcept
    void dw_unpack_12(uint16_t* to, const uint8_t* source, size_t count, int is_odd) noexcept
    void dw_interleave(void* to, const uint8_t* source, size_t count, int planes, int word) noexcept
    void dw_upsample_422(void* to, const uint8_t* source, size_t pairs, int word) noexcept

cdef enum:
    MOST_PLANES = 64


@cython.final
@cython.internal
cdef class _Pair:
    """A buffer to read and one to fill, held while a kernel runs."""
    cdef Py_buffer source, target
    cdef bint has_source, has_target

    def __dealloc__(self):
        if self.has_source:
            PyBuffer_Release(&self.source)
        if self.has_target:
            PyBuffer_Release(&self.target)


cdef _Pair _pair(object source, object target):
    cdef _Pair pair = _Pair.__new__(_Pair)
    PyObject_GetBuffer(source, &pair.source, PyBUF_SIMPLE)
    pair.has_source = True
    if target is not None:
        PyObject_GetBuffer(target, &pair.target, PyBUF_SIMPLE | PyBUF_WRITABLE)
        pair.has_target = True
    return pair


cdef int _check(str what, Py_ssize_t needed, Py_ssize_t held) except -1:
    if needed > held:
        raise ValueError(f"{what}: {needed} bytes needed, {held} given")
    return 0


cdef int _check_word(int word, int up, int down) except -1:
    if word not in (1, 2, 4, 8):
        raise ValueError(f"word={word}: expected 1, 2, 4 or 8")
    if not 0 <= up < 8 * word or not 0 <= down < 8 * word:
        raise ValueError(f"shifts {up} and {down} of words of {8 * word} bits")
    return 0


def unpack_words(source, target, int word, *, bint swapped=False, int up=0, int down=0, bint signed=False):
    """Fill ``target`` with the stored values of as many words of ``source``.

    word: 1, 2, 4 or 8 bytes of a word on both sides; swapped: those of ``source`` are not in the host's byte order;
    up: unused bits above the high bit; down: all unused bits, shifted in from the left as copies of the sign if
    ``signed``.  ``source`` may have any alignment, ``target`` that of its words.
    """
    cdef _Pair pair = _pair(source, target)
    cdef const uint8_t* data
    cdef uint8_t* to
    cdef size_t count
    _check_word(word, up, down)
    count = <size_t>(pair.target.len // word)
    _check("source", <Py_ssize_t>count * word, pair.source.len)
    to, data = <uint8_t*>pair.target.buf, <const uint8_t*>pair.source.buf
    with nogil:
        dw_unpack_words(to, data, count, word, swapped, up, down, signed)


def words_are_clean(source, int word, *, int up=0, int down=0, bint signed=False) -> bool:
    """Whether the words of ``source``, in the host's byte order, are what unpack_words would make of them."""
    cdef _Pair pair = _pair(source, None)
    cdef const uint8_t* data = <const uint8_t*>pair.source.buf
    cdef size_t count
    cdef bint clean
    _check_word(word, up, down)
    count = <size_t>(pair.source.len // word)
    with nogil:
        clean = dw_words_are_clean(data, count, word, up, down, signed)
    return clean


def unpack_bits(source, target, *, int skip=0):
    """Fill ``target`` with one byte, 0 or 1, for each bit of ``source`` after the first ``skip`` (0 to 7).

    The least significant bit of a byte comes first.
    """
    cdef _Pair pair = _pair(source, target)
    cdef const uint8_t* data = <const uint8_t*>pair.source.buf
    cdef uint8_t* to = <uint8_t*>pair.target.buf
    cdef Py_ssize_t count = pair.target.len
    if not 0 <= skip < 8:
        raise ValueError(f"skip={skip}: expected 0 to 7")
    _check("source", (count + skip + 7) // 8, pair.source.len)
    with nogil:
        dw_unpack_bits(to, data, <size_t>count, skip)


def unpack_12(source, target, *, bint odd=False):
    """Fill ``target``, words of 16 bits, with pixels of 12 bits, two in three bytes of ``source``.

    odd: the first pixel begins in the upper half of the first byte.  The first of two pixels is in the low bits, as
    words that are written one after the other have it (PS3.5 section 8.1.1, in editions that allow 12 bits allocated).
    """
    cdef _Pair pair = _pair(source, target)
    cdef const uint8_t* data = <const uint8_t*>pair.source.buf
    cdef uint16_t* to = <uint16_t*>pair.target.buf
    cdef Py_ssize_t count = pair.target.len // 2
    _check("source", (count * 12 + (4 if odd else 0) + 7) // 8, pair.source.len)
    with nogil:
        dw_unpack_12(to, data, <size_t>count, odd)


def interleave(source, target, int planes, int word, *, Py_ssize_t frames=1):
    """Fill ``target`` with the samples of each pixel side by side, of ``frames`` images whose planes follow each other.

    word: 1, 2, 4 or 8 bytes a sample.
    """
    cdef _Pair pair = _pair(source, target)
    cdef const uint8_t* data = <const uint8_t*>pair.source.buf
    cdef uint8_t* to = <uint8_t*>pair.target.buf
    cdef Py_ssize_t i, size, pixels
    _check_word(word, 0, 0)
    if not 1 <= planes <= MOST_PLANES or frames < 1:
        raise ValueError(f"planes={planes}, frames={frames}: expected 1 to {MOST_PLANES}, and 1 or more")
    pixels = pair.target.len // word // planes // frames
    size = pixels * planes * word
    _check("source", size * frames, pair.source.len)
    with nogil:
        for i in range(frames):
            dw_interleave(to + i * size, data + i * size, <size_t>pixels, planes, word)


def upsample_422(source, target, int word):
    """Fill ``target`` with Y, CB, CR of each pixel from Y, Y, CB, CR of each two (PS3.3 section C.7.6.3.1.2).

    word: 1 or 2 bytes a sample.
    """
    cdef _Pair pair = _pair(source, target)
    cdef const uint8_t* data = <const uint8_t*>pair.source.buf
    cdef void* to = pair.target.buf
    cdef Py_ssize_t pairs
    if word not in (1, 2):
        raise ValueError(f"word={word}: expected 1 or 2")
    pairs = pair.target.len // (6 * word)
    _check("source", pairs * 4 * word, pair.source.len)
    with nogil:
        dw_upsample_422(to, data, <size_t>pairs, word)
