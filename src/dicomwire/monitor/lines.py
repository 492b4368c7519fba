"""Records as lines to read: when, who to whom, what, how it came out, how long it took, how much it was.

Colours are for terminals only; text that peers have chosen cannot drive one.
"""

from __future__ import annotations

from functools import lru_cache

from rich.color import ColorSystem
from rich.style import Style

from dicomwire.dictionary import UID
from dicomwire.dimse.status import status_of
from dicomwire.hl7.acknowledgement import meaning_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO, Any

    from dicomwire.monitor.jsonlines import Record

_STYLES = {
    "time": Style(dim=True),
    "who": Style(color="cyan"),
    "what": Style(bold=True),
    "good": Style(color="green"),
    "doubtful": Style(color="yellow"),
    "bad": Style(color="red"),
    "quiet": Style(dim=True),
}
_OF_CATEGORY = {
    "success": "good",
    "pending": "good",
    "warning": "doubtful",
    "cancel": "doubtful",
    "unknown": "doubtful",
}


def shown(text: str | None, missing: str = "?") -> str:
    """A text of a peer with what is no character to print as ``&#27;``."""
    if not text:
        return missing
    return text if text.isprintable() else "".join(c if c.isprintable() else f"&#{ord(c)};" for c in text)


def duration(milliseconds: float) -> str:
    """A span for people: three digits and a unit."""
    if milliseconds < 1:
        return f"{milliseconds * 1000:.0f} us"
    if milliseconds < 1000:
        return f"{milliseconds:.3g} ms"
    if milliseconds < 120_000:
        return f"{milliseconds / 1000:.3g} s"
    minutes, seconds = divmod(round(milliseconds / 1000), 60)
    return f"{minutes} min {seconds} s" if minutes < 120 else f"{minutes / 60:.3g} h"


