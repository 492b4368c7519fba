"""Records of captures: pcap in its variants and pcapng, from bytes as they come.

A CaptureReader owns a window that its caller fills, from a descriptor without the GIL or from anything that has
bytes. Packets are looked at where they lie; what a window's end cuts moves to its front before more is read.  Nothing
is mapped: a capture that is truncated meanwhile would end the process.  Formats: draft-ietf-opsawg-pcap,
draft-ietf-opsawg-pcapng.
"""
cimport cython
from cpython.exc cimport PyErr_CheckSignals, PyErr_SetFromErrno
from cpython.memoryview cimport PyMemoryView_GET_BUFFER
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memmove

from _dicomwire.errors import DecodeError

cdef extern from "bswap.h" nogil:
    uint16_t dw_load16le(const void*) noexcept
    uint16_t dw_load16be(const void*) noexcept
    uint32_t dw_load32le(const void*) noexcept
    uint32_t dw_load32be(const void*) noexcept
    uint64_t dw_load64le(const void*) noexcept
    uint64_t dw_load64be(const void*) noexcept

cdef extern from "<unistd.h>" nogil:
    ssize_t read(int, void*, size_t) noexcept

cdef extern from "<stdint.h>" nogil:
    const int64_t INT64_MAX

cdef enum CaptureFormat:
    UNKNOWN_FORMAT = 0
    PCAP_MICROSECONDS = 1
    PCAP_NANOSECONDS = 2
    PCAPNG = 3

cdef enum:
    LEAST_WINDOW = 1 << 16
    MOST_PACKET = 1 << 19               # bytes of one packet; the largest of segmentation offload fit
    MOST_INTERFACES = 1 << 16           # of a section
    FILE_HEADER = 24
    SECTION_HEADER = 0x0A0D0D0A         # block types
    INTERFACE_DESCRIPTION = 1
    OBSOLETE_PACKET = 2
    SIMPLE_PACKET = 3
    INTERFACE_STATISTICS = 5
    ENHANCED_PACKET = 6
    IF_TSRESOL = 9                      # options of an interface
    IF_FCSLEN = 13
    IF_TSOFFSET = 14
    ISB_IFDROP = 5                      # options of its statistics
    ISB_OSDROP = 7

cdef enum CaptureFault:
    NO_FAULT = 0
    NO_CAPTURE                          # neither magic number
    RECORD_TOO_LONG
    BLOCK_LENGTH
    BLOCK_END                           # the length behind a block differs from the one in front
    SECTION_START
    NO_MEMORY

cdef enum Taken:                        # of the next record or block
    NEEDS_MORE = 0
    IS_PACKET = 1
    IS_OTHER = 2

cdef str SECTION = "draft-ietf-opsawg-pcapng section 3.1"

cdef tuple FORMATS = (None, "pcap", "pcap", "pcapng")


cdef inline uint16_t load16(const uint8_t* p, bint big) noexcept nogil:
    return dw_load16be(p) if big else dw_load16le(p)


cdef inline uint32_t load32(const uint8_t* p, bint big) noexcept nogil:
    return dw_load32be(p) if big else dw_load32le(p)


cdef inline uint64_t load64(const uint8_t* p, bint big) noexcept nogil:
    return dw_load64be(p) if big else dw_load64le(p)


cdef int64_t time_of(const Interface* interface, uint64_t ticks) noexcept nogil:
    """Nanoseconds since 1970 of so many ticks of an interface's clock; at most the greatest that can be said."""
    cdef uint64_t seconds, rest, ns
    if interface.tick_ns and not interface.offset_s:
        if ticks <= <uint64_t>INT64_MAX // interface.tick_ns:
            return <int64_t>(ticks * interface.tick_ns)
        return INT64_MAX
    seconds = ticks // interface.ticks
    rest = ticks % interface.ticks
    if interface.tick_ns:
        ns = rest * interface.tick_ns
    elif interface.ticks > <uint64_t>1 << 33:
        ns = <uint64_t>(<double>rest / <double>interface.ticks * 1e9)
    else:
        ns = rest * 1000000000u // interface.ticks
    if interface.offset_s < 0:
        if seconds < <uint64_t>-interface.offset_s:
            return 0
        seconds -= <uint64_t>-interface.offset_s
    else:
        seconds += <uint64_t>interface.offset_s
    if seconds >= <uint64_t>INT64_MAX // 1000000000u:
        return INT64_MAX
    return <int64_t>(seconds * 1000000000u + ns)


