/* Native pixel data to one sample a word (PS3.5 section 8.1.1): byte order, unused bits, packed pixels, planes.
 *
 * One pass each, from bytes at any alignment to memory that does not overlap them.  The loops are written for the
 * compiler's vectorizer; tests/cext/test_unpack.py asks it what it made of them. */
#ifndef DICOMWIRE_UNPACK_H
#define DICOMWIRE_UNPACK_H

#include <stdint.h>
#include <string.h>

#include "bswap.h"
#include "clones.h"

#if defined(_MSC_VER)
#define DW_PREFETCH(p) ((void)(p))
#else
#define DW_PREFETCH(p) __builtin_prefetch(p)
#endif

#define DW_PAGE 4096
#define DW_SAME(x) (x)

/* A stored value out of a word: what lies above the high bit is shifted out, then what lies below; the second shift
 * repeats the sign of signed ones. */
#define DW_SHIFTED(name, word, kind, turned)                                                                     \
    static DW_CLONES void name(word *restrict to, const uint8_t *restrict from, size_t count, int up, int down) { \
        for (size_t i = 0; i < count; i++) {                                                                     \
            word x;                                                                                              \
            memcpy(&x, from + i * sizeof x, sizeof x);                                                           \
            to[i] = (word)((kind)(word)(turned(x) << up) >> down);                                               \
        }                                                                                                        \
    }

DW_SHIFTED(dw_shift_u8, uint8_t, uint8_t, DW_SAME)
DW_SHIFTED(dw_shift_i8, uint8_t, int8_t, DW_SAME)
DW_SHIFTED(dw_shift_u16, uint16_t, uint16_t, DW_SAME)
DW_SHIFTED(dw_shift_i16, uint16_t, int16_t, DW_SAME)
DW_SHIFTED(dw_shift_u32, uint32_t, uint32_t, DW_SAME)
DW_SHIFTED(dw_shift_i32, uint32_t, int32_t, DW_SAME)
DW_SHIFTED(dw_shift_u64, uint64_t, uint64_t, DW_SAME)
DW_SHIFTED(dw_shift_i64, uint64_t, int64_t, DW_SAME)
DW_SHIFTED(dw_shift_swapped_u16, uint16_t, uint16_t, DW_BSWAP16)
DW_SHIFTED(dw_shift_swapped_i16, uint16_t, int16_t, DW_BSWAP16)
DW_SHIFTED(dw_shift_swapped_u32, uint32_t, uint32_t, DW_BSWAP32)
DW_SHIFTED(dw_shift_swapped_i32, uint32_t, int32_t, DW_BSWAP32)
DW_SHIFTED(dw_shift_swapped_u64, uint64_t, uint64_t, DW_BSWAP64)
DW_SHIFTED(dw_shift_swapped_i64, uint64_t, int64_t, DW_BSWAP64)

#define DW_TURNED(name, word, turned)                                                              \
    static DW_CLONES void name(word *restrict to, const uint8_t *restrict from, size_t count) {    \
        for (size_t i = 0; i < count; i++) {                                                       \
            word x;                                                                                \
            memcpy(&x, from + i * sizeof x, sizeof x);                                             \
            to[i] = (word)turned(x);                                                               \
        }                                                                                          \
    }

DW_TURNED(dw_turn_16, uint16_t, DW_BSWAP16)
DW_TURNED(dw_turn_32, uint32_t, DW_BSWAP32)
DW_TURNED(dw_turn_64, uint64_t, DW_BSWAP64)

