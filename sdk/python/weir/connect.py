"""Tunnels: where a client's connection may go, before anything is dialled. A filter that decides about them imports ``weir.connect`` and
derives from :class:`Connect` too."""

from dataclasses import dataclass
from typing import Optional, Union

from wit_world.exports import connect as _types


@dataclass
class Tunnel:
    """What a client asks to be connected to."""

    entry: str
    """``forward``, ``connect``, ``socks5``, ``transparent`` or ``reverse``."""
    client_address: str
    """IP address and port."""
    user: Optional[str]
    """Who the client proved to be."""
    target: str
    """host:port. What an earlier filter redirected to, if one did."""


@dataclass
class ClientHello:
    """What the client's TLS handshake tells in clear."""

    server_name: Optional[str]
    alpn: list[str]
    """Names of protocols, in the client's order."""


@dataclass
class Deny:
    """Refused, with a reason that the client may see."""

    reason: str


@dataclass
class Redirect:
    """To this host:port."""

    target: str


@dataclass
class Intercept:
    """TLS ends at the agent, and other hooks see what is inside."""


@dataclass
class PassThrough:
    """Bytes pass as they are."""


Decision = Union[None, Deny, Redirect, Intercept, PassThrough]
"""What becomes of a tunnel. ``None``: this filter has nothing against it."""


class Connect:
    """``class Mine(weir.Filter, weir.connect.Connect)``. There is no exchange here: what needs one cannot be used."""

    def connect(self, to: Tunnel) -> Decision:
        """The client asks for a tunnel (CONNECT, SOCKS5). Nothing has been dialled."""

    def client_hello(self, to: Tunnel, hello: ClientHello) -> Decision:
        """TLS begins inside the tunnel. It is too late to redirect: that fails by policy."""


def _tunnel(to: _types.Tunnel) -> Tunnel:
    return Tunnel(to.entry.name.lower(), to.client_address, to.user, to.target)


def _decision(answer: Decision) -> _types.Decision:
    if answer is None:
        return _types.Decision_Next()
    if isinstance(answer, Deny):
        return _types.Decision_Deny(answer.reason)
    if isinstance(answer, Redirect):
        return _types.Decision_Redirect(answer.target)
    if isinstance(answer, Intercept):
        return _types.Decision_Intercept()
    if isinstance(answer, PassThrough):
        return _types.Decision_PassThrough()
    raise TypeError(f"a hook of a tunnel returns None, Deny, Redirect, Intercept or PassThrough, not {answer!r}")
