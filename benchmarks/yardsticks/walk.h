/* A plain C walk over all elements of a data set: what is left when nothing but headers is looked at.
 *
 * An explicit stack of level ends, one table lookup for the VR, sequences and items entered whether their
 * lengths are known or undefined.  PS3.5 sections 7.1 (elements), 7.5 (sequences, items, delimiters).
 * It counts and checks bounds; it keeps nothing.  Every dicomwire pass over the same bytes does more.
 */
#ifndef DICOMWIRE_YARDSTICK_WALK_H
#define DICOMWIRE_YARDSTICK_WALK_H

#include <stdint.h>
#include <stddef.h>
#include <string.h>

#include "sequence_tags.h"   /* generated: SEQUENCE_TAGS, SEQUENCE_TAG_COUNT */

enum WalkStatus {
    WALK_OK = 0,
    WALK_TRUNCATED = 1,      /* a header or a known length runs past the end of its level */
    WALK_TOO_DEEP = 2,
    WALK_BAD_VR = 3,
    WALK_NOT_DICOM = 4,
    WALK_UNSUPPORTED = 5,    /* UN of undefined length, an encapsulated or deflated data set */
    WALK_BAD_DELIMITER = 6,
    WALK_IO = 7
};

enum { MAX_DEPTH = 128, UNDEFINED = 0xFFFFFFFFu };
enum VrKind { VR_NONE = 0, VR_SHORT = 1, VR_LONG = 2, VR_SEQUENCE = 3, VR_UNKNOWN = 4 };

typedef struct {
    const uint8_t *limit;    /* end of the level: its own if known, else that of the level around it */
    int undefined;           /* ends by a delimiter */
} Level;

typedef struct {
    uint64_t elements;       /* nested ones too; items and delimiters are not counted */
    uint64_t items;
    int status;
} Walked;

static uint8_t vr_kinds[65536];          /* by the two letters read as a little endian word */
static uint32_t tag_slots[4096];         /* open addressing; 0 = empty */

static inline uint32_t tag_slot(uint32_t tag) { return (tag * 0x9E3779B1u) >> 20; }

static void build_tables(void)
{
    static const char *const short_vrs = "AEASATCSDADSDTFDFLISLOLTPNSHSLSSSTTMUIULUS";
    static const char *const long_vrs = "OBODOFOLOVOWSVUCURUTUV";
    for (const char *p = short_vrs; *p; p += 2) vr_kinds[(uint8_t)p[0] | (uint8_t)p[1] << 8] = VR_SHORT;
    for (const char *p = long_vrs; *p; p += 2) vr_kinds[(uint8_t)p[0] | (uint8_t)p[1] << 8] = VR_LONG;
    vr_kinds['S' | 'Q' << 8] = VR_SEQUENCE;
    vr_kinds['U' | 'N' << 8] = VR_UNKNOWN;
    memset(tag_slots, 0, sizeof tag_slots);
    for (size_t k = 0; k < SEQUENCE_TAG_COUNT; k++) {
        uint32_t slot = tag_slot(SEQUENCE_TAGS[k]);
        while (tag_slots[slot] != 0) slot = (slot + 1) & 4095;
        tag_slots[slot] = SEQUENCE_TAGS[k];
    }
}

static inline int is_sequence_tag(uint32_t tag)
{
    for (uint32_t slot = tag_slot(tag); tag_slots[slot] != 0; slot = (slot + 1) & 4095)
        if (tag_slots[slot] == tag) return 1;
    return 0;
}

static inline uint16_t load16(const uint8_t *p, int little)
{
    uint16_t v;
    memcpy(&v, p, 2);
    return little ? v : __builtin_bswap16(v);
}

static inline uint32_t load32(const uint8_t *p, int little)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return little ? v : __builtin_bswap32(v);
}

/* Walk [p, end).  `beyond` is how many bytes of the file follow `end`: a top-level value may reach into them,
 * and the walk ends there. */
