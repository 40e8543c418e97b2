"""What hooks return. ``None`` lets things pass as they are."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Literal, Union


class _Word(Enum):
    ABORT = "abort"
    HOLD = "hold"
    DROP = "drop"


ABORT: Final = _Word.ABORT
"""Close without an answer: the connection on HTTP/1, the stream on HTTP/2."""
HOLD: Final = _Word.HOLD
"""Keep this head back until its body ended or ``max_buffer`` bytes came, so that body hooks may still change it."""
DROP: Final = _Word.DROP
"""Nothing in place of this chunk."""


@dataclass
class Reply:
    """Answers the client; the request goes no further. The agent sets Content-Length."""

    status: int = 200
    """200 to 599."""
    headers: Union[Mapping[str, str], Iterable[tuple[str, str]]] = field(default_factory=dict)
    """Pairs where a name stands more than once."""
    body: Union[str, bytes] = b""
    """Strings are sent as UTF-8."""


Action = Union[None, Reply, Literal[_Word.ABORT], Literal[_Word.HOLD]]
"""Answer of a hook that sees a head."""
ChunkAction = Union[None, Reply, bytes, Literal[_Word.ABORT], Literal[_Word.DROP]]
"""Answer of a hook that sees a chunk; bytes go in its place."""
TrailersAction = Union[None, Reply, Literal[_Word.ABORT]]
"""Answer of a hook that sees trailers."""
