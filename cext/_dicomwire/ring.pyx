"""A ring of packets that the kernel fills: an AF_PACKET socket with TPACKET_V3 (packet(7), Linux).

The kernel writes packets into blocks of memory that both sides map; a full block, or one that has waited for long
enough, is ours until its packets were looked at.  Nothing is copied, and no call of the system is made for a
packet.  What finds no room is dropped and counted by the kernel.  A filter in the kernel lets TCP pass and nothing
else.
"""
cimport cython
from cpython.exc cimport PyErr_CheckSignals, PyErr_SetFromErrno
from libc.errno cimport EINTR, errno
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from .capture cimport LINK_ETHERNET, LINK_RAW, Packet, PacketSource

import socket

from _dicomwire.errors import UnsupportedError

cdef extern from "ring.h" nogil:
    enum: DW_HAS_RING, ARPHRD_ETHER, ARPHRD_LOOPBACK
    struct dw_ring:
        uint8_t* memory
        uint32_t block_size
        uint32_t block_count
    struct dw_ring_packet:
        const uint8_t* data
        uint32_t captured
        uint32_t wire
        uint32_t next
        int64_t time_ns
        uint16_t protocol
        uint16_t hardware
        uint16_t vlan
        uint8_t has_vlan
        uint8_t is_outgoing
    int dw_ring_open(int) noexcept
    int dw_ring_filter(int) noexcept
    int dw_ring_map(int, uint32_t, uint32_t, uint32_t, dw_ring*) noexcept
    void dw_ring_unmap(dw_ring*) noexcept
    int dw_ring_bind(int, int, int) noexcept
    int dw_ring_statistics(int, uint64_t*, uint64_t*) noexcept
    int64_t dw_ring_count(const dw_ring*, uint32_t) noexcept
    void dw_ring_release(const dw_ring*, uint32_t) noexcept
    uint32_t dw_ring_first(const dw_ring*, uint32_t) noexcept
    void dw_ring_read(const dw_ring*, uint32_t, uint32_t, int, dw_ring_packet*) noexcept
    int dw_ring_wait(int, int) noexcept
    void dw_ring_close(int) noexcept

IS_SUPPORTED = bool(DW_HAS_RING)

cdef enum:
    BLOCK = 1 << 20             # bytes; holds the largest packet of segmentation offload
    RETIRE_MS = 20              # a block that is not full is ours after so long


@cython.final
cdef class Ring(PacketSource):
    """TCP packets of an interface, ``"any"`` for all, through ``blocks`` blocks of 1 MiB.

    ``promiscuous`` asks for packets to other machines too.  Of the loopback interface, which shows each packet on its
    way out and on its way in, those that come in are given.  Needs CAP_NET_RAW: PermissionError without; OSError for
    an interface that there is not, UnsupportedError on other systems than Linux.
    """
    cdef readonly str interface
    cdef dw_ring ring
    cdef int descriptor
    cdef bint is_cooked
    cdef uint32_t block         # the one that is ours, or comes next
    cdef int64_t left           # packets in it that were not given; -1 if it is the kernel's
    cdef uint32_t at            # the next of them

    def __cinit__(self):
        self.descriptor = -1
        self.left = -1

    def __init__(self, str interface, *, bint promiscuous=False, uint32_t blocks=64):
        cdef int index = 0
        if not DW_HAS_RING:
            raise UnsupportedError("a ring of packets needs Linux", what="AF_PACKET", extra="capture")
        if self.descriptor >= 0:
            raise RuntimeError("the ring is open")
        if not 2 <= blocks <= 4096:
            raise ValueError(f"{blocks} blocks, expected 2 to 4096")
        self.interface = interface
        self.is_cooked = interface == "any"
        if not self.is_cooked:
            index = socket.if_nametoindex(interface)
        self.descriptor = dw_ring_open(self.is_cooked)
        if self.descriptor < 0:
            PyErr_SetFromErrno(OSError)
        try:
            if (dw_ring_filter(self.descriptor) < 0
                    or dw_ring_map(self.descriptor, BLOCK, blocks, RETIRE_MS, &self.ring) < 0
                    or dw_ring_bind(self.descriptor, index, promiscuous) < 0):
                PyErr_SetFromErrno(OSError)
        except BaseException:
            self.close()
            raise

    def __dealloc__(self):
        self.close_all()

    cdef void close_all(self) noexcept:
        dw_ring_unmap(&self.ring)
        if self.descriptor >= 0:
            dw_ring_close(self.descriptor)
        self.descriptor = -1
        self.left = -1

    def close(self):
        """Give the ring back; packets that were lent are gone."""
        if self.lent:
            raise RuntimeError("packets are still to be looked at")
        self.close_all()

    def fileno(self):
        """The socket's descriptor, -1 when it is closed."""
        return self.descriptor

    def wait(self, int timeout_ms):
        """Wait until there are packets; False if there are none after so many milliseconds.  Other threads run."""
        cdef int ready
        if self.descriptor < 0:
            raise ValueError("the ring is closed")
        if self.left > 0 or dw_ring_count(&self.ring, self.next_block()) >= 0:
            return True
        while True:
            with nogil:
                ready = dw_ring_wait(self.descriptor, timeout_ms)
            if ready >= 0:
                return dw_ring_count(&self.ring, self.next_block()) >= 0
            if errno != EINTR:
                PyErr_SetFromErrno(OSError)
            PyErr_CheckSignals()

    def count_drops(self):
        """Ask the kernel how many packets it has dropped; `drops` says how many altogether."""
        cdef uint64_t packets = 0, drops = 0
        if self.descriptor >= 0 and dw_ring_statistics(self.descriptor, &packets, &drops) == 0:
            self.drops += drops
        return self.drops

    @cython.nonecheck(False)
    cdef uint32_t next_block(self) noexcept nogil:
        """The block that is read, or the one behind it where all of it was given."""
        return (self.block + 1) % self.ring.block_count if self.left == 0 else self.block

    @cython.nonecheck(False)
    cdef int take(self, Packet* packets, int most) noexcept nogil:
        cdef int count = 0
        cdef Packet* packet
        cdef dw_ring_packet found
        if self.descriptor < 0:
            return 0
        if self.left <= 0:
            if self.left == 0:          # the packets lent before were looked at
                dw_ring_release(&self.ring, self.block)
                self.block = (self.block + 1) % self.ring.block_count
                self.left = -1
            self.left = dw_ring_count(&self.ring, self.block)
            if self.left < 0:
                return 0
            self.at = dw_ring_first(&self.ring, self.block)
        while count < most and self.left > 0:
            dw_ring_read(&self.ring, self.block, self.at, self.is_cooked, &found)
            packet = packets + count
            packet.data = found.data
            packet.captured_length = found.captured
            packet.wire_length = found.wire
            packet.time_ns = found.time_ns
            self.packets += 1
            packet.number = self.packets
            packet.interface = 0
            packet.fcs_length = 0
            packet.vlan = found.vlan if found.has_vlan else 0
            packet.link_type = LINK_ETHERNET
            if self.is_cooked or (found.hardware != ARPHRD_ETHER and found.hardware != ARPHRD_LOOPBACK):
                packet.link_type = LINK_RAW
            count += 1
            self.left -= 1
            self.at += found.next
        return count
