/* Plain C limits, as a shared library (for alternation with Python code in one process) and as a program.
 *
 * Every function returns nanoseconds of CLOCK_MONOTONIC for the work named, or -1 - status.
 *
 *     yardsticks open FILE...      open + read 16 KiB + close
 *     yardsticks walk FILE...      open + fstat + read 16 KiB + walk of all elements + close
 *     yardsticks memory FILE...    walk of all elements of each file held in memory, with its memcpy
 *     yardsticks read FILE...      read() of each whole file into one 128 KiB buffer, as cat does
 *     yardsticks copy BYTES        memcpy between two buffers that have been touched
 * Option -r N: repetitions (default 9).  Output: one JSON object a line, with best and median.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "pdv.h"
#include "walk.h"

enum { WINDOW = 16384, READ_BUFFER = 131072 };

__attribute__((constructor)) static void prepare(void) { build_tables(); }

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static uint8_t window[WINDOW];

int64_t yard_open_read(const char *const *paths, int count)
{
    int64_t start = now_ns();
    for (int k = 0; k < count; k++) {
        int fd = open(paths[k], O_RDONLY | O_CLOEXEC);
        if (fd < 0) return -1 - WALK_IO;
        ssize_t got = read(fd, window, WINDOW);
        close(fd);
        if (got < 0) return -1 - WALK_IO;
    }
    return now_ns() - start;
}

int64_t yard_walk_files(const char *const *paths, int count, uint64_t *elements)
{
    int64_t start = now_ns();
    uint64_t total = 0;
    for (int k = 0; k < count; k++) {
        int fd = open(paths[k], O_RDONLY | O_CLOEXEC);
        struct stat facts;
        if (fd < 0) return -1 - WALK_IO;
        if (fstat(fd, &facts) != 0) { close(fd); return -1 - WALK_IO; }
        ssize_t got = read(fd, window, WINDOW);
        if (got < 0) { close(fd); return -1 - WALK_IO; }
        Walked walked;
        walk_file(window, (size_t)got, (uint64_t)facts.st_size - (uint64_t)got, &walked);
        close(fd);
        if (walked.status != WALK_OK) return -1 - walked.status;
        total += walked.elements;
    }
    *elements = total;
    return now_ns() - start;
}

int64_t yard_walk_memory(const uint8_t *base, uint64_t size, uint64_t beyond, uint64_t *elements)
{
    Walked walked;
    int64_t start = now_ns();
    walk_file(base, size, beyond, &walked);
    int64_t taken = now_ns() - start;
    if (walked.status != WALK_OK) return -1 - walked.status;
    *elements = walked.elements;
    return taken;
}

/* As a reader of one whole file does it: open, fstat, read `want` bytes (0: all) into fresh memory, walk, free. */
int64_t yard_load_walk(const char *path, uint64_t want, uint64_t *elements)
{
    int64_t start = now_ns();
    struct stat facts;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1 - WALK_IO;
    if (fstat(fd, &facts) != 0) { close(fd); return -1 - WALK_IO; }
    uint64_t size = (uint64_t)facts.st_size, got = 0;
    if (want == 0 || want > size) want = size;
    uint8_t *bytes = malloc(want ? want : 1);
    while (bytes && got < want) {
        ssize_t part = read(fd, bytes + got, want - got);
        if (part < 0 && errno == EINTR) continue;
        if (part <= 0) break;
        got += (uint64_t)part;
    }
    close(fd);
    Walked walked = {0, 0, WALK_IO};
    if (bytes && got == want) walk_file(bytes, want, size - want, &walked);
    free(bytes);
    if (walked.status != WALK_OK) return -1 - walked.status;
    *elements = walked.elements;
    return now_ns() - start;
}

/* Both buffers are the caller's and have been touched. */
int64_t yard_copy(uint8_t *to, const uint8_t *from, uint64_t size)
{
    int64_t start = now_ns();
    memcpy(to, from, size);
    __asm__ volatile("" : : "r"(to) : "memory");
    return now_ns() - start;
}

/* A stream of P-DATA-TF in memory: a walk over its headers, or with every command set and data set copied out. */
int64_t yard_pdv_walk(const uint8_t *stream, uint64_t size, int copy, uint64_t *counts)
{
    PdvCounts found;
    int64_t start = now_ns();
    int good = copy ? pdv_walk(stream, size, 1, &found) : pdv_walk(stream, size, 0, &found);
    int64_t taken = now_ns() - start;
    if (!good) return -1 - WALK_TRUNCATED;
    counts[0] = found.values;
    counts[1] = found.bytes;
    counts[2] = found.last;
    counts[3] = found.copied;
    return taken;
}

int64_t yard_pdv_fragment(const uint8_t *payload, uint64_t size, uint32_t fragment, uint64_t *pdus)
{
    int64_t start = now_ns();
    *pdus = pdv_fragment(payload, size, fragment);
    int64_t taken = now_ns() - start;
    return *pdus ? taken : -1 - WALK_IO;
}

int64_t yard_read_whole(const char *path, uint64_t *bytes)
{
    static uint8_t buffer[READ_BUFFER];
    int64_t start = now_ns();
    uint64_t total = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1 - WALK_IO;
    for (;;) {
        ssize_t got = read(fd, buffer, READ_BUFFER);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) { close(fd); return -1 - WALK_IO; }
        if (got == 0) break;
        total += (uint64_t)got;
    }
    close(fd);
    *bytes = total;
    return now_ns() - start;
}

