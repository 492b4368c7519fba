"""Make cext/_dicomwire/_tagindex.h: tag -> VR for implicit VR, as constant C tables and one inline function.

Tags are grouped into pages of eight neighbours (tag >> 3). A page is found by one multiplication and a
displaced hash that has no collisions among the known pages, so that a lookup touches one displacement, one
slot of twelve bytes and one VR code. Neighbouring tags share a slot, which is how data sets are ordered.
"""

from __future__ import annotations

from collections import defaultdict

from tables_common import Element, Source, SourceError, header, vr_code

PAGE_BITS = 3
SLOT_BITS = 11
BUCKET_BITS = 9
NO_PAGE = 0xFFFFFFFF


def find_hash(pages: list[int]) -> tuple[int, list[int], dict[int, int]]:
    """Return (multiplier, displacement per bucket, slot per page) without collisions.

    The search is deterministic, so that the file is the same wherever it is made.
    """
    slots_mask = (1 << SLOT_BITS) - 1
    multiplier = 0x9E3779B1
    for _ in range(1000):
        buckets: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for page in pages:
            mixed = page * multiplier & 0xFFFFFFFF
            buckets[mixed >> (32 - BUCKET_BITS)].append((mixed >> 8 & slots_mask, page))
        displacement = [0] * (1 << BUCKET_BITS)
        slot_of: dict[int, int] = {}
        taken: set[int] = set()
        for bucket, members in sorted(buckets.items(), key=lambda item: (-len(item[1]), item[0])):
            if len({start for start, _ in members}) < len(members):
                break
            for shift in range(1 << SLOT_BITS):
                if not any(start ^ shift in taken for start, _ in members):
                    break
            else:
                break
            displacement[bucket] = shift
            for start, page in members:
                taken.add(start ^ shift)
                slot_of[page] = start ^ shift
        if len(slot_of) == len(pages):
            return multiplier, displacement, slot_of
        multiplier = (multiplier * 0x2C1B3C6D + 0x297A2D38) & 0xFFFFFFFF | 1
    raise SourceError("no hash without collisions found: enlarge SLOT_BITS in tools/build_tagindex.py")


def split_repeaters(repeaters: dict[str, Element]) -> tuple[dict[int, int], list[tuple[int, int, int]]]:
    """Return (tags of group gg00 that stand for all groups ggxx, other masks as (mask, value, VR code))."""
    groups: dict[int, int] = {}
    masks: list[tuple[int, int, int]] = []
    for pattern, element in repeaters.items():
        if pattern[2:4] == "xx" and "x" not in pattern[:2] + pattern[4:]:
            groups[int(pattern.replace("x", "0"), 16)] = vr_code(element.vr)
        else:
            mask = int("".join("0" if c == "x" else "F" for c in pattern), 16)
            masks.append((mask, int(pattern.replace("x", "0"), 16), vr_code(element.vr)))
    return groups, masks


def c_array(values: list[str], per_line: int) -> str:
    return "".join(
        "    " + ", ".join(values[i : i + per_line]) + ",\n" for i in range(0, len(values), per_line)
    )


