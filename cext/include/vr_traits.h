/* What the parser must know of each Value Representation, by its two letters (PS3.5 section 6.2, table 6.2-1).
 *
 * A VR code is its two letters as read little endian: 'A' | 'E' << 8.  Code 0 means not resolved yet; codes 1 to 4 are
 * the dictionary's ambiguous entries, resolved from the data set (PS3.5 Annex A, PS3.6 section 6); 6 means that
 * the tag has no VR (items and delimiters). */
#ifndef DICOMWIRE_VR_TRAITS_H
#define DICOMWIRE_VR_TRAITS_H

#include <stdint.h>

#define DW_VR(a, b) ((uint16_t)((a) | ((b) << 8)))

enum {
    DW_VR_US_SS = 1,
    DW_VR_OB_OW = 2,
    DW_VR_US_OW = 3,
    DW_VR_US_SS_OW = 4,
    DW_VR_NONE = 6,
    DW_VR_AE = DW_VR('A', 'E'), DW_VR_AS = DW_VR('A', 'S'), DW_VR_AT = DW_VR('A', 'T'), DW_VR_CS = DW_VR('C', 'S'),
    DW_VR_DA = DW_VR('D', 'A'), DW_VR_DS = DW_VR('D', 'S'), DW_VR_DT = DW_VR('D', 'T'), DW_VR_FD = DW_VR('F', 'D'),
    DW_VR_FL = DW_VR('F', 'L'), DW_VR_IS = DW_VR('I', 'S'), DW_VR_LO = DW_VR('L', 'O'), DW_VR_LT = DW_VR('L', 'T'),
    DW_VR_OB = DW_VR('O', 'B'), DW_VR_OD = DW_VR('O', 'D'), DW_VR_OF = DW_VR('O', 'F'), DW_VR_OL = DW_VR('O', 'L'),
    DW_VR_OV = DW_VR('O', 'V'), DW_VR_OW = DW_VR('O', 'W'), DW_VR_PN = DW_VR('P', 'N'), DW_VR_SH = DW_VR('S', 'H'),
    DW_VR_SL = DW_VR('S', 'L'), DW_VR_SQ = DW_VR('S', 'Q'), DW_VR_SS = DW_VR('S', 'S'), DW_VR_ST = DW_VR('S', 'T'),
    DW_VR_SV = DW_VR('S', 'V'), DW_VR_TM = DW_VR('T', 'M'), DW_VR_UC = DW_VR('U', 'C'), DW_VR_UI = DW_VR('U', 'I'),
    DW_VR_UL = DW_VR('U', 'L'), DW_VR_UN = DW_VR('U', 'N'), DW_VR_UR = DW_VR('U', 'R'), DW_VR_US = DW_VR('U', 'S'),
    DW_VR_UT = DW_VR('U', 'T'), DW_VR_UV = DW_VR('U', 'V')
};

enum {
    DW_VR_KNOWN = 1,        /* one of the 34 of PS3.5 table 6.2-1 */
    DW_VR_LONG = 2,         /* explicit VR header has two reserved bytes and a 32-bit length (section 7.1.2) */
    DW_VR_TEXT = 4,         /* a character string */
    DW_VR_CHARSET = 8,      /* text that Specific Character Set applies to */
    DW_VR_SINGLE = 16,      /* text in which a backslash is no delimiter */
    DW_VR_BYTES = 32        /* handed over as bytes */
};

#define DW_SLOT(a, b) (((a) - 'A') * 26 + ((b) - 'A'))

