/* New files, and giving them names that no other file has, each in one step. */
#ifndef DICOMWIRE_NAMING_H
#define DICOMWIRE_NAMING_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

/* A descriptor of a file that was not there, for writing; -1 with errno set. */
static inline int dw_open_new(const char *path, int mode)
{
    return open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
}

/* Whether there is nothing of a name, not even a link; where nobody can say, there is. */
static inline int dw_is_missing(const char *path)
{
    struct stat facts;
    return lstat(path, &facts) != 0 && errno == ENOENT;
}

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
