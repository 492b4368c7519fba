/* Plain C over P-DATA-TF: a walk over the headers, the same with the fragments copied out, headers around a payload.
 *
 * PS3.8 section 9.3.5.  They check bounds and keep nothing but counts; the copy goes to memory of its own for each
 * command set and data set, as any receiver needs it that hands them on.
 */
#ifndef DICOMWIRE_YARDSTICK_PDV_H
#define DICOMWIRE_YARDSTICK_PDV_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

static inline uint32_t load32_network(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return __builtin_bswap32(v);
}

static inline void store32_network(uint8_t *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, 4);
}

typedef struct {
    uint64_t values;         /* presentation data values */
    uint64_t bytes;          /* of their fragments */
    uint64_t last;           /* of the values that end a command set or data set */
    uint64_t copied;
} PdvCounts;

/* What a message's fragments are until the last one comes. */
typedef struct {
    struct iovec *pieces;
    size_t count, room, total;
} PdvPieces;

static int pdv_keep(PdvPieces *kept, const uint8_t *data, uint32_t length)
{
    if (kept->count == kept->room) {
        size_t room = kept->room ? kept->room * 2 : 64;
        struct iovec *grown = realloc(kept->pieces, room * sizeof *grown);
        if (!grown) return 0;
        kept->pieces = grown;
        kept->room = room;
    }
    kept->pieces[kept->count++] = (struct iovec){(void *)data, length};
    kept->total += length;
    return 1;
}

static int pdv_join(PdvPieces *kept, PdvCounts *out)
{
    uint8_t *joined = malloc(kept->total ? kept->total : 1), *to = joined;
    if (!joined) return 0;
    for (size_t k = 0; k < kept->count; k++) {
        memcpy(to, kept->pieces[k].iov_base, kept->pieces[k].iov_len);
        to += kept->pieces[k].iov_len;
    }
    __asm__ volatile("" : : "r"(joined) : "memory");
    out->copied += kept->total;
    free(joined);
    kept->count = kept->total = 0;
    return 1;
}

/* Walk a stream of P-DATA-TF PDUs; with `copy` every command set and data set is joined.  1, or 0 when it is none. */
static inline __attribute__((always_inline)) int pdv_walk(const uint8_t *p, uint64_t size, int copy, PdvCounts *out)
{
    const uint8_t *end = p + size;
    PdvPieces kept = {0};
    int good = 1;
    memset(out, 0, sizeof *out);
    while (good && end - p >= 6) {
        uint32_t left = load32_network(p + 2);
        if (p[0] != 4 || left > (uint64_t)(end - p) - 6) { good = 0; break; }
        p += 6;
        while (left) {
            uint32_t length;
            if (left < 6 || (length = load32_network(p)) < 2 || length > left - 4) { good = 0; break; }
            out->values++;
            out->bytes += length - 2;
            if (copy && !pdv_keep(&kept, p + 6, length - 2)) { good = 0; break; }
            if (p[5] & 2) {
                out->last++;
                if (copy && !pdv_join(&kept, out)) { good = 0; break; }
            }
            p += 4 + (uint64_t)length;
            left -= 4 + length;
        }
    }
    free(kept.pieces);
    return good && p == end;
}

/* Headers and the list for writev of a payload in fragments; the number of PDUs, 0 without memory. */
static uint64_t pdv_fragment(const uint8_t *payload, uint64_t size, uint32_t fragment)
{
    uint64_t count = size / fragment + (size % fragment != 0 || size == 0), left = size;
    uint8_t *headers = malloc(count * 12);
    struct iovec *list = malloc(count * 2 * sizeof *list);
    if (headers && list) {
        for (uint64_t k = 0; k < count; k++) {
            uint32_t length = left < fragment ? (uint32_t)left : fragment;
            uint8_t *header = headers + k * 12;
            left -= length;
            header[0] = 4;
            header[1] = 0;
            store32_network(header + 2, length + 6);
            store32_network(header + 6, length + 2);
            header[10] = 1;
            header[11] = left ? 0 : 2;
            list[2 * k] = (struct iovec){header, 12};
            list[2 * k + 1] = (struct iovec){(void *)(payload + k * fragment), length};
        }
        __asm__ volatile("" : : "r"(headers), "r"(list) : "memory");
    } else {
        count = 0;
    }
    free(headers);
    free(list);
    return count;
}

#endif
