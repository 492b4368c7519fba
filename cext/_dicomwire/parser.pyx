"""The push parser: preamble, meta group, transfer syntax, data set, in chunks as they come (PS3.10 section 7).

Each decision is made on a fixed number of bytes, or on all there are when the stream is closed, so that events never
depend on where the stream was cut.
"""
cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memset

from .block cimport hook
from .part10 cimport (
    SYNTAX_BIG_ENDIAN, SYNTAX_DEFLATED, SYNTAX_IMPLICIT, SYNTAX_UNKNOWN, FileStart, check_meta_length, check_syntax,
    encoding_name, encoding_score, likely_encoding, look_at_start, look_for_other_formats, reads_as_data_set,
    refuse_archives, syntax_of,
)
from .source cimport IGNORE, REPORT, STRICT
from .tape cimport BIG_ENDIAN, EXPLICIT_LE, IMPLICIT, NEED_DATA, STOPPED, TapeEntry, dw_load32le
from .values cimport as_uid

from copy import copy

from .errors import DecodeError, TruncatedError

cdef enum:
    LOOK_AT_START = 144         # bytes: preamble, prefix and the first header of the meta group
    LOOK_AT_DATA = 1024         # bytes of a data set that show its encoding
    LEAST_PIECES = 1024         # shorter values always come whole
    INFLATE_STEP = 262144       # bytes inflated at once
    INFLATE_FREE = 32 << 20     # bytes that a stream may have whatever the ratio

cdef uint64_t NO_END = <uint64_t>1 << 62

DEFAULT_PIECE_LIMIT = 65536
DEFAULT_INFLATE_RATIO = 256


