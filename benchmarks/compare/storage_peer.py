"""One side of C-STORE by one toolkit, in a process of its own.

    python storage_peer.py TOOLKIT scp MODE PORT FOLDER     accept on 127.0.0.1 until stdin ends
    python storage_peer.py TOOLKIT send VARIANT PORT        send the files named on stdin: prints nanoseconds
    python storage_peer.py TOOLKIT version

Modes of an acceptor: discard, files (written to FOLDER), digest (files, with SHA-256 and tags of the header).
dicomwire answers each line of its input with a line of JSON: what has been stored.  A requestor sends the first file
once before the clock starts, so that no import is timed.  The file stands alone: an interpreter that has only the
toolkit can run it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import deque
from typing import Any

HOST = "127.0.0.1"
VERIFICATION = "1.2.840.10008.1.1"
CT, ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1"
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
PDU = 131072
READ = ("PatientID", "StudyInstanceUID", "Modality", "Rows", "Columns")  # tags of a header, mode digest
WINDOW = 8


def wait_for_end() -> None:
    sys.stdin.read()


class Dicomwire:
    """dicomwire on the event loop that it chooses."""

    distribution = "dicomwire"

    def __init__(self) -> None:
        from dicomwire.net import AE, Limits, Server, Storage, run

        self.run, self.server, self.storage = run, Server, Storage
        self.entity = AE("BENCH", limits=Limits(associations=5000, connections=10_000))
        self.facts: dict[str, Any] = {"stored": 0, "bytes": 0, "tags": 0, "digests": {}}

    # --- acceptor

    def scp(self, mode: str, port: int, folder: str) -> None:
        from dicomwire.net import AcceptorPolicy

        policy = AcceptorPolicy(asynchronous_operations_window=(WINDOW, 1))
        server = self.server(self.entity, host=HOST, port=port, policy=policy)
        self.storage_for(mode, folder).register(server)

        async def serve() -> None:
            async with server:
                await asyncio.to_thread(self.report)

        self.run(serve())

    def storage_for(self, mode: str, folder: str) -> Any:
        if mode == "digest":
            return self.storage(folder, digest="sha256", on_header=self.on_header, on_stored=self.on_stored)
        return self.storage(folder if mode == "files" else None, on_stored=self.on_stored)

    def on_header(self, arriving: Any) -> None:
        self.facts["tags"] += sum(arriving.header.get(keyword) is not None for keyword in READ)

    def on_stored(self, stored: Any) -> None:
        facts = self.facts
        facts["stored"] += 1
        facts["bytes"] += stored.size
        if stored.digest is not None:
            facts["digests"][str(stored.sop_instance_uid)] = stored.digest

    def report(self) -> None:
        for _ in sys.stdin:
            print(json.dumps(self.facts), flush=True)

    # --- requestor

    def send(self, variant: str, port: int, paths: list[str]) -> int:
        return int(self.run(getattr(self, f"send_{variant.replace('-', '_')}")(port, paths)))

    async def send_files(self, port: int, paths: list[str]) -> int:
        """What a user does with a folder: look at the files, propose, send."""
        from dicomwire.net.storage import contexts_for, send_files

        failed: list[Any] = []

        def report(sent: Any) -> None:
            if not sent.is_stored:
                failed.append(sent)

        start = time.perf_counter_ns()
        plan = contexts_for(paths)
        await send_files(
            plan.batches, lambda contexts: self.entity.associate(HOST, port, contexts=contexts), report=report
        )
        taken = time.perf_counter_ns() - start
        if failed or plan.unreadable:
            raise RuntimeError(f"{len(failed) + len(plan.unreadable)} files not stored")
        return taken

    async def send_c_store(self, port: int, paths: list[str]) -> int:
        """One after the other by `c_store`, the contexts known before."""
        contexts = [(CT, EXPLICIT), (ENHANCED_CT, EXPLICIT)]
        start = time.perf_counter_ns()
        async with self.entity.associate(HOST, port, contexts=contexts) as association:
            for path in paths:
                check((await association.c_store(path)).status.code)
        return time.perf_counter_ns() - start

    def send_window_8(self, port: int, paths: list[str]) -> Any:
        return self.windowed(port, paths, WINDOW)

    def send_window_1(self, port: int, paths: list[str]) -> Any:
        return self.windowed(port, paths, 1)

    async def windowed(self, port: int, paths: list[str], window: int) -> int:
        """As many requests under way at once as the window has room for; opening and release are not timed."""
        contexts, waiting = [(CT, EXPLICIT)], deque(paths)

        async def work(association: Any) -> None:
            while waiting:
                check((await association.c_store(waiting.popleft())).status.code)

        asked = (window, 1) if window > 1 else None
        async with self.entity.associate(
            HOST, port, contexts=contexts, asynchronous_operations_window=asked
        ) as association:
            start = time.perf_counter_ns()
            await asyncio.gather(*[work(association) for _ in range(window)])
            return time.perf_counter_ns() - start


def check(status: int) -> None:
    if status != 0:
        raise RuntimeError(f"C-STORE failed: {status:04X}H")


class ByNames:
    """Toolkits with pynetdicom's names."""

    distribution = ""

    def ae(self) -> Any:
        raise NotImplementedError

    def requestor(self) -> Any:
        ae = self.ae()
        for sop_class in (CT, ENHANCED_CT):
            ae.add_requested_context(sop_class, [EXPLICIT])
        return ae

    def associate(self, ae: Any, port: int) -> Any:
        association = ae.associate(HOST, port)
        if not association.is_established:
            raise RuntimeError("not associated")
        return association


