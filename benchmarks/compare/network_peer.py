"""One side of an association by one toolkit, in a process of its own.

    python network_peer.py TOOLKIT scp PORT                    accept on 127.0.0.1 and answer C-ECHO until stdin ends
    python network_peer.py TOOLKIT echo PORT COUNT             C-ECHOs on one association: prints nanoseconds
    python network_peer.py TOOLKIT associations PORT COUNT     connect, associate, C-ECHO, release: prints nanoseconds
    python network_peer.py TOOLKIT version

Imports are not timed.  The file stands alone, so that an interpreter that has only the toolkit can run it.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

HOST = "127.0.0.1"
VERIFICATION = "1.2.840.10008.1.1"
IMPLICIT = "1.2.840.10008.1.2"


def wait_for_end() -> None:
    sys.stdin.read()


class Pynetdicom:
    """pynetdicom, and pydcm, whose network has the same names."""

    distribution = "pynetdicom"

    def ae(self) -> Any:
        from pynetdicom import AE

        return AE(ae_title="BENCH")

    def scp(self, port: int) -> None:
        ae = self.ae()
        ae.maximum_associations = 1000  # ended ones count until their threads are gone
        ae.add_supported_context(VERIFICATION, [IMPLICIT])
        server = ae.start_server((HOST, port), block=False)
        wait_for_end()
        server.shutdown()

    def associate(self, ae: Any, port: int) -> Any:
        association = ae.associate(HOST, port)
        if not association.is_established:
            raise RuntimeError("not associated")
        return association

    def ask(self, association: Any) -> None:
        status = association.send_c_echo()
        if not status or status.Status != 0:
            raise RuntimeError("no answer to C-ECHO, or a failure")

    def requestor(self) -> Any:
        ae = self.ae()
        ae.dimse_timeout = 1
        ae.add_requested_context(VERIFICATION, [IMPLICIT])
        return ae

    def echo(self, port: int, count: int) -> int:
        ae, taken, answered, lost = self.requestor(), 0, 0, 0
        while answered < count:
            association = self.associate(ae, port)
            try:
                while answered < count:
                    start = time.perf_counter_ns()
                    self.ask(association)
                    taken += time.perf_counter_ns() - start
                    answered += 1
            except RuntimeError:
                lost = self.lose(association, lost + 1, count)
            else:
                association.release()
        return taken

    def associations(self, port: int, count: int) -> int:
        ae, taken, answered, lost = self.requestor(), 0, 0, 0
        while answered < count:
            start = time.perf_counter_ns()
            association = self.associate(ae, port)
            try:
                self.ask(association)
            except RuntimeError:
                lost = self.lose(association, lost + 1, count)
                continue
            association.release()
            taken += time.perf_counter_ns() - start
            answered += 1
        return taken

    def lose(self, association: Any, lost: int, count: int) -> int:
        """pynetdicom now and then misses an answer that comes quickly: its time-out is not what is measured."""
        association.abort()
        if lost > max(3, count // 10):
            raise RuntimeError(f"{lost} of {count} answers to C-ECHO lost")
        return lost


class Pydcm(Pynetdicom):
    distribution = "pydcm"

    def ae(self) -> Any:
        from pydcm.dimse import AE

        return AE(ae_title="BENCH")


class DicomwireBlocking(Pynetdicom):
    """dicomwire by pynetdicom's names."""

    distribution = "dicomwire"

    def ae(self) -> Any:
        from dicomwire.net.blocking import AE

        return AE(ae_title="BENCH")


class Dicomwire:
    """dicomwire on the event loop that it chooses."""

    distribution = "dicomwire"

    def __init__(self) -> None:
        from dicomwire.net.ae import ApplicationEntity
        from dicomwire.net.loop import run
        from dicomwire.net.server import Server

        self.run, self.server, self.entity = run, Server, ApplicationEntity("BENCH")

    def ae(self) -> Any:
        return self.entity

    def scp(self, port: int) -> None:
        async def serve() -> None:
            async with self.server(self.entity, host=HOST, port=port):
                await asyncio.to_thread(wait_for_end)

        self.run(serve())

    def associate(self, port: int) -> Any:
        return self.entity.associate(HOST, port, contexts=[(VERIFICATION, [IMPLICIT])])

    async def ask(self, association: Any) -> None:
        status = await association.c_echo()
        if status.code != 0:
            raise RuntimeError("C-ECHO failed")

    def echo(self, port: int, count: int) -> int:
        async def echoes() -> int:
            async with self.associate(port) as association:
                start = time.perf_counter_ns()
                for _ in range(count):
                    await self.ask(association)
                return time.perf_counter_ns() - start

        return int(self.run(echoes()))

    def associations(self, port: int, count: int) -> int:
        async def associations() -> int:
            start = time.perf_counter_ns()
            for _ in range(count):
                async with self.associate(port) as association:
                    await self.ask(association)
            return time.perf_counter_ns() - start

        return int(self.run(associations()))


TOOLKITS: dict[str, type[Any]] = {
    "dicomwire": Dicomwire,
    "dicomwire-blocking": DicomwireBlocking,
    "pynetdicom": Pynetdicom,
    "pydcm": Pydcm,
}


def main(arguments: list[str]) -> int:
    toolkit = TOOLKITS[arguments[0]]()
    mode = arguments[1]
    if mode == "version":
        from importlib.metadata import version

        toolkit.ae()
        print(version(toolkit.distribution))
    elif mode == "scp":
        toolkit.scp(int(arguments[2]))
    else:
        print(getattr(toolkit, mode)(int(arguments[2]), int(arguments[3])), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
