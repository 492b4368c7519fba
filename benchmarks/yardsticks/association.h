/* Associations of the network's yardsticks: what network.c and storage.c have in common.
 *
 * Both sides trust their peer as far as memory safety allows: no state machine, no negotiation, every context is
 * accepted with its first transfer syntax.  One write per message, TCP_NODELAY.  Functions return a status, NET_OK or
 * another one; what the library gives to Python is nanoseconds, or -1 - status.
 */
#ifndef ASSOCIATION_H
#define ASSOCIATION_H
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { CAPACITY = 65536, PATIENCE_S = 20 };
enum { NET_OK, NET_SOCKET, NET_CLOSED, NET_TOO_LONG, NET_UNEXPECTED, NET_REFUSED, NET_STATUS };
enum { REQUEST = 1, ACCEPT = 2, DATA = 4, RELEASE = 5, RELEASED = 6 };

typedef struct {
    uint32_t size;
    uint8_t bytes[CAPACITY];
} Message;

/* A connection and what has been read from it beyond the last PDU. */
typedef struct {
    int fd;
    uint32_t start, end;
    uint8_t bytes[CAPACITY];
} Stream;

/* What is proposed: an abstract syntax with one transfer syntax. */
typedef struct {
    const char *abstract, *transfer;
} Context;

static const char CONTEXT_NAME[] = "1.2.840.10008.3.1.1.1", VERIFICATION[] = "1.2.840.10008.1.1";
static const char IMPLICIT_LE[] = "1.2.840.10008.1.2", CLASS_UID[] = "1.2.826.0.1.3680043.10.0.1", VERSION[] = "RAW";
static uint32_t announced = 131072; /* maximum length of P-DATA-TF that we take */

static inline int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* --- writing */

static inline void put(Message *m, const void *bytes, uint32_t size)
{
    if (size > CAPACITY - m->size) abort(); /* messages of this file's own making are short */
    memcpy(m->bytes + m->size, bytes, size);
    m->size += size;
}

