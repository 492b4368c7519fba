/* Giving a file a name that no other file has, in one step. */
#ifndef DICOMWIRE_NAMING_H
#define DICOMWIRE_NAMING_H

#include <errno.h>
#include <stdio.h>

#if defined(__linux__)
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

/* 0, EEXIST when the name is taken, ENOSYS or EINVAL when the system or the file system cannot do it in one step, or
 * another error of the system. */
static inline int dw_rename_new(const char *from, const char *to)
{
#if defined(__linux__) && defined(SYS_renameat2)
    /* By number: the C library of older distributions has no function for it.  1 is RENAME_NOREPLACE. */
    return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 1u) == 0 ? 0 : errno;
#elif defined(__APPLE__) && defined(RENAME_EXCL)
    return renamex_np(from, to, RENAME_EXCL) == 0 ? 0 : errno;
#else
    (void)from;
    (void)to;
    return ENOSYS;
#endif
}

#endif