static const uint8_t DW_VR_TRAITS[26 * 26] = {
    [DW_SLOT('A', 'E')] = DW_VR_KNOWN | DW_VR_TEXT,
    [DW_SLOT('A', 'S')] = DW_VR_KNOWN | DW_VR_TEXT,
    [DW_SLOT('A', 'T')] = DW_VR_KNOWN,
    [DW_SLOT('C', 'S')] = DW_VR_KNOWN | DW_VR_TEXT,
    [DW_SLOT('D', 'A')] = DW_VR_KNOWN | DW_VR_TEXT,
    [DW_SLOT('D', 'S')] = DW_VR_KNOWN | DW_VR_TEXT,
    [DW_SLOT('D', 'T')] = DW_VR_KNOWN | DW_VR_TEXT,
    [DW_SLOT('F', 'D')] = DW_VR_KNOWN,
    [DW_SLOT('F', 'L')] = DW_VR_KNOWN,
    [DW_SLOT('I', 'S')] = DW_VR_KNOWN | DW_VR_TEXT,
    [DW_SLOT('L', 'O')] = DW_VR_KNOWN | DW_VR_TEXT | DW_VR_CHARSET,
    [DW_SLOT('L', 'T')] = DW_VR_KNOWN | DW_VR_TEXT | DW_VR_CHARSET | DW_VR_SINGLE,
    [DW_SLOT('O', 'B')] = DW_VR_KNOWN | DW_VR_LONG | DW_VR_BYTES,
    [DW_SLOT('O', 'D')] = DW_VR_KNOWN | DW_VR_LONG | DW_VR_BYTES,
    [DW_SLOT('O', 'F')] = DW_VR_KNOWN | DW_VR_LONG | DW_VR_BYTES,
    [DW_SLOT('O', 'L')] = DW_VR_KNOWN | DW_VR_LONG | DW_VR_BYTES,
    [DW_SLOT('O', 'V')] = DW_VR_KNOWN | DW_VR_LONG | DW_VR_BYTES,
    [DW_SLOT('O', 'W')] = DW_VR_KNOWN | DW_VR_LONG | DW_VR_BYTES,
    [DW_SLOT('P', 'N')] = DW_VR_KNOWN | DW_VR_TEXT | DW_VR_CHARSET,
    [DW_SLOT('S', 'H')] = DW_VR_KNOWN | DW_VR_TEXT | DW_VR_CHARSET,
    [DW_SLOT('S', 'L')] = DW_VR_KNOWN,
    [DW_SLOT('S', 'Q')] = DW_VR_KNOWN | DW_VR_LONG,
    [DW_SLOT('S', 'S')] = DW_VR_KNOWN,
    [DW_SLOT('S', 'T')] = DW_VR_KNOWN | DW_VR_TEXT | DW_VR_CHARSET | DW_VR_SINGLE,
    [DW_SLOT('S', 'V')] = DW_VR_KNOWN | DW_VR_LONG,
    [DW_SLOT('T', 'M')] = DW_VR_KNOWN | DW_VR_TEXT,
    [DW_SLOT('U', 'C')] = DW_VR_KNOWN | DW_VR_LONG | DW_VR_TEXT | DW_VR_CHARSET,
    [DW_SLOT('U', 'I')] = DW_VR_KNOWN | DW_VR_TEXT,
    [DW_SLOT('U', 'L')] = DW_VR_KNOWN,
    [DW_SLOT('U', 'N')] = DW_VR_KNOWN | DW_VR_LONG | DW_VR_BYTES,
    [DW_SLOT('U', 'R')] = DW_VR_KNOWN | DW_VR_LONG | DW_VR_TEXT | DW_VR_SINGLE,
    [DW_SLOT('U', 'S')] = DW_VR_KNOWN,
    [DW_SLOT('U', 'T')] = DW_VR_KNOWN | DW_VR_LONG | DW_VR_TEXT | DW_VR_CHARSET | DW_VR_SINGLE,
    [DW_SLOT('U', 'V')] = DW_VR_KNOWN | DW_VR_LONG,
};

#undef DW_SLOT

/* Traits of a VR code, 0 for what is not a Value Representation. */
static inline uint8_t dw_vr_traits(uint16_t vr) {
    unsigned a = (unsigned)(vr & 0xff) - 'A', b = (unsigned)(vr >> 8) - 'A';
    return (a < 26 && b < 26) ? DW_VR_TRAITS[a * 26 + b] : 0;
}

/* Whether both bytes are capitals, so that a VR of a later edition is at least possible. */
static inline int dw_vr_is_two_capitals(uint16_t vr) {
    return (unsigned)(vr & 0xff) - 'A' < 26 && (unsigned)(vr >> 8) - 'A' < 26;
}

#endif
