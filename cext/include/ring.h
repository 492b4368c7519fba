/* What a ring of packets takes of Linux, and answers that it is not there elsewhere. */
#ifndef DICOMWIRE_RING_H
#define DICOMWIRE_RING_H

#include <errno.h>
#include <stdint.h>
#include <string.h>

struct dw_ring {
    uint8_t *memory;
    uint32_t block_size, block_count;
};

struct dw_ring_packet {
    const uint8_t *data;
    uint32_t captured, wire, next; /* bytes from this header to the next, 0 for the last */
    int64_t time_ns;
    uint16_t protocol, hardware, vlan;
    uint8_t has_vlan, is_outgoing;
};

#ifdef __linux__

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if_arp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define DW_HAS_RING 1

/* TCP over IPv4 or IPv6, with or without fragments and extension headers, and frames whose VLAN tag is still in them.
   The offsets are those of the kernel's own idea of the network header, whatever is in front of it.  The loopback
   interface shows each packet on its way out and on its way in: one is enough. */
static inline int dw_ring_filter(int fd) {
    struct sock_filter code[] = {
        /*  0 */ BPF_STMT(BPF_LD | BPF_B | BPF_ABS, SKF_AD_OFF + SKF_AD_PKTTYPE),
        /*  1 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 2),
        /*  2 */ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, SKF_AD_OFF + SKF_AD_HATYPE),
        /*  3 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARPHRD_LOOPBACK, 14, 0),
        /*  4 */ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, SKF_AD_OFF + SKF_AD_PROTOCOL),
        /*  5 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_8021Q, 11, 0),
        /*  6 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_8021AD, 10, 0),
        /*  7 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, 3, 0),
        /*  8 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 9),
        /*  9 */ BPF_STMT(BPF_LD | BPF_B | BPF_ABS, SKF_NET_OFF + 9),
        /* 10 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 6, 7),
        /* 11 */ BPF_STMT(BPF_LD | BPF_B | BPF_ABS, SKF_NET_OFF + 6),
        /* 12 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 4, 0),
        /* 13 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_FRAGMENT, 3, 0),
        /* 14 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_HOPOPTS, 2, 0),
        /* 15 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_DSTOPTS, 1, 0),
        /* 16 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ROUTING, 0, 1),
        /* 17 */ BPF_STMT(BPF_RET | BPF_K, 0xFFFFFFFF),
        /* 18 */ BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

/* Open a socket that receives nothing yet; its descriptor, or -1 and errno. */
static inline int dw_ring_open(int is_cooked) {
    return socket(AF_PACKET, (is_cooked ? SOCK_DGRAM : SOCK_RAW) | SOCK_CLOEXEC, 0);
}

static inline int dw_ring_map(int fd, uint32_t block_size, uint32_t block_count, uint32_t retire_ms,
                              struct dw_ring *ring) {
    int version = TPACKET_V3;
    struct tpacket_req3 request;
    void *memory;
    memset(&request, 0, sizeof request);
    request.tp_block_size = block_size;
    request.tp_block_nr = block_count;
    request.tp_frame_size = 2048;
    request.tp_frame_nr = (uint32_t)((uint64_t)block_size * block_count / 2048);
    request.tp_retire_blk_tov = retire_ms;
    if (setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version) < 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof request) < 0)
        return -1;
    memory = mmap(NULL, (size_t)block_size * block_count, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return -1;
    ring->memory = memory;
    ring->block_size = block_size;
    ring->block_count = block_count;
    return 0;
}

static inline void dw_ring_unmap(struct dw_ring *ring) {
    if (ring->memory)
        munmap(ring->memory, (size_t)ring->block_size * ring->block_count);
    ring->memory = NULL;
}

/* Receive from an interface, all of them for 0; promiscuous if asked. */
static inline int dw_ring_bind(int fd, int interface, int promiscuous) {
    struct sockaddr_ll address;
    struct packet_mreq membership;
    memset(&address, 0, sizeof address);
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = interface;
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        return -1;
    if (promiscuous && interface) {
        memset(&membership, 0, sizeof membership);
        membership.mr_ifindex = interface;
        membership.mr_type = PACKET_MR_PROMISC;
        return setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &membership, sizeof membership);
    }
    return 0;
}

