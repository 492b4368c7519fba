/* Segments of RLE (PS3.5 Annex G): byte runs in, byte planes out, and the other way. */
#ifndef DICOMWIRE_RLE_H
#define DICOMWIRE_RLE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "bswap.h"
#include "clones.h"
#include "unpack.h"

#define DW_RUN 128                          /* bytes of the longest run */
#define DW_RLE_BLOCK 4096                   /* pixels that are decoded at once */
#define DW_RLE_SLACK (2 * DW_RUN)           /* of a run over the end of a block, and of what is written behind that */
#define DW_RLE_STRIDE (DW_RLE_BLOCK + DW_RLE_SLACK)

/* Fixed sizes, so that a copy is a few moves and no call; a wrong guess of the processor costs more than moves do. */
static inline void dw_copy_run(uint8_t *to, const uint8_t *from, size_t size) {
    memcpy(to, from, 64);
    if (size > 64)
        memcpy(to + 64, from + 64, 64);
}

static inline void dw_fill_run(uint8_t *to, uint8_t byte, size_t size) {
    memset(to, byte, 64);
    if (size > 64)
        memset(to + 64, byte, 64);
}

/* A segment that is decoded a piece at a time. */
typedef struct {
    const uint8_t *from, *stop;
    size_t held;            /* bytes that were decoded and not used yet */
} DwRleSegment;

/* Decode whole runs of a segment until its plane holds size bytes, or more by a part of a run, or the segment ends.
 * The plane has room for size and DW_RLE_SLACK bytes: more is written than a run has, and the next one writes over it. */
static inline void dw_rle_fill(DwRleSegment *segment, uint8_t *plane, size_t size) {
    uint8_t *at = plane + segment->held, *const end = plane + size;
    const uint8_t *from = segment->from, *const stop = segment->stop;
    while (at < end && stop - from > DW_RUN) {
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
            const size_t rest = (size_t)(stop - from), run = code + 1 < rest ? code + 1 : rest;
            memcpy(at, from, run);
            from += run;
            at += run;
        } else if (code > 128 && from < stop) {
            memset(at, *from++, 257 - code);
            at += 257 - code;
        }
    }
    segment->from = from;
    segment->held = (size_t)(at - plane);
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

/* The same for any number of samples and bytes; planes lie stride bytes apart. */
static inline void dw_join(uint8_t *to, const uint8_t *planes, size_t stride, size_t count, int word, int samples) {
    for (int s = 0; s < samples; s++)
        for (int b = 0; b < word; b++) {
            const uint8_t *from = planes + (size_t)(s * word + b) * stride;
            uint8_t *at = to + s * word + (DW_BIG_ENDIAN_HOST ? b : word - 1 - b);
            for (size_t i = 0; i < count; i++, at += samples * word)
                *at = from[i];
        }
}

/* Decode the segments of a frame of count pixels into words in the host's order, block by block, so that planes never
 * leave the nearest cache; blocks has room for DW_RLE_STRIDE bytes for each segment.  Returns count, or how many bytes
 * the segment has that ends too early, and its number in bad. */
static inline size_t dw_rle_decode(uint8_t *to, size_t count, DwRleSegment *segments, uint8_t *blocks, int samples,
                                   int word, int up, int down, int is_signed, int *bad) {
    const int number = samples * word;
    for (size_t done = 0; done < count;) {
        const size_t size = count - done < DW_RLE_BLOCK ? count - done : DW_RLE_BLOCK;
        for (int i = 0; i < number; i++) {
            dw_rle_fill(segments + i, blocks + (size_t)i * DW_RLE_STRIDE, size);
            if (segments[i].held < size) {
                *bad = i;
                return done + segments[i].held;
            }
        }
        if (number == 1)
            memcpy(to, blocks, size);
        else if (number == 2 && word == 2)
            dw_join_2((uint16_t *)to, blocks, blocks + DW_RLE_STRIDE, size, up, down, is_signed);
        else if (number == 3)
            dw_interleave3_8(to, blocks, blocks + DW_RLE_STRIDE, blocks + 2 * DW_RLE_STRIDE, size);
        else
            dw_join(to, blocks, DW_RLE_STRIDE, size, word, samples);
        if (down && !(number == 2 && word == 2))
            dw_mask_words(to, size * (size_t)samples, word, up, down, is_signed);
        for (int i = 0; i < number; i++) {
            uint8_t *block = blocks + (size_t)i * DW_RLE_STRIDE;
            segments[i].held -= size;
            memmove(block, block + size, segments[i].held);
        }
        to += size * (size_t)number;
        done += size;
    }
    return count;
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
