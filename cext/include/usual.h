/* The usual headers of a data set, taken in a tight loop.
 *
 * A data set has hundreds of headers or hundreds of thousands, and nearly all of them have nothing wrong with them and
 * nothing to ask for.  They are taken here; everything that deserves a thought is left, at its header, to the loop in
 * tape.pyx: odd lengths, undefined ones where they do not belong, order, unknown VRs, missing delimiters, fragments,
 * the last bytes of a window.  One copy of the loop for each encoding, so that what a header needs stays in registers;
 * in C, since Cython has no way to ask for that.  PS3.5 sections 7.1 and 7.5. */
#ifndef DICOMWIRE_USUAL_H
#define DICOMWIRE_USUAL_H

#include "_tagindex.h"
#include "bswap.h"
#include "tape.h"
#include "vr_traits.h"

#if defined(_MSC_VER)
#define DW_INLINED __forceinline
#define DW_RARE(x) (x)
#else
#define DW_INLINED inline __attribute__((always_inline))
#define DW_RARE(x) __builtin_expect(!!(x), 0)
#endif

/* The VR of an element in implicit VR, as far as the dictionary alone decides; else 0. */
static DW_INLINED uint16_t dw_listed_vr(uint32_t tag, uint32_t length) {
    const uint16_t vr = dw_tag_vr(tag);
    return vr <= DW_VR_NONE || vr == DW_VR_UN || (length == DW_UNDEFINED && vr != DW_VR_SQ) ? 0 : vr;
}

static DW_INLINED void dw_write(DwTapeEntry *entry, uint64_t offset, uint64_t length, uint32_t tag, uint32_t next,
                                uint32_t parent, uint16_t vr, uint8_t header_size, uint8_t flags) {
    entry->offset = offset;
    entry->length = length;
    entry->tag = tag;
    entry->next = next;
    entry->parent = parent;
    entry->vr = vr;
    entry->header_size = header_size;
    entry->flags = flags;
}