static inline void dw_unpack_page(void *to, const uint8_t *from, size_t count, int word, int is_swapped, int up,
                                  int down, int is_signed) {
    if (up == 0 && down == 0) {
        if (word == 2)
            dw_turn_16((uint16_t *)to, from, count);
        else if (word == 4)
            dw_turn_32((uint32_t *)to, from, count);
        else if (word == 8)
            dw_turn_64((uint64_t *)to, from, count);
        return;
    }
    switch (word << 2 | (is_swapped ? 2 : 0) | (is_signed ? 1 : 0)) {
    case 4: case 6: dw_shift_u8((uint8_t *)to, from, count, up, down); break;
    case 5: case 7: dw_shift_i8((uint8_t *)to, from, count, up, down); break;
    case 8: dw_shift_u16((uint16_t *)to, from, count, up, down); break;
    case 9: dw_shift_i16((uint16_t *)to, from, count, up, down); break;
    case 10: dw_shift_swapped_u16((uint16_t *)to, from, count, up, down); break;
    case 11: dw_shift_swapped_i16((uint16_t *)to, from, count, up, down); break;
    case 16: dw_shift_u32((uint32_t *)to, from, count, up, down); break;
    case 17: dw_shift_i32((uint32_t *)to, from, count, up, down); break;
    case 18: dw_shift_swapped_u32((uint32_t *)to, from, count, up, down); break;
    case 19: dw_shift_swapped_i32((uint32_t *)to, from, count, up, down); break;
    case 32: dw_shift_u64((uint64_t *)to, from, count, up, down); break;
    case 33: dw_shift_i64((uint64_t *)to, from, count, up, down); break;
    case 34: dw_shift_swapped_u64((uint64_t *)to, from, count, up, down); break;
    case 35: dw_shift_swapped_i64((uint64_t *)to, from, count, up, down); break;
    default: break;
    }
}

/* Words of 1, 2, 4 or 8 bytes, in the other byte order if is_swapped, with values in the bits that the shifts leave. */
static inline void dw_unpack_words(void *to, const uint8_t *from, size_t count, int word, int is_swapped, int up,
                                   int down, int is_signed) {
    const size_t step = DW_PAGE / (size_t)word;
    uint8_t *at = (uint8_t *)to;
    if (up == 0 && down == 0 && (word == 1 || !is_swapped)) {
        memcpy(to, from, count * (size_t)word);
        return;
    }
    while (count) {
        const size_t n = count < step ? count : step;
        /* The processor fetches ahead up to the end of a page, of both sides. */
        if (count > 3 * step)
            for (size_t i = 0; i < DW_PAGE; i += 64) {
                DW_PREFETCH(from + 2 * DW_PAGE + i);
                DW_PREFETCH(at + 2 * DW_PAGE + i);
            }
        dw_unpack_page(at, from, n, word, is_swapped, up, down, is_signed);
        at += n * (size_t)word;
        from += n * (size_t)word;
        count -= n;
    }
}

/* The same where the words are, in the host's order. */
static inline void dw_mask_words(uint8_t *words, size_t count, int word, int up, int down, int is_signed) {
    uint64_t block[512];
    const size_t step = sizeof block / (size_t)word;
    while (count) {
        const size_t n = count < step ? count : step;
        dw_unpack_words(block, words, n, word, 0, up, down, is_signed);
        memcpy(words, block, n * (size_t)word);
        words += n * (size_t)word;
        count -= n;
    }
}

/* All bits that are set in any word of a run, after a number was added to each. */
#define DW_ANY(name, word)                                                                         \
    static DW_CLONES word name(const uint8_t *from, size_t count, word added) {                    \
        word any = 0;                                                                              \
        for (size_t i = 0; i < count; i++) {                                                       \
            word x;                                                                                \
            memcpy(&x, from + i * sizeof x, sizeof x);                                             \
            any |= (word)(x + added);                                                              \
        }                                                                                          \
        return any;                                                                                \
    }

DW_ANY(dw_any_8, uint8_t)
DW_ANY(dw_any_16, uint16_t)
DW_ANY(dw_any_32, uint32_t)
DW_ANY(dw_any_64, uint64_t)

/* Whether words in the host's byte order hold their values as the shifts would leave them: what lies in the low bits
 * does that where nothing is above it, and of signed ones after half of the range was added.  Where the shifts move
 * values, those stay that are all zeros, or all ones where the sign comes in. */