def size(count: float) -> str:
    """A number of bytes for people: three digits and a unit, of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5 or (unit == "B" and count < 1000):
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.4g} TB"


@lru_cache(maxsize=256)
def _class_name(uid: str) -> str:
    """What a SOP class is called, without the words that all of them share."""
    name = UID(uid).name
    return shown(name.removesuffix(" Storage").removesuffix(" SOP Class") if name else uid)


def _count(number: int, word: str, plural: str = "") -> str:
    return f"{number:,} {word if number == 1 else plural or word + 's'}"


class Lines:
    """Writes records to a text stream; ``colours`` as the terminal can show them, None for none at all."""

    def __init__(self, stream: IO[str], *, colours: ColorSystem | None = None, flush: bool = False) -> None:
        self._stream = stream
        self._colours = colours
        self._flush = flush
        self._day: str | None = None
        self._writers: dict[str, Callable[[Any], Iterator[tuple[str, str]]]] = {
            "transaction": self._transaction,
            "association": self._association,
            "hl7": self._hl7,
            "gap": self._gap,
        }

    def write(self, record: Record) -> None:
        """Write one record: a line, and before it the day when that is another one."""
        if record.record == "summary":
            for line in summary_lines(record):
                self._stream.write(line + "\n")
        else:
            moment = str(getattr(record, "time", None) or "")
            day, _, clock = moment.partition("T")
            if day and day != self._day:
                self._day = day
                self._stream.write(self._styled("quiet", f"{day} (UTC)") + "\n")
            parts = [self._styled("time", clock[:12] or "            ")]
            parts += [self._styled(style, text) for style, text in self._writers[record.record](record) if text]
            self._stream.write("  ".join(parts) + "\n")
        if self._flush:
            self._stream.flush()

    def close(self) -> None:
        """Hand on what is buffered; the stream stays open."""
        self._stream.flush()

    def _styled(self, style: str, text: str) -> str:
        if self._colours is None or not style:
            return text
        return _STYLES[style].render(text, color_system=self._colours)

    # ------------------------------------------------------------------------------------------------------ the kinds

    def _transaction(self, record: Any) -> Iterator[tuple[str, str]]:
        yield "who", _between(record, record.calling_ae_title, record.called_ae_title, record.sender == "server")
        yield "what", record.method
        yield "", _object_of(record)
        yield _outcome_of(record)
        yield "", ", ".join(_times_of(record))
        notes = [*record.flaws, *_counted(record)]
        yield "doubtful", "; ".join(notes)

    def _association(self, record: Any) -> Iterator[tuple[str, str]]:
        yield "who", _between(record, record.calling_ae_title, record.called_ae_title, record.requestor == "server")
        yield "what", "association"
        contexts = record.contexts
        if contexts:
            accepted = sum(context["result"] == "accepted" for context in contexts)
            yield "", f"{accepted} of {_count(len(contexts), 'context')}"
        end = record.end
        style = {"release": "good", "capture_end": "quiet"}.get(end, "bad")
        text = {"release": "released", "capture_end": "open when the capture ended"}.get(end)
        text = text or shown(record.error, end)
        yield style, f"{text}, by the {record.ended_by}" if record.ended_by else text
        parts = [_count(record.transactions, "transaction"), size(record.bytes)]
        if record.time_ns is not None and record.end_time_ns is not None:
            parts.append(duration((record.end_time_ns - record.time_ns) / 1e6))
        yield "", ", ".join(parts)
        notes = list(record.faults)
        illegal = record.illegal_pdus["count"]
        if illegal:
            notes.append(_count(illegal, "illegal PDU"))
        if record.retransmissions:
            notes.append(_count(record.retransmissions, "retransmission"))
        yield "doubtful", "; ".join(map(shown, notes))

    def _hl7(self, record: Any) -> Iterator[tuple[str, str]]:
        yield (
            "who",
            _between(record, record.sending_application, record.receiving_application, record.sender == "server"),
        )
        yield "what", shown(record.msg_type, "message")
        if record.msg_id:
            yield "", shown(record.msg_id)
        if record.req_size is not None:
            yield "", size(record.req_size)
        code = record.ack_code
        if code is None:
            yield "doubtful", "no acknowledgement"
        else:
            style = {True: "good", False: "bad", None: "doubtful"}[record.is_ack_positive]
            yield style, f"{shown(code)} {meaning_of(code)}"
        if record.processing_time_ns is not None:
            yield "", f"answered after {duration(record.processing_time_ns / 1e6)}"
        conflicts = [f"{key} disagree" for key in record.conflicts]
        yield "doubtful", "; ".join([*record.faults, *conflicts])

    def _gap(self, record: Any) -> Iterator[tuple[str, str]]:
        yield "who", _between(record, None, None, record.side == "server")
        yield "bad", "gap"
        yield "", f"{size(record.bytes)} of the {record.side}'s stream {record.kind or 'missing'}"
        flight = record.in_flight
        if flight:
            yield (
                "",
                f"in the {flight['part']} of {flight['method'] or 'a message'} {flight['message_id'] or ''}".rstrip(),
            )


def _between(record: Any, from_title: str | None, to_title: str | None, is_reversed: bool) -> str:
    """Who speaks to whom: titles and addresses."""
    ends = [
        f"{record.client_address}:{record.client_port}",
        f"{record.server_address}:{record.server_port}",
    ]
    if is_reversed:
        ends.reverse()
    titles = [f"{shown(title)} " if title else "" for title in (from_title, to_title)]
    return f"{titles[0]}{ends[0]} > {titles[1]}{ends[1]}"


def _object_of(record: Any) -> str:
    """What a transaction is about."""
    method = record.method
    if method == "C-STORE":
        return f"{shown(record.modality, '') or _class_name(record.sop_class_uid or '?')} {size(record.req_size)}"
    if method == "C-FIND":
        level = shown(record.query_level, "") or _class_name(record.sop_class_uid or "?")
        return f"{level}, {_count(record.pending, 'match', 'matches')}"
    if method in ("C-MOVE", "C-GET"):
        parts = [f"to {shown(record.move_destination)}"] if method == "C-MOVE" else []
        counts = record.sub_operations
        if counts:
            words = {"completed": "done", "failed": "failed", "warning": "with a warning", "remaining": "remaining"}
            parts += [f"{counts[name]} {word}" for name, word in words.items() if counts.get(name)]
        return ", ".join(parts)
    if method == "C-ECHO":
        return ""
    parts = [_class_name(record.sop_class_uid or "?"), shown(record.step_status, "")]
    if record.referenced_instances is not None:
        parts.append(_count(record.referenced_instances, "instance"))
    if record.failed_instances:
        parts.append(f"{record.failed_instances} failed")
    return ", ".join(part for part in parts if part)


def _outcome_of(record: Any) -> tuple[str, str]:
    """Style and words of how a transaction came out."""
    category = record.status_category
    if record.is_req_aborted or record.is_rsp_aborted or category is None:
        return "bad", shown(record.error, "no response")
    if category in ("success", "pending"):
        return "good", "success" if category == "success" else "pending"
    words = shown(record.error, "") or status_of(record.status).meaning
    return _OF_CATEGORY.get(category, "bad"), f"{record.status:04X}H {category}: {words}"


def _times_of(record: Any) -> Iterator[str]:
    transfer = record.req_transfer_time
    if transfer:
        yield f"request {duration(transfer)}"
    if record.processing_time is not None:
        yield f"server {duration(record.processing_time)}"
    if record.responses > 1 and record.time_to_final is not None:
        yield f"last answer {duration(record.time_to_final)}"
    if transfer and record.req_size > 100_000:
        yield f"{size(record.req_size / transfer * 1000)}/s"


def _counted(record: Any) -> Iterator[str]:
    """What happened to the packets of a transaction."""
    if record.gaps:
        yield f"{size(record.lost_bytes)} missing"
    retransmissions = record.req_retransmissions + record.rsp_retransmissions
    if retransmissions:
        yield _count(retransmissions, "retransmission")
    closed = record.zero_window_time
    if closed:
        yield f"window closed {duration(closed)}"


def summary_lines(record: Any) -> list[str]:
    """The summary, a line for each figure that is not 0."""
    fields = record.to_dict()
    counts: dict[str, int] = fields["counts"]
    rows = [("packets", f"{fields['packets']:,}")]
    if fields["time"]:
        rows.append(("from", fields["time"]))
        rows.append(("to", fields["end_time"]))
    for title, group in (("connections", fields["connections"]), ("records", fields["records"])):
        text = ", ".join(f"{number:,} {shown(name)}" for name, number in group.items() if number)
        rows.append((title, text or "none"))
    rows.append(("dropped", f"{fields['drops']:,} packets"))
    rows += [
        (name.replace("_", " "), f"{number:,}")
        for name, number in counts.items()
        if number and name not in ("packets", "connections")
    ]
    if fields["left_out"]:
        rows.append(("left out", f"{fields['left_out']:,} times, for want of room"))
    rows.append(("took", f"{duration(fields['elapsed_s'] * 1000)}, {size(fields['bytes_per_s'])}/s"))
    width = max(len(name) for name, _ in rows) + 2
    return ["", *(f"{name:<{width}}{text}" for name, text in rows)]
