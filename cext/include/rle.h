/* Segments of RLE (PS3.5 Annex G): byte runs in, byte planes out, and the other way. */
#ifndef DICOMWIRE_RLE_H
#define DICOMWIRE_RLE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "clones.h"

#define DW_RUN 128      /* bytes of the longest run */

/* Fixed sizes, so that a copy is a few moves and no call. */
static inline void dw_copy_run(uint8_t *to, const uint8_t *from, size_t size) {
    memcpy(to, from, 32);
    if (size > 32) {
        memcpy(to + 32, from + 32, 32);
        if (size > 64)
            memcpy(to + 64, from + 64, 64);
    }
}

static inline void dw_fill_run(uint8_t *to, uint8_t byte, size_t size) {
    memset(to, byte, 32);
    if (size > 32) {
        memset(to + 32, byte, 32);
        if (size > 64)
            memset(to + 64, byte, 64);
    }
}

/* Decode a segment into size bytes; how many of them it filled.  Runs over the end of either side are cut off. */
static inline size_t dw_rle_decode(uint8_t *restrict to, size_t size, const uint8_t *restrict from, size_t length) {
    uint8_t *at = to, *const end = to + size;
    const uint8_t *const stop = from + length;
    /* Where a whole run fits on both sides, more may be written than it has: the next one writes over it. */
    while (end - at >= DW_RUN && stop - from > DW_RUN) {
        const unsigned code = *from++;
        if (code < 128) {
            dw_copy_run(at, from, code + 1);
            from += code + 1;
            at += code + 1;
        } else if (code > 128) {
            dw_fill_run(at, *from++, 257 - code);
            at += 257 - code;
        }
    }
    while (at < end && from < stop) {
        const unsigned code = *from++;
        if (code < 128) {
            size_t run = code + 1;
            if (run > (size_t)(stop - from))
                run = (size_t)(stop - from);
            if (run > (size_t)(end - at))
                run = (size_t)(end - at);
            memcpy(at, from, run);
            from += run;
            at += run;
        } else if (code > 128 && from < stop) {
            size_t run = 257 - code;
            if (run > (size_t)(end - at))
                run = (size_t)(end - at);
            memset(at, *from++, run);
            at += run;
        }
    }
    return (size_t)(at - to);
}

/* Planes of bytes, the most significant first, to words in the host's order, without what is in unused bits. */
static DW_CLONES void dw_join_u16(uint16_t *restrict to, const uint8_t *restrict high, const uint8_t *restrict low,
                                  size_t count, int up, int down) {
    for (size_t i = 0; i < count; i++)
        to[i] = (uint16_t)((uint16_t)((high[i] << 8 | low[i]) << up) >> down);
}

static DW_CLONES void dw_join_i16(uint16_t *restrict to, const uint8_t *restrict high, const uint8_t *restrict low,
                                  size_t count, int up, int down) {
    for (size_t i = 0; i < count; i++)
        to[i] = (uint16_t)((int16_t)(uint16_t)((high[i] << 8 | low[i]) << up) >> down);
}

static inline void dw_join_2(uint16_t *to, const uint8_t *high, const uint8_t *low, size_t count, int up, int down,
                             int is_signed) {
    if (is_signed)
        dw_join_i16(to, high, low, count, up, down);
    else
        dw_join_u16(to, high, low, count, up, down);
}

static inline void dw_join(uint8_t *to, const uint8_t *planes, size_t count, int word, int samples, int is_little) {
    for (int s = 0; s < samples; s++)
        for (int b = 0; b < word; b++) {
            const uint8_t *from = planes + (size_t)(s * word + b) * count;
            uint8_t *at = to + s * word + (is_little ? word - 1 - b : b);
            for (size_t i = 0; i < count; i++, at += samples * word)
                *at = from[i];
        }
}

/* Encode one row of bytes; to has room for length + length / 128 + 1 bytes.  Returns the bytes written. */
static inline size_t dw_rle_encode(uint8_t *restrict to, const uint8_t *restrict from, size_t length) {
    uint8_t *at = to;
    size_t i = 0, literal = 0;      /* literal: where bytes begin that are in no run yet */
    while (i < length) {
        size_t run = 1;
        while (i + run < length && run < DW_RUN && from[i + run] == from[i])
            run++;
        /* Two equal bytes are worth a run only where no literal one is open: it would have to begin anew. */
        if (run >= 3 || (run == 2 && literal == i)) {
            while (literal < i) {
                const size_t n = i - literal < DW_RUN ? i - literal : DW_RUN;
                *at++ = (uint8_t)(n - 1);
                memcpy(at, from + literal, n);
                at += n;
                literal += n;
            }
            *at++ = (uint8_t)(257 - run);
            *at++ = from[i];
            i += run;
            literal = i;
        } else {
            i += run;
        }
    }
    while (literal < length) {
        const size_t n = length - literal < DW_RUN ? length - literal : DW_RUN;
        *at++ = (uint8_t)(n - 1);
        memcpy(at, from + literal, n);
        at += n;
        literal += n;
    }
    return (size_t)(at - to);
}

#endif
