"""From a packet to its TCP segment: link header, VLAN tags, IPv4 or IPv6 with extension headers, TCP header.

Every length is checked against what the capture holds before it is used.  What a header says of the wire counts, so
that padding and check sequences behind a datagram are no payload; where it says nothing (length 0, as segmentation
offload leaves it) the packet's own length does.  Checksums are not looked at: a sender's are not there yet where it
leaves them to its hardware.  RFC 791, 8200, 9293; IEEE 802.1Q.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from .capture cimport (
    LINK_ETHERNET, LINK_IPV4, LINK_IPV6, LINK_LINUX_SLL, LINK_LINUX_SLL2, LINK_LOOP, LINK_NULL, LINK_RAW, LINK_RAW_BSD,
    LINK_RAW_OPENBSD, Packet,
)

cdef extern from "bswap.h" nogil:
    uint16_t dw_load16be(const void*) noexcept
    uint32_t dw_load32be(const void*) noexcept
    uint32_t dw_load32le(const void*) noexcept

cdef enum:
    MOST_TAGS = 8               # VLAN tags of one frame
    MOST_EXTENSIONS = 16        # extension headers of one IPv6 packet
    TCP_PROTOCOL = 6
    NO_SCALE = 255

cdef enum Found:
    IS_IP = 0                   # a datagram, or a fragment of one
    NOT_IP = 1
    UNKNOWN_LINK = 2
    TOO_SHORT = 3               # the capture ends in the headers
    MALFORMED = 4               # a header contradicts itself

cdef enum TCPFlag:
    TCP_FIN = 1
    TCP_SYN = 2
    TCP_RST = 4
    TCP_PSH = 8
    TCP_ACK = 16

cdef struct Datagram:
    const uint8_t* source       # addresses of 4 or 16 bytes; borrowed, as ``payload``
    const uint8_t* destination
    const uint8_t* payload      # behind the IP headers
    uint32_t captured           # bytes of it in the capture
    uint32_t length             # on the wire
    uint32_t identification     # 0 for IPv6 that is not fragmented
    uint32_t fragment_offset    # in bytes
    uint16_t vlan               # the outermost, 0 without
    uint8_t version             # 4 or 6
    uint8_t protocol            # behind the headers
    bint more_fragments

cdef struct TCPSegment:
    const uint8_t* payload
    uint32_t captured           # bytes of it in the capture
    uint32_t length             # on the wire
    uint32_t sequence
    uint32_t acknowledgement
    uint16_t source_port
    uint16_t destination_port
    uint16_t window             # not scaled
    uint16_t checksum
    uint16_t mss                # 0 if not said
    uint8_t window_scale        # NO_SCALE if not said
    uint8_t flags


cdef inline int find_ipv4(const uint8_t* p, uint32_t captured, uint32_t wire, Datagram* out) noexcept nogil:
    cdef uint32_t header, length, fragment
    if captured < 20:
        return TOO_SHORT
    header = (p[0] & 15) * 4
    length = dw_load16be(p + 2)
    if length == 0:
        length = wire
    if header < 20 or length < header:
        return MALFORMED
    if captured < header:
        return TOO_SHORT
    fragment = dw_load16be(p + 6)
    out.version = 4
    out.protocol = p[9]
    out.source = p + 12
    out.destination = p + 16
    out.identification = dw_load16be(p + 4)
    out.fragment_offset = (fragment & 0x1FFF) * 8
    out.more_fragments = (fragment & 0x2000) != 0
    out.payload = p + header
    out.captured = min(captured, length) - header
    out.length = length - header
    return IS_IP


cdef inline int pass_extensions(Datagram* d) noexcept nogil:
    """Step over the extension headers of IPv6 in front of the payload, up to what is in the middle of a datagram."""
    cdef uint32_t size, fragment
    cdef uint8_t following
    cdef int _step
    for _step in range(MOST_EXTENSIONS):
        if d.protocol == 44:                    # fragment
            size = 8
        elif (d.protocol == 0 or d.protocol == 43 or d.protocol == 60 or d.protocol == 135 or d.protocol == 139
                or d.protocol == 140):
            if d.captured < 2:
                return TOO_SHORT
            size = (<uint32_t>d.payload[1] + 1) * 8
        elif d.protocol == 51:                  # authentication
            if d.captured < 2:
                return TOO_SHORT
            size = (<uint32_t>d.payload[1] + 2) * 4
        else:
            return IS_IP
        if d.length < size:
            return MALFORMED
        if d.captured < size:
            return TOO_SHORT
        following = d.payload[0]
        if d.protocol == 44:
            fragment = dw_load16be(d.payload + 2)
            d.fragment_offset = fragment & 0xFFF8
            d.more_fragments = (fragment & 1) != 0
            d.identification = dw_load32be(d.payload + 4)
        d.protocol = following
        d.payload += size
        d.captured -= size
        d.length -= size
        if d.fragment_offset or d.more_fragments:
            return IS_IP
    return MALFORMED


cdef inline int find_ipv6(const uint8_t* p, uint32_t captured, uint32_t wire, Datagram* out) noexcept nogil:
    cdef uint32_t length
    if captured < 40:
        return TOO_SHORT
    length = dw_load16be(p + 4)
    if length == 0:             # a jumbogram, or segmentation offload
        if wire < 40:
            return MALFORMED
        length = wire - 40
    out.version = 6
    out.protocol = p[6]
    out.source = p + 8
    out.destination = p + 24
    out.identification = 0
    out.fragment_offset = 0
    out.more_fragments = False
    out.payload = p + 40
    out.captured = min(captured - 40, length)
    out.length = length
    return pass_extensions(out)


cdef inline int find_datagram(const Packet* packet, Datagram* out) noexcept nogil:
    """Find the IP datagram of a packet; a Found."""
    cdef const uint8_t* p = packet.data
    cdef uint32_t captured = packet.captured_length, wire = packet.wire_length, at, family, kind = 0
    cdef int tags = 0
    out.vlan = packet.vlan
    if packet.link_type == LINK_ETHERNET:
        at = 12
    elif packet.link_type == LINK_LINUX_SLL:
        at = 14
    elif packet.link_type == LINK_LINUX_SLL2:
        at = 0
    elif packet.link_type == LINK_NULL or packet.link_type == LINK_LOOP:
        if captured < 4:
            return TOO_SHORT
        # The family's number differs between systems, as does the order of its bytes.
        family = dw_load32be(p)
        if family > 0xFFFF:
            family = dw_load32le(p)
        if family != 2 and family != 10 and family != 24 and family != 28 and family != 30:
            return NOT_IP
        at = 4
        kind = 4
    elif (packet.link_type == LINK_RAW or packet.link_type == LINK_RAW_BSD or packet.link_type == LINK_RAW_OPENBSD
            or packet.link_type == LINK_IPV4 or packet.link_type == LINK_IPV6):
        at = 0
        kind = 4
    else:
        return UNKNOWN_LINK
    if kind == 0:
        if captured < at + 2:
            return TOO_SHORT
        kind = dw_load16be(p + at)
        at = 20 if packet.link_type == LINK_LINUX_SLL2 else at + 2
        while kind == 0x8100 or kind == 0x88A8 or kind == 0x9100 or kind == 0x9200:
            if captured < at + 4:
                return TOO_SHORT
            if tags == 0 and out.vlan == 0:
                out.vlan = dw_load16be(p + at) & 0xFFF
            tags += 1
            if tags > MOST_TAGS:
                return MALFORMED
            kind = dw_load16be(p + at + 2)
            at += 4
        if kind != 0x0800 and kind != 0x86DD:
            return NOT_IP
    if captured <= at:
        return TOO_SHORT
    wire -= at
    if wire > packet.fcs_length:
        wire -= packet.fcs_length
    if p[at] >> 4 == 4:
        return find_ipv4(p + at, captured - at, wire, out)
    if p[at] >> 4 == 6:
        return find_ipv6(p + at, captured - at, wire, out)
    return MALFORMED


cdef inline int find_segment(const uint8_t* p, uint32_t captured, uint32_t length, TCPSegment* out) noexcept nogil:
    """Take a datagram's payload apart as a TCP segment; IS_IP, TOO_SHORT or MALFORMED."""
    cdef uint32_t header, at, size
    if captured < 20:
        return TOO_SHORT if length >= 20 else MALFORMED
    header = (p[12] >> 4) * 4
    if header < 20 or length < header:
        return MALFORMED
    out.source_port = dw_load16be(p)
    out.destination_port = dw_load16be(p + 2)
    out.sequence = dw_load32be(p + 4)
    out.acknowledgement = dw_load32be(p + 8)
    out.flags = p[13]
    out.window = dw_load16be(p + 14)
    out.checksum = dw_load16be(p + 16)
    out.length = length - header
    out.payload = p + header
    out.captured = captured - header if captured > header else 0
    out.mss = 0
    out.window_scale = NO_SCALE
    if out.flags & TCP_SYN:
        at = 20
        header = min(header, captured)
        while at < header:
            if p[at] == 0:
                break
            if p[at] == 1:
                at += 1
                continue
            if at + 2 > header:
                break
            size = p[at + 1]
            if size < 2 or at + size > header:
                break
            if p[at] == 2 and size == 4:
                out.mss = dw_load16be(p + at + 2)
            elif p[at] == 3 and size == 3:
                out.window_scale = min(p[at + 2], 14)
            at += size
    return IS_IP
