"""What hooks return. ``None`` lets things pass as they are."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Literal, Union


class _Word(Enum):
    ABORT = "abort"
    HOLD = "hold"
    DROP = "drop"
    WAIT = "wait"


ABORT: Final = _Word.ABORT
"""Close without an answer: the connection on HTTP/1, the stream on HTTP/2."""
HOLD: Final = _Word.HOLD
"""Keep this head back until its body ended or ``max_buffer`` bytes came, so that body hooks may still change it."""
DROP: Final = _Word.DROP
"""Nothing in place of this chunk."""
WAIT: Final = _Word.WAIT
"""Go on when a call or timer that this filter has started for the exchange ends: ``resumed`` decides. One that has ended already counts.
With none, and in ``upstream_error``, it fails the exchange by policy."""


@dataclass
class Reply:
    """Answers the client; the request goes no further. The agent sets Content-Length."""

    status: int = 200
    """200 to 599."""
    headers: Union[Mapping[str, str], Iterable[tuple[str, str]]] = field(default_factory=dict)
    """Pairs where a name stands more than once."""
    body: Union[str, bytes] = b""
    """Strings are sent as UTF-8."""


Action = Union[None, Reply, Literal[_Word.ABORT], Literal[_Word.HOLD], Literal[_Word.WAIT]]
"""Answer of a hook that sees a head."""
ChunkAction = Union[None, Reply, bytes, Literal[_Word.ABORT], Literal[_Word.DROP], Literal[_Word.WAIT]]
"""Answer of a hook that sees a chunk; bytes go in its place."""
TrailersAction = Union[None, Reply, Literal[_Word.ABORT], Literal[_Word.WAIT]]
"""Answer of a hook that sees trailers."""
Resumption = Union[Action, ChunkAction]
"""Answer of ``resumed``. ``HOLD`` is for a head; bytes and ``DROP`` are for a chunk; ``WAIT`` is for the next call that ends."""


def field_lines(headers: Union[Mapping[str, str], Iterable[tuple[str, str]]]) -> list[tuple[str, str]]:
    lines = headers.items() if isinstance(headers, Mapping) else headers
    return [(str(name), str(value)) for name, value in lines]


def body_bytes(body: Union[str, bytes]) -> bytes:
    return body.encode() if isinstance(body, str) else bytes(body)
