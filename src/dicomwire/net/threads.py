"""An event loop in a thread, for callers who know nothing of asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet, finalize

from dicomwire.net.loop import new_event_loop

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from dicomwire.net.association import Association

_Result = TypeVar("_Result")

ENDING_S = 5.0  # to wait for the thread to end


class LoopThread:
    """An event loop in a thread of its own; it starts when it is first needed and ends with this object."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._associations: WeakSet[Association] = WeakSet()

    def call(self, coroutine: Coroutine[Any, Any, _Result]) -> _Result:
        """Run a coroutine in the loop and return what it returns, or raise what it raises."""
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError("a blocking call in the thread of the event loop would never return")
        future = asyncio.run_coroutine_threadsafe(coroutine, self._started())
        try:
            return future.result()
        except BaseException:
            future.cancel()  # nothing happens unless the wait was interrupted
            raise

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                loop = self._loop = new_event_loop()
                # The thread knows the loop and not this object, whose end is to end it.
                self._thread = threading.Thread(
                    target=_run_loop, args=(loop, self._associations), name="dicomwire.net", daemon=True
                )
                self._thread.start()
                finalize(self, _end_loop, loop, self._thread)
            return self._loop

    def watch(self, association: Association) -> None:
        """Abort this association with the loop, if it is still there then."""
        self._associations.add(association)


def _run_loop(loop: asyncio.AbstractEventLoop, associations: WeakSet[Association]) -> None:
    async def end() -> None:
        await asyncio.gather(*(association.terminate() for association in list(associations)))
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        loop.run_until_complete(end())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


def _end_loop(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    with contextlib.suppress(RuntimeError):  # it is closed
        loop.call_soon_threadsafe(loop.stop)
    if thread is not threading.current_thread():
        thread.join(ENDING_S)