static inline void put_u16(Message *m, uint32_t value) { put(m, (uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2); }

static inline void put_item(Message *m, uint8_t type, const void *bytes, uint32_t size)
{
    put(m, (uint8_t[]){type, 0}, 2);
    put_u16(m, size);
    put(m, bytes, size);
}

static inline void finish(Message *m) /* the PDU length, now that it is known */
{
    uint32_t length = htonl(m->size - 6);
    memcpy(m->bytes + 2, &length, 4);
}

static inline void put_user_information(Message *m)
{
    uint32_t maximum = htonl(announced);
    put(m, (uint8_t[]){0x50, 0}, 2);
    put_u16(m, 8 + 4 + sizeof CLASS_UID - 1 + 4 + sizeof VERSION - 1);
    put_item(m, 0x51, &maximum, 4);
    put_item(m, 0x52, CLASS_UID, sizeof CLASS_UID - 1);
    put_item(m, 0x55, VERSION, sizeof VERSION - 1);
}

/* Contexts with the IDs 1, 3, 5...; `called` is an AE title of up to 16 characters. */
static inline void make_request(Message *m, const char *called, const Context *contexts, uint32_t count)
{
    uint8_t title[17];
    snprintf((char *)title, sizeof title, "%-16.16s", called);
    m->size = 0;
    put(m, (uint8_t[10]){REQUEST, 0, 0, 0, 0, 0, 0, 1, 0, 0}, 10);
    put(m, title, 16);
    put(m, "RAW             ", 16);
    put(m, (uint8_t[32]){0}, 32);
    put_item(m, 0x10, CONTEXT_NAME, sizeof CONTEXT_NAME - 1);
    for (uint32_t k = 0; k < count; k++) {
        uint32_t abstract = (uint32_t)strlen(contexts[k].abstract), transfer = (uint32_t)strlen(contexts[k].transfer);
        put(m, (uint8_t[]){0x20, 0}, 2);
        put_u16(m, 4 + 4 + abstract + 4 + transfer);
        put(m, (uint8_t[]){(uint8_t)(2 * k + 1), 0, 0, 0}, 4);
        put_item(m, 0x30, contexts[k].abstract, abstract);
        put_item(m, 0x40, contexts[k].transfer, transfer);
    }
    put_user_information(m);
    finish(m);
}

/* Every context of the request with its first transfer syntax.  NET_TOO_LONG for a request that lies. */
static inline int make_accept(Message *m, const uint8_t *pdu, uint32_t size)
{
    m->size = 0;
    if (size < 74) return NET_TOO_LONG;
    put(m, pdu, 74);
    m->bytes[0] = ACCEPT;
    put_item(m, 0x10, CONTEXT_NAME, sizeof CONTEXT_NAME - 1);
    for (uint32_t at = 74; at + 4 <= size;) {
        uint32_t end = at + 4 + ((uint32_t)pdu[at + 2] << 8 | pdu[at + 3]);
        if (end > size) return NET_TOO_LONG;
        if (pdu[at] == 0x20 && end - at >= 8) {
            for (uint32_t sub = at + 8; sub + 4 <= end;) {
                uint32_t length = (uint32_t)pdu[sub + 2] << 8 | pdu[sub + 3];
                if (length > end - sub - 4) return NET_TOO_LONG;
                if (pdu[sub] == 0x40) {
                    if (m->size + length + 256 > CAPACITY) return NET_TOO_LONG;
                    put(m, (uint8_t[]){0x21, 0}, 2);
                    put_u16(m, 8 + length);
                    put(m, (uint8_t[]){pdu[at + 4], 0, 0, 0}, 4);
                    put_item(m, 0x40, pdu + sub + 4, length);
                    break;
                }
                sub += 4 + length;
            }
        }
        at = end;
    }
    put_user_information(m);
    finish(m);
    return NET_OK;
}

static inline void put_element(Message *m, uint16_t number, const void *value, uint32_t size)
{
    put(m, (uint8_t[]){0, 0, (uint8_t)number, (uint8_t)(number >> 8), (uint8_t)size, 0, 0, 0}, 8);
    put(m, value, size);
}

static inline void put_number(Message *m, uint16_t element, uint32_t value)
{
    put_element(m, element, (uint8_t[]){(uint8_t)value, (uint8_t)(value >> 8)}, 2);
}

/* C-ECHO-RQ, or its C-ECHO-RSP with status 0, as one P-DATA-TF. */
static inline void make_echo(Message *m, uint8_t context, uint32_t message_id, int response)
{
    m->size = 0;
    put(m, (uint8_t[12]){DATA, 0, 0, 0, 0, 0, 0, 0, 0, 0, context, 3}, 12);
    put_element(m, 0x0000, (uint8_t[4]){0}, 4);
    put_element(m, 0x0002, VERIFICATION, sizeof VERIFICATION); /* its NUL makes the length even */
    put_number(m, 0x0100, response ? 0x8030 : 0x0030);
    put_number(m, response ? 0x0120 : 0x0110, message_id);
    put_number(m, 0x0800, 0x0101);
    if (response) put_number(m, 0x0900, 0);
    m->bytes[20] = (uint8_t)(m->size - 24); /* group length: what stands behind it */
    uint32_t length = htonl(m->size - 10);
    memcpy(m->bytes + 6, &length, 4);
    finish(m);
}

static inline int put_out(int fd, const Message *m)
{
    uint32_t done = 0;
    while (done < m->size) {
        ssize_t part = send(fd, m->bytes + done, m->size - done, MSG_NOSIGNAL);
        if (part < 0 && errno == EINTR) continue;
        if (part <= 0) return NET_CLOSED;
        done += (uint32_t)part;
    }
    return NET_OK;
}

/* --- reading */

static inline int fill(Stream *s)
{
    if (s->start == s->end) s->start = s->end = 0;
    if (s->start > 0 && s->end == CAPACITY) {
        memmove(s->bytes, s->bytes + s->start, s->end - s->start);
        s->end -= s->start;
        s->start = 0;
    }
    if (s->end == CAPACITY) return NET_TOO_LONG;
    for (;;) {
        ssize_t got = recv(s->fd, s->bytes + s->end, CAPACITY - s->end, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return NET_CLOSED;
        s->end += (uint32_t)got;
        return NET_OK;
    }
}

/* The next whole PDU, valid until the next call. */
static inline int next_pdu(Stream *s, const uint8_t **pdu, uint32_t *size)
{
    for (;;) {
        uint32_t left = s->end - s->start;
        if (left >= 6) {
            uint32_t length;
            memcpy(&length, s->bytes + s->start + 2, 4);
            length = ntohl(length);
            if (length > CAPACITY - 6) return NET_TOO_LONG;
            if (left >= 6 + length) {
                *pdu = s->bytes + s->start;
                *size = 6 + length;
                s->start += *size;
                return NET_OK;
            }
        }
        int status = fill(s);
        if (status != NET_OK) return status;
    }
}

/* A 16-bit number of group 0000 in the one command PDV of a P-DATA-TF, or `otherwise`. */
static inline uint32_t command_number(const uint8_t *pdu, uint32_t size, uint16_t element, uint32_t otherwise)
{
    for (uint32_t at = 12; at + 10 <= size;) {
        uint32_t length;
        memcpy(&length, pdu + at + 4, 4); /* little endian, as all machines that this runs on */
        if (pdu[at + 2] == (uint8_t)element && pdu[at + 3] == element >> 8) return pdu[at + 8] | (uint32_t)pdu[at + 9] << 8;
        if (length > size - at - 8) break;
        at += 8 + length;
    }
    return otherwise;
}

/* --- the requestor */

static inline int open_connection(Stream *s, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int on = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->start = s->end = 0;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->fd < 0) return NET_SOCKET;
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(s->fd, (struct sockaddr *)&address, sizeof address) == 0) return NET_OK;
    close(s->fd);
    return NET_SOCKET;
}