@cython.final
@cython.no_gc
cdef class StreamParser(Walker):
    """Takes a stream in chunks of any size and gives the events that each one brings.

    transfer_syntax: UID of a bare data set, as in DIMSE; None for a file, whose preamble and meta group say it, or a
        data set that shows its encoding itself.
    piece_limit: values longer than this many bytes come in pieces.
    policy: "strict", "report" or "ignore", as for dcmread.
    frames: whether there are FRAME events; each batch must be iterated then, once.
    charset: defined term, or terms, in place of Specific Character Set (0008,0005).
    force: take bytes that do not look like DICOM.
    inflate_ratio, inflate_limit: how much a deflated data set may grow, as a multiple of its size (beyond 32 MiB) and
        in bytes; None is no limit.

    A parser is for one stream and one thread.
    """

    def __init__(self, transfer_syntax=None, *, piece_limit=DEFAULT_PIECE_LIMIT, policy="report", frames=False,
                 charset=None, force=False, inflate_ratio=DEFAULT_INFLATE_RATIO, inflate_limit=None):
        cdef bytes uid
        if policy not in ("strict", "report", "ignore"):
            raise ValueError(f"policy={policy!r}: expected 'strict', 'report' or 'ignore'")
        if piece_limit < LEAST_PIECES:
            raise ValueError(f"piece_limit={piece_limit}: expected at least {LEAST_PIECES}")
        self.notes.policy = STRICT if policy == "strict" else REPORT if policy == "report" else IGNORE
        self.notes.charset = None if charset is None else (charset,) if isinstance(charset, str) else tuple(charset)
        self.piece_limit = piece_limit
        self.force = force
        self.declared = self.encoding = -1
        self.meta_length = -1
        self.wanted = LOOK_AT_START
        self.inflater = _Inflation(inflate_ratio, inflate_limit)
        if frames:
            self.framer = hook("frame_events")(None if transfer_syntax is None else str(transfer_syntax))
            self.peek = self.framer.first_bytes_needed
        if transfer_syntax is not None:
            uid = str(transfer_syntax).encode("ascii", "replace")
            if syntax_of(uid, <uint64_t>len(uid)) == SYNTAX_UNKNOWN:
                raise ValueError(f"transfer_syntax={str(transfer_syntax)!r} is not a known one")
            self.syntax = uid
            self._expect(syntax_of(uid, <uint64_t>len(uid)))

    # -------------------------------------------------------------------------------------------------------- the calls

    def feed(self, chunk):
        """The events that the next bytes bring, an EventBatch.

        Values are views of the chunk: they keep it alive, and change when the caller writes into it.  An error is
        raised when the events before it were given: by this call if there are none, else at the end of the iteration,
        and by the next call.
        """
        cdef Py_buffer view
        cdef list batches = []
        if self.error is not None:
            raise copy(self.error)
        if self.closing:
            raise ValueError("the parser is closed")
        PyObject_GetBuffer(chunk, &view, PyBUF_SIMPLE)
        try:
            self.fed += <uint64_t>view.len
            self._guarded(batches, chunk, <const uint8_t*>view.buf, <uint64_t>view.len)
        finally:
            PyBuffer_Release(&view)
        return self._chain(batches)

    def close(self):
        """The events that only the end of the stream shows; the last one is END.

        TruncatedError, with offset and path, when the data set is not finished.
        """
        cdef list batches = []
        if self.error is not None:
            raise copy(self.error)
        if not self.closing:
            self.closing = True
            self._guarded(batches, None, NULL, 0)
        return self._chain(batches)

    @property
    def deviations(self):
        """Where the stream departs from the standard, so far."""
        return list(self.notes.findings) if self.framer is None else [*self.notes.findings, *self.framer.deviations]

    @property
    def transfer_syntax(self):
        """Transfer Syntax UID as given or as the meta group says it; None when nobody has said it (yet)."""
        return None if self.syntax is None else as_uid(self.syntax.rstrip(b" \0").decode("ascii", "replace"))

    @property
    def is_implicit_VR(self):
        """Whether the data set leaves out VRs (PS3.5 section 7.1.3); None before it begins."""
        return None if self.encoding < 0 else bool(self.encoding & IMPLICIT)

    @property
    def is_little_endian(self):
        """Byte order of the data set (PS3.5 section 7.3); None before it begins."""
        return None if self.encoding < 0 else not self.encoding & BIG_ENDIAN

    @property
    def value_left(self):
        """Of the value that is coming in pieces: the tag of the data set's own element around it, and the bytes left.

        (0, 0) where there is none.  A caller that does not want it may ``skip`` so many bytes.
        """
        cdef uint32_t i = self.leading
        cdef uint64_t end
        if i == 0 or self.stage != DATA:
            return 0, 0
        end = self.s.entries[i].offset + self.s.entries[i].length
        while self.s.entries[i].parent:
            i = self.s.entries[i].parent
        if end <= self.at:
            return 0, 0
        return self.s.entries[i].tag, end - self.at

    def skip(self, length):
        """Go on ``length`` bytes further, at most what is left of the value that is coming; they are not fed."""
        if not 0 <= length <= self.value_left[1]:
            raise ValueError(f"{length} bytes cannot be skipped, {self.value_left[1]} are left of the value")
        self.at += <uint64_t>length
        self.carry_start = self.carry_stop = self.at

    def __reduce__(self):
        raise TypeError("a StreamParser cannot be pickled")

    # ---------------------------------------------------------------------------------------------------------- batches

    cdef int _guarded(self, list batches, object chunk, const uint8_t* data, uint64_t n) except -1:
        """Work on bytes, or on the end; an error waits until the events before it were given."""
        try:
            if data != NULL or chunk is not None:
                self._process(batches, chunk, data, n)
            if self.closing and self.error is None:
                self._end(batches)
        except DecodeError as error:
            # A copy, as whenever it is raised: a traceback leads to frames that hold the parser, and it stays.
            self.error = copy(error)
        if self.error is not None and (not batches or self.closing and chunk is None):
            raise copy(self.error)
        return 0

    cdef EventBatch _chain(self, list batches):
        """The batches of one chunk as one; the last one may go on, if there is more to inflate."""
        cdef EventBatch batch, before = None
        if not batches:
            return EventBatch.__new__(EventBatch)
        for batch in batches:
            batch.framer = self.framer
            if before is not None:
                before.following = batch
            before = batch
        if self.stage == DEFLATED and not self.closed or self.error is not None:
            self.serial += 1
            before.producer = self
            before.serial = self.serial
        return <EventBatch>batches[0]

    cdef EventBatch more(self, EventBatch after):
        cdef list batches = []
        if after.serial != self.serial or self.closed:
            return None                 # a later batch goes on, or did
        after.producer = None
        if self.error is not None:
            raise copy(self.error)
        self._guarded(batches, b"", NULL, 0)
        after.following = self._chain(batches) if batches else None
        return after.following

    # ----------------------------------------------------------------------------------------------------------- stages

    cdef int _process(self, list batches, object chunk, const uint8_t* data, uint64_t n) except -1:
        """Bring the parser on by ``n`` bytes."""
        cdef uint64_t skip = 0, at, missing
        cdef EventBatch batch
        cdef bytes gathered
        cdef int outcome = NEED_DATA
        while self.error is None:
            if self.stage == DEFLATED:
                if skip < n:
                    self.inflater.give((<const char*>data)[skip:n])
                self._inflate(batches)
                return 0
            if self.stage == DATA or self.stage == META_GROUP:
                if skip >= n:
                    return 0
                at = self.at
                batch = self.step(chunk, skip, data + skip, n - skip, &outcome)
                if batch is not None:
                    batches.append(batch)
                    if self.stage == META_GROUP:
                        self._look_at_meta(batch)
                if outcome != STOPPED:
                    return 0
                if self.s.pos < at:
                    self.head = bytearray(
                        (<const char*>self.carry)[self.s.pos - self.carry_start:at - self.carry_start])
                else:
                    skip += self.s.pos - at
                self.at = self.s.pos
                self._end_meta()
                continue
            # A decision on the first bytes of something: of the chunk itself if it has enough of them.
            if self.head is None:
                if skip >= n and not self.closing:
                    return 0
                if self._decide(data + skip, min(n - skip, self.wanted), n - skip >= self.wanted, &skip):
                    continue
                if n - skip >= self.wanted:
                    continue            # another number of bytes is wanted now
                self.head = bytearray((<const char*>data)[skip:n])
                return 0
            missing = self.wanted - <uint64_t>len(self.head) if self.wanted > <uint64_t>len(self.head) else 0
            missing = min(missing, n - skip)
            if missing:
                self.head += (<const char*>data)[skip:skip + missing]
                skip += missing
            elif skip >= n and not self.closing:
                return 0
            gathered = bytes(self.head)
            self.head = None
            self._process(batches, gathered, <const uint8_t*>PyBytes_AS_STRING(gathered), <uint64_t>len(gathered))
            if self.closing and not gathered:
                return 0
        return 0

    cdef bint _decide(self, const uint8_t* p, uint64_t n, bint enough, uint64_t* skip) except -1:
        """Decide on ``n`` bytes how to go on, and how many of them to leave behind; False when more are wanted."""
        cdef bint final = enough or self.closing
        cdef int encoding
        if self.stage == START:
            return self._decide_start(p, n, final, skip)
        if self.stage == DEFLATED_BEGIN:
            if not final:
                return False
            if self.inflater.begin((<const char*>p)[:n], self.at) or likely_encoding(p, n, NO_END, -1) != EXPLICIT_LE:
                self.inflater.start(self.at)
                self.stage = DEFLATED
                self.inner = BEGIN
                self.wanted = LOOK_AT_DATA
                self.at = 0
                return True
            self.notes.note("encoding", self.at, "the data set is not deflated, its transfer syntax says it is",
                            "PS3.5 A.5")
            self.declared = -1
            self.stage = BEGIN
        encoding = self.declared
        if encoding < 0 or encoding_score(p, n, n if self.closing else NO_END, encoding) < 3:
            if not final:
                return False
            if n >= 8:
                encoding = likely_encoding(p, n, n if self.closing else NO_END, self.declared)
        if encoding < 0:
            encoding = self.declared if self.declared >= 0 else IMPLICIT
            if n >= 8 and not self.force and not self.has_meta and self.declared < 0:
                raise DecodeError("the bytes do not read as a data set in any encoding", offset=self.at, path="",
                                  section="PS3.5 7.1")
        if self.declared >= 0 and encoding != self.declared:
            self.notes.note("encoding", self.at, f"the data set is in {encoding_name(encoding)}, its transfer syntax "
                            f"says {encoding_name(self.declared)}", "PS3.5 10")
        self.encoding = encoding
        self.s.first_tag = 0
        self.s.tag_span = 0xFFFFFFFFu
        self.is_meta = False
        self.begin(self.at, <uint8_t>encoding)
        self.stage = DATA
        return True

    cdef bint _decide_start(self, const uint8_t* p, uint64_t n, bint final, uint64_t* skip) except -1:
        """Find preamble, prefix and meta group (PS3.10 section 7.1)."""
        cdef FileStart start
        if not final:
            return False
        if n == 0:
            raise TruncatedError("the stream is empty", offset=0, path="", section="PS3.10 7.1")
        look_at_start(p, n, &start)
        if not (start.has_preamble and start.has_meta) and self.wanted == LOOK_AT_START and not self.closing:
            self.wanted = 132 + LOOK_AT_DATA
            return False
        if start.has_preamble and not start.has_meta and likely_encoding(p + 132, n - 132, NO_END, -1) < 0 and (
                likely_encoding(p, n, NO_END, -1) >= 0):
            memset(&start, 0, sizeof(FileStart))        # the four letters belong to a value
        if start.has_preamble and p[0]:
            look_for_other_formats(self.notes, p)
        if not start.has_preamble:
            if not self.force and not start.has_magic:
                refuse_archives(p, n)
            if not self.force and not start.has_magic and not reads_as_data_set(p, n, n if self.closing else NO_END):
                raise DecodeError("this is not DICOM: no preamble with DICM, and the bytes do not read as a data set "
                                  "(force=True tries all the same)", offset=0, path="", section="PS3.10 7.1")
            self.notes.note("preamble", 0, "no preamble and DICM prefix before the data", "PS3.10 7.1")
        skip[0] += start.meta_offset
        self.at = self.meta_offset = start.meta_offset
        self.has_meta = start.has_meta
        if not start.has_meta:
            if start.has_magic or self.notes.policy != REPORT:
                self.notes.note("file_meta", self.at, "File Meta Information is missing", "PS3.10 7.1")
            self._expect(SYNTAX_UNKNOWN)
            return True
        self.s.first_tag = 0x00020000
        self.s.tag_span = 0xFFFF
        self.is_meta = True
        self.begin(self.at, start.meta_encoding)
        self.stage = META_GROUP
        return True

    cdef int _expect(self, int kind) except -1:
        """Go on to the data set in a transfer syntax of this SyntaxKind."""
        self.declared = -1 if kind == SYNTAX_UNKNOWN else IMPLICIT if kind == SYNTAX_IMPLICIT else (
            BIG_ENDIAN if kind == SYNTAX_BIG_ENDIAN else EXPLICIT_LE)
        self.stage = DEFLATED_BEGIN if kind == SYNTAX_DEFLATED else BEGIN
        self.wanted = LOOK_AT_DATA
        return 0

    cdef int _look_at_meta(self, EventBatch batch) except -1:
        """Take what the meta group says about itself and the data set."""
        cdef TapeEntry* e
        cdef const uint8_t* p
        cdef uint32_t i
        for i in range(batch.first, batch.stop):
            e = batch.block.entries + i
            p = batch.block.pointer(e) if e.length <= batch.piece_limit else NULL
            if e.parent or p == NULL:
                continue
            if e.tag == 0x00020000 and e.length == 4 and e.offset - e.header_size == self.meta_offset:
                self.meta_length = dw_load32le(p)
                self.meta_length_at = e.offset
            elif e.tag == 0x00020010 and self.syntax is None:
                self.syntax = (<const char*>p)[:e.length]
                self.syntax_at = e.offset
        return 0

    cdef int _end_meta(self) except -1:
        """The meta group has ended: check it, and expect the data set that it tells of."""
        cdef int kind = SYNTAX_UNKNOWN
        check_meta_length(self.notes, self.meta_length_at if self.meta_length >= 0 else self.meta_offset + 8,
                          self.meta_length, self.at)
        if self.s.frames[0].encoding == IMPLICIT:
            self.notes.note("meta_encoding", self.meta_offset, "File Meta Information is in implicit VR", "PS3.10 7.1")
        if self.syntax is None:
            self.notes.note("transfer_syntax", self.meta_offset, "Transfer Syntax UID (0002,0010) is missing",
                            "PS3.10 7.1")
        else:
            kind = check_syntax(self.notes, self.syntax, <uint64_t>len(self.syntax), self.syntax_at)
        self._expect(kind)
        if self.framer is not None:
            self.framer.transfer_syntax = None if self.syntax is None else str(self.transfer_syntax)
        return 0

    cdef int _inflate(self, list batches) except -1:
        """Inflate until there are events, or no bytes left."""
        cdef bytes piece
        while not batches and self.error is None:
            piece = self.inflater.take(INFLATE_STEP)
            if not piece:
                return 0
            self._process_inner(batches, piece)
        return 0

    cdef int _process_inner(self, list batches, bytes piece) except -1:
        """Bring the data set that is being inflated on."""
        self.stage = self.inner
        try:
            self._process(batches, piece, <const uint8_t*>PyBytes_AS_STRING(piece), <uint64_t>len(piece))
        finally:
            self.inner = self.stage
            self.stage = DEFLATED
        return 0

    cdef int _end(self, list batches) except -1:
        """The stream has ended: decide on what there is, and finish what is open."""
        cdef EventBatch batch
        if self.stage == DEFLATED and batches:
            return 0                    # there may be more to inflate
        if self.stage != DEFLATED:
            self._decide_all(batches)
        if self.stage == META_GROUP and self.error is None:
            batch = self.finish()
            batches.append(batch)
            self._look_at_meta(batch)
            self._end_meta()
            self._decide_all(batches)
        if self.stage == DEFLATED and self.error is None:
            self._inflate(batches)
            if batches or self.error is not None:
                return 0
            self.inflater.end()
            if self.inflater.problem is not None:
                self.notes.note("deflate", self.at, self.inflater.problem, "PS3.5 A.5")
            self.stage = self.inner
            self._decide_all(batches)
        if self.error is None:
            batch = self.finish()
            batch.is_last = True
            batches.append(batch)
            self.closed = True
        return 0

    cdef int _decide_all(self, list batches) except -1:
        """Decide on the bytes that were gathered, though there are fewer than wanted."""
        cdef bytes gathered
        while self.stage != DATA and self.stage != META_GROUP and self.stage != DEFLATED and self.error is None:
            gathered = bytes(self.head) if self.head is not None else b""
            self.head = None
            self._process(batches, gathered, <const uint8_t*>PyBytes_AS_STRING(gathered), <uint64_t>len(gathered))
        return 0