def build(source: Source) -> str:
    """Return the text of _tagindex.h."""
    codes = {tag: vr_code(element.vr) for tag, element in source.elements.items()}
    group_codes, masks = split_repeaters(source.repeaters)
    overlap = codes.keys() & group_codes.keys()
    if overlap:
        raise SourceError(f"a repeating group hides {min(overlap):08X}")
    groups = sorted({tag >> 24 for tag in group_codes})
    codes.update(group_codes)

    vr_numbers = {code: number for number, code in enumerate(sorted(set(codes.values())), start=1)}
    pages: dict[int, list[int]] = defaultdict(lambda: [0] * (1 << PAGE_BITS))
    for tag, code in codes.items():
        pages[tag >> PAGE_BITS][tag & (1 << PAGE_BITS) - 1] = vr_numbers[code]
    multiplier, displacement, slot_of = find_hash(sorted(pages))
    slots = [f"{{0x{NO_PAGE:X}u, {{0}}}}"] * (1 << SLOT_BITS)
    for page, slot in slot_of.items():
        slots[slot] = f"{{0x{page:08X}u, {{{','.join(map(str, pages[page]))}}}}}"

    def letters(code: int) -> str:
        return chr(code & 0xFF) + chr(code >> 8) if code > 0xFF else f"code {code}"

    group_tests = " || ".join(f"group == 0x{group:02X}u" for group in groups)
    mask_tests = "".join(
        f"    if ((tag & 0x{mask:08X}u) == 0x{value:08X}u) {{\n"
        f"        return 0x{code:04X};  /* {letters(code)} */\n    }}\n"
        for mask, value, code in masks
    )
    title = "Value Representations by tag, for data sets in implicit VR (PS3.5 section 7.1.3)."
    return f"""\
{header(source, title, comment=" *").replace(" *", "/*", 1)} */
#ifndef DICOMWIRE_TAGINDEX_H
#define DICOMWIRE_TAGINDEX_H

#include <stdint.h>

#if defined(__GNUC__) || defined(__clang__)
#define DW_TAGINDEX_COLD __attribute__((noinline, cold, unused))
#define DW_TAGINDEX_LIKELY(x) __builtin_expect(!!(x), 1)
#else
#define DW_TAGINDEX_COLD
#define DW_TAGINDEX_LIKELY(x) (x)
#endif

/* {1 << PAGE_BITS} neighbouring tags; page is tag >> {PAGE_BITS}, vr indexes dw_tagindex_codes. */
typedef struct {{
    uint32_t page;
    uint8_t vr[{1 << PAGE_BITS}];
}} DwTagPage;

/* VR codes: two letters as a little endian uint16, below 256 a choice that other attributes make. */
static const uint16_t dw_tagindex_codes[{len(vr_numbers) + 1}] = {{
    0,
{"".join(f"    0x{code:04X},  /* {letters(code)} */{chr(10)}" for code in vr_numbers)}}};

static const uint16_t dw_tagindex_displacement[{len(displacement)}] = {{
{c_array([str(value) for value in displacement], 16)}}};

static const DwTagPage dw_tagindex_pages[{len(slots)}] = {{
{c_array(slots, 4)}}};

static inline uint16_t dw_tagindex_find(uint32_t tag) {{
    const uint32_t page = tag >> {PAGE_BITS};
    const uint32_t mixed = page * 0x{multiplier:08X}u;
    const uint32_t displacement = dw_tagindex_displacement[mixed >> {32 - BUCKET_BITS}];
    const uint32_t slot = ((mixed >> 8) & 0x{(1 << SLOT_BITS) - 1:X}u) ^ displacement;
    const DwTagPage* const found = &dw_tagindex_pages[slot];
    return found->page == page ? dw_tagindex_codes[found->vr[tag & {(1 << PAGE_BITS) - 1}]] : 0;
}}

/* Repeating groups and elements, group lengths (PS3.5 sections 7.2 and 7.6).  tag has an even group. */
static DW_TAGINDEX_COLD uint16_t dw_tagindex_repeating(uint32_t tag) {{
    const uint32_t group = tag >> 24;
    if ((tag & 0xFFFFu) == 0) {{
        return 0x{vr_code("UL"):04X};  /* UL, whatever a mask says */
    }}
    if ({group_tests}) {{
        const uint16_t vr = dw_tagindex_find(tag & 0xFF00FFFFu);
        if (vr != 0) {{
            return vr;
        }}
    }}
{mask_tests}    return 0;
}}

/* The VR code of a tag (group in the upper half), 0 when the dictionary has none: unknown and private
elements. * Private creators, (gggg,0010) to (gggg,00FF) with gggg odd, are LO; group lengths are UL in every
group. */ static inline uint16_t dw_tag_vr(uint32_t tag) {{ if (tag & 0x10000u) {{ const uint32_t element =
tag & 0xFFFFu; if (element - 0x10u <= 0xEFu) {{ return 0x{vr_code("LO"):04X};  /* LO */ }} return element == 0
? 0x{vr_code("UL"):04X} : 0;  /* UL */ }} const uint16_t vr = dw_tagindex_find(tag); return
DW_TAGINDEX_LIKELY(vr != 0) ? vr : dw_tagindex_repeating(tag); }}

#endif
"""
