"""Addresses inside of a site and outside."""

from __future__ import annotations

import pytest

from dicomwire.monitor.addresses import InternalNetworks


@pytest.mark.parametrize(
    ("address", "external"),
    [
        ("10.1.2.3", False), ("172.16.0.1", False), ("172.32.0.1", True), ("192.168.1.1", False), ("127.0.0.1", False),
        ("169.254.1.1", False), ("8.8.8.8", True), ("::1", False), ("fe80::1", False), ("fd00::1", False),
        ("2606:4700::1", True), ("::ffff:10.0.0.1", False), ("::ffff:8.8.8.8", True),
    ],
)  # fmt: skip
def test_private_addresses_are_internal(address: str, external: bool) -> None:
    assert InternalNetworks().is_external(address) is external


def test_given_networks() -> None:
    networks = InternalNetworks(["203.0.113.0/24", "2001:db8::/32", "10.1.2.3/8"])
    assert [networks.is_external(a) for a in ("203.0.113.9", "2001:db8::9", "10.200.0.1", "192.168.0.1")] == [
        False, False, False, True,
    ]  # fmt: skip
    with pytest.raises(ValueError, match="somewhere"):
        InternalNetworks(["somewhere"])
    with pytest.raises(ValueError, match="nowhere"):
        networks.is_external("nowhere")
