/* Growing arrays that can become large: the heap while they are small, pages of their own from DW_BIG on.
 *
 * The heap would copy a large array on each growth and give it fresh pages every time.  mremap moves page tables instead, and
 * huge pages take most of the page faults away: faults, not the walk, dominate the opening of a data set with half a million
 * elements.  The caller remembers the size, which tells the two kinds apart. */
#ifndef DICOMWIRE_BIGMEM_H
#define DICOMWIRE_BIGMEM_H

#include <stdlib.h>
#include <string.h>

#define DW_BIG ((size_t)1 << 22)

#if defined(__linux__)
#include <sys/mman.h>
#define DW_HAS_MREMAP 1
#else
#define DW_HAS_MREMAP 0
#endif

/* Make room for new_size bytes; contents up to old_size stay.  NULL when there is no memory: the old array is still valid. */
static inline void *dw_grow(void *old, size_t old_size, size_t new_size) {
#if DW_HAS_MREMAP
    void *fresh;
    if (new_size >= DW_BIG) {
        if (old != NULL && old_size >= DW_BIG) {
            fresh = mremap(old, old_size, new_size, MREMAP_MAYMOVE);
            if (fresh == MAP_FAILED)
                return NULL;
        } else {
            fresh = mmap(NULL, new_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (fresh == MAP_FAILED)
                return NULL;
            if (old != NULL) {
                memcpy(fresh, old, old_size < new_size ? old_size : new_size);
                free(old);
            }
        }
#ifdef MADV_HUGEPAGE
        madvise(fresh, new_size, MADV_HUGEPAGE);
#endif
        return fresh;
    }
#endif
    (void)old_size;
    return realloc(old, new_size);
}

/* Give back an array that dw_grow made with this size. */
static inline void dw_release(void *array, size_t size) {
#if DW_HAS_MREMAP
    if (array != NULL && size >= DW_BIG) {
        munmap(array, size);
        return;
    }
#endif
    (void)size;
    free(array);
}

#endif
