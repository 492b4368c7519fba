"""The interface for scripts: pynetdicom's names and ways, held against pynetdicom itself where it is installed."""

from __future__ import annotations

import gc
import importlib.util
import socket
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from dicomwire.errors import AssociationRejected
from dicomwire.net.blocking import (
    AE,
    EVT_ABORTED,
    EVT_C_ECHO,
    EVT_ESTABLISHED,
    EVT_RELEASED,
    Association,
    Occurrence,
    ThreadedServer,
    build_context,
    build_role,
)
from dicomwire.ul.codes import UserIdentityType
from dicomwire.ul.items import UserIdentityRQ
from tests.net.certificates import Authority
from tests.support import missing

VERIFICATION = "1.2.840.10008.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"


class Said:
    """Collects what handlers are called with, and waits for it."""

    def __init__(self) -> None:
        self.all: list[Any] = []
        self._more = threading.Condition()

    def __call__(self, occurrence: Occurrence, *more: object) -> int:
        with self._more:
            self.all.append((occurrence.event, *more))
            self._more.notify_all()
        return 0

    def wait(self, count: int) -> list[Any]:
        with self._more:
            assert self._more.wait_for(lambda: len(self.all) >= count, 20)
            return self.all


def start(ae: AE | None = None, **options: Any) -> ThreadedServer:
    ae = ae or AE("ARCHIVE")
    ae.add_supported_context(VERIFICATION)
    server = ae.start_server(("127.0.0.1", 0), block=False, **options)
    assert server is not None
    return server


@pytest.fixture
def ae() -> AE:
    ae = AE("WORKSTATION")
    ae.add_requested_context(VERIFICATION)
    return ae


@pytest.fixture
def server() -> Iterator[ThreadedServer]:
    with start() as server:
        yield server


def test_a_script(ae: AE, server: ThreadedServer) -> None:
    association = ae.associate(*server.server_address)
    assert association.is_established
    assert [context.abstract_syntax for context in association.accepted_contexts] == [VERIFICATION]
    assert len(server.active_associations) == 1
    status = association.send_c_echo()
    assert status
    assert status.Status == 0
    assert "Status" in status
    assert "ErrorComment" not in status
    assert repr(status) == "<StatusSet 0000H>"
    association.release()
    association.release()
    association.abort()
    assert association.is_released
    assert not association.is_established
    assert not association.is_aborted
    assert not association.is_rejected
    assert association.error is None
    with pytest.raises(RuntimeError, match="not established"):
        association.send_c_echo()


def test_as_a_block(ae: AE, server: ThreadedServer) -> None:
    with ae.associate(*server.server_address) as association:
        assert association.send_c_echo().Status == 0
    assert association.is_released
    with pytest.raises(ZeroDivisionError), ae.associate(*server.server_address) as association:
        raise ZeroDivisionError
    assert association.is_aborted


def test_a_refused_association_is_returned(ae: AE) -> None:
    strict = AE("ARCHIVE")
    strict.require_called_aet = True
    with start(strict) as server:
        association = ae.associate(*server.server_address, ae_title="OTHER")
        assert not association.is_established
        assert association.is_rejected
        assert not association.is_aborted
        assert isinstance(association.error, AssociationRejected)
        assert association.error.reason == 7
        assert association.accepted_contexts == []
        assert ae.associate(*server.server_address, ae_title="ARCHIVE").is_established


def test_nobody_there(ae: AE) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        association = ae.associate("127.0.0.1", probe.getsockname()[1])
    assert association.is_aborted
    assert not association.is_established
    assert isinstance(association.error, ConnectionRefusedError)
    assert not association.is_released
    association.abort()
    association.release()


def test_no_contexts() -> None:
    with pytest.raises(RuntimeError, match="add_requested_context"):
        AE().associate("127.0.0.1", 1)


def test_verification_that_was_not_accepted(server: ThreadedServer) -> None:
    ae = AE()
    with ae.associate(*server.server_address, contexts=[build_context(CT)]) as association:
        assert association.is_established
        with pytest.raises(ValueError, match="no presentation context"):
            association.send_c_echo()


def test_a_lost_association_gives_an_empty_status(ae: AE) -> None:
    server = start(evt_handlers=[(EVT_C_ECHO, lambda occurrence: occurrence.assoc.abort() or 0)])
    with server:
        association = ae.associate(*server.server_address)
        status = association.send_c_echo()
        assert not status
        assert not hasattr(status, "Status")
        assert repr(status) == "<StatusSet, no response>"
        assert association.is_aborted
        assert association.error is not None


