"""TLS contexts after the BCP 195 profile: TLS 1.2 or newer, forward secrecy, authenticated encryption.

PS3.15 Annex B.12 refers to RFC 8996, which retires TLS 1.0 and 1.1, and to RFC 9325, whose section 4.2 names the cipher
suites for TLS 1.2.  Any `ssl.SSLContext` will do in their place; these two are what a new installation should start
from.
"""

from __future__ import annotations

import logging
import os
import ssl

# RFC 9325 section 4.2: ephemeral Diffie-Hellman on elliptic curves with AES-GCM. TLS 1.3 has suites of its own.
_SUITES_OF_TLS_1_2 = ":".join(
    f"ECDHE-{signature}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384")
    for signature in ("ECDSA", "RSA")
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    StrPath = str | os.PathLike[str]
    Password = str | bytes | Callable[[], str | bytes] | None

_log = logging.getLogger("dicomwire.net")


class _Accepting(ssl.SSLObject):
    """The TLS of an acceptor's connection; logs why a handshake fails, of which event loops tell nobody."""

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            _log.warning("a TLS handshake failed: %s", error.reason or type(error).__name__)
            raise


def _profile(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_SUITES_OF_TLS_1_2)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    return context


def client_context(
    *,
    authorities: StrPath | None = None,
    certificate: StrPath | None = None,
    key: StrPath | None = None,
    password: Password = None,
    check_host_name: bool = True,
) -> ssl.SSLContext:
    """Return a context for requestors, which always verifies the acceptor's certificate.

    authorities      PEM file of the certificates to trust; None trusts what the system trusts
    certificate      PEM file of our own certificate chain, for acceptors that ask for one (mutual authentication)
    key, password    its private key, when it is in another file, and what unlocks it
    check_host_name  whether the certificate must name the host; devices often have certificates without a name, and are
                     then known by their issuer alone
    """
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=authorities)
    context.check_hostname = check_host_name
    if certificate is not None:
        context.load_cert_chain(certificate, key, password)
    return _profile(context)


def server_context(
    certificate: StrPath,
    key: StrPath | None = None,
    *,
    password: Password = None,
    authorities: StrPath | None = None,
) -> ssl.SSLContext:
    """Return a context for acceptors.

    certificate      PEM file of our certificate chain, with its private key if `key` is None
    authorities      PEM file of the certificates that requestors must be issued by (mutual authentication, the usual
                     thing between devices); None asks requestors for no certificate

    Handshakes that fail are logged to "dicomwire.net" at level WARNING.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authorities)
    context.load_cert_chain(certificate, key, password)
    if authorities is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    context.sslobject_class = _Accepting
    return _profile(context)
