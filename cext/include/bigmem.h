/* Growing arrays that can become large: windows of a source, tapes.
 *
 * Page faults, not the walk, dominate the opening of a data set with half a million elements.  The heap is asked for every size:
 * what one data set has touched serves the next one, and large arrays that are no part of it are moved by page tables.
 * Huge pages take most of the faults away where memory is fresh.  The caller remembers the size. */
#ifndef DICOMWIRE_BIGMEM_H
#define DICOMWIRE_BIGMEM_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define DW_BIG ((size_t)1 << 22)

#if defined(__linux__)
#include <malloc.h>
#include <sys/mman.h>
#endif

/* Make room for new_size bytes, more or fewer than before; contents up to the smaller size stay.  NULL when there is no memory:
 * the old array is still valid. */
static inline void *dw_grow(void *old, size_t old_size, size_t new_size) {
    void *fresh = realloc(old, new_size);
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    /* To the ends of what the heap has mapped for it: a mapping of two kinds could not be moved. */
    if (fresh != NULL && new_size >= DW_BIG && new_size > old_size) {
        const uintptr_t page = 4096, start = (uintptr_t)fresh & ~(page - 1);
        const uintptr_t stop = ((uintptr_t)fresh + malloc_usable_size(fresh) + page - 1) & ~(page - 1);
        madvise((void *)start, stop - start, MADV_HUGEPAGE);
    }
#else
    (void)old_size;
#endif
    return fresh;
}

/* Give back an array that dw_grow made. */
static inline void dw_release(void *array, size_t size) {
    (void)size;
    free(array);
}

#endif
