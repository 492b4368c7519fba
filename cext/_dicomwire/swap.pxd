"""Words of a value in the other byte order, see include/swap.h."""
from libc.stdint cimport uint8_t, uint16_t

cdef extern from "swap.h" nogil:
    # Copies ``size`` bytes, whole words of them swapped, the rest as it is; the two must not overlap.
    void dw_swap_words(uint8_t* to, const uint8_t* source, size_t size, int word) noexcept
    # Bytes of the words that values of a VR consist of; 1 where byte order does not matter.
    int dw_word_of(uint16_t vr) noexcept