static DW_INLINED void dw_take(DwStepper *s, const int encoding) {
    const int implicit = encoding & DW_IMPLICIT, big = encoding & DW_BIG_ENDIAN;
    const uint8_t *const base = s->base - s->start;     /* indexed by absolute offsets */
    DwFrame *frame = s->frames + s->depth;
    DwFrame *const deepest = s->frames + ((s->frame_capacity < s->max_depth ? s->frame_capacity : s->max_depth) - 1);
    DwTapeEntry *const entries = s->entries;
    DwTapeEntry *entry = entries + s->count;
    DwTapeEntry *const full = entries + s->capacity;
    const uint64_t sight = s->stop - s->start < 12 ? 0 : s->stop - 11;      /* a header here can be read */
    const uint32_t root_low = s->first_tag > 1 ? s->first_tag : 1;
    const uint32_t root_high =
        s->tag_span > 0xFFFDFFFFu - root_low ? 0xFFFDFFFFu : s->first_tag + s->tag_span;
    const uint32_t pause_at = s->pause_at ? s->pause_at : 0xFFFFFFFFu;
    uint64_t pos = s->pos, bound, edge, end;
    uint32_t index = s->count, parent, low, high, tag, length;
    uint64_t word;
    uint16_t vr;
    uint8_t size, traits;

    /* What is in the frame, in registers: where it ends, where the next header must begin, the tags that may come. */
#define DW_ENTERED()                                          \
    do {                                                      \
        bound = frame->bound;                                 \
        edge = bound < sight ? bound : sight;                 \
        parent = frame->entry;                                \
        low = frame->last_tag ? frame->last_tag : 1;          \
        high = 0xFFFDFFFFu;                                   \
        if (frame == s->frames) {                             \
            low = low > root_low ? low : root_low;            \
            high = root_high;                                 \
        }                                                     \
    } while (0)

#define DW_PUSH(ends, what, by_delimiter)                     \
    do {                                                      \
        const uint64_t inner_bound = (ends);                  \
        frame++;                                              \
        frame->bound = bound = inner_bound;                   \
        frame->entry = parent = index;                        \
        frame->last_tag = 0;                                  \
        frame->kind = (what);                                 \
        frame->encoding = (uint8_t)encoding;                  \
        frame->undefined = (by_delimiter);                    \
        edge = bound < sight ? bound : sight;                 \
        low = 1;                                              \
        high = 0xFFFDFFFFu;                                   \
        index++;                                              \
        entry++;                                              \
    } while (0)

    DW_ENTERED();
    if (frame->kind == DW_ITEMS) goto items;

elements:
    for (;;) {
        if (DW_RARE(entry == full)) goto out;
        if (pos >= edge) {
            if (pos < bound || frame->undefined || frame == s->frames) goto out;
            goto item_ends;
        }
        word = dw_load64le(base + pos);
        tag = big ? DW_BSWAP32((uint32_t)word) : (uint32_t)(word << 16) | (uint32_t)((word >> 16) & 0xFFFF);
        if (DW_RARE(tag < low || tag > high)) {
            if (tag != DW_ITEM_DELIMITER || word >> 32 || !frame->undefined || bound - pos < 8) goto out;
            entries[parent].length = pos - entries[parent].offset;
            pos += 8;
            goto item_ends;
        }
        if (implicit) {
            length = (uint32_t)(word >> 32);
            size = 8;
            vr = s->look_up && length != 0 ? dw_listed_vr(tag, length) : 0;
        } else {
            vr = (uint16_t)(word >> 32);
            traits = dw_vr_traits(vr);
            if (traits & DW_VR_LONG) {
                length = big ? dw_load32be(base + pos + 8) : dw_load32le(base + pos + 8);
                size = 12;
            } else {
                if (DW_RARE(!traits)) goto out;
                length = big ? (uint32_t)DW_BSWAP16((uint16_t)(word >> 48)) : (uint32_t)(word >> 48);
                size = 8;
            }
        }
        end = pos + size;
        if (vr == DW_VR_SQ || length == DW_UNDEFINED) {
            if (end > bound) goto out;
            if (length == DW_UNDEFINED) {
                if (frame >= deepest || (vr != DW_VR_SQ && (vr != 0 || tag == 0x7FE00010u))) goto out;
                dw_write(entry, end, DW_UNDEFINED, tag, index + 1, parent, vr, size, DW_UNDEFINED_LENGTH);
                frame->last_tag = tag + 1;
                DW_PUSH(bound, DW_ITEMS, 1);
                pos = end;
                goto items;
            }
            if (length & 1 || length > bound - end) goto out;
            if (length != 0 && length <= s->enter_limit) {
                if (frame >= deepest) goto out;
                dw_write(entry, end, length, tag, index + 1, parent, vr, size, 0);
                frame->last_tag = tag + 1;
                DW_PUSH(end + length, DW_ITEMS, 0);
                pos = end;
                goto items;
            }
            dw_write(entry, end, length, tag, index + 1, parent, vr, size, length ? DW_NOT_ENTERED : 0);
        } else {
            if (DW_RARE(length & 1 || end + length > bound)) goto out;
            dw_write(entry, end, length, tag, index + 1, parent, vr, size, 0);
        }
        pos = end + length;
        low = tag + 1;
        index++;
        entry++;
    }

item_ends:
    frame--;
    if (s->skim && frame == s->frames + 1 && frame->undefined && !s->finding_count && index != parent + 1) {
        index = parent + 1;                             /* what was inside is found again when someone asks */
        entry = entries + index;
        entries[parent].flags |= DW_NOT_ENTERED;
    }
    entries[parent].next = index;
    DW_ENTERED();
    if (frame->encoding != encoding) goto out;

items:
    for (;;) {
        if (DW_RARE(entry == full)) goto out;
        if (pos >= edge) {
            if (pos < bound || frame->undefined || frame == s->frames) goto out;
            goto sequence_ends;
        }
        word = dw_load64le(base + pos);
        tag = big ? DW_BSWAP32((uint32_t)word) : (uint32_t)(word << 16) | (uint32_t)((word >> 16) & 0xFFFF);
        length = big ? DW_BSWAP32((uint32_t)(word >> 32)) : (uint32_t)(word >> 32);
        end = pos + 8;
        if (tag != DW_ITEM_TAG) {
            if (tag != DW_SEQUENCE_DELIMITER || length || !frame->undefined || end > bound) goto out;
            entries[parent].length = pos - entries[parent].offset;
            entries[parent].flags &= (uint8_t)~DW_END_UNKNOWN;
            pos = end;
            goto sequence_ends;
        }
        if (frame >= deepest || end > bound || (index >= pause_at && frame == s->frames + 1)) goto out;
        if (length == DW_UNDEFINED) {
            dw_write(entry, end, DW_UNDEFINED, DW_ITEM_TAG, index + 1, parent, DW_VR_NONE, 8, DW_UNDEFINED_LENGTH);
            DW_PUSH(bound, DW_DATA_SET, 1);
        } else if (length & 1 || length > bound - end) {
            goto out;
        } else if (length > s->enter_limit) {
            dw_write(entry, end, length, DW_ITEM_TAG, index + 1, parent, DW_VR_NONE, 8, DW_NOT_ENTERED);
            index++;
            entry++;
            pos = end + length;
            continue;
        } else {
            dw_write(entry, end, length, DW_ITEM_TAG, index + 1, parent, DW_VR_NONE, 8, 0);
            DW_PUSH(end + length, DW_DATA_SET, 0);
        }
        pos = end;
        goto elements;
    }

sequence_ends:
    entries[parent].next = index;
    frame--;
    DW_ENTERED();
    if (frame->encoding == encoding) goto elements;     /* another one is around a UN, which is implicit VR inside */

out:
    /* 1 means that no element was taken yet; an element with a tag of 0 never is taken here. */
    if (frame->kind == DW_DATA_SET && low > 1) frame->last_tag = low;
    s->pos = pos;
    s->count = index;
    s->depth = (uint32_t)(frame - s->frames);
#undef DW_ENTERED
#undef DW_PUSH
}

/* Go on from a header, in the encoding of the innermost container, as far as everything is usual. */
static void dw_take_usual(DwStepper *s) {
    switch (s->frames[s->depth].encoding) {
    case DW_EXPLICIT_LE: dw_take(s, DW_EXPLICIT_LE); break;
    case DW_IMPLICIT: dw_take(s, DW_IMPLICIT); break;
    case DW_BIG_ENDIAN: dw_take(s, DW_BIG_ENDIAN); break;
    default: break;             /* implicit VR big endian is nobody's transfer syntax */
    }
}

#endif
