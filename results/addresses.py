"""Which addresses a webhook may reach: the public internet, never this installation's own network."""

import asyncio
import ipaddress
import socket
from typing import Final

from results import errors

_DENIED: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",  # protocol assignments; Python calls 192.0.0.8 and others global
        "64:ff9b::/96",  # NAT64: an IPv4 address in disguise
        "64:ff9b:1::/48",
        "2002::/16",  # 6to4, the same
        "2001::/32",  # Teredo, the same
    )
)


def is_public(text: str) -> bool:
    """Whether an IP address is out on the internet. Python's `is_global` alone lets several disguises through."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if not address.is_global or address.is_multicast:
        return False
    return not any(address in network for network in _DENIED if network.version == address.version)


async def resolve(host: str, port: int, *, private: bool) -> list[str]:
    """The addresses of a host, each of them allowed. `private`: all are.

    Raises:
        SendFailed: it has none, or one that is not public: a name with mixed answers is refused whole.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise errors.SendFailed(f"{host} has no address: {error}") from error
    addresses = [str(one[4][0]) for one in found]
    if not private:
        refused = [address for address in addresses if not is_public(address)]
        if refused:
            raise errors.SendFailed(f"{host} is not public: webhooks are not sent to {refused[0]}")
    if not addresses:
        raise errors.SendFailed(f"{host} has no address")
    return list(dict.fromkeys(addresses))
