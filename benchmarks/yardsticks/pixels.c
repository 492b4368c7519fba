/* Plain C limits of pixel data: what a careful programmer writes in five lines, compiled like the other yardsticks.
 *
 * Each kernel fills `to` from `from`; `fresh` maps new memory for each call, asks for huge pages and gives it back, as a
 * decoder does whose arrays go with their owner.  Functions return nanoseconds of CLOCK_MONOTONIC, or -1. */
#define _GNU_SOURCE
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void copy(uint8_t *restrict to, const uint8_t *restrict from, size_t size) { memcpy(to, from, size); }

static void swap16(uint8_t *restrict to, const uint8_t *restrict from, size_t size)
{
    const uint16_t *words = (const uint16_t *)from;
    uint16_t *out = (uint16_t *)to;
    for (size_t i = 0; i < size / 2; i++) out[i] = (uint16_t)(words[i] >> 8 | words[i] << 8);
}

static void twelve(uint8_t *restrict to, const uint8_t *restrict from, size_t size)
{
    uint16_t *out = (uint16_t *)to;
    for (size_t i = 0; i < size / 4; i++) {
        out[2 * i] = (uint16_t)(from[3 * i] | (from[3 * i + 1] & 15) << 8);
        out[2 * i + 1] = (uint16_t)(from[3 * i + 1] >> 4 | from[3 * i + 2] << 4);
    }
}

static void bits(uint8_t *restrict to, const uint8_t *restrict from, size_t size)
{
    for (size_t i = 0; i < size / 8; i++) {
        uint64_t x = ((from[i] & 0x7F) * 0x0002040810204081ull & 0x0001010101010101ull) | (uint64_t)(from[i] >> 7) << 56;
        memcpy(to + 8 * i, &x, 8);
    }
}

static void planes(uint8_t *restrict to, const uint8_t *restrict from, size_t size)
{
    const size_t n = size / 3;
    for (size_t i = 0; i < n; i++) {
        to[3 * i] = from[i];
        to[3 * i + 1] = from[n + i];
        to[3 * i + 2] = from[2 * n + i];
    }
}

static inline uint8_t clamp(int x) { return (uint8_t)(x < 0 ? 0 : x > 255 ? 255 : x); }

/* Y Y CB CR of two pixels to RGB, 16 bits of fixed point. */
static void ybr422(uint8_t *restrict to, const uint8_t *restrict from, size_t size)
{
    for (size_t i = 0; i < size / 6; i++) {
        const int cb = from[4 * i + 2] - 128, cr = from[4 * i + 3] - 128;
        const int red = 91881 * cr + 32768, green = -22554 * cb - 46802 * cr + 32768, blue = 116130 * cb + 32768;
        for (int k = 0; k < 2; k++) {
            const int y = from[4 * i + (size_t)k] << 16;
            to[6 * i + 3 * (size_t)k] = clamp((y + red) >> 16);
            to[6 * i + 3 * (size_t)k + 1] = clamp((y + green) >> 16);
            to[6 * i + 3 * (size_t)k + 2] = clamp((y + blue) >> 16);
        }
    }
}

static void (*const KERNELS[])(uint8_t *restrict, const uint8_t *restrict, size_t) = {
    copy, swap16, twelve, bits, planes, ybr422,
};

/* frames times size bytes of output; step: bytes of input for each frame. */
int64_t yard_pixels(int kernel, uint8_t *to, const uint8_t *from, uint64_t size, uint64_t step, uint64_t frames, int fresh)
{
    const int64_t start = now_ns();
    if (fresh) {
        to = mmap(NULL, size * frames, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (to == MAP_FAILED) return -1;
        madvise(to, size * frames, MADV_HUGEPAGE);
    }
    for (uint64_t i = 0; i < frames; i++) KERNELS[kernel](to + i * size, from + i * step, size);
    if (fresh) munmap(to, size * frames);
    return now_ns() - start;
}
