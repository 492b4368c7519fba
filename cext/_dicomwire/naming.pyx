"""New files beside the names that they are to have, and giving them these."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_SetFromErrnoWithFilenameObject
from libc.errno cimport EEXIST, EINTR, EINVAL, ENOSYS, errno
from libc.stdint cimport int64_t

from os import strerror

cdef extern from "naming.h" nogil:
    int dw_open_new(const char* path, int mode) noexcept
    bint dw_is_missing(const char* path) noexcept
    int dw_rename_new(const char*, const char*) noexcept

cdef extern from "<stdio.h>" nogil:
    int snprintf(char*, size_t, const char*, ...) noexcept

cdef extern from *:
    """
    #include <time.h>
    #include <unistd.h>
    static inline int64_t dw_nanoseconds(void)
    {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    }
    """
    int64_t dw_nanoseconds() noexcept nogil
    int getpid() noexcept nogil

cdef extern from "Python.h":
    object PyUnicode_EncodeFSDefault(object)
    str PyUnicode_DecodeFSDefaultAndSize(const char*, Py_ssize_t)

cdef enum:
    KEPT = 100                  # bytes of a name that are in the temporary one, which has more and may be as long
    ENDING = 64
    MODE = 0o666                # before the umask


def open_beside(str name not None, bint only_missing=False) -> tuple[int, str] | None:
    """Open a new file, in the folder of ``name``, for writing; its descriptor and its temporary, hidden name.

    None with ``only_missing`` where there is something of that name, or may be.  OSError of the system.
    """
    cdef bytes encoded = PyUnicode_EncodeFSDefault(name)
    cdef const char* text = PyBytes_AS_STRING(encoded)
    cdef Py_ssize_t length = PyBytes_GET_SIZE(encoded), folder = encoded.rfind(b"/") + 1, kept
    cdef bytearray temporary
    cdef char* at
    cdef int descriptor = -1, written = 0, _
    if b"\0" in encoded:
        raise ValueError("embedded null byte")
    kept = min(length - folder, KEPT)
    while folder + kept < length and kept and text[folder + kept] & 0xC0 == 0x80:
        kept -= 1               # not within a character of UTF-8
    temporary = bytearray(folder + kept + ENDING)
    at = temporary
    with nogil:
        if only_missing and not dw_is_missing(text):
            descriptor = -2
        else:
            for _ in range(8):
                written = snprintf(at, <size_t>(folder + kept + ENDING), "%.*s.%.*s.%d-%llx.part", <int>folder,
                                   text, <int>kept, text + folder, getpid(),
                                   <unsigned long long>dw_nanoseconds())
                descriptor = dw_open_new(at, MODE)
                if descriptor >= 0 or errno != EEXIST and errno != EINTR:
                    break
    if descriptor == -2:
        return None
    if descriptor < 0:
        PyErr_SetFromErrnoWithFilenameObject(OSError, name)
    return descriptor, PyUnicode_DecodeFSDefaultAndSize(at, written)


def rename_new(str source not None, str target not None) -> bool:
    """Rename a file unless there is one of the new name, which is a FileExistsError; False where nobody can say so."""
    cdef bytes old = PyUnicode_EncodeFSDefault(source), new = PyUnicode_EncodeFSDefault(target)
    cdef const char* old_name = PyBytes_AS_STRING(old)
    cdef const char* new_name = PyBytes_AS_STRING(new)
    cdef int error
    with nogil:
        error = dw_rename_new(old_name, new_name)
    if error == 0:
        return True
    if error == ENOSYS or error == EINVAL:
        return False
    raise OSError(error, strerror(error), target)
