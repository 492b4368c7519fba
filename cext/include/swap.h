/* Words of a value in the other byte order (PS3.5 section 7.3).
 *
 * Plain loops over loads and stores of one width: compilers turn them into vector code, which keeps up with memory. */
#ifndef DICOMWIRE_SWAP_H
#define DICOMWIRE_SWAP_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "bswap.h"
#include "vr_traits.h"

#define DW_SWAP(bits)                                                                                      \
    static inline void dw_swap##bits(uint8_t *restrict to, const uint8_t *restrict from, size_t words) {   \
        for (size_t i = 0; i < words; i++) {                                                               \
            uint##bits##_t x;                                                                              \
            memcpy(&x, from + i * sizeof x, sizeof x);                                                     \
            x = DW_BSWAP##bits(x);                                                                         \
            memcpy(to + i * sizeof x, &x, sizeof x);                                                       \
        }                                                                                                  \
    }

DW_SWAP(16)
DW_SWAP(32)
DW_SWAP(64)

#undef DW_SWAP

/* Copy size bytes, whole words of them swapped; what is left over is copied as it is.  The two must not overlap. */
static inline void dw_swap_words(uint8_t *restrict to, const uint8_t *restrict from, size_t size, int word) {
    const size_t rest = word > 1 ? size & (size_t)(word - 1) : size;
    if (word == 2)
        dw_swap16(to, from, size / 2);
    else if (word == 4)
        dw_swap32(to, from, size / 4);
    else if (word == 8)
        dw_swap64(to, from, size / 8);
    if (rest)
        memcpy(to + (size - rest), from + (size - rest), rest);
}

/* Bytes of the words that values of a VR consist of, 1 where byte order does not matter (PS3.5 section 7.3). */
static inline int dw_word_of(uint16_t vr) {
    switch (vr) {
    case DW_VR_US: case DW_VR_SS: case DW_VR_OW: case DW_VR_AT:
        return 2;
    case DW_VR_UL: case DW_VR_SL: case DW_VR_FL: case DW_VR_OF: case DW_VR_OL:
        return 4;
    case DW_VR_FD: case DW_VR_SV: case DW_VR_UV: case DW_VR_OD: case DW_VR_OV:
        return 8;
    default:
        return 1;
    }
}

#endif