class DicomwireBlocking(ByNames):
    distribution = "dicomwire"

    def ae(self) -> Any:
        from dicomwire.net.blocking import AE

        return AE(ae_title="BENCH")

    def send(self, _: str, port: int, paths: list[str]) -> int:
        ae = self.requestor()
        start = time.perf_counter_ns()
        association = self.associate(ae, port)
        for path in paths:
            check(association.send_c_store(path).Status)
        association.release()
        return time.perf_counter_ns() - start


class Pynetdicom(ByNames):
    """pynetdicom: data sets go to files as they are encoded, and are sent from files in pieces."""

    distribution = "pynetdicom"

    def ae(self) -> Any:
        from pynetdicom import AE, _config

        _config.STORE_SEND_CHUNKED_DATASET = True
        ae = AE(ae_title="BENCH")
        ae.maximum_pdu_size = PDU
        ae.maximum_associations = 2000
        return ae

    def scp(self, mode: str, port: int, folder: str) -> None:
        from pynetdicom import evt

        def store(event: Any) -> int:
            if mode == "files":
                path = os.path.join(folder, event.request.AffectedSOPInstanceUID)
                with open(path + ".part", "wb") as file:
                    file.write(event.encoded_dataset())
                os.rename(path + ".part", path)
            return 0

        ae = self.ae()
        ae.add_supported_context(VERIFICATION, [IMPLICIT])
        for sop_class in (CT, ENHANCED_CT):
            ae.add_supported_context(sop_class, [EXPLICIT])
        server = ae.start_server((HOST, port), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
        wait_for_end()
        server.shutdown()

    def send(self, _: str, port: int, paths: list[str]) -> int:
        """Now and then it misses an answer that comes quickly: the time-out is not what is measured."""
        ae, waiting, taken, lost = self.requestor(), deque(paths), 0, 0
        ae.dimse_timeout = 2
        while waiting:
            association = self.associate(ae, port)
            while waiting:
                start = time.perf_counter_ns()
                status = association.send_c_store(waiting[0])
                if not status:
                    lost += 1
                    break
                taken += time.perf_counter_ns() - start
                check(status.Status)
                waiting.popleft()
            else:
                association.release()
                continue
            association.abort()
            if lost > max(3, len(paths) // 10):
                raise RuntimeError(f"{lost} answers lost")
        return taken


class Pydcm(ByNames):
    """pydcm: to files in C++, discarded by a function that gets the bytes; its requestor sends lists of files."""

    distribution = "pydcm"

    def ae(self) -> Any:
        from pydcm.dimse import AE

        ae = AE(ae_title="BENCH")
        ae.maximum_pdu_size = PDU
        return ae

    def scp(self, mode: str, port: int, folder: str) -> None:
        if mode == "files":
            server = self.ae().start_server((HOST, port), block=False, store_dir=folder)
            wait_for_end()
            server.shutdown()
            return
        from pydcm import _dimse  # without this, each data set would be parsed before it is dropped

        native = _dimse.server_start(port=port, ae_title="BENCH", on_store=lambda *_: 0, bind_host=HOST)
        wait_for_end()
        native.stop()

    def send(self, _: str, port: int, paths: list[str]) -> int:
        ae = self.ae()
        start = time.perf_counter_ns()
        ae.add_requested_contexts_for_files(paths)
        association = self.associate(ae, port)
        result = association.send_c_store_files(paths)
        association.release()
        taken = time.perf_counter_ns() - start
        if result["succeeded"] != len(paths):
            raise RuntimeError(f"{result['succeeded']} of {len(paths)} files stored")
        return taken


TOOLKITS: dict[str, type[Any]] = {
    "dicomwire": Dicomwire,
    "dicomwire-blocking": DicomwireBlocking,
    "pynetdicom": Pynetdicom,
    "pydcm": Pydcm,
}


def main(arguments: list[str]) -> int:
    toolkit = TOOLKITS[arguments[0]]()
    if arguments[1] == "version":
        from importlib.metadata import version

        print(version(toolkit.distribution))
    elif arguments[1] == "scp":
        toolkit.scp(arguments[2], int(arguments[3]), arguments[4])
    else:
        variant, port, paths = arguments[2], int(arguments[3]), sys.stdin.read().splitlines()
        toolkit.send(variant, port, paths[:1])
        print(toolkit.send(variant, port, paths), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
