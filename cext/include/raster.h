/* Loops over the pixels of pictures: levels by tables, weighted sums of rows and of columns, and lines. */
#ifndef DICOMWIRE_RASTER_H
#define DICOMWIRE_RASTER_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "clones.h"

/* Bytes that a table of `entries` times `samples` has for values, the first entry for `low`; beyond its ends the last. */
#define DW_LOOK_UP(NAME, TYPE) \
    static void NAME(uint8_t *restrict to, const TYPE *restrict from, size_t count, const uint8_t *restrict table, \
                     int64_t entries, int64_t low, size_t samples) { \
        for (size_t i = 0; i < count; i++) { \
            const int64_t at = (int64_t)from[i] - low; \
            const size_t entry = at < 0 ? 0 : at < entries ? (size_t)at : (size_t)(entries - 1); \
            if (samples == 1) \
                to[i] = table[entry]; \
            else \
                for (size_t s = 0; s < samples; s++) \
                    to[i * samples + s] = table[entry * samples + s]; \
        } \
    }
DW_LOOK_UP(dw_look_up_u8, uint8_t)
DW_LOOK_UP(dw_look_up_i8, int8_t)
DW_LOOK_UP(dw_look_up_u16, uint16_t)
DW_LOOK_UP(dw_look_up_i16, int16_t)

/* Add a row of bytes, times a weight, to sums. */
static DW_CLONES void dw_add_row(float *restrict sums, const uint8_t *restrict row, size_t count, float weight) {
    for (size_t i = 0; i < count; i++)
        sums[i] += weight * (float)row[i];
}

/* Bytes of pixels that are made of `taps` neighbours each, from `first` on, by their weights; half is rounded up. */
static inline void dw_mix(uint8_t *restrict to, const float *restrict sums, const int64_t *restrict first,
                          const float *restrict weights, size_t pixels, size_t taps, size_t samples) {
    for (size_t i = 0; i < pixels; i++) {
        const float *from = sums + (size_t)first[i] * samples;
        for (size_t s = 0; s < samples; s++) {
            float sum = 0.5f;
            for (size_t k = 0; k < taps; k++)
                sum += weights[i * taps + k] * from[k * samples + s];
            to[i * samples + s] = (uint8_t)(int32_t)(sum < 0 ? 0 : sum < 255 ? sum : 255);
        }
    }
}

/* Of what becomes larger a pixel has two neighbours: known beforehand, that is twice as fast. */
static DW_CLONES void dw_mix_columns(uint8_t *restrict to, const float *restrict sums, const int64_t *restrict first,
                                     const float *restrict weights, size_t pixels, size_t taps, size_t samples) {
    if (taps == 2 && samples == 1)
        dw_mix(to, sums, first, weights, pixels, 2, 1);
    else if (taps == 2 && samples == 3)
        dw_mix(to, sums, first, weights, pixels, 2, 3);
    else if (samples == 1)
        dw_mix(to, sums, first, weights, pixels, taps, 1);
    else
        dw_mix(to, sums, first, weights, pixels, taps, samples);
}

/* The pixels of a straight line, each with the `pen` around it: pairs of x and y.  Both ends lie within 2^31 pixels. */
static void dw_draw_line(uint8_t *picture, int64_t rows, int64_t columns, size_t samples, const double *line,
                         const int64_t *pen, size_t strokes, const uint8_t *colour) {
    const double across = line[2] - line[0], down = line[3] - line[1];
    const double longest = fabs(across) > fabs(down) ? fabs(across) : fabs(down);
    /* Nearer than a pixel to each other, so that rounding skips none. */
    const int64_t steps = (int64_t)longest + 1;
    for (int64_t i = 0; i <= steps; i++) {
        const double part = (double)i / (double)steps;
        const int64_t x = (int64_t)floor(line[0] + part * across), y = (int64_t)floor(line[1] + part * down);
        for (size_t stroke = 0; stroke < strokes; stroke++) {
            const int64_t column = x + pen[2 * stroke], row = y + pen[2 * stroke + 1];
            if (column >= 0 && column < columns && row >= 0 && row < rows)
                for (size_t s = 0; s < samples; s++)
                    picture[((size_t)row * (size_t)columns + (size_t)column) * samples + s] = colour[s];
        }
    }
}

#endif
