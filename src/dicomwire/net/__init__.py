"""DICOM over TCP and TLS on asyncio: application entities that ask and application entities that answer (PS3.7, PS3.8).

    from dicomwire.net import AE, Server

    async with AE("WORKSTATION").associate("archive.example", 11112, called_ae_title="ARCHIVE") as association:
        status = await association.c_echo()

    async with Server("ARCHIVE", port=11112) as server:
        await server.serve_forever()

`dicomwire.net.blocking` has the same for scripts that know nothing of asyncio.  What is named here is imported when it
is first used.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dicomwire.dimse.command import CommandField
    from dicomwire.net.ae import AE, ApplicationEntity
    from dicomwire.net.association import Association
    from dicomwire.net.handlers import Handlers, Request
    from dicomwire.net.invoking import Answer
    from dicomwire.net.loop import run
    from dicomwire.net.server import Server
    from dicomwire.net.settings import Limits, Timeouts
    from dicomwire.net.storage import Storage
    from dicomwire.net.tls import client_context, server_context
    from dicomwire.net.trace import Trace
    from dicomwire.ul.items import ProposedContext, UserIdentityRQ
    from dicomwire.ul.policy import AcceptorPolicy, IdentityAnswer, Roles

__all__ = [
    "AE",
    "AcceptorPolicy",
    "Answer",
    "ApplicationEntity",
    "Association",
    "CommandField",
    "Handlers",
    "IdentityAnswer",
    "Limits",
    "ProposedContext",
    "Request",
    "Roles",
    "Server",
    "Storage",
    "Timeouts",
    "Trace",
    "UserIdentityRQ",
    "client_context",
    "run",
    "server_context",
]

_WHERE = {
    "dicomwire.dimse.command": ("CommandField",),
    "dicomwire.net.ae": ("AE", "ApplicationEntity"),
    "dicomwire.net.association": ("Association",),
    "dicomwire.net.handlers": ("Handlers", "Request"),
    "dicomwire.net.invoking": ("Answer",),
    "dicomwire.net.loop": ("run",),
    "dicomwire.net.server": ("Server",),
    "dicomwire.net.settings": ("Limits", "Timeouts"),
    "dicomwire.net.storage": ("Storage",),
    "dicomwire.net.tls": ("client_context", "server_context"),
    "dicomwire.net.trace": ("Trace",),
    "dicomwire.ul.items": ("ProposedContext", "UserIdentityRQ"),
    "dicomwire.ul.policy": ("AcceptorPolicy", "IdentityAnswer", "Roles"),
}
_MODULE_OF = {name: module for module, names in _WHERE.items() for name in names}


def __getattr__(name: str) -> object:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(module), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
