/* Read-only mappings of file values that survive another process truncating the file.
 *
 * A page of a mapping that lies behind the file's new end raises SIGBUS when it is touched, by our code or by anybody who
 * holds a view, and the default action ends the process.  The handler here puts a page of zeros in its place, marks the
 * mapping as cut and lets the access go on.  Signals that are not about one of our mappings go to the handler that was
 * there before.  The table is the process's, as signal handlers are; it is written under a lock and read without one. */
#ifndef DICOMWIRE_MAPPING_H
#define DICOMWIRE_MAPPING_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

#define DW_MAPPINGS 1024

typedef struct {
    _Atomic uintptr_t start;    /* 0: the slot is free */
    _Atomic uintptr_t stop;
    _Atomic int cut;            /* a page was replaced */
} DwMapping;

static DwMapping dw_mappings[DW_MAPPINGS];
static struct sigaction dw_old_action;
static pthread_mutex_t dw_mapping_lock = PTHREAD_MUTEX_INITIALIZER;
static int dw_handler_installed;

static void dw_on_sigbus(int number, siginfo_t *info, void *context) {
    uintptr_t at = (uintptr_t)info->si_addr;
    long page = sysconf(_SC_PAGESIZE);
    int i;
    for (i = 0; i < DW_MAPPINGS; i++) {
        if (at - atomic_load(&dw_mappings[i].start) <
            atomic_load(&dw_mappings[i].stop) - atomic_load(&dw_mappings[i].start)) {
            void *where = (void *)(at & ~((uintptr_t)page - 1));
            if (mmap(where, (size_t)page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED) {
                atomic_store(&dw_mappings[i].cut, 1);
                return;
            }
        }
    }
    if (dw_old_action.sa_flags & SA_SIGINFO) {
        dw_old_action.sa_sigaction(number, info, context);
    } else if (dw_old_action.sa_handler == SIG_DFL || dw_old_action.sa_handler == SIG_IGN) {
        /* Returning repeats the access, now with the default action. */
        signal(SIGBUS, SIG_DFL);
    } else {
        dw_old_action.sa_handler(number);
    }
}

/* Map length bytes at offset (a multiple of the page size); the slot's number, or -1 with errno set or when all are taken. */
static int dw_map(int descriptor, uint64_t offset, size_t length, void **base) {
    struct sigaction action;
    int i, slot = -1;
    pthread_mutex_lock(&dw_mapping_lock);
    if (!dw_handler_installed) {
        memset(&action, 0, sizeof action);
        action.sa_sigaction = dw_on_sigbus;
        action.sa_flags = SA_SIGINFO | SA_NODEFER;
        sigemptyset(&action.sa_mask);
        dw_handler_installed = sigaction(SIGBUS, &action, &dw_old_action) == 0;
    }
    for (i = 0; dw_handler_installed && slot < 0 && i < DW_MAPPINGS; i++)
        if (atomic_load(&dw_mappings[i].stop) == 0)
            slot = i;
    if (slot >= 0) {
        *base = mmap(NULL, length, PROT_READ, MAP_PRIVATE, descriptor, (off_t)offset);
        if (*base == MAP_FAILED) {
            slot = -1;
        } else {
            atomic_store(&dw_mappings[slot].cut, 0);
            atomic_store(&dw_mappings[slot].start, (uintptr_t)*base);
            atomic_store(&dw_mappings[slot].stop, (uintptr_t)*base + length);
        }
    }
    pthread_mutex_unlock(&dw_mapping_lock);
    return slot;
}

static void dw_unmap(int slot, void *base, size_t length) {
    pthread_mutex_lock(&dw_mapping_lock);
    munmap(base, length);
    atomic_store(&dw_mappings[slot].stop, 0);
    atomic_store(&dw_mappings[slot].start, 0);
    pthread_mutex_unlock(&dw_mapping_lock);
}

static int dw_is_cut(int slot) {
    return atomic_load(&dw_mappings[slot].cut);
}

#endif