static inline int expect(Stream *s, const Message *out, uint8_t type, const uint8_t **pdu, uint32_t *size)
{
    int status = put_out(s->fd, out);
    if (status == NET_OK) status = next_pdu(s, pdu, size);
    if (status == NET_OK && (*pdu)[0] != type) status = (*pdu)[0] == 3 ? NET_REFUSED : NET_UNEXPECTED;
    return status;
}

/* Ask for an association; all contexts must be accepted.  `maximum`, if not NULL, is how long the peer's P-DATA-TF may be. */
static inline int associate(Stream *s, const Message *request, uint32_t *maximum)
{
    const uint8_t *pdu;
    uint32_t size, accepted = 0;
    int status = expect(s, request, ACCEPT, &pdu, &size);
    if (status != NET_OK) return status;
    for (uint32_t at = 74, end; at + 8 <= size; at = end) {
        end = at + 4 + ((uint32_t)pdu[at + 2] << 8 | pdu[at + 3]);
        if (end > size) return NET_TOO_LONG;
        if (pdu[at] == 0x21) {
            if (pdu[at + 6] != 0) return NET_REFUSED;
            accepted++;
        }
        for (uint32_t sub = at + 4; pdu[at] == 0x50 && maximum != NULL && sub + 8 <= end;
             sub += 4 + ((uint32_t)pdu[sub + 2] << 8 | pdu[sub + 3])) {
            if (pdu[sub] != 0x51) continue;
            memcpy(maximum, pdu + sub + 4, 4);
            *maximum = ntohl(*maximum);
        }
    }
    return accepted > 0 ? NET_OK : NET_REFUSED;
}

static inline int release(Stream *s)
{
    static const Message out = {10, {RELEASE, 0, 0, 0, 0, 4}};
    const uint8_t *pdu;
    uint32_t size;
    int status = expect(s, &out, RELEASED, &pdu, &size);
    close(s->fd);
    return status;
}

#endif
