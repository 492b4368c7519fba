"""What pickles a view: its bytes as they stand in the source, and what it has from around them."""
from cpython.object cimport PyObject
from libc.stdint cimport uint32_t

from .block cimport hook
from .decode cimport value_view
from .tape cimport BIG_ENDIAN, END_UNKNOWN, IMPLICIT, IMPLICIT_IN_UN, TapeEntry, UNDEFINED_LENGTH


cdef bytes encoded_element(Block block, uint32_t index):
    """An element as it stands in the source: header, value, and the delimiter of an undefined length."""
    cdef TapeEntry* entry = block.entries + index
    cdef TapeEntry whole
    if entry.flags & END_UNKNOWN:
        block.resume()
        entry = block.entries + index
    whole = entry[0]
    whole.offset -= whole.header_size
    whole.length += whole.header_size
    data = bytes(value_view(block, &whole))
    if entry.flags & UNDEFINED_LENGTH:
        # Written anew, since a damaged source may have none.
        data += (b"\xff\xfe\xe0\xdd" if block.encoding & BIG_ENDIAN else b"\xfe\xff\xdd\xe0") + bytes(4)
    return data


cdef int encoding_at(Block block, uint32_t index):
    """Encoding of the elements beside an entry."""
    if not block.is_implicit(index):
        return block.encoding
    return IMPLICIT | (BIG_ENDIAN if block.is_big_endian(index) else 0)


cdef tuple inside_state(Block block, uint32_t index):
    """What an entry has from around it: policy, charset override, inherited terms, Pixel Representation."""
    cdef PyObject* charset = NULL
    cdef int kind = block.charset_of(index, &charset)
    terms = (<object>charset).terms if charset != NULL else (None, ("ISO_IR 192",), ("ISO_IR 100",))[kind]
    return block.source.policy, block.source.charset, terms, block._pixel_representation(index)


cdef tuple reduce_inside(Block block, uint32_t index, int kind):
    """What pickles an item, a sequence or fragments: the bytes inside, and what they have from around them."""
    cdef int encoding
    if block.entries[index].flags & END_UNKNOWN:
        block.resume()
    encoding = IMPLICIT if block.entries[index].flags & IMPLICIT_IN_UN else encoding_at(block, index)
    data = bytes(value_view(block, block.entries + index))
    return hook("restore_inside"), (data, kind, encoding, inside_state(block, index))
