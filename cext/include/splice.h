/* Copying between files inside of the system, where it can. */
#ifndef DICOMWIRE_SPLICE_H
#define DICOMWIRE_SPLICE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define DW_NO_COPY (-2)

/* Copy up to size bytes from an offset of one file to the position of another.  How many, 0 at the end of the source, -1 with
 * errno set, DW_NO_COPY where these two files cannot be copied between this way: other devices, pipes, kernels without. */
static inline ssize_t dw_copy_range(int source, uint64_t offset, int target, size_t size) {
#if defined(__linux__) && defined(__GLIBC__)
    off64_t at = (off64_t)offset;
    ssize_t n = copy_file_range(source, &at, target, NULL, size, 0);
    if (n < 0 && (errno == EXDEV || errno == ENOSYS || errno == EINVAL || errno == EOPNOTSUPP || errno == EBADF ||
                  errno == EPERM || errno == ETXTBSY))
        return DW_NO_COPY;
    return n;
#else
    (void)source, (void)offset, (void)target, (void)size;
    return DW_NO_COPY;
#endif
}

/* Map a stretch that begins on a page of a file, every page of it now: NULL where it cannot be mapped.  A page behind the end
 * of the file is no error here; a system call that is given it fails with EFAULT. */
static inline void *dw_map_stretch(int source, uint64_t offset, size_t size) {
#ifdef MAP_POPULATE
    int flags = MAP_SHARED | MAP_POPULATE;
#else
    int flags = MAP_SHARED;
#endif
    void *base = mmap(NULL, size, PROT_READ, flags, source, (off_t)offset);
    return base == MAP_FAILED ? NULL : base;
}

/* Whether a file has an offset; where nobody can say, it has. */
static inline int dw_reaches(int source, uint64_t offset) {
    struct stat facts;
    return fstat(source, &facts) != 0 || (uint64_t)facts.st_size >= offset;
}

#endif
