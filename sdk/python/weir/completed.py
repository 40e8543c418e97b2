"""What exchanges came to. A filter that is told of it imports ``weir.completed`` and derives from :class:`Completed` too."""

from dataclasses import dataclass
from typing import Any, Optional

from .exchange import Done


@dataclass
class Summary:
    """What an exchange came to, in figures: bytes of content, and milliseconds from the request's head on."""

    request_bytes: float
    """As the client sent them."""
    response_bytes: float
    """As the client got them."""
    duration: float
    first_byte: Optional[float]
    """To the head of the upstream's response."""
    upstream_address: Optional[str]
    """IP address and port that it was sent to."""


class Completed:
    """``class Mine(weir.Filter[Config, State], weir.completed.Completed)``."""

    def completed(self, done: Done, summary: Summary, state: Any) -> None:
        """Every exchange that the publication's ``match`` lets the filter see, whether or not it met another hook, but one that the filter
        failed and one that stood behind its open breaker. Before ``done``. Nothing can be changed."""
