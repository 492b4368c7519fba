"""Captures: the records of pcap and pcapng files out of a window of bytes, and what gives packets in general.

A PacketSource lends packets: their bytes stay where they are until the source is filled again.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum LinkType:             # of the IETF's list of link types; as captures have them
    LINK_NULL = 0               # 4 bytes of address family in the byte order of the machine that captured
    LINK_ETHERNET = 1
    LINK_RAW_BSD = 12           # IP without a link header, as some systems number it
    LINK_RAW_OPENBSD = 14
    LINK_RAW = 101
    LINK_LOOP = 108             # as NULL, the family in network byte order
    LINK_LINUX_SLL = 113
    LINK_IPV4 = 228
    LINK_IPV6 = 229
    LINK_LINUX_SLL2 = 276

cdef struct Packet:
    const uint8_t* data         # from the link header on; borrowed from the source
    uint32_t captured_length    # bytes of ``data``
    uint32_t wire_length        # before it was cut
    int64_t time_ns             # since 1970-01-01 UTC
    uint64_t number             # in the source, from 1
    uint32_t interface          # of the capture's section
    uint16_t link_type
    uint16_t vlan               # that the hardware took out of the frame, 0 without
    uint8_t fcs_length          # bytes of frame check sequence at the end, where the capture says so


cdef class PacketSource:
    """What gives packets: a capture or a ring."""
    cdef readonly uint64_t packets      # given so far
    cdef readonly uint64_t drops        # packets that whoever captured says were not
    cdef int fault                      # what is wrong with the bytes; nothing more is given
    cdef int lent                       # packets that were taken and not yet looked at
    cdef int take(self, Packet* packets, int most) noexcept nogil


cdef struct Interface:                  # of a section of a pcapng file
    uint64_t ticks                      # of its clock in a second
    uint64_t tick_ns                    # nanoseconds of one, 0 if that is no whole number
    int64_t offset_s
    uint64_t drops
    uint32_t snap_length
    uint16_t link_type
    uint8_t fcs_length


cdef class CaptureReader(PacketSource):
    cdef readonly memoryview view       # the window's memory
    cdef uint8_t* memory                # the same
    cdef size_t size
    cdef size_t start, end              # bytes of the window that were not looked at
    cdef uint64_t passed                # bytes of the capture before ``start``
    cdef uint64_t to_skip               # bytes of a block that is of no use
    cdef int format                     # CaptureFormat
    cdef bint is_big_endian
    cdef uint8_t record_header          # bytes of a pcap record's header
    cdef Interface* interfaces
    cdef uint32_t interface_count, interface_capacity
    cdef int64_t last_time_ns
    cdef readonly uint64_t invalid_blocks   # blocks without sense of their own, passed over
    cdef uint64_t fault_found, fault_limit
    cdef int _begin(self) noexcept nogil
    cdef int _pcap_record(self, Packet* packet) noexcept nogil
    cdef int _block(self, Packet* packet) noexcept nogil
    cdef int _section(self) noexcept nogil
    cdef void _interface(self, const uint8_t* body, size_t length) noexcept nogil
    cdef void _statistics(self, const uint8_t* body, size_t length) noexcept nogil
    cdef Interface* _add_interface(self) noexcept nogil
    cdef int _fail(self, int fault, uint64_t found, uint64_t limit) noexcept nogil
