"""From captures to records: what was said on the wire, as it comes.

    for record in analyze("traffic.pcapng"):
        print(record.to_dict())

`Monitor` is the same for those who have the bytes of a capture themselves.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from _dicomwire.capture import CaptureReader
from _dicomwire.flow import FlowTable
from _dicomwire.talk import Talk
from dicomwire.errors import DecodeError
from dicomwire.monitor.associations import Facts
from dicomwire.monitor.hl7 import Endpoints, Exchanges, Moment, SideCounters
from dicomwire.monitor.joining import Joiner
from dicomwire.monitor.policy import Policy
from dicomwire.monitor.sources import Filled, open_source
from dicomwire.monitor.summary import Summary
from dicomwire.ul.state import TRANSITIONS

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from typing_extensions import Buffer

    from _dicomwire.capture import PacketSource
    from dicomwire.monitor.sources import Source

TABLE = [
    (state.value, event.value, transition.action.value, tuple(after.value for after in transition.next_states))
    for (state, event), transition in TRANSITIONS.items()
]
"""PS3.8 Table 9-10 as labels, for the compiled replay."""


class Monitor:
    """Packets in, records out: `feed` takes bytes of a capture, `run` packets of a source; both give records.

    Records are Transaction, Association, Gap, HL7Record and, at the end, Summary; all have ``record``, ``time`` and
    `to_dict`.  Memory does not grow with the capture; the limits are bytes and numbers of what is kept at a time.

    key                  for pseudonyms, bytes; random otherwise
    show_phi             identifiers of patients as they are, and elements of messages
    hide_uids            pseudonyms for instance UIDs, too
    internal_networks    which addresses are not external; by default those that no public network has
    extract_to           a folder for the instances that are stored, as Part 10 files
    run                  in front of the names of associations
    """

    def __init__(
        self,
        *,
        show_phi: bool = False,
        key: bytes | None = None,
        hide_uids: bool = False,
        internal_networks: Iterable[str] = (),
        extract_to: str | os.PathLike[str] | None = None,
        run: str | None = None,
        max_connections: int = 32768,
        max_held_bytes: int = 32 << 20,
        max_open_transactions: int = 20000,
    ) -> None:
        self.policy = Policy(
            show_phi=show_phi, hide_uids=hide_uids, key=key, internal_networks=internal_networks, run=run
        )
        self.exchanges = Exchanges(self.policy.pseudonyms, self.policy.networks)
        self.extractor = None
        if extract_to is not None:
            from dicomwire.monitor.extracting import Extractor

            self.extractor = Extractor(extract_to)
        self.joiner = Joiner()
        self.talk = Talk(
            TABLE,
            Facts,
            self.policy,
            hl7=self._meet_hl7,
            extractor=self.extractor,
            on_move=self.joiner.begin_retrieve,
            keeps_elements=show_phi,
            most_held=max_held_bytes,
            most_open=max_open_transactions,
        )
        self.table = FlowTable(self.talk, max_connections=max_connections, max_held_bytes=max_held_bytes)
        self.summary = Summary(self)
        self._reader: CaptureReader | None = None

    def _meet_hl7(self, facts: Facts) -> _HL7Stream:
        endpoints = Endpoints(
            facts.connection, facts.addresses[0], facts.ports[0], facts.addresses[1], facts.ports[1]
        )
        return _HL7Stream(self.exchanges.conversation(endpoints, from_start=facts.from_start))

    def run(self, packets: PacketSource) -> Iterator[Any]:
        """The records that come of the packets that a source holds at the moment."""
        goes_on = True
        while goes_on:
            goes_on = self.table.run(packets)
            yield from self._take()

    def feed(self, data: Buffer) -> Iterator[Any]:
        """The records that come of further bytes of a capture (pcap or pcapng), in any pieces."""
        if self._reader is None:
            self._reader = CaptureReader()
        view = memoryview(data).cast("B")
        while True:
            taken = self._reader.feed(view)
            view = view[taken:]
            yield from self.run(self._reader)
            if not view:
                return

    def advance(self, time_ns: int) -> Iterator[Any]:
        """The records that come of time alone: connections that are idle for long."""
        goes_on = True
        while goes_on:
            goes_on = self.table.advance(time_ns)
            yield from self._take()

    def finish(self) -> Iterator[Any]:
        """The records of all that is open, and the summary: the capture has ended."""
        goes_on = True
        while goes_on:
            goes_on = self.table.finish()
            yield from self._take()
        yield from self._count(self.exchanges.finish())
        yield self.summary

    def _take(self) -> Iterator[Any]:
        yield from self._count(self.talk.take())
        self.talk.check()

    def _count(self, records: list[Any]) -> Iterator[Any]:
        for record in records:
            self.joiner.join(record)
            self.summary.count(record)
            yield record


class _HL7Stream:
    """A connection that speaks MLLP, as the compiled sink tells of it."""

    def __init__(self, conversation: Any) -> None:
        self._conversation = conversation
        self._moment = Moment(0, 0)

    def _at(self, moment: tuple[int, int] | None) -> Moment:
        if moment is not None:
            self._moment = Moment(*moment)
        return self._moment

    def data(self, side: int, data: bytes, moment: tuple[int, int] | None, counters: Any) -> list[Any]:
        return list(self._conversation.data(side, data, self._at(moment), _counters(counters)))

    def gap(self, side: int, length: int, moment: tuple[int, int] | None) -> list[Any]:
        return list(self._conversation.gap(side, length, self._at(moment)))

    def ended(self, side: int, kind: int, moment: tuple[int, int] | None, counters: Any) -> list[Any]:
        return list(self._conversation.ended(side, kind, self._at(moment), _counters(counters)))

    def forgotten(self, kind: int, time_ns: int) -> list[Any]:
        return list(self._conversation.forgotten(kind, time_ns))


def _counters(pair: Any) -> tuple[SideCounters, SideCounters]:
    return SideCounters(*pair[0]), SideCounters(*pair[1])


def analyze(
    source: str | os.PathLike[str] | Source | Any,
    *,
    follow: bool = False,
    show_phi: bool = False,
    key: bytes | None = None,
    **options: Any,
) -> Iterator[Any]:
    """Records of the DICOM and HL7 traffic in a capture file, a pipe (``-``), a file object or on an interface.

    They come as soon as they are complete, the Summary at the end; of an interface that is after a KeyboardInterrupt.
    ``follow`` goes on with a file that is still written.  Other options are those of `Monitor`.  Raises OSError for a
    source that cannot be read, DecodeError for one that is no capture or breaks off, behind the records of what is
    there; what is wrong with the traffic itself is in the records.
    """
    monitor = Monitor(show_phi=show_phi, key=key, **options)
    opened: Source = source if hasattr(source, "fill") else open_source(source, follow=follow)  # type: ignore[assignment]
    with opened:
        monitor.summary.source = opened
        failure: DecodeError | OSError | None = None
        while failure is None:
            try:
                filled = opened.fill()
            except KeyboardInterrupt:
                if not opened.is_live:
                    raise
                break  # how a live capture ends
            except (DecodeError, OSError) as error:
                failure = error
                break
            if filled is Filled.ENDED:
                break
            try:
                yield from monitor.run(opened.packets)
            except DecodeError as error:
                failure = error
            if opened.is_live and filled is Filled.SILENT:
                yield from monitor.advance(time.time_ns())
        yield from monitor.finish()
        if failure is not None:
            raise failure
