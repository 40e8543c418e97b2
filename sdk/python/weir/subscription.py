"""What a filter wants to see."""

from dataclasses import dataclass
from enum import Enum


class BodyMode(Enum):
    """How much of a body a filter takes part in."""

    NONE = 0
    """It never enters the filter."""
    OBSERVE = 1
    """Chunks are shown; replacing or dropping one fails the exchange by policy."""
    TRANSFORM = 2
    """Chunks may be replaced or dropped as they pass."""
    BUFFER = 3
    """One call with the whole body, up to ``max_buffer``; a longer one fails the exchange by policy."""


@dataclass
class Subscription:
    """What a filter wants to see. The agent skips every call that is not asked for."""

    request_head: bool = False
    request_body: BodyMode = BodyMode.NONE
    request_trailers: bool = False
    response_head: bool = False
    response_body: BodyMode = BodyMode.NONE
    response_trailers: bool = False
    decoded: bool = False
    """Bodies arrive with Content-Encoding (gzip, deflate, br, zstd) undone, and travel on without it."""
    max_buffer: int = 1 << 20
    """Bytes, for ``BodyMode.BUFFER`` and ``HOLD``. The agent's limit caps it."""
