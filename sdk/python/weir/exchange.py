"""One exchange as its hooks see it: objects that read and change the agent's own heads. They are good while their hook runs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Optional, Union

from wit_world.imports import http as _host

from .refusal import Refusal, granted
from .subscription import BodyMode

_REQUEST = _host.Direction.REQUEST
_RESPONSE = _host.Direction.RESPONSE


class HeaderError(Refusal):
    """A change of a head that did not happen. ``code`` is ``Forbidden``, ``InvalidSyntax``, ``TooLarge``, ``Frozen`` or ``Absent``."""

    words = {
        "Forbidden": "the agent owns this field, or the part is read-only",
        "InvalidSyntax": "not a valid name or value",
        "TooLarge": "the head would outgrow the agent's bound",
        "Frozen": "this head has already been sent",
        "Absent": "there is no such part",
    }


def _change(call: Callable[..., None], *given: object) -> None:
    granted(HeaderError, call, *given)


class Headers:
    """Fields of a head or of trailers. Names are compared without regard to case; values have one character per byte (latin-1)."""

    __slots__ = ("_number", "_part")

    def __init__(self, number: int, part: _host.Part) -> None:
        self._number = number
        self._part = part

    def get(self, name: str, default: Optional[str] = None) -> Optional[str]:
        """First value of a field."""
        value = _host.header(self._number, self._part, name)
        return default if value is None else value

    def get_all(self, name: str) -> list[str]:
        """Every value of a field, in order. Lines are not split at commas."""
        return _host.header_values(self._number, self._part, name)

    def __contains__(self, name: str) -> bool:
        return _host.header(self._number, self._part, name) is not None

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Every field line, names in lower case. Dearer than :meth:`get` for less than about twelve fields."""
        return iter(_host.headers(self._number, self._part))

    def set(self, name: str, value: object) -> None:
        """Puts one value in place of every value of the field."""
        _change(_host.set_header, self._number, self._part, name, str(value))

    def append(self, name: str, value: object) -> None:
        """Adds a field line."""
        _change(_host.append_header, self._number, self._part, name, str(value))

    def remove(self, name: str) -> None:
        """Removes every value of the field; one that is not there is no error."""
        _change(_host.remove_header, self._number, self._part, name)


@dataclass
class Connection:
    """Facts of the connection. They may disagree: a client can CONNECT to one host, name a second in its TLS handshake and a third
    in Host. A filter that decides access checks each."""

    entry: str
    """``forward``, ``connect``, ``socks5``, ``transparent`` or ``reverse``."""
    client_address: str
    """IP address and port."""
    user: Optional[str]
    """Who the client proved to be."""
    tunnel_target: Optional[str]
    """host:port that the client asked to be connected to (CONNECT, SOCKS5)."""
    server_name: Optional[str]
    """Of the client's TLS handshake."""
    intercepted: bool
    """The client's TLS ends at the agent."""


class Request:
    """The request of an exchange."""

    __slots__ = ("_number", "has_body")

    has_body: bool
    """In ``request_head``: a body follows. Elsewhere false."""

    def __init__(self, number: int, end_of_stream: bool = True) -> None:
        self._number = number
        self.has_body = not end_of_stream

    @property
    def headers(self) -> Headers:
        return Headers(self._number, _host.Part.REQUEST)

    @property
    def id(self) -> str:
        """The exchange's id in the traffic store, a UUID."""
        return _host.id(self._number)

    @property
    def connection(self) -> Connection:
        info = _host.connection(self._number)
        return Connection(
            info.entry.name.lower(),
            info.client_address,
            info.user,
            info.tunnel_target,
            info.server_name,
            info.intercepted,
        )

    @property
    def version(self) -> str:
        """``http10``, ``http11``, ``http2`` or ``http3``."""
        return _host.version(self._number, _REQUEST).name.lower()

    @property
    def method(self) -> str:
        return _host.method(self._number)

    @method.setter
    def method(self, value: str) -> None:
        _change(_host.set_method, self._number, value)

    @property
    def scheme(self) -> str:
        """``http`` or ``https``."""
        return _host.scheme(self._number)

    @scheme.setter
    def scheme(self, value: str) -> None:
        _change(_host.set_scheme, self._number, value)

    @property
    def authority(self) -> str:
        """host[:port] that the exchange goes to. Host and :authority follow it."""
        return _host.authority(self._number)

    @authority.setter
    def authority(self, value: str) -> None:
        _change(_host.set_authority, self._number, value)

    @property
    def path(self) -> str:
        """Path and query in origin form, as received: nothing is decoded."""
        return _host.path(self._number)

    @path.setter
    def path(self, value: str) -> None:
        _change(_host.set_path, self._number, value)

    def set_body_mode(self, mode: BodyMode) -> None:
        """Takes part in this body less than subscribed. Only in ``request_head``."""
        _change(_host.set_body_mode, self._number, _REQUEST, _host.BodyMode(mode.value))


