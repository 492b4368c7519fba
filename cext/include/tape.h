/* The structs and constants of the tape, for C and Cython alike; `cext/_dicomwire/tape.pxd` says what they mean. */
#ifndef DICOMWIRE_TAPE_H
#define DICOMWIRE_TAPE_H

#include <stdint.h>

#define DW_ITEM_TAG 0xFFFEE000u
#define DW_ITEM_DELIMITER 0xFFFEE00Du
#define DW_SEQUENCE_DELIMITER 0xFFFEE0DDu
#define DW_UNDEFINED 0xFFFFFFFFu

enum {
    DW_UNDEFINED_LENGTH = 1,
    DW_END_UNKNOWN = 2,
    DW_NOT_ENTERED = 4,
    DW_FRAGMENTS = 8,
    DW_IMPLICIT_IN_UN = 16,
    DW_VR_GUESSED = 32,
    DW_CUT_SHORT = 64,
    DW_UNORDERED = 128
};

enum { DW_EXPLICIT_LE = 0, DW_BIG_ENDIAN = 1, DW_IMPLICIT = 2 };
enum { DW_DATA_SET = 0, DW_ITEMS = 1, DW_PIECES = 2 };
enum { DW_FEW_FRAMES = 8 };

typedef struct {
    uint64_t offset, length;
    uint32_t tag, next, parent;
    uint16_t vr;
    uint8_t header_size, flags;
} DwTapeEntry;

typedef struct {
    uint64_t bound;
    uint32_t entry, last_tag;
    uint8_t kind, encoding, undefined;
} DwFrame;

typedef struct {
    uint64_t offset, expected, found;
    uint32_t entry, tag;
    uint16_t kind;
} DwRawFinding;

typedef struct {
    const uint8_t *base;
    uint64_t start, stop, pos, need;
    uint32_t first_tag, tag_span;
    uint64_t enter_limit;
    uint32_t max_depth;
    uint8_t strict, look_up, skim;
    uint32_t look_ahead, finding_limit, pause_at;
    DwTapeEntry *entries;
    uint32_t count, capacity;
    DwFrame *frames;
    uint32_t depth, frame_capacity;
    DwFrame few[DW_FEW_FRAMES];
    DwRawFinding *findings;
    uint32_t finding_count, finding_capacity, findings_dropped;
} DwStepper;

#endif