def test_handlers_run_in_threads_and_may_block(ae: AE) -> None:
    """Two handlers that wait for one another; an event loop that they held up would never end."""
    both = threading.Barrier(2, timeout=20)

    def echo(occurrence: Occurrence, more: str) -> int:
        assert occurrence.event is EVT_C_ECHO
        assert isinstance(occurrence.assoc, Association)
        assert occurrence.assoc.is_established
        assert occurrence.request is not None
        assert occurrence.context is not None
        assert more == "argument"
        assert threading.current_thread() is not threading.main_thread()
        both.wait()
        return 0x0110

    with start(evt_handlers=[(EVT_C_ECHO, echo, ["argument"])]) as server:
        results: list[int] = []

        def ask() -> None:
            with ae.associate(*server.server_address) as association:
                results.append(association.send_c_echo().Status)

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert results == [0x0110, 0x0110]


def test_events_of_both_sides(ae: AE) -> None:
    said, heard = Said(), Said()
    events = [EVT_ESTABLISHED, EVT_RELEASED, EVT_ABORTED]
    with start(evt_handlers=[(event, said) for event in events]) as server:
        bound = [(event, heard, ["here"]) for event in events]
        ae.associate(*server.server_address, evt_handlers=bound).release()
        assert said.wait(2) == [(EVT_ESTABLISHED,), (EVT_RELEASED,)]
        assert heard.wait(2) == [(EVT_ESTABLISHED, "here"), (EVT_RELEASED, "here")]
        ae.associate(*server.server_address, evt_handlers=bound).abort()
        assert said.wait(4)[2:] == [(EVT_ESTABLISHED,), (EVT_ABORTED,)]
        assert heard.wait(4)[2:] == [(EVT_ESTABLISHED, "here"), (EVT_ABORTED, "here")]
        with socket.create_connection(server.server_address):
            pass  # no association, no event
    assert len(said.all) == 4


def test_handlers_that_fail(ae: AE, caplog: pytest.LogCaptureFixture) -> None:
    def fail(occurrence: Occurrence) -> int:
        raise KeyError("Doe^John")

    with (
        start(evt_handlers=[(EVT_C_ECHO, fail), (EVT_ESTABLISHED, fail)]) as server,
        ae.associate(*server.server_address) as association,
    ):
        assert association.send_c_echo().Status == 0x0110
    assert "raised KeyError" in caplog.text
    assert "Doe" not in caplog.text


def test_a_server_that_blocks_until_it_is_shut_down(ae: AE) -> None:
    archive = AE("ARCHIVE")
    up = threading.Event()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    results: list[object] = []

    def serve() -> None:
        up.set()
        results.append(archive.start_server(("127.0.0.1", port)))

    thread = threading.Thread(target=serve)
    thread.start()
    up.wait()
    while not (association := ae.associate("127.0.0.1", port)).is_established:
        pass
    association.release()
    archive.shutdown()
    thread.join(20)
    assert results == [None]


def test_negotiation_items(ae: AE, server: ThreadedServer) -> None:
    items = [
        build_role(CT, scu_role=True, scp_role=True),
        UserIdentityRQ(UserIdentityType.USERNAME, False, b"doe"),
    ]
    with ae.associate(*server.server_address, max_pdu=4096, ext_neg=items) as association:
        assert association.is_established
        assert association.send_c_echo().Status == 0
        (other,) = server.active_associations
        assert other._association is not None
        assert other._association.negotiated is not None
        assert other._association.negotiated.max_pdu_length_to_send == 4096


def test_over_tls(ae: AE, authority: Authority) -> None:
    from dicomwire.net import client_context, server_context

    archive = authority.issue("archive")
    with start(ssl_context=server_context(archive.certificate, archive.key)) as server:
        context = client_context(authorities=authority.certificate)
        with ae.associate(*server.server_address, tls_args=(context, None)) as association:
            assert association.send_c_echo().Status == 0


def test_time_outs_of_none(ae: AE, server: ThreadedServer) -> None:
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = ae.connection_timeout = None
    with ae.associate(*server.server_address) as association:
        assert association.send_c_echo().Status == 0


def test_the_event_loop_ends_with_its_last_user() -> None:
    def script() -> None:
        ae = AE()
        ae.add_requested_context(VERIFICATION)
        with start() as server:
            kept = ae.associate(*server.server_address)
            del ae
            gc.collect()
            assert kept.send_c_echo().Status == 0  # the association uses it
            left = kept.ae.associate(*server.server_address)  # and nobody releases this one
            assert left.is_established

    gc.collect()
    before = {thread for thread in threading.enumerate() if thread.name == "dicomwire.net"}
    script()
    gc.collect()
    after = {thread for thread in threading.enumerate() if thread.name == "dicomwire.net"}
    assert after <= before


