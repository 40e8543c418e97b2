"""Timers, for hooks that answer ``WAIT``. A filter that imports ``weir.timer`` needs the grant ``timer``."""

from wit_world.imports import timer as _host

from .exchange import Subject
from .refusal import Refusal, granted


class TimerError(Refusal):
    """No timer was started. ``code`` is ``TooLong`` or ``TooMany``."""

    words = {
        "TooLong": "more than a minute",
        "TooMany": "the filter has started all that it may for this exchange",
    }


def start(of: Subject, milliseconds: int) -> int:
    """Ends after so many milliseconds. What it gives names the timer in ``resumed``. Raises :class:`TimerError`."""
    return granted(TimerError, _host.start, of._number, milliseconds)
