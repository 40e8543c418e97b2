"""What calls and timers come to, for hooks that wait. ``weir.timer`` and ``weir.callout`` start them."""

from dataclasses import dataclass
from typing import Optional, Union

from .exchange import UpstreamError


@dataclass
class Elapsed:
    """The time of a timer has passed."""


@dataclass
class CallResponse:
    """A whole response to a call."""

    status: int
    headers: list[tuple[str, str]]
    """Names in lower case."""
    body: bytes
    """As it came."""

    def header(self, name: str, default: Optional[str] = None) -> Optional[str]:
        """First value of a field."""
        return next((value for field, value in self.headers if field.lower() == name.lower()), default)


@dataclass
class CallFailed:
    """No whole response."""

    error: UpstreamError
    """``TooLarge`` when it exceeds what the publication allows."""


CallOutcome = Union[Elapsed, CallResponse, CallFailed]
"""What a call or timer came to."""