def test_no_blocking_calls_in_the_thread_of_the_loop(ae: AE, server: ThreadedServer) -> None:
    association = ae.associate(*server.server_address)

    async def call() -> None:
        association.send_c_echo()

    with pytest.raises(RuntimeError, match="would never return"):
        ae._loop.call(call())
    association.release()


@pytest.mark.peers
def test_names_and_ways_of_pynetdicom() -> None:
    """The same script with either package."""
    if importlib.util.find_spec("pynetdicom") is None:
        missing("pynetdicom is not installed")
    import pynetdicom

    import dicomwire.net.blocking

    def script(package: Any) -> list[object]:
        archive = package.AE("ARCHIVE")
        archive.add_supported_context(VERIFICATION)
        archive.require_called_aet = True
        events = package.evt if hasattr(package, "evt") else package
        seen: list[object] = []
        handlers = [(events.EVT_C_ECHO, lambda event: seen.append("echo") or 0x0000)]
        server = archive.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        port = server.server_address[1] if package is not pynetdicom else server.socket.getsockname()[1]
        ae = package.AE(ae_title="WORKSTATION")
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 10
        ae.add_requested_context(VERIFICATION)
        results: list[object] = []
        try:
            for title in ("ARCHIVE", "OTHER"):
                association = ae.associate("127.0.0.1", port, ae_title=title)
                results += [association.is_established, association.is_rejected, association.is_aborted]
                results.append(len(association.accepted_contexts))
                if association.is_established:
                    results.append(association.send_c_echo().Status)
                    association.release()
                    results.append(association.is_released)
                else:
                    with pytest.raises(RuntimeError):
                        association.send_c_echo()
            with pytest.raises(RuntimeError):
                package.AE().associate("127.0.0.1", port)
        finally:
            server.shutdown()
        return [*results, *seen]

    theirs = script(pynetdicom)
    for thread in threading.enumerate():
        if type(thread).__module__.startswith("pynetdicom"):
            thread.join(20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves a socket to the collector
        gc.collect()
    assert script(dicomwire.net.blocking) == theirs


def test_names_that_handlers_know() -> None:
    from dicomwire.net.blocking import AllStoragePresentationContexts, VerificationPresentationContexts, evt

    assert {context.abstract_syntax for context in AllStoragePresentationContexts} > {CT}
    assert [context.abstract_syntax for context in VerificationPresentationContexts] == [VERIFICATION]
    with pytest.raises(AttributeError, match=r"EVT_C_FIND.*EVT_C_STORE"):
        evt.EVT_C_FIND  # noqa: B018
    seen: list[Any] = []

    def echo(event: Any) -> int:
        seen.append((event.message_id, event.request.AffectedSOPClassUID, event.request.MessageID, event.timestamp))
        seen.append((event.assoc.requestor, event.assoc.acceptor))
        with pytest.raises(AttributeError, match="MoveDestination"):
            event.request.MoveDestination  # noqa: B018
        return 0

    ae = AE("WORKSTATION")
    ae.requested_contexts = [*VerificationPresentationContexts, build_context(CT)]
    with start(evt_handlers=[(evt.EVT_C_ECHO, echo)]) as server:
        with ae.associate(*server.server_address, ae_title="ARCHIVE") as association:
            assert association.send_c_echo(msg_id=7).Status == 0
            parties = association.requestor, association.acceptor
            assert [context.abstract_syntax for context in association.rejected_contexts] == [CT]
        (message_id, sop_class, also, timestamp), there = seen
        assert (message_id, sop_class, also) == (7, VERIFICATION, 7)
        assert timestamp.year >= 2026
        assert parties == there
        assert (parties[0].ae_title, parties[0].address) == ("WORKSTATION", "127.0.0.1")
        assert (parties[1].ae_title, parties[1].address, parties[1].port) == ("ARCHIVE", *server.server_address)
        with pytest.raises(AttributeError, match=r"send_c_find.*docs/network\.md"):
            association.send_c_find()  # type: ignore[attr-defined]
        assert not hasattr(association, "send_n_create")
        assert not hasattr(association, "sent_c_echo")
    nobody = ae.associate("127.0.0.1", server.server_address[1])
    assert (nobody.requestor.ae_title, nobody.acceptor.port, nobody.rejected_contexts) == ("", 0, [])