/* Copy one file: read all of it, write it to a temporary name, rename that.  0, or -1. */
static int copy_file(const char *from, const char *temporary, const char *to, uint8_t *buffer, size_t room)
{
    int source = open(from, O_RDONLY | O_CLOEXEC);
    if (source < 0) return -1;
    int target = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (target < 0) { close(source); return -1; }
    int status = 0;
    while (status == 0) {
        ssize_t got = read(source, buffer, room);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) { status = got < 0 ? -1 : 1; break; }
        for (ssize_t done = 0; done < got && status == 0;) {
            ssize_t put = write(target, buffer + done, (size_t)(got - done));
            if (put < 0 && errno != EINTR) status = -1;
            if (put > 0) done += put;
        }
    }
    close(source);
    if (close(target) != 0 || status < 0 || rename(temporary, to) != 0) return -1;
    return 0;
}

int64_t yard_copy_files(const char *const *from, const char *const *temporary, const char *const *to, int count)
{
    static uint8_t buffer[1 << 20];
    int64_t start = now_ns();
    for (int k = 0; k < count; k++)
        if (copy_file(from[k], temporary[k], to[k], buffer, sizeof buffer) != 0) return -1 - WALK_IO;
    return now_ns() - start;
}

#ifdef YARDSTICK_PROGRAM

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void report(const char *what, int64_t *ns, int rounds, int files, uint64_t units, const char *unit)
{
    qsort(ns, (size_t)rounds, sizeof *ns, ascending);
    double best = (double)ns[0], median = (double)ns[rounds / 2];
    printf("{\"what\": \"%s\", \"files\": %d, \"%s\": %" PRIu64 ", \"rounds\": %d, \"best_ns\": %.0f, "
           "\"median_ns\": %.0f, \"best_ns_per_unit\": %.3f, \"median_ns_per_unit\": %.3f}\n",
           what, files, unit, units, rounds, best, median, best / (double)units, median / (double)units);
}

static uint8_t *load(const char *path, size_t *size)
{
    FILE *stream = fopen(path, "rb");
    if (!stream) return NULL;
    fseek(stream, 0, SEEK_END);
    long end = ftell(stream);
    rewind(stream);
    uint8_t *bytes = end > 0 ? malloc((size_t)end) : NULL;
    if (bytes && fread(bytes, 1, (size_t)end, stream) != (size_t)end) { free(bytes); bytes = NULL; }
    fclose(stream);
    *size = (size_t)(end > 0 ? end : 0);
    return bytes;
}

static int fail(const char *what, int64_t result)
{
    fprintf(stderr, "yardsticks: %s: status %" PRId64 "\n", what, -1 - result);
    return 1;
}

int main(int argc, char **argv)
{
    int rounds = 9, at = 2;
    if (argc < 3) { fprintf(stderr, "usage: yardsticks open|walk|memory|read|copy [-r N] FILE...|BYTES\n"); return 2; }
    if (argc > 4 && strcmp(argv[2], "-r") == 0) { rounds = atoi(argv[3]); at = 4; }
    if (rounds < 1) return 2;
    int64_t *ns = calloc((size_t)rounds, sizeof *ns);
    const char *const *paths = (const char *const *)argv + at;
    int count = argc - at;
    uint64_t units = 0;
    if (!ns) return 1;
    if (strcmp(argv[1], "open") == 0) {
        for (int r = 0; r < rounds; r++)
            if ((ns[r] = yard_open_read(paths, count)) < 0) return fail("open", ns[r]);
        report("open", ns, rounds, count, (uint64_t)count, "files_read");
    } else if (strcmp(argv[1], "walk") == 0) {
        for (int r = 0; r < rounds; r++)
            if ((ns[r] = yard_walk_files(paths, count, &units)) < 0) return fail("walk", ns[r]);
        report("walk", ns, rounds, count, units, "elements");
    } else if (strcmp(argv[1], "memory") == 0 || strcmp(argv[1], "read") == 0) {
        for (int k = 0; k < count; k++) {
            if (argv[1][0] == 'r') {
                for (int r = 0; r < rounds; r++)
                    if ((ns[r] = yard_read_whole(paths[k], &units)) < 0) return fail(paths[k], ns[r]);
                report("read", ns, rounds, 1, units, "bytes");
                continue;
            }
            size_t size;
            uint8_t *bytes = load(paths[k], &size), *copy = malloc(size ? size : 1);
            if (!bytes || !copy) return fail(paths[k], -1 - WALK_IO);
            memset(copy, 1, size);
            for (int r = 0; r < rounds; r++)
                if ((ns[r] = yard_walk_memory(bytes, size, 0, &units)) < 0) return fail(paths[k], ns[r]);
            report("memory", ns, rounds, 1, units, "elements");
            for (int r = 0; r < rounds; r++) ns[r] = yard_copy(copy, bytes, size);
            report("copy", ns, rounds, 1, size, "bytes");
            free(copy);
            free(bytes);
        }
    } else if (strcmp(argv[1], "copy") == 0) {
        size_t size = (size_t)strtoull(argv[at], NULL, 10);
        uint8_t *from = malloc(size), *to = malloc(size);
        if (!from || !to || size == 0) return 1;
        memset(from, 1, size);
        memset(to, 2, size);
        for (int r = 0; r < rounds; r++) ns[r] = yard_copy(to, from, size);
        report("copy", ns, rounds, 0, size, "bytes");
    } else {
        return 2;
    }
    free(ns);
    return 0;
}

#endif