class Response:
    """The response of an exchange."""

    __slots__ = ("_number", "has_body")

    has_body: bool
    """In ``response_head``: a body follows. Elsewhere false."""

    def __init__(self, number: int, end_of_stream: bool = True) -> None:
        self._number = number
        self.has_body = not end_of_stream

    @property
    def request(self) -> Request:
        """Its head has been sent: it can be read."""
        return Request(self._number)

    @property
    def headers(self) -> Headers:
        return Headers(self._number, _host.Part.RESPONSE)

    @property
    def version(self) -> str:
        """``http10``, ``http11``, ``http2`` or ``http3``."""
        return _host.version(self._number, _RESPONSE).name.lower()

    @property
    def status(self) -> int:
        return _host.status(self._number) or 0

    @status.setter
    def status(self, value: int) -> None:
        _change(_host.set_status, self._number, value)

    def set_body_mode(self, mode: BodyMode) -> None:
        """Takes part in this body less than subscribed. Only in ``response_head``."""
        _change(_host.set_body_mode, self._number, _RESPONSE, _host.BodyMode(mode.value))


class Trailers:
    """The fields after a body."""

    __slots__ = ("_number", "_part")

    def __init__(self, number: int, part: _host.Part) -> None:
        self._number = number
        self._part = part

    @property
    def request(self) -> Request:
        return Request(self._number)

    @property
    def headers(self) -> Headers:
        return Headers(self._number, self._part)


class Exchange:
    """What a hook that waits belongs to."""

    __slots__ = ("_number", "waiting")

    def __init__(self, number: int, waiting: str) -> None:
        self._number = number
        self.waiting = waiting
        """The hook that has waited, by its method's name: ``request_head``, ``response_body`` and so on."""

    @property
    def chunk(self) -> Optional[bytes]:
        """The chunk that waits, if a body's hook has waited: a copy, made when it is asked for."""
        return _host.waiting_chunk(self._number)

    @property
    def request(self) -> Request:
        return Request(self._number)

    @property
    def response(self) -> Optional[Response]:
        """``None`` before there is one."""
        return None if _host.status(self._number) is None else Response(self._number)

    @property
    def trailers(self) -> Optional[Trailers]:
        """The trailers that wait, if their hook has waited."""
        direction, what = self.waiting.split("_")
        if what != "trailers":
            return None
        return Trailers(self._number, _host.Part.REQUEST_TRAILERS if direction == "request" else _host.Part.RESPONSE_TRAILERS)


Subject = Union[Request, Response, Trailers, Exchange]
"""What says which exchange is meant."""


@dataclass
class Chunk:
    """A piece of a body."""

    data: bytes
    """Empty at most when ``end_of_stream`` is true."""
    end_of_stream: bool
    """No more comes after this, except trailers."""


@dataclass
class UpstreamError:
    """Why no response came."""

    kind: str
    """``Refused``, ``Reset``, ``Timeout``, ``Dns``, ``Tls``, ``Protocol`` or ``TooLarge``."""
    reason: str = ""
    """Of ``Tls``."""


@dataclass
class Done:
    """How an exchange ended."""

    request: Request
    reason: str
    """``complete``, ``client_gone``, ``upstream_gone``, ``filter_answered``, ``filter_failed`` or ``shut_down``."""
