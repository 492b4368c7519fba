/* Plain C limits of storage, as a shared library (the requestor) and as a program (both sides).
 *
 *     storage scp [--folder DIR] [--read N] [--max-pdu N] [--port N]      answers C-STORE; prints its port, and for each
 *                                                                         line on stdin, instances and bytes so far
 *     storage plain [--folder DIR] [--read N]                             as many bytes over plain TCP
 *     storage send PORT [--pdu N] [--associations N] [--total N] [--whole] [--called AE] [--rounds N] FILE...
 *
 * The requestor maps files and sends each with one sendmsg (or as many as the kernel's limit of buffers wants), then
 * waits for C-STORE-RSP with status 0 and the right Message ID.  The acceptor has a thread for each association, reads
 * up to a mebibyte at once, walks the PDVs in place and joins nothing: a data set is counted, or goes by writev to a
 * file with a temporary name, behind a File Meta Information, and is renamed before it is answered.
 *
 * Plain TCP has as many bytes each way in as many writes, walks nothing, and names files when it opens them.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "association.h"

enum { NET_FILE = NET_STATUS + 1, NET_SYSTEM, NET_STORE };
enum { UID_SIZE = 65, CONTEXTS = 64, BUFFERS = 1024, LONGEST = 1 << 20, STACK = 1 << 17 };
enum { STORE_RQ = 0x0001, STORE_RSP = 0x8001, ECHO_RQ = 0x0030, NO_DATA_SET = 0x0101 };

static const char EXPLICIT_LE[] = "1.2.840.10008.1.2.1";

/* --- files */

typedef struct {
    char sop_class[UID_SIZE], instance[UID_SIZE], syntax[UID_SIZE];
    uint64_t offset, size; /* of the file: where its data set begins, how long it is */
    const uint8_t *mapped;
    uint8_t context;
} File;

static void copy_uid(char *to, const uint8_t *value, uint32_t size)
{
    uint32_t kept = size < UID_SIZE ? size : UID_SIZE - 1;
    memcpy(to, value, kept);
    while (kept > 0 && (to[kept - 1] == 0 || to[kept - 1] == ' ')) kept--;
    to[kept] = 0;
}

/* File Meta Information (PS3.10 section 7.1), explicit VR little endian. */
static int read_meta(File *file, const uint8_t *head, uint64_t size)
{
    uint64_t at = 132;
    file->sop_class[0] = file->instance[0] = file->syntax[0] = 0;
    if (size < 140 || memcmp(head + 128, "DICM", 4) != 0) return NET_FILE;
    while (at + 8 <= size && head[at] == 2 && head[at + 1] == 0) {
        uint32_t length = head[at + 6] | (uint32_t)head[at + 7] << 8;
        uint64_t value = at + 8;
        if (head[at + 4] == 'O' || (head[at + 4] == 'U' && head[at + 5] == 'N')) {
            if (at + 12 > size) return NET_FILE;
            memcpy(&length, head + at + 8, 4);
            value = at + 12;
        }
        if (length > size - value) return NET_FILE;
        if (head[at + 2] == 0x02) copy_uid(file->sop_class, head + value, length);
        if (head[at + 2] == 0x03) copy_uid(file->instance, head + value, length);
        if (head[at + 2] == 0x10) copy_uid(file->syntax, head + value, length);
        at = value + length;
    }
    file->offset = at;
    return file->sop_class[0] && file->instance[0] && file->syntax[0] ? NET_OK : NET_FILE;
}

static int look_at(File *file, const char *path)
{
    uint8_t head[4096];
    struct stat facts;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return NET_FILE;
    ssize_t got = read(fd, head, sizeof head);
    int status = got > 0 && fstat(fd, &facts) == 0 ? read_meta(file, head, (uint64_t)got) : NET_FILE;
    file->size = status == NET_OK ? (uint64_t)facts.st_size : 0;
    file->mapped = NULL;
    close(fd);
    return status;
}