static inline int dw_words_are_clean(const uint8_t *from, size_t count, int word, int up, int down, int is_signed) {
    const size_t step = DW_PAGE / (size_t)word;
    const int bits = up == down ? 8 * word - down : is_signed && up < down;
    const uint64_t added = is_signed && bits ? (uint64_t)1 << (bits - 1) : 0;
    const uint64_t over = bits < 64 ? ~(uint64_t)0 << bits : 0;
    while (count) {
        const size_t n = count < step ? count : step;
        uint64_t any;
        /* What is mapped comes with a miss of the page tables for each page, which the processor does not foresee. */
        if (count > 3 * step)
            for (size_t i = 0; i < DW_PAGE; i += 64)
                DW_PREFETCH(from + 2 * DW_PAGE + i);
        switch (word) {
        case 1: any = dw_any_8(from, n, (uint8_t)added); break;
        case 2: any = dw_any_16(from, n, (uint16_t)added); break;
        case 4: any = dw_any_32(from, n, (uint32_t)added); break;
        default: any = dw_any_64(from, n, added); break;
        }
        if (any & over)
            return 0;
        from += n * (size_t)word;
        count -= n;
    }
    return 1;
}

/* Eight bits as eight bytes of 0 or 1, the least significant first.  The products put bits 0 to 6 seven places apart, so
 * that none of them meets a carry. */
static inline uint64_t dw_spread_bits(uint64_t byte) {
    return ((byte & 0x7F) * 0x0002040810204081u & 0x0001010101010101u) | byte >> 7 << 56;
}

static inline void dw_store_spread(uint8_t *to, uint64_t byte) {
    const uint64_t x = dw_spread_bits(byte);
#if DW_BIG_ENDIAN_HOST
    for (int k = 0; k < 8; k++)
        to[k] = (uint8_t)(x >> 8 * k);
#else
    memcpy(to, &x, sizeof x);
#endif
}

static inline void dw_spread_bytes(uint8_t *restrict to, const uint8_t *restrict from, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        dw_store_spread(to + 8 * i, from[i]);
}

#ifdef DW_AVX2
/* Each byte eight times over, and of each copy another bit. */
__attribute__((target("avx2"))) static void dw_spread_bytes_avx2(uint8_t *restrict to, const uint8_t *restrict from, size_t bytes) {
    const __m256i places = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1,
                                            2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
    const __m256i bits = _mm256_set1_epi64x((long long)0x8040201008040201u), one = _mm256_set1_epi8(1);
    size_t i = 0;
    for (; i + 4 <= bytes; i += 4) {
        int32_t four;
        __m256i x;
        memcpy(&four, from + i, sizeof four);
        x = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32(four), places), bits);
        _mm256_storeu_si256((__m256i *)(to + 8 * i), _mm256_min_epu8(x, one));
    }
    dw_spread_bytes(to + 8 * i, from + i, bytes - i);
}
#endif

/* Pixels of one bit, the first in bit number skip (0 to 7) of the first byte; reads no byte that has none of them. */
static inline void dw_unpack_bits(uint8_t *restrict to, const uint8_t *restrict from, size_t count, int skip) {
    enum { BLOCK = DW_PAGE / 8 };
    uint8_t shifted[BLOCK];
    const size_t bytes = count / 8;
    size_t i = 0, n;
    while (i < bytes) {
        const uint8_t *whole = from + i;
        n = bytes - i < BLOCK ? bytes - i : BLOCK;
        if (bytes - i > 3 * BLOCK)
            for (size_t k = 0; k < DW_PAGE; k += 64)
                DW_PREFETCH(to + 8 * i + 2 * DW_PAGE + k);
        if (skip) {
            for (size_t k = 0; k < n; k++)
                shifted[k] = (uint8_t)(whole[k] >> skip | whole[k + 1] << (8 - skip));
            whole = shifted;
        }
#ifdef DW_AVX2
        if (__builtin_cpu_supports("avx2"))
            dw_spread_bytes_avx2(to + 8 * i, whole, n);
        else
#endif
            dw_spread_bytes(to + 8 * i, whole, n);
        i += n;
    }
    for (i = bytes * 8; i < count; i++)
        to[i] = from[(i + (size_t)skip) / 8] >> (i + (size_t)skip) % 8 & 1;
}

