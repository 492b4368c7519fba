/* Which of the bytes at a place are one of three: one pass finds the field separators and the ends of HL7's segments. */
#ifndef DICOMWIRE_SEPARATORS_H
#define DICOMWIRE_SEPARATORS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define DW_SEPARATOR_STRIDE 16

/* A bit for each of the 16 bytes at p, the first byte's lowest: set if it is field, CR or LF. */
static inline uint32_t dw_separators(const uint8_t *p, uint8_t field) {
#if defined(__SSE2__)
    const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    const __m128i found = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8((char)field)),
                                       _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\r')),
                                                    _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\n'))));
    return (uint32_t)_mm_movemask_epi8(found);
#else
    uint32_t found = 0;
    int k;
    for (k = 0; k < DW_SEPARATOR_STRIDE; k++)
        found |= (uint32_t)(p[k] == field || p[k] == '\r' || p[k] == '\n') << k;
    return found;
#endif
}

/* The number of the lowest bit set; bits is not 0. */
static inline int dw_lowest_bit(uint32_t bits) {
#if defined(__GNUC__) || defined(__clang__)
    return __builtin_ctz(bits);
#else
    int k = 0;
    while (!(bits >> k & 1)) k++;
    return k;
#endif
}

#endif