static int map(const File *file, const char *path, const uint8_t **bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return NET_FILE;
    void *found = mmap(NULL, file->size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    close(fd);
    if (found == MAP_FAILED) return NET_FILE;
    *bytes = found;
    return NET_OK;
}

/* --- commands */

static void put_uid(Message *m, uint16_t element, const char *uid)
{
    uint32_t size = (uint32_t)strlen(uid);
    put_element(m, element, uid, size + (size & 1)); /* its NUL makes the length even */
}

static void begin_command(Message *m, uint8_t context)
{
    m->size = 0;
    put(m, (uint8_t[12]){DATA, 0, 0, 0, 0, 0, 0, 0, 0, 0, context, 3}, 12);
    put_element(m, 0x0000, (uint8_t[4]){0}, 4);
}

static void end_command(Message *m)
{
    uint32_t group = m->size - 24, length = htonl(m->size - 10);
    memcpy(m->bytes + 20, &group, 4);
    memcpy(m->bytes + 6, &length, 4);
    finish(m);
}

static void make_store_request(Message *m, const File *file, uint32_t message_id)
{
    begin_command(m, file->context);
    put_uid(m, 0x0002, file->sop_class);
    put_number(m, 0x0100, STORE_RQ);
    put_number(m, 0x0110, message_id);
    put_number(m, 0x0700, 0);
    put_number(m, 0x0800, 1);
    put_uid(m, 0x1000, file->instance);
    end_command(m);
}

/* --- sending */

static int send_buffers(int fd, struct iovec *buffers, size_t count)
{
    while (count > 0) {
        struct msghdr message = {.msg_iov = buffers, .msg_iovlen = count < BUFFERS ? count : BUFFERS};
        ssize_t done = sendmsg(fd, &message, MSG_NOSIGNAL);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return NET_CLOSED;
        while (count > 0 && (size_t)done >= buffers->iov_len) {
            done -= (ssize_t)buffers->iov_len;
            buffers++;
            count--;
        }
        if (done > 0) {
            buffers->iov_base = (uint8_t *)buffers->iov_base + done;
            buffers->iov_len -= (size_t)done;
        }
    }
    return NET_OK;
}

/* Options of a requestor, and the files; shared by its threads. */
typedef struct {
    int port, associations, whole;
    uint32_t pdu; /* longest P-DATA-TF that is sent, 0: as long as the peer takes, or a mebibyte */
    const char *called;
    char **paths;
    File *files;
    uint64_t count, total; /* files; instances to be sent, files over and over */
    Context contexts[CONTEXTS];
    uint32_t context_count;
} Sending;

/* One association and its share of the instances. */
typedef struct {
    Sending *all;
    uint64_t first, end, bytes;
    int64_t started, ended; /* its own clock: the thread that waits for it may be woken late */
    pthread_barrier_t *together;
    pthread_t thread;
    int status, plain;
    uint32_t maximum, room;
    struct iovec *buffers;
    uint8_t (*headers)[12];
    Message message;
    Stream stream;
} Sender;

/* Room for the headers of a data set's PDUs and for the list of buffers. */
static int make_room(Sender *s, uint64_t pdus)
{
    if (pdus <= s->room) return NET_OK;
    if (pdus > UINT32_MAX / 64) return NET_TOO_LONG;
    free(s->buffers);
    free(s->headers);
    s->room = (uint32_t)pdus;
    s->buffers = malloc((2 * pdus + 1) * sizeof *s->buffers);
    s->headers = malloc(pdus * sizeof *s->headers);
    return s->buffers != NULL && s->headers != NULL ? NET_OK : NET_SYSTEM;
}

static int send_data_set(Sender *s, const File *file, const uint8_t *bytes)
{
    uint64_t left = file->size - file->offset, most = s->maximum - 6;
    size_t n = 1;
    int status = make_room(s, (left + most - 1) / most + 1);
    if (status != NET_OK) return status;
    bytes += file->offset;
    s->buffers[0] = (struct iovec){s->message.bytes, s->message.size};
    for (size_t k = 0; k == 0 || left > 0; k++) {
        uint32_t part = (uint32_t)(left < most ? left : most), pdu = htonl(part + 6), pdv = htonl(part + 2);
        uint8_t *header = s->headers[k];
        left -= part;
        header[0] = DATA;
        header[1] = 0;
        memcpy(header + 2, &pdu, 4);
        memcpy(header + 6, &pdv, 4);
        header[10] = file->context;
        header[11] = left == 0 ? 2 : 0;
        s->buffers[n++] = (struct iovec){header, 12};
        s->buffers[n++] = (struct iovec){(void *)bytes, part};
        bytes += part;
    }
    return send_buffers(s->stream.fd, s->buffers, n);
}

static int answered(Sender *s, uint32_t message_id)
{
    const uint8_t *pdu;
    uint32_t size;
    int status = next_pdu(&s->stream, &pdu, &size);
    if (status != NET_OK) return status;
    if (pdu[0] != DATA) return NET_UNEXPECTED;
    int right = command_number(pdu, size, 0x0100, 0) == STORE_RSP &&
                command_number(pdu, size, 0x0120, 0x10000) == message_id &&
                command_number(pdu, size, 0x0900, 0x10000) == 0;
    return right ? NET_OK : NET_STORE;
}

/* As many bytes in one write as an instance has with its command and headers; they begin with their number and with the
 * length of the answer, which is that of a response. */
static int store_plain(Sender *s, const File *file, const uint8_t *bytes)
{
    static uint8_t headers[LONGEST];
    uint64_t size = file->size - file->offset, pdus = (size + s->maximum - 7) / (s->maximum - 6);
    uint64_t told = s->message.size + 12 * pdus + size;
    struct iovec buffers[3] = {
        {s->message.bytes, s->message.size}, {headers, 12 * pdus}, {(void *)(bytes + file->offset), size}};
    if (12 * pdus > sizeof headers) return NET_TOO_LONG;
    memcpy(s->message.bytes, &told, 8);
    memcpy(s->message.bytes + 8, &s->message.size, 4);
    int status = send_buffers(s->stream.fd, buffers, 3);
    s->stream.start = s->stream.end = 0;
    while (status == NET_OK && s->stream.end < s->message.size) status = fill(&s->stream);
    return status;
}

static int store(Sender *s, uint64_t number)
{
    const Sending *all = s->all;
    const File *file = &all->files[number % all->count];
    const uint8_t *bytes = file->mapped;
    uint32_t message_id = (uint32_t)((number - s->first) % 0xffff + 1);
    int status = bytes == NULL ? map(file, all->paths[number % all->count], &bytes) : NET_OK;
    if (status != NET_OK) return status;
    make_store_request(&s->message, file, message_id);
    if (s->plain) {
        status = store_plain(s, file, bytes);
    } else {
        status = send_data_set(s, file, bytes);
        if (status == NET_OK) status = answered(s, message_id);
    }
    s->bytes += file->size - file->offset;
    if (file->mapped == NULL) munmap((void *)bytes, file->size);
    return status;
}

static int open_association(Sender *s)
{
    const Sending *all = s->all;
    uint32_t maximum = 0;
    int status = open_connection(&s->stream, all->port);
    if (status != NET_OK) return status;
    if (!s->plain) {
        make_request(&s->message, all->called, all->contexts, all->context_count);
        status = associate(&s->stream, &s->message, &maximum);
    }
    if (maximum == 0) maximum = LONGEST;
    s->maximum = all->pdu != 0 && all->pdu < maximum ? all->pdu : maximum;
    if (status == NET_OK && s->maximum < 16) status = NET_TOO_LONG;
    if (status != NET_OK) close(s->stream.fd);
    return status;
}

static void *send_share(void *sender)
{
    Sender *s = sender;
    s->status = open_association(s);
    int open = s->status == NET_OK;
    pthread_barrier_wait(s->together); /* all associations are there */
    s->started = now_ns();
    for (uint64_t k = s->first; s->status == NET_OK && k < s->end; k++) s->status = store(s, k);
    s->ended = now_ns();
    if (open && (s->plain || s->status != NET_OK)) close(s->stream.fd);
    if (open && !s->plain && s->status == NET_OK) s->status = release(&s->stream);
    free(s->buffers);
    free(s->headers);
    return NULL;
}

/* Look at all files; a context for each pair of SOP class and transfer syntax. */
static int prepare(Sending *all)
{
    all->context_count = 0;
    for (uint64_t k = 0; k < all->count; k++) {
        File *file = &all->files[k];
        int status = look_at(file, all->paths[k]);
        if (status != NET_OK) return status;
        uint32_t c = 0;
        while (c < all->context_count && (strcmp(all->contexts[c].abstract, file->sop_class) != 0 ||
                                          strcmp(all->contexts[c].transfer, file->syntax) != 0))
            c++;
        if (c == all->context_count) {
            if (c == CONTEXTS) return NET_TOO_LONG;
            all->contexts[all->context_count++] = (Context){file->sop_class, file->syntax};
        }
        file->context = (uint8_t)(2 * c + 1);
    }
    return NET_OK;
}

static int map_all(Sending *all)
{
    for (uint64_t k = 0; k < all->count && k < all->total; k++) {
        int status = map(&all->files[k], all->paths[k], &all->files[k].mapped);
        if (status != NET_OK) return status;
    }
    return NET_OK;
}

static int64_t send_all(Sending *all, int plain, uint64_t *bytes)
{
    pthread_barrier_t together;
    pthread_attr_t attributes;
    uint64_t n = (uint64_t)all->associations;
    Sender *senders = calloc(n, sizeof *senders);
    int64_t start = now_ns();
    if (senders == NULL) return -1 - NET_SYSTEM;
    pthread_barrier_init(&together, NULL, (unsigned)n);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    for (uint64_t k = 0; k < n; k++) {
        Sender *s = &senders[k];
        s->all = all;
        s->plain = plain;
        s->together = &together;
        s->first = all->total * k / n;
        s->end = all->total * (k + 1) / n;
        if (pthread_create(&s->thread, &attributes, send_share, s) != 0) abort(); /* others wait for it */
    }
    int64_t started = INT64_MAX, ended = 0;
    int status = NET_OK;
    *bytes = 0;
    for (uint64_t k = 0; k < n; k++) {
        const Sender *s = &senders[k];
        pthread_join(s->thread, NULL);
        if (s->status != NET_OK) status = s->status;
        if (s->started < started) started = s->started;
        if (s->ended > ended) ended = s->ended;
        *bytes += s->bytes;
    }
    int64_t taken = all->whole ? now_ns() - start : ended - started;
    pthread_barrier_destroy(&together);
    pthread_attr_destroy(&attributes);
    free(senders);
    return status == NET_OK ? taken : -1 - status;
}

/* Send `total` instances, the files one after the other and over again, over `associations` at once, each with its
 * share.  Timed from the first C-STORE-RQ to the last C-STORE-RSP, with files mapped before; with `whole` everything
 * is timed, from looking at the files to the release, and a file is mapped when its turn comes. */
int64_t store_send(int port, char **paths, int count, int64_t total, int associations, uint32_t pdu, const char *called,
                   int whole, int plain, uint64_t *bytes)
{
    Sending all = {
        .port = port,
        .associations = associations < 1 ? 1 : associations,
        .whole = whole,
        .pdu = pdu,
        .called = called,
        .paths = paths,
        .count = (uint64_t)count,
        .total = total > 0 ? (uint64_t)total : (uint64_t)count,
    };
    if (count < 1) return -1 - NET_FILE;
    all.files = calloc(all.count, sizeof *all.files);
    if (all.files == NULL) return -1 - NET_SYSTEM;
    int64_t start = now_ns();
    int status = prepare(&all);
    if (status == NET_OK && !whole) status = map_all(&all);
    int64_t looked = now_ns() - start;
    int64_t taken = status == NET_OK ? send_all(&all, plain, bytes) : -1 - status;
    for (uint64_t k = 0; k < all.count; k++)
        if (all.files[k].mapped != NULL) munmap((void *)all.files[k].mapped, all.files[k].size);
    free(all.files);
    return taken < 0 || !whole ? taken : taken + looked;
}

/* Open `count` associations for CT images and leave them open, without a message; the descriptors go to `fds`. */
int64_t store_hold(int port, int count, const char *called, int *fds)
{
    static const Context ct = {"1.2.840.10008.5.1.4.1.1.2", EXPLICIT_LE};
    Sender *s = calloc(1, sizeof *s); /* not of the thread, whose memory threads with small stacks would share */
    if (s == NULL) return -1 - NET_SYSTEM;
    make_request(&s->message, called, &ct, 1);
    int64_t start = now_ns();
    int status = NET_OK, held = 0;
    while (status == NET_OK && held < count) {
        status = open_connection(&s->stream, port);
        if (status != NET_OK) break;
        fds[held++] = s->stream.fd;
        status = associate(&s->stream, &s->message, NULL);
    }
    int64_t taken = now_ns() - start;
    free(s);
    while (status != NET_OK && held > 0) close(fds[--held]);
    return status == NET_OK ? taken : -1 - status;
}

/* Release associations of store_hold. */
int64_t store_let_go(const int *fds, int count)
{
    Sender *s = calloc(1, sizeof *s);
    if (s == NULL) return -1 - NET_SYSTEM;
    int64_t start = now_ns();
    int status = NET_OK;
    for (int k = 0; k < count; k++) {
        s->stream.fd = fds[k];
        s->stream.start = s->stream.end = 0;
        int released = release(&s->stream);
        if (released != NET_OK) status = released;
    }
    free(s);
    return status == NET_OK ? now_ns() - start : -1 - status;
}

#ifdef YARDSTICK_PROGRAM

/* --- the acceptor */

static const char *folder; /* NULL: nothing is written */
static size_t read_size = LONGEST;
static int folder_fd = -1, listening;
static atomic_uint_fast64_t files_begun, instances, data_bytes;

typedef struct {
    int fd, file;
    uint8_t *bytes;
    size_t capacity, start, end;
    uint64_t pdu_left, pdv_left, data_bytes; /* bytes of the data set that is coming */
    uint8_t flags;
    int in_data_set; /* a C-STORE-RQ has come, its data set is yet to end */
    uint8_t context;
    uint32_t message_id, meta_size, buffer_count;
    char sop_class[UID_SIZE], instance[UID_SIZE], temporary[128], syntaxes[256][UID_SIZE];
    uint8_t meta[1024];
    struct iovec buffers[BUFFERS];
    Message message;
} Receiver;

static int refill(Receiver *r)
{
    if (r->start > 0) memmove(r->bytes, r->bytes + r->start, r->end - r->start);
    r->end -= r->start;
    r->start = 0;
    if (r->end == r->capacity) return NET_TOO_LONG;
    for (;;) {
        ssize_t got = recv(r->fd, r->bytes + r->end, r->capacity - r->end, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return NET_CLOSED;
        r->end += (size_t)got;
        return NET_OK;
    }
}

static void make_response(Message *m, uint8_t context, uint32_t field, uint32_t message_id, const char *sop_class,
                          const char *instance)
{
    begin_command(m, context);
    put_uid(m, 0x0002, sop_class);
    put_number(m, 0x0100, field | 0x8000);
    put_number(m, 0x0120, message_id);
    put_number(m, 0x0800, NO_DATA_SET);
    put_number(m, 0x0900, 0);
    if (field == STORE_RQ) put_uid(m, 0x1000, instance);
    end_command(m);
}

static int respond(Receiver *r)
{
    return put_out(r->fd, &r->message);
}

static void put_meta(Receiver *r, uint8_t element, const char *vr, const void *value, uint32_t size)
{
    uint8_t *at = r->meta + r->meta_size;
    uint32_t even = size + (size & 1);
    int is_long = vr[0] == 'O';
    memcpy(at, (uint8_t[8]){2, 0, element, 0, (uint8_t)vr[0], (uint8_t)vr[1], (uint8_t)even, 0}, 8);
    if (is_long) memcpy(at + 6, (uint8_t[6]){0, 0, (uint8_t)even, 0, 0, 0}, 6);
    at += is_long ? 12 : 8;
    memset(at, 0, even);
    memcpy(at, value, size);
    r->meta_size = (uint32_t)(at + even - r->meta);
}

static void make_meta(Receiver *r)
{
    const char *syntax = r->syntaxes[r->context];
    memset(r->meta, 0, 128);
    memcpy(r->meta + 128, "DICM", 4);
    r->meta_size = 132;
    put_meta(r, 0x00, "UL", (uint8_t[4]){0}, 4);
    uint32_t start = r->meta_size;
    put_meta(r, 0x01, "OB", (uint8_t[2]){0, 1}, 2);
    put_meta(r, 0x02, "UI", r->sop_class, (uint32_t)strlen(r->sop_class));
    put_meta(r, 0x03, "UI", r->instance, (uint32_t)strlen(r->instance));
    put_meta(r, 0x10, "UI", syntax, (uint32_t)strlen(syntax));
    put_meta(r, 0x12, "UI", CLASS_UID, sizeof CLASS_UID - 1);
    put_meta(r, 0x13, "SH", "RAW ", 4);
    uint32_t length = r->meta_size - start;
    memcpy(r->meta + start - 4, &length, 4);
}

static int is_uid(const char *text)
{
    return text[0] != 0 && strspn(text, "0123456789.") == strlen(text);
}

static int begin_file(Receiver *r)
{
    if (!is_uid(r->instance)) return NET_UNEXPECTED; /* it becomes a name */
    make_meta(r);
    snprintf(r->temporary, sizeof r->temporary, ".%s.%llu.part", r->instance, (unsigned long long)files_begun++);
    r->file = openat(folder_fd, r->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    r->buffers[0] = (struct iovec){r->meta, r->meta_size};
    r->buffer_count = 1;
    return r->file < 0 ? NET_FILE : NET_OK;
}

static int write_out(int file, struct iovec *buffers, uint32_t count)
{
    while (count > 0) {
        ssize_t done = writev(file, buffers, (int)count);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return NET_FILE;
        while (count > 0 && (size_t)done >= buffers->iov_len) {
            done -= (ssize_t)buffers->iov_len;
            buffers++;
            count--;
        }
        if (done > 0) {
            buffers->iov_base = (uint8_t *)buffers->iov_base + done;
            buffers->iov_len -= (size_t)done;
        }
    }
    return NET_OK;
}

static int flush(Receiver *r)
{
    uint32_t count = r->buffer_count;
    r->buffer_count = 0;
    return count > 0 ? write_out(r->file, r->buffers, count) : NET_OK;
}

static int end_data_set(Receiver *r)
{
    if (folder != NULL) {
        char name[UID_SIZE + 8];
        int status = flush(r), closed = close(r->file);
        r->file = -1;
        if (status != NET_OK || closed != 0) return NET_FILE;
        snprintf(name, sizeof name, "%s.dcm", r->instance);
        if (renameat(folder_fd, r->temporary, folder_fd, name) != 0) return NET_FILE;
    }
    r->in_data_set = 0;
    instances++;
    data_bytes += r->data_bytes;
    make_response(&r->message, r->context, STORE_RQ, r->message_id, r->sop_class, r->instance);
    return respond(r);
}

/* A value of the command in a P-DATA-TF that has nothing else, as text. */
static void command_uid(char *to, const uint8_t *pdu, uint32_t size, uint16_t element)
{
    to[0] = 0;
    for (uint32_t at = 12, length; at + 8 <= size; at += 8 + length) {
        memcpy(&length, pdu + at + 4, 4);
        if (length > size - at - 8) return;
        if (pdu[at + 2] == (uint8_t)element && pdu[at + 3] == element >> 8) copy_uid(to, pdu + at + 8, length);
    }
}

/* `pdu` stands 12 bytes in front of the command, as if it were in a PDU of its own. */
static int command(Receiver *r, const uint8_t *pdu, uint32_t size, uint8_t context)
{
    uint32_t field = command_number(pdu, size, 0x0100, 0);
    r->message_id = command_number(pdu, size, 0x0110, 0);
    command_uid(r->sop_class, pdu, size, 0x0002);
    command_uid(r->instance, pdu, size, 0x1000);
    r->context = context;
    if (field == ECHO_RQ) {
        make_response(&r->message, context, field, r->message_id, r->sop_class, "");
        return respond(r);
    }
    if (field != STORE_RQ || r->in_data_set || command_number(pdu, size, 0x0800, NO_DATA_SET) == NO_DATA_SET)
        return NET_UNEXPECTED;
    r->in_data_set = 1;
    r->data_bytes = 0;
    return folder != NULL ? begin_file(r) : NET_OK;
}

/* Transfer syntaxes of the contexts that have been accepted, from our own answer. */
static void note_contexts(Receiver *r)
{
    const uint8_t *pdu = r->message.bytes;
    for (uint32_t at = 74; at + 12 <= r->message.size; at += 4 + ((uint32_t)pdu[at + 2] << 8 | pdu[at + 3]))
        if (pdu[at] == 0x21)
            copy_uid(r->syntaxes[pdu[at + 4]], pdu + at + 12, (uint32_t)pdu[at + 10] << 8 | pdu[at + 11]);
}

static int control(Receiver *r, const uint8_t *pdu, uint32_t size)
{
    if (pdu[0] == REQUEST) {
        int status = make_accept(&r->message, pdu, size);
        if (status != NET_OK) return status;
        note_contexts(r);
        return respond(r);
    }
    if (pdu[0] != RELEASE) return NET_UNEXPECTED;
    r->message.size = 10;
    memcpy(r->message.bytes, (uint8_t[10]){RELEASED, 0, 0, 0, 0, 4}, 10);
    return respond(r);
}

/* What can be done with the bytes that are there; NET_OK when more are wanted. */
static int walk(Receiver *r)
{
    for (;;) {
        size_t left = r->end - r->start;
        const uint8_t *at = r->bytes + r->start;
        int status = NET_OK;
        if (r->pdv_left > 0) {
            size_t part = left < r->pdv_left ? left : (size_t)r->pdv_left;
            if (part == 0) return NET_OK;
            r->start += part;
            r->pdv_left -= part;
            r->data_bytes += part;
            r->pdu_left -= part;
            if (folder != NULL) {
                if (r->buffer_count == BUFFERS) status = flush(r);
                r->buffers[r->buffer_count++] = (struct iovec){(void *)at, part};
            }
            if (status == NET_OK && r->pdv_left == 0 && r->flags & 2) status = end_data_set(r);
        } else if (r->pdu_left > 0) {
            uint32_t length;
            if (left < 6) return NET_OK;
            memcpy(&length, at, 4);
            length = ntohl(length);
            if (length < 2 || length + 4ull > r->pdu_left) return NET_TOO_LONG;
            r->flags = at[5];
            if (r->flags & 1) { /* a command, which comes in one piece */
                if (left < 4 + (size_t)length) return length > CAPACITY ? NET_TOO_LONG : NET_OK;
                if (!(r->flags & 2)) return NET_UNEXPECTED;
                r->start += 4 + (size_t)length;
                r->pdu_left -= 4 + (uint64_t)length;
                status = command(r, at - 6, length + 10, at[4]); /* a PDU header has been there */
            } else {
                if (!r->in_data_set || at[4] != r->context) return NET_UNEXPECTED;
                r->start += 6;
                r->pdu_left -= 6;
                r->pdv_left = length - 2;
                if (r->pdv_left == 0 && r->flags & 2) status = end_data_set(r);
            }
        } else {
            uint32_t length;
            if (left < 6) return NET_OK;
            memcpy(&length, at + 2, 4);
            length = ntohl(length);
            if (at[0] == DATA) {
                r->start += 6;
                r->pdu_left = length;
            } else {
                if (length > CAPACITY) return NET_TOO_LONG;
                if (left < 6 + (size_t)length) return NET_OK;
                r->start += 6 + (size_t)length;
                status = control(r, at, 6 + length);
            }
        }
        if (status != NET_OK) return status;
    }
}

static void serve_dicom(Receiver *r)
{
    int status = NET_OK;
    while (status == NET_OK && (status = refill(r)) == NET_OK) {
        status = walk(r);
        if (status == NET_OK && folder != NULL) status = flush(r); /* the buffer is read into again */
    }
    if (r->file < 0) return;
    close(r->file);
    unlinkat(folder_fd, r->temporary, 0);
}

/* What store_plain sends: bytes that begin with their number and with the length of the answer. */
static void serve_plain(Receiver *r)
{
    while (refill(r) == NET_OK) {
        uint64_t left;
        uint32_t length;
        if (r->end < 12) continue;
        memcpy(&left, r->bytes, 8);
        memcpy(&length, r->bytes + 8, 4);
        r->message.size = length < CAPACITY ? length : CAPACITY;
        if (folder != NULL) {
            snprintf(r->temporary, sizeof r->temporary, "%llu", (unsigned long long)files_begun++);
            r->file = openat(folder_fd, r->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
            if (r->file < 0) return;
        }
        for (;;) {
            struct iovec all = {r->bytes, r->end < left ? r->end : (size_t)left};
            r->start = r->end;
            left -= all.iov_len;
            if (r->file >= 0 && write_out(r->file, &all, 1) != NET_OK) return;
            if (left == 0) break;
            if (refill(r) != NET_OK) return;
        }
        if (r->file >= 0) close(r->file);
        r->file = -1;
        if (respond(r) != NET_OK) return;
    }
}

static void (*serve)(Receiver *);

static void *work(void *connection)
{
    Receiver *r = calloc(1, sizeof *r);
    int on = 1;
    if (r == NULL) abort();
    r->fd = (int)(intptr_t)connection;
    r->file = -1;
    r->capacity = read_size;
    r->bytes = malloc(read_size + 16); /* a header of six bytes can stand in front of what is read */
    if (r->bytes == NULL) abort();
    r->bytes += 16;
    setsockopt(r->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    serve(r);
    close(r->fd);
    free(r->bytes - 16);
    free(r);
    return NULL;
}

static int accept_all(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t length = sizeof address;
    pthread_attr_t attributes;
    pthread_t thread;
    int on = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (listening < 0 || bind(listening, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listening, 4096) != 0 || getsockname(listening, (struct sockaddr *)&address, &length) != 0) {
        perror("storage");
        return 1;
    }
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0 && pthread_create(&thread, &attributes, work, (void *)(intptr_t)fd) != 0) close(fd);
    }
}

static void *wait_for_end(void *unused)
{
    for (int c; (c = getchar()) != EOF;) { /* lives as long as whoever started it */
        if (c != '\n') continue;
        printf("%llu %llu\n", (unsigned long long)instances, (unsigned long long)data_bytes);
        fflush(stdout);
    }
    exit(0);
    return unused;
}

/* --- the command */

typedef struct {
    int port, associations, whole, rounds;
    int64_t total;
    uint32_t pdu;
    const char *called;
} Options;

static int usage(void)
{
    fprintf(stderr, "usage: storage scp|plain [--folder DIR] [--read N] [--max-pdu N] [--port N]\n"
                    "       storage send PORT [--pdu N] [--associations N] [--total N] [--whole] [--called AE] "
                    "[--rounds N] FILE...\n");
    return 2;
}

static int send_command(const Options *o, char **paths, int count)
{
    for (int k = 0; k < o->rounds; k++) {
        uint64_t bytes = 0;
        int64_t total = o->total > 0 ? o->total : count;
        int64_t taken = store_send(o->port, paths, count, o->total, o->associations, o->pdu, o->called, o->whole, 0, &bytes);
        if (taken < 0) {
            fprintf(stderr, "status %lld\n", (long long)(-1 - taken));
            return 1;
        }
        printf("{\"ns\": %lld, \"objects\": %lld, \"bytes\": %llu, \"mb_s\": %.1f}\n", (long long)taken,
               (long long)total, (unsigned long long)bytes, 1e3 * (double)bytes / (double)taken);
        fflush(stdout);
    }
    return 0;
}

int main(int argc, char **argv)
{
    Options o = {.called = "ANY-SCP", .associations = 1, .rounds = 1};
    pthread_t thread;
    int k = 2, sends = argc > 1 && strcmp(argv[1], "send") == 0;
    if (argc < 2 + sends || (!sends && strcmp(argv[1], "scp") != 0 && strcmp(argv[1], "plain") != 0)) return usage();
    if (sends) o.port = atoi(argv[k++]);
    for (; k < argc && argv[k][0] == '-'; k++) {
        if (strcmp(argv[k], "--whole") == 0) {
            o.whole = 1;
            continue;
        }
        if (k + 1 == argc) return usage();
        const char *name = argv[k++], *value = argv[k];
        if (strcmp(name, "--folder") == 0) folder = value;
        else if (strcmp(name, "--read") == 0) read_size = (size_t)atoll(value);
        else if (strcmp(name, "--max-pdu") == 0) announced = (uint32_t)atoll(value);
        else if (strcmp(name, "--port") == 0) o.port = atoi(value);
        else if (strcmp(name, "--pdu") == 0) o.pdu = (uint32_t)atoll(value);
        else if (strcmp(name, "--associations") == 0) o.associations = atoi(value);
        else if (strcmp(name, "--total") == 0) o.total = atoll(value);
        else if (strcmp(name, "--rounds") == 0) o.rounds = atoi(value);
        else if (strcmp(name, "--called") == 0) o.called = value;
        else return usage();
    }
    if (sends) return k < argc ? send_command(&o, argv + k, argc - k) : usage();
    if (read_size < CAPACITY) read_size = CAPACITY; /* the longest control PDU has to fit */
    if (folder != NULL && (folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
        perror(folder);
        return 1;
    }
    serve = argv[1][0] == 's' ? serve_dicom : serve_plain;
    if (pthread_create(&thread, NULL, wait_for_end, NULL) != 0) return 1;
    return accept_all(o.port);
}

#endif
