/* Loops compiled twice, for the baseline of the architecture and for AVX2, and chosen once when the module is loaded.
 *
 * Shuffles between planes, packed pixels and shifts of words gain two to three times from AVX2; a wheel has to run
 * without it.  GCC with glibc on x86-64 does it by itself (an indirect function); other compilers and libraries, and the
 * sanitizers, whose checks are not ready when the choice is made, get the baseline. */
#ifndef DICOMWIRE_CLONES_H
#define DICOMWIRE_CLONES_H

#include <stddef.h>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__GLIBC__) && \
    defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__)
#define DW_CLONES __attribute__((noinline, target_clones("avx2", "default")))
#elif defined(_MSC_VER)
#define DW_CLONES
#else
#define DW_CLONES __attribute__((noinline))
#endif

/* Where a loop has to be written out, it asks for the instructions itself. */
#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define DW_AVX2
#endif

#endif