/* Pairs of pixels of 12 bits in three bytes, the first in the low ones. */
static DW_CLONES void dw_unpack_pairs12(uint16_t *restrict to, const uint8_t *restrict from, size_t pairs) {
    for (size_t i = 0; i < pairs; i++) {
        const unsigned a = from[3 * i], b = from[3 * i + 1], c = from[3 * i + 2];
        to[2 * i] = (uint16_t)(a | (b & 15) << 8);
        to[2 * i + 1] = (uint16_t)(b >> 4 | c << 4);
    }
}

/* Pixels of 12 bits; is_odd: the first one begins in the middle of a byte. */
static inline void dw_unpack_12(uint16_t *restrict to, const uint8_t *restrict from, size_t count, int is_odd) {
    size_t pairs;
    if (is_odd && count) {
        *to++ = (uint16_t)(from[0] >> 4 | from[1] << 4);
        from += 2;
        count--;
    }
    pairs = count / 2;
    dw_unpack_pairs12(to, from, pairs);
    if (count & 1)
        to[count - 1] = (uint16_t)(from[3 * pairs] | (from[3 * pairs + 1] & 15) << 8);
}

#define DW_INTERLEAVE(bits)                                                                                        \
    static DW_CLONES void dw_interleave3_##bits(uint##bits##_t *restrict to, const uint8_t *restrict a,            \
                                                const uint8_t *restrict b, const uint8_t *restrict c, size_t count) { \
        for (size_t i = 0; i < count; i++) {                                                                       \
            memcpy(to + 3 * i, a + i * sizeof *to, sizeof *to);                                                    \
            memcpy(to + 3 * i + 1, b + i * sizeof *to, sizeof *to);                                                \
            memcpy(to + 3 * i + 2, c + i * sizeof *to, sizeof *to);                                                \
        }                                                                                                          \
    }

DW_INTERLEAVE(8)
DW_INTERLEAVE(16)
DW_INTERLEAVE(32)
DW_INTERLEAVE(64)

/* One plane after the other to samples of a pixel side by side: count pixels of as many planes. */
static inline void dw_interleave(void *to, const uint8_t *from, size_t count, int planes, int word) {
    const size_t plane = count * (size_t)word;
    if (planes == 3 && word == 1)
        dw_interleave3_8((uint8_t *)to, from, from + plane, from + 2 * plane, count);
    else if (planes == 3 && word == 2)
        dw_interleave3_16((uint16_t *)to, from, from + plane, from + 2 * plane, count);
    else if (planes == 3 && word == 4)
        dw_interleave3_32((uint32_t *)to, from, from + plane, from + 2 * plane, count);
    else if (planes == 3 && word == 8)
        dw_interleave3_64((uint64_t *)to, from, from + plane, from + 2 * plane, count);
    else
        for (int k = 0; k < planes; k++)
            for (size_t i = 0; i < count; i++)
                memcpy((uint8_t *)to + (i * (size_t)planes + (size_t)k) * (size_t)word,
                       from + (size_t)k * plane + i * (size_t)word, (size_t)word);
}

/* Y Y B R of two pixels to Y B R Y B R (PS3.3 section C.7.6.3.1.2). */
#define DW_UPSAMPLE(bits)                                                                                          \
    static DW_CLONES void dw_upsample_422_##bits(uint##bits##_t *restrict to, const uint8_t *restrict from, size_t pairs) { \
        for (size_t i = 0; i < pairs; i++) {                                                                       \
            uint##bits##_t x[4];                                                                                   \
            memcpy(x, from + i * sizeof x, sizeof x);                                                              \
            to[6 * i] = x[0];                                                                                      \
            to[6 * i + 1] = x[2];                                                                                  \
            to[6 * i + 2] = x[3];                                                                                  \
            to[6 * i + 3] = x[1];                                                                                  \
            to[6 * i + 4] = x[2];                                                                                  \
            to[6 * i + 5] = x[3];                                                                                  \
        }                                                                                                          \
    }

DW_UPSAMPLE(8)
DW_UPSAMPLE(16)

static inline void dw_upsample_422(void *to, const uint8_t *from, size_t pairs, int word) {
    if (word == 1)
        dw_upsample_422_8((uint8_t *)to, from, pairs);
    else
        dw_upsample_422_16((uint16_t *)to, from, pairs);
}

#endif
