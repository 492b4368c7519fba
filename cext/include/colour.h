/* YBR to RGB of samples side by side (PS3.3 section C.7.6.3.1.2).
 *
 * R = y + r * (CR - half), G = y - g_b * (CB - half) - g_r * (CR - half), B = y + b * (CB - half), y = scale * (Y - foot),
 * in fixed point of DW_COLOUR_BITS; halves are rounded up.  For 8 bits red and blue are those of exact arithmetic, green
 * is one off where it is within a millionth of a half: a test goes through all colours. */
#ifndef DICOMWIRE_COLOUR_H
#define DICOMWIRE_COLOUR_H

#include <stdint.h>
#include <string.h>

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

/* Y Y CB CR of two pixels. */
static DW_CLONES void dw_ybr422_to_rgb_8(uint8_t *restrict to, const uint8_t *restrict from, size_t pairs, const DwColour *colour) {
    const DwColour c = *colour;
    for (size_t i = 0; i < pairs; i++) {
        const int32_t y = DW_LUMA(from[4 * i]), z = DW_LUMA(from[4 * i + 1]);
        const int32_t cb = from[4 * i + 2] - 128, cr = from[4 * i + 3] - 128;
        to[6 * i] = (uint8_t)DW_RED(y, cr);
        to[6 * i + 1] = (uint8_t)DW_GREEN(y, cb, cr);
        to[6 * i + 2] = (uint8_t)DW_BLUE(y, cb);
        to[6 * i + 3] = (uint8_t)DW_RED(z, cr);
        to[6 * i + 4] = (uint8_t)DW_GREEN(z, cb, cr);
        to[6 * i + 5] = (uint8_t)DW_BLUE(z, cb);
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
