/* Copying between files inside of the system, where it can. */
#ifndef DICOMWIRE_SPLICE_H
#define DICOMWIRE_SPLICE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
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

/* Rename unless there is a file of the new name.  0, -1 with errno set, DW_NO_COPY where the system has no such call. */
static inline int dw_rename_new(const char *from, const char *to) {
#if defined(__linux__) && defined(__GLIBC__) && defined(RENAME_NOREPLACE)
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    return errno == ENOSYS || errno == EINVAL ? DW_NO_COPY : -1;
#else
    (void)from, (void)to;
    return DW_NO_COPY;
#endif
}

#endif