class _Inflation:
    """Inflates a stream in steps of bounded size, with zlib, or isal where it is installed (PS3.5 Annex A.5).

    ``problem`` says what was tolerated: a stream that is cut, damaged, wrapped, or followed by something.
    """

    def __init__(self, ratio, limit):
        self.ratio = ratio
        self.limit = limit
        self.wrapped = False
        self.problem = None

    def begin(self, data, offset):
        """Whether the first bytes can be inflated, bare or with a zlib header."""
        try:
            from isal import isal_zlib as zlib
        except ImportError:
            import zlib
        self.zlib = zlib
        for self.wrapped in (False, True):
            try:
                zlib.decompressobj(wbits=15 if self.wrapped else -15).decompress(data, INFLATE_STEP)
            except zlib.error:
                if data[:1] != b"\x78":
                    break
            else:
                return True
        self.wrapped = False
        return False

    def start(self, offset):
        """Begin with the first byte."""
        self.decompressor = self.zlib.decompressobj(wbits=15 if self.wrapped else -15)
        if self.wrapped:
            self.problem = "the deflated stream has a zlib header"
        self.offset = offset
        self.pending = b""
        self.given = self.taken = self.behind = 0
        self.full = self.ended = False

    def give(self, data):
        """Add bytes to be inflated."""
        self.given += len(data)
        if self.ended or self.decompressor.eof:
            self.behind += len(data)
        else:
            self.pending = self.pending + data if self.pending else data

    def take(self, limit):
        """Up to ``limit`` inflated bytes; none when more must be given, or at the end."""
        while not self.ended and not self.decompressor.eof:
            data = self.pending
            if not data and not self.full:
                return b""
            # Up to the limit of all, then one byte more: what comes before an error is the same in any chunks.
            most = limit if self.limit is None else max(1, min(limit, self.limit - self.taken))
            try:
                piece = self.decompressor.decompress(data, most)
            except self.zlib.error as error:
                if not self.taken:
                    raise DecodeError(f"the deflated data set cannot be inflated ({error})", offset=self.offset,
                                      path="", section="PS3.5 A.5") from error
                self.ended = True
                self.problem = f"the deflated stream is damaged ({error})"
                return b""
            self.pending = self.decompressor.unconsumed_tail
            self.full = len(piece) >= most          # it may hold back what it has no room for
            self.behind += len(self.decompressor.unused_data)
            if piece:
                self.taken += len(piece)
                if self.limit is not None and self.taken > self.limit:
                    raise DecodeError(f"the deflated data set has more than the {self.limit} bytes that are allowed",
                                      offset=self.limit, path="", section="PS3.5 A.5")
                if self.ratio is not None and self.taken > INFLATE_FREE + self.ratio * self.given:
                    raise DecodeError(f"the deflated data set grew to {self.taken} bytes from {self.given}",
                                      offset=self.taken, path="", section="PS3.5 A.5")
                return piece
        return b""

    def end(self):
        """Nothing more will be given: look at how the stream ended."""
        if not self.ended and not self.decompressor.eof and self.problem is None:
            self.problem = "the deflated stream ends before its final block does"
        elif self.behind > 1 and self.problem is None:      # one NUL makes the length even
            self.problem = f"{self.behind} bytes behind the deflated stream"