static inline __attribute__((always_inline)) void
walk_encoding(const uint8_t *p, const uint8_t *end, uint64_t beyond, int explicit_vr, int little, Walked *out)
{
    Level stack[MAX_DEPTH];
    int depth = 0, undefined = 0;
    const uint8_t *limit = end;
    uint64_t elements = 0, items = 0;
    int status = WALK_OK;

    for (;;) {
        while (p == limit) {
            if (depth == 0) goto done;
            if (undefined) { status = WALK_TRUNCATED; goto done; }
            depth--;
            limit = stack[depth].limit;
            undefined = stack[depth].undefined;
        }
        if (limit - p < 8) {
            status = depth == 0 && beyond != 0 ? WALK_OK : WALK_TRUNCATED;
            goto done;
        }
        uint32_t group = load16(p, little), element = load16(p + 2, little);
        uint32_t length;
        int enter = 0;
        if (group == 0xFFFE) {
            length = load32(p + 4, little);
            p += 8;
            if (element == 0xE000) {
                items++;
                enter = 1;
            } else {
                if (depth == 0 || !undefined) { status = WALK_BAD_DELIMITER; goto done; }
                depth--;
                limit = stack[depth].limit;
                undefined = stack[depth].undefined;
                continue;
            }
        } else {
            elements++;
            if (explicit_vr) {
                uint16_t vr;
                memcpy(&vr, p + 4, 2);
                int kind = vr_kinds[vr];
                if (kind == VR_SHORT) {
                    length = load16(p + 6, little);
                    p += 8;
                } else {
                    if (kind == VR_NONE) { status = WALK_BAD_VR; goto done; }
                    if (limit - p < 12) { status = WALK_TRUNCATED; goto done; }
                    length = load32(p + 8, little);
                    p += 12;
                    enter = kind == VR_SEQUENCE;
                }
            } else {
                length = load32(p + 4, little);
                p += 8;
                enter = is_sequence_tag(group << 16 | element);
            }
        }
        if (length == UNDEFINED) {
            if (!enter) { status = WALK_UNSUPPORTED; goto done; }
        } else if (length > (uint64_t)(limit - p)) {
            int reaches_on = depth == 0 && length - (uint64_t)(limit - p) <= beyond;
            status = reaches_on ? WALK_OK : WALK_TRUNCATED;
            goto done;
        }
        if (!enter) {
            p += length;
            continue;
        }
        if (depth == MAX_DEPTH) { status = WALK_TOO_DEEP; goto done; }
        stack[depth].limit = limit;
        stack[depth].undefined = undefined;
        depth++;
        undefined = length == UNDEFINED;
        if (!undefined) limit = p + length;
    }
done:
    out->elements += elements;
    out->items += items;
    out->status = status;
}

/* Walk a Part 10 file of which [base, base + size) is in memory and `beyond` bytes more are not. */
static void walk_file(const uint8_t *base, size_t size, uint64_t beyond, Walked *out)
{
    const uint8_t *end = base + size;
    out->elements = out->items = 0;
    if (size < 144 || memcmp(base + 128, "DICM", 4) != 0) { out->status = WALK_NOT_DICOM; return; }
    const uint8_t *p = base + 132;
    const char *syntax = "1.2.840.10008.1.2";
    size_t syntax_length = 17;
    while (end - p >= 12 && load16(p, 1) == 0x0002) {          /* File Meta Information, PS3.10 section 7.1 */
        uint16_t vr;
        memcpy(&vr, p + 4, 2);
        int kind = vr_kinds[vr];
        if (kind == VR_NONE) { out->status = WALK_BAD_VR; return; }
        uint32_t length = kind == VR_SHORT ? load16(p + 6, 1) : load32(p + 8, 1);
        const uint8_t *value = p + (kind == VR_SHORT ? 8 : 12);
        if (length > (uint64_t)(end - value)) { out->status = WALK_TRUNCATED; return; }
        if (load16(p + 2, 1) == 0x0010) {
            syntax = (const char *)value;
            syntax_length = length;
            while (syntax_length && (syntax[syntax_length - 1] == 0 || syntax[syntax_length - 1] == ' '))
                syntax_length--;
        }
        out->elements++;
        p = value + length;
    }
    if (syntax_length == 19 && memcmp(syntax, "1.2.840.10008.1.2.1", 19) == 0)
        walk_encoding(p, end, beyond, 1, 1, out);
    else if (syntax_length == 17 && memcmp(syntax, "1.2.840.10008.1.2", 17) == 0)
        walk_encoding(p, end, beyond, 0, 1, out);
    else if (syntax_length == 19 && memcmp(syntax, "1.2.840.10008.1.2.2", 19) == 0)
        walk_encoding(p, end, beyond, 1, 0, out);
    else
        out->status = WALK_UNSUPPORTED;
}

#endif
