/* YBR to RGB of samples side by side (PS3.3 section C.7.6.3.1.2).
 *
 * R = y + r * (CR - half), G = y - g_b * (CB - half) - g_r * (CR - half), B = y + b * (CB - half), y = scale * (Y - foot),
 * in fixed point of DW_COLOUR_BITS; halves are rounded up.  For 8 bits red and blue are those of exact arithmetic, green
 * is one off where it is within a millionth of a half: a test goes through all colours. */
#ifndef DICOMWIRE_COLOUR_H
#define DICOMWIRE_COLOUR_H

#include <stdint.h>
#include <string.h>

#include "bswap.h"
#include "clones.h"

#define DW_COLOUR_BITS 20
/* A half, and for red and blue more than what 128 coefficients are wrong by: true halves are rounded up, too. */
#define DW_MORE 64
#define DW_HALF ((1 << (DW_COLOUR_BITS - 1)) + DW_MORE)

typedef struct {
    int32_t scale, foot, r, g_b, g_r, b;
} DwColour;

static inline int32_t dw_clamp(int32_t x, int32_t most) { return x < 0 ? 0 : x > most ? most : x; }

#define DW_RED(y, cr) dw_clamp(((y) + c.r * (cr)) >> DW_COLOUR_BITS, 255)
#define DW_GREEN(y, cb, cr) dw_clamp(((y) - DW_MORE - c.g_b * (cb) - c.g_r * (cr)) >> DW_COLOUR_BITS, 255)
#define DW_BLUE(y, cb) dw_clamp(((y) + c.b * (cb)) >> DW_COLOUR_BITS, 255)
#define DW_LUMA(x) (c.scale * ((int32_t)(x) - c.foot) + DW_HALF)

static DW_CLONES void dw_ybr_to_rgb_8(uint8_t *restrict to, const uint8_t *restrict from, size_t pixels, const DwColour *colour) {
    const DwColour c = *colour;
    for (size_t i = 0; i < pixels; i++) {
        const int32_t y = DW_LUMA(from[3 * i]), cb = from[3 * i + 1] - 128, cr = from[3 * i + 2] - 128;
        to[3 * i] = (uint8_t)DW_RED(y, cr);
        to[3 * i + 1] = (uint8_t)DW_GREEN(y, cb, cr);
        to[3 * i + 2] = (uint8_t)DW_BLUE(y, cb);
    }
}

#define DW_PAIRS 256     /* pairs of pixels that are worked on at once */

/* Y Y CB CR of two pixels, as a number: sums in lanes of 32 bits, which need no shuffles.  Six bytes are the lower ones of
 * eight; the two others are written over by the next pair. */
static DW_CLONES void dw_pairs_to_rgb(uint32_t *restrict low, uint32_t *restrict high, const uint32_t *restrict from,
                                      size_t pairs, const DwColour *colour) {
    const DwColour c = *colour;
    for (size_t i = 0; i < pairs; i++) {
        const int32_t y = DW_LUMA(from[i] & 0xFF), z = DW_LUMA(from[i] >> 8 & 0xFF);
        const int32_t cb = (int32_t)(from[i] >> 16 & 0xFF) - 128, cr = (int32_t)(from[i] >> 24) - 128;
        const int32_t red = c.r * cr, green = c.g_b * cb + c.g_r * cr + DW_MORE, blue = c.b * cb;
        low[i] = (uint32_t)dw_clamp((y + red) >> DW_COLOUR_BITS, 255)
                 | (uint32_t)dw_clamp((y - green) >> DW_COLOUR_BITS, 255) << 8
                 | (uint32_t)dw_clamp((y + blue) >> DW_COLOUR_BITS, 255) << 16
                 | (uint32_t)dw_clamp((z + red) >> DW_COLOUR_BITS, 255) << 24;
        high[i] = (uint32_t)dw_clamp((z - green) >> DW_COLOUR_BITS, 255)
                  | (uint32_t)dw_clamp((z + blue) >> DW_COLOUR_BITS, 255) << 8;
    }
}

static inline void dw_ybr422_to_rgb_8(uint8_t *restrict to, const uint8_t *restrict from, size_t pairs, const DwColour *colour) {
    uint32_t in[DW_PAIRS], low[DW_PAIRS], high[DW_PAIRS];
    while (pairs) {
        const size_t n = pairs < DW_PAIRS ? pairs : DW_PAIRS;
        size_t i;
        for (i = 0; i < n; i++)
            in[i] = dw_load32le(from + 4 * i);
        dw_pairs_to_rgb(low, high, in, n, colour);
        for (i = 0; i + 1 < n; i++) {
            dw_store32le(to + 6 * i, low[i]);
            dw_store32le(to + 6 * i + 4, high[i]);
        }
        dw_store32le(to + 6 * i, low[i]);
        to[6 * i + 4] = (uint8_t)high[i];
        to[6 * i + 5] = (uint8_t)(high[i] >> 8);
        to += 6 * n;
        from += 4 * n;
        pairs -= n;
    }
}

/* Words of 16 bits of which stored are used; foot counts for 8 bits. */
static inline void dw_ybr_to_rgb_16(uint16_t *to, const uint16_t *from, size_t pixels, int stored, const DwColour *c) {
    const int64_t most = ((int64_t)1 << stored) - 1, half = (int64_t)1 << (stored - 1), round = DW_HALF;
    const int64_t foot = stored >= 8 ? (int64_t)c->foot << (stored - 8) : c->foot >> (8 - stored);
    for (size_t i = 0; i < pixels; i++) {
        const int64_t y = c->scale * (from[3 * i] - foot) + round;
        const int64_t cb = from[3 * i + 1] - half, cr = from[3 * i + 2] - half;
        int64_t rgb[3];
        rgb[0] = (y + c->r * cr) >> DW_COLOUR_BITS;
        rgb[1] = (y - DW_MORE - c->g_b * cb - c->g_r * cr) >> DW_COLOUR_BITS;
        rgb[2] = (y + c->b * cb) >> DW_COLOUR_BITS;
        for (int k = 0; k < 3; k++)
            to[3 * i + (size_t)k] = (uint16_t)(rgb[k] < 0 ? 0 : rgb[k] > most ? most : rgb[k]);
    }
}

#endif