cdef void set_resolution(Interface* interface, uint8_t resolution) noexcept nogil:
    """Set the clock by the option if_tsresol: a negative power of 10, or of 2 where the highest bit is set."""
    cdef int power = resolution & 0x7F
    cdef int _step
    if resolution & 0x80:
        interface.ticks = <uint64_t>1 << min(power, 63)
        interface.tick_ns = 0
        return
    interface.ticks = 1
    for _step in range(min(power, 19)):
        interface.ticks *= 10
    interface.tick_ns = 1000000000u // interface.ticks if power <= 9 else 0


cdef class PacketSource:
    """What gives packets to a FlowTable: a CaptureReader, or a live ring."""

    cdef int take(self, Packet* packets, int most) noexcept nogil:
        return 0

    def check(self):
        """Raise a DecodeError if the source has ended in bytes that are no packet."""


@cython.final
cdef class CaptureReader(PacketSource):
    """A reader of captures with a window of ``size`` bytes, at least 1 MiB for what is to be fast.

    Fill it, then let a FlowTable `run` on it, or take packets one by one with `read_packet`.  `packets` and `drops`
    count on over several captures, see `begin_capture`.
    """

    def __init__(self, size_t size=1 << 20):
        size = max(size, <size_t>MOST_PACKET + LEAST_WINDOW)
        self.view = memoryview(bytearray(size))
        self.memory = <uint8_t*>PyMemoryView_GET_BUFFER(self.view).buf
        self.size = size

    def __dealloc__(self):
        free(self.interfaces)

    def begin_capture(self):
        """Take what is fed from now on as another capture: the next of rotating files."""
        if self.lent:
            raise RuntimeError("packets of the capture before are still to be looked at")
        self.start = self.end = 0
        self.passed = 0
        self.to_skip = 0
        self.format = UNKNOWN_FORMAT
        self.fault = NO_FAULT
        self.interface_count = 0

    @property
    def format_name(self):
        """``"pcap"``, ``"pcapng"``, or None before its first bytes."""
        return FORMATS[self.format]

    @property
    def offset(self):
        """Bytes of the capture whose packets were given."""
        return self.passed

    @property
    def pending_bytes(self):
        """Bytes that wait for the rest of their record."""
        return self.end - self.start

    @property
    def is_broken(self):
        """Whether the capture cannot be read on; `check` says why."""
        return self.fault != NO_FAULT

    @property
    def is_between_records(self):
        """Whether a capture that ends here is complete."""
        return self.start == self.end and not self.to_skip and self.format != UNKNOWN_FORMAT

    def room(self):
        """A view of the window's free part, for ``readinto``; say with `filled` how much of it was written."""
        self._make_room()
        return self.view[self.end:]

    def filled(self, size_t count):
        """Take the first bytes of what `room` gave as the capture's next."""
        if count > self.size - self.end:
            raise ValueError(f"{count} bytes in room for {self.size - self.end}")
        self.end += count

    def feed(self, data):
        """Take as many of the next bytes as there is room for; their count."""
        cdef const uint8_t[::1] bytes_ = data
        cdef size_t count
        self._make_room()
        count = min(<size_t>bytes_.shape[0], self.size - self.end)
        if count:
            memcpy(self.memory + self.end, &bytes_[0], count)
        self.end += count
        return count

    def fill(self, int descriptor):
        """Read from a descriptor as much as it gives at once; the count of bytes, 0 at its end.

        None where a descriptor that does not block has nothing.  Other threads run meanwhile; errors are OSErrors.
        """
        cdef ssize_t got
        self._make_room()
        while True:
            with nogil:
                got = read(descriptor, self.memory + self.end, self.size - self.end)
            if got >= 0:
                self.end += <size_t>got
                return got
            if errno == EAGAIN:
                return None
            if errno != EINTR:
                PyErr_SetFromErrno(OSError)
            PyErr_CheckSignals()

    def read_packet(self):
        """The next packet, (time in ns, link type, bytes, length on the wire, interface); None if more must be fed."""
        cdef Packet packet
        if self.lent:
            raise RuntimeError("packets are still to be looked at")
        if not self.take(&packet, 1):
            self.check()
            return None
        return (packet.time_ns, packet.link_type, packet.data[:packet.captured_length], packet.wire_length,
                packet.interface)

    def check(self):
        """Raise a DecodeError if the capture cannot be read on; all packets before were given."""
        if self.fault == NO_FAULT:
            return
        if self.fault == NO_MEMORY:
            raise MemoryError
        raise DecodeError(self._fault_text(), offset=self.passed,
                          section="draft-ietf-opsawg-pcap section 4" if self.format < PCAPNG else SECTION)

    def _make_room(self):
        if self.lent:
            raise RuntimeError("packets are still to be looked at")
        if self.start:
            memmove(self.memory, self.memory + self.start, self.end - self.start)
            self.end -= self.start
            self.start = 0

    def _fault_text(self):
        if self.fault == NO_CAPTURE:
            return f"neither a pcap nor a pcapng file: it begins with {self.fault_found:08x}"
        if self.fault == RECORD_TOO_LONG:
            return f"a packet of {self.fault_found} bytes, at most {self.fault_limit} are taken"
        if self.fault == BLOCK_LENGTH:
            return f"a block of {self.fault_found} bytes, expected a multiple of 4 from {self.fault_limit}"
        if self.fault == BLOCK_END:
            return f"the length behind a block is {self.fault_found}, the one in front {self.fault_limit}"
        return f"a section with the byte-order magic {self.fault_found:08x}, expected 1a2b3c4d"

    @cython.nonecheck(False)
    cdef int _fail(self, int fault, uint64_t found, uint64_t limit) noexcept nogil:
        self.fault = fault
        self.fault_found = found
        self.fault_limit = limit
        return NEEDS_MORE

    @cython.nonecheck(False)
    cdef int take(self, Packet* packets, int most) noexcept nogil:
        """Lend up to ``most`` packets; their count, 0 when the window has no whole one."""
        cdef int count = 0, taken
        cdef size_t step
        while count < most and self.fault == NO_FAULT:
            if self.to_skip:
                step = <size_t>min(self.to_skip, <uint64_t>(self.end - self.start))
                self.start += step
                self.passed += step
                self.to_skip -= step
                if self.to_skip:
                    break
            if self.format == PCAPNG:
                taken = self._block(packets + count)
            elif self.format != UNKNOWN_FORMAT:
                taken = self._pcap_record(packets + count)
            else:
                taken = self._begin()
            if taken == NEEDS_MORE:
                break
            if taken == IS_PACKET:
                self.packets += 1
                packets[count].number = self.packets
                count += 1
        return count

    @cython.nonecheck(False)
    cdef int _begin(self) noexcept nogil:
        """Know the format by its magic number."""
        cdef const uint8_t* p = self.memory + self.start
        cdef size_t left = self.end - self.start
        cdef uint32_t magic, network
        cdef Interface* interface
        if left < 4:
            return NEEDS_MORE
        magic = dw_load32le(p)
        if magic == SECTION_HEADER:
            self.format = PCAPNG
            return IS_OTHER
        self.is_big_endian = magic == 0xD4C3B2A1u or magic == 0x4D3CB2A1u or magic == 0x34CDB2A1u
        magic = load32(p, self.is_big_endian)
        if magic != 0xA1B2C3D4u and magic != 0xA1B23C4Du and magic != 0xA1B2CD34u:
            return self._fail(NO_CAPTURE, dw_load32be(p), 0)
        if left < FILE_HEADER:
            return NEEDS_MORE
        interface = self._add_interface()
        if interface == NULL:
            return self._fail(NO_MEMORY, 0, 0)
        network = load32(p + 20, self.is_big_endian)
        interface.link_type = network & 0xFFFF
        if network & 0x04000000u:
            interface.fcs_length = (network >> 28) * 2
        # A modified format of old Linux systems has eight bytes more before each packet.
        self.record_header = 24 if magic == 0xA1B2CD34u else 16
        self.format = PCAP_NANOSECONDS if magic == 0xA1B23C4Du else PCAP_MICROSECONDS
        self.start += FILE_HEADER
        self.passed += FILE_HEADER
        return IS_OTHER

    @cython.nonecheck(False)
    cdef int _pcap_record(self, Packet* packet) noexcept nogil:
        cdef const uint8_t* p = self.memory + self.start
        cdef size_t left = self.end - self.start
        cdef uint32_t length
        cdef int64_t fraction
        cdef bint big = self.is_big_endian
        if left < self.record_header:
            return NEEDS_MORE
        length = load32(p + 8, big)
        if length > MOST_PACKET:
            return self._fail(RECORD_TOO_LONG, length, MOST_PACKET)
        if left - self.record_header < length:
            return NEEDS_MORE
        fraction = load32(p + 4, big)
        if self.format == PCAP_MICROSECONDS:
            fraction *= 1000
        packet.time_ns = <int64_t>load32(p, big) * 1000000000 + fraction
        packet.data = p + self.record_header
        packet.captured_length = length
        packet.wire_length = max(load32(p + 12, big), length)
        packet.interface = 0
        packet.vlan = 0
        packet.link_type = self.interfaces.link_type
        packet.fcs_length = self.interfaces.fcs_length
        self.start += self.record_header + length
        self.passed += self.record_header + length
        return IS_PACKET

    @cython.nonecheck(False)
    cdef int _section(self) noexcept nogil:
        """A Section Header Block: its byte order holds until the next; its interfaces are its own."""
        cdef const uint8_t* p = self.memory + self.start
        cdef uint32_t magic
        if self.end - self.start < 12:
            return NEEDS_MORE
        magic = dw_load32le(p + 8)
        if magic != 0x1A2B3C4Du and magic != 0x4D3C2B1Au:
            return self._fail(SECTION_START, dw_load32be(p + 8), 0)
        self.is_big_endian = magic == 0x4D3C2B1Au
        self.interface_count = 0
        return IS_OTHER

    @cython.nonecheck(False)
    cdef int _block(self, Packet* packet) noexcept nogil:
        cdef const uint8_t* p = self.memory + self.start
        cdef const uint8_t* body = p + 8
        cdef size_t left = self.end - self.start, room
        cdef uint32_t kind, length, captured, number, header
        cdef Interface* interface
        if left < 8:
            return NEEDS_MORE
        kind = load32(p, self.is_big_endian)
        if kind == SECTION_HEADER and self._section() != IS_OTHER:
            return NEEDS_MORE
        length = load32(p + 4, self.is_big_endian)
        if length < 12 or length & 3:
            return self._fail(BLOCK_LENGTH, length, 12)
        if length > self.size:
            # No packet that is taken is as long: names, secrets, or a length that lies.
            if kind == ENHANCED_PACKET or kind == SIMPLE_PACKET or kind == OBSOLETE_PACKET:
                self.invalid_blocks += 1
            self.to_skip = length
            return IS_OTHER
        if left < length:
            return NEEDS_MORE
        if load32(p + length - 4, self.is_big_endian) != length:
            return self._fail(BLOCK_END, load32(p + length - 4, self.is_big_endian), length)
        self.start += length
        self.passed += length
        room = length - 12
        if kind == ENHANCED_PACKET or kind == OBSOLETE_PACKET:
            header = 20
            if room < header:
                self.invalid_blocks += 1
                return IS_OTHER
            number = load32(body, self.is_big_endian) if kind == ENHANCED_PACKET else load16(body, self.is_big_endian)
            captured = load32(body + 12, self.is_big_endian)
            packet.wire_length = load32(body + 16, self.is_big_endian)
        elif kind == SIMPLE_PACKET:
            header = 4
            if room < header or not self.interface_count:
                self.invalid_blocks += 1
                return IS_OTHER
            number = 0
            packet.wire_length = load32(body, self.is_big_endian)
            captured = min(packet.wire_length, <uint32_t>room - header)
            if self.interfaces.snap_length:
                captured = min(captured, self.interfaces.snap_length)
        else:
            if kind == INTERFACE_DESCRIPTION:
                self._interface(body, room)
            elif kind == INTERFACE_STATISTICS:
                self._statistics(body, room)
            return IS_OTHER
        if captured > room - header or captured > MOST_PACKET or number >= self.interface_count:
            self.invalid_blocks += 1
            return IS_OTHER
        interface = self.interfaces + number
        if kind != SIMPLE_PACKET:       # which has no time: it counts as captured with the one before
            self.last_time_ns = time_of(interface, <uint64_t>load32(body + 4, self.is_big_endian) << 32
                                        | load32(body + 8, self.is_big_endian))
        packet.time_ns = self.last_time_ns
        packet.data = body + header
        packet.captured_length = captured
        packet.wire_length = max(packet.wire_length, captured)
        packet.interface = number
        packet.vlan = 0
        packet.link_type = interface.link_type
        packet.fcs_length = interface.fcs_length
        return IS_PACKET

    @cython.nonecheck(False)
    cdef Interface* _add_interface(self) noexcept nogil:
        cdef Interface* grown
        cdef uint32_t capacity
        if self.interface_count == self.interface_capacity:
            capacity = max(self.interface_capacity * 2, 4)
            grown = <Interface*>realloc(self.interfaces, capacity * sizeof(Interface))
            if grown == NULL:
                return NULL
            self.interfaces = grown
            self.interface_capacity = capacity
        grown = self.interfaces + self.interface_count
        self.interface_count += 1
        grown.ticks = 1000000
        grown.tick_ns = 1000
        grown.offset_s = 0
        grown.drops = 0
        grown.snap_length = 0
        grown.link_type = 0
        grown.fcs_length = 0
        return grown

    @cython.nonecheck(False)
    cdef void _interface(self, const uint8_t* body, size_t length) noexcept nogil:
        """An Interface Description Block."""
        cdef Interface* interface
        cdef size_t at = 8
        cdef uint32_t code, size
        if length < 8 or self.interface_count == MOST_INTERFACES:
            self.invalid_blocks += 1
            return
        interface = self._add_interface()
        if interface == NULL:
            self._fail(NO_MEMORY, 0, 0)
            return
        interface.link_type = load16(body, self.is_big_endian)
        interface.snap_length = load32(body + 4, self.is_big_endian)
        while length - at >= 4:
            code = load16(body + at, self.is_big_endian)
            size = load16(body + at + 2, self.is_big_endian)
            at += 4
            if code == 0 or size > length - at:
                break
            if code == IF_TSRESOL and size >= 1:
                set_resolution(interface, body[at])
            elif code == IF_FCSLEN and size >= 1:
                interface.fcs_length = body[at]
            elif code == IF_TSOFFSET and size >= 8:
                interface.offset_s = <int64_t>load64(body + at, self.is_big_endian)
                # What is beyond all calendars would overflow.
                interface.offset_s = min(max(interface.offset_s, -(<int64_t>1 << 40)), <int64_t>1 << 40)
            at += (size + 3) & ~<uint32_t>3
            if at > length:
                break

    @cython.nonecheck(False)
    cdef void _statistics(self, const uint8_t* body, size_t length) noexcept nogil:
        """An Interface Statistics Block: how many packets were dropped so far."""
        cdef size_t at = 12
        cdef uint32_t code, size, number
        cdef uint64_t drops = 0
        if length < 12:
            self.invalid_blocks += 1
            return
        number = load32(body, self.is_big_endian)
        if number >= self.interface_count:
            self.invalid_blocks += 1
            return
        while length - at >= 4:
            code = load16(body + at, self.is_big_endian)
            size = load16(body + at + 2, self.is_big_endian)
            at += 4
            if code == 0 or size > length - at:
                break
            if (code == ISB_IFDROP or code == ISB_OSDROP) and size == 8:
                drops += load64(body + at, self.is_big_endian)
            at += (size + 3) & ~<uint32_t>3
            if at > length:
                break
        if drops > self.interfaces[number].drops:
            self.drops += drops - self.interfaces[number].drops
            self.interfaces[number].drops = drops
