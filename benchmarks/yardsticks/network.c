/* Plain C limits of the network, as a shared library (the requestor) and as a program (the acceptor).
 *
 *     network scp          DICOM acceptor on a free port of 127.0.0.1, which it prints
 *     network plain        the same sizes of messages over plain TCP, looked at by nobody
 *
 * All that is answered is C-ECHO.  The acceptor's threads have been started before anyone connects and take associations
 * from the listening socket.
 * The functions return nanoseconds of CLOCK_MONOTONIC for the work named, or -1 - status.
 */
#define _GNU_SOURCE
#include <pthread.h>

#include "association.h"

enum { THREADS = 64 };

static const Context ECHO = {VERIFICATION, IMPLICIT_LE};

static int echo(Stream *s, Message *m, uint32_t message_id)
{
    const uint8_t *pdu;
    uint32_t size;
    m->bytes[sizeof VERIFICATION + 50] = (uint8_t)message_id;
    m->bytes[sizeof VERIFICATION + 51] = (uint8_t)(message_id >> 8);
    int status = expect(s, m, DATA, &pdu, &size);
    if (status != NET_OK) return status;
    int right = command_number(pdu, size, 0x0100, 0) == 0x8030 &&
                command_number(pdu, size, 0x0120, 0x10000) == message_id &&
                command_number(pdu, size, 0x0900, 0x10000) == 0;
    return right ? NET_OK : NET_STATUS;
}

/* `count` C-ECHOs on one association, one after the other's answer; opening and release are not timed. */
int64_t net_echo(int port, int count)
{
    static __thread Stream s;
    static __thread Message request, question;
    make_request(&request, "ANY-SCP", &ECHO, 1);
    make_echo(&question, 1, 0, 0);
    int status = open_connection(&s, port);
    if (status != NET_OK) return -1 - status;
    status = associate(&s, &request, NULL);
    int64_t start = now_ns();
    for (int k = 0; status == NET_OK && k < count; k++) status = echo(&s, &question, (uint32_t)k & 0xffff);
    int64_t taken = now_ns() - start;
    if (status != NET_OK) {
        close(s.fd);
        return -1 - status;
    }
    status = release(&s);
    return status == NET_OK ? taken : -1 - status;
}

/* `count` times: connect, associate, one C-ECHO, release, close. */
int64_t net_associations(int port, int count)
{
    static __thread Stream s;
    static __thread Message request, question;
    make_request(&request, "ANY-SCP", &ECHO, 1);
    make_echo(&question, 1, 0, 0);
    int64_t start = now_ns();
    for (int k = 0; k < count; k++) {
        int status = open_connection(&s, port);
        if (status != NET_OK) return -1 - status;
        status = associate(&s, &request, NULL);
        if (status == NET_OK) status = echo(&s, &question, 1);
        if (status != NET_OK) {
            close(s.fd);
            return -1 - status;
        }
        status = release(&s);
        if (status != NET_OK) return -1 - status;
    }
    return now_ns() - start;
}

/* --- plain TCP with messages of the same sizes */

static int exchange(Stream *s, const Message *out, uint32_t size)
{
    int status = put_out(s->fd, out);
    s->start = s->end = 0;
    while (status == NET_OK && s->end < size) status = fill(s);
    return status;
}

/* Ping-pong: `connections` times connect, a request, `count` echoes, a release, close. */
int64_t net_plain(int port, int connections, int count)
{
    static __thread Stream s;
    static __thread Message request, question, answer, accept_, goodbye;
    make_request(&request, "ANY-SCP", &ECHO, 1);
    make_echo(&question, 1, 0, 0);
    make_echo(&answer, 1, 0, 1);
    make_accept(&accept_, request.bytes, request.size);
    goodbye.size = 10;
    int64_t start = now_ns();
    for (int k = 0; k < connections; k++) {
        int status = open_connection(&s, port);
        if (status != NET_OK) return -1 - status;
        status = exchange(&s, &request, accept_.size);
        for (int n = 0; status == NET_OK && n < count; n++) status = exchange(&s, &question, answer.size);
        if (status == NET_OK) status = exchange(&s, &goodbye, 10);
        close(s.fd);
        if (status != NET_OK) return -1 - status;
    }
    return now_ns() - start;
}

#ifdef YARDSTICK_PROGRAM

/* --- the acceptor */

static void serve_plain(Stream *s)
{
    static __thread Message request, question, answer, accept_, goodbye;
    make_request(&request, "ANY-SCP", &ECHO, 1);
    make_echo(&question, 1, 0, 0);
    make_echo(&answer, 1, 0, 1);
    make_accept(&accept_, request.bytes, request.size);
    goodbye.size = 10;
    /* The first message is a request, a later one of ten bytes a release, all others are echoes. */
    for (uint32_t wanted = request.size; fill(s) == NET_OK;) {
        uint32_t got = s->end - s->start;
        if (got < wanted) continue;
        const Message *reply = wanted == request.size ? &accept_ : got >= question.size ? &answer : &goodbye;
        wanted = reply == &goodbye || reply == &accept_ ? goodbye.size : wanted;
        s->start = s->end = 0;
        if (put_out(s->fd, reply) != NET_OK) return;
    }
}

static void serve_dicom(Stream *s)
{
    static __thread Message out;
    const uint8_t *pdu;
    uint32_t size;
    while (next_pdu(s, &pdu, &size) == NET_OK) {
        int status = NET_OK;
        if (pdu[0] == REQUEST) {
            status = make_accept(&out, pdu, size);
        } else if (pdu[0] == DATA && size >= 12 && command_number(pdu, size, 0x0100, 0) == 0x0030) {
            make_echo(&out, pdu[10], command_number(pdu, size, 0x0110, 0), 1);
        } else if (pdu[0] == RELEASE) {
            out.size = 10;
            memcpy(out.bytes, (uint8_t[10]){RELEASED, 0, 0, 0, 0, 4}, 10);
        } else {
            return;
        }
        if (status != NET_OK || put_out(s->fd, &out) != NET_OK) return;
    }
}

static int listening;
static void (*serve)(Stream *);

static void *work(void *unused)
{
    static __thread Stream s;
    int on = 1;
    for (;;) {
        s.start = s.end = 0;
        s.fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
        if (s.fd < 0) continue;
        setsockopt(s.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        serve(&s);
        close(s.fd);
    }
    return unused;
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    pthread_t thread;
    if (argc != 2 || (strcmp(argv[1], "scp") != 0 && strcmp(argv[1], "plain") != 0)) {
        fprintf(stderr, "usage: network scp|plain\n");
        return 2;
    }
    serve = argv[1][0] == 's' ? serve_dicom : serve_plain;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listening < 0 || bind(listening, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listening, 1024) != 0 || getsockname(listening, (struct sockaddr *)&address, &length) != 0) {
        perror("network");
        return 1;
    }
    for (int k = 0; k < THREADS; k++)
        if (pthread_create(&thread, NULL, work, NULL) != 0) return 1;
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    while (getchar() != EOF) continue; /* lives as long as whoever started it */
    return 0;
}

#endif