/* Packets that came and that were dropped since it was asked last. */
static inline int dw_ring_statistics(int fd, uint64_t *packets, uint64_t *drops) {
    struct tpacket_stats_v3 statistics;
    socklen_t size = sizeof statistics;
    if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &statistics, &size) < 0)
        return -1;
    *packets = statistics.tp_packets;
    *drops = statistics.tp_drops;
    return 0;
}

static inline struct tpacket_hdr_v1 *dw_ring_block(const struct dw_ring *ring, uint32_t number) {
    return &((struct tpacket_block_desc *)(ring->memory + (size_t)ring->block_size * number))->hdr.bh1;
}

/* Packets in a block that is ours; -1 if it is the kernel's. */
static inline int64_t dw_ring_count(const struct dw_ring *ring, uint32_t number) {
    struct tpacket_hdr_v1 *block = dw_ring_block(ring, number);
    if (!(__atomic_load_n(&block->block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
        return -1;
    return block->num_pkts;
}

static inline void dw_ring_release(const struct dw_ring *ring, uint32_t number) {
    __atomic_store_n(&dw_ring_block(ring, number)->block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
}

static inline uint32_t dw_ring_first(const struct dw_ring *ring, uint32_t number) {
    return dw_ring_block(ring, number)->offset_to_first_pkt;
}

/* The packet at an offset of a block; without its link header where that is no Ethernet. */
static inline void dw_ring_read(const struct dw_ring *ring, uint32_t number, uint32_t at, int is_cooked,
                                struct dw_ring_packet *out) {
    const uint8_t *start = ring->memory + (size_t)ring->block_size * number + at;
    const struct tpacket3_hdr *header = (const struct tpacket3_hdr *)start;
    const struct sockaddr_ll *link = (const struct sockaddr_ll *)(start + TPACKET_ALIGN(sizeof(struct tpacket3_hdr)));
    out->hardware = link->sll_hatype;
    out->protocol = ntohs(link->sll_protocol);
    out->is_outgoing = link->sll_pkttype == PACKET_OUTGOING;
    out->data = start + (is_cooked ? header->tp_net : header->tp_mac);
    out->captured = header->tp_snaplen;
    out->wire = header->tp_len;
    out->next = header->tp_next_offset;
    out->time_ns = (int64_t)header->tp_sec * 1000000000 + header->tp_nsec;
    out->has_vlan = (header->tp_status & TP_STATUS_VLAN_VALID) != 0;
    out->vlan = (uint16_t)(header->hv1.tp_vlan_tci & 0xFFF);
}

/* Wait for a block; 1 when there may be one, 0 after the time, -1 and errno. */
static inline int dw_ring_wait(int fd, int timeout_ms) {
    struct pollfd watched = {fd, POLLIN | POLLERR, 0};
    int ready = poll(&watched, 1, timeout_ms);
    if (ready > 0 && (watched.revents & POLLERR)) {
        int error = 0;
        socklen_t size = sizeof error;
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error) {
            errno = error;
            return -1;
        }
    }
    return ready;
}

static inline void dw_ring_close(int fd) { close(fd); }

#else

#define DW_HAS_RING 0
#define ARPHRD_ETHER 1
#define ARPHRD_LOOPBACK 772

static inline int dw_ring_missing(void) {
    errno = ENOSYS;
    return -1;
}
#define dw_ring_filter(fd) dw_ring_missing()
#define dw_ring_open(cooked) dw_ring_missing()
#define dw_ring_map(fd, size, count, ms, ring) dw_ring_missing()
#define dw_ring_unmap(ring) ((void)(ring))
#define dw_ring_bind(fd, interface, promiscuous) dw_ring_missing()
#define dw_ring_statistics(fd, packets, drops) dw_ring_missing()
#define dw_ring_count(ring, number) ((int64_t)-1)
#define dw_ring_release(ring, number) ((void)(ring))
#define dw_ring_first(ring, number) 0u
#define dw_ring_read(ring, number, at, cooked, out) ((void)(out))
#define dw_ring_wait(fd, ms) dw_ring_missing()
#define dw_ring_close(fd) ((void)(fd))

#endif
#endif
