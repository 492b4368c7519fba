"""Which addresses are inside of a site and which are external to it."""

from __future__ import annotations

import ipaddress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_MAX_KNOWN = 4096


class InternalNetworks:
    """Tells whether an address is external: in none of the networks given.

    Without networks, addresses are internal that no public network has: private, loopback and link-local ones (RFC
    1918, RFC 4193, RFC 3927).
    """

    def __init__(self, networks: Iterable[str] = ()) -> None:
        """Raises ValueError for what is no network, such as "10.0.0.0/8" or "fd00::/8"."""
        self._networks = tuple(ipaddress.ip_network(network, strict=False) for network in networks)
        self._known: dict[str, bool] = {}

    def is_external(self, address: str) -> bool:
        """Whether an IPv4 or IPv6 address is external.  Raises ValueError for what is no address."""
        known = self._known.get(address)
        if known is None:
            parsed = ipaddress.ip_address(address)
            if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
                parsed = parsed.ipv4_mapped
            if self._networks:
                known = not any(parsed in network for network in self._networks)
            else:
                known = not (parsed.is_private or parsed.is_loopback or parsed.is_link_local)
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[address] = known
        return known
