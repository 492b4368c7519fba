/* Unaligned loads and stores in a stated byte order, on compiler builtins.  One name per width and order. */
#ifndef DICOMWIRE_BSWAP_H
#define DICOMWIRE_BSWAP_H

#include <stdint.h>
#include <string.h>

#if defined(_MSC_VER)
#include <stdlib.h>
#define DW_BSWAP16(x) _byteswap_ushort(x)
#define DW_BSWAP32(x) _byteswap_ulong(x)
#define DW_BSWAP64(x) _byteswap_uint64(x)
#define DW_BIG_ENDIAN_HOST 0
#else
#define DW_BSWAP16(x) __builtin_bswap16(x)
#define DW_BSWAP32(x) __builtin_bswap32(x)
#define DW_BSWAP64(x) __builtin_bswap64(x)
#define DW_BIG_ENDIAN_HOST (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
#endif

#define DW_LOAD(bits)                                                              \
    static inline uint##bits##_t dw_load##bits##le(const void *p) {                \
        uint##bits##_t x;                                                          \
        memcpy(&x, p, sizeof x);                                                   \
        return DW_BIG_ENDIAN_HOST ? (uint##bits##_t)DW_BSWAP##bits(x) : x;         \
    }                                                                              \
    static inline uint##bits##_t dw_load##bits##be(const void *p) {                \
        uint##bits##_t x;                                                          \
        memcpy(&x, p, sizeof x);                                                   \
        return DW_BIG_ENDIAN_HOST ? x : (uint##bits##_t)DW_BSWAP##bits(x);         \
    }

DW_LOAD(16)
DW_LOAD(32)
DW_LOAD(64)

#undef DW_LOAD

static inline void dw_store32be(void *p, uint32_t x) {
    x = DW_BIG_ENDIAN_HOST ? x : (uint32_t)DW_BSWAP32(x);
    memcpy(p, &x, sizeof x);
}

static inline void dw_store32le(void *p, uint32_t x) {
    x = DW_BIG_ENDIAN_HOST ? (uint32_t)DW_BSWAP32(x) : x;
    memcpy(p, &x, sizeof x);
}

static inline void dw_store16be(void *p, uint16_t x) {
    x = DW_BIG_ENDIAN_HOST ? x : (uint16_t)DW_BSWAP16(x);
    memcpy(p, &x, sizeof x);
}

static inline void dw_store16le(void *p, uint16_t x) {
    x = DW_BIG_ENDIAN_HOST ? (uint16_t)DW_BSWAP16(x) : x;
    memcpy(p, &x, sizeof x);
}

#endif
