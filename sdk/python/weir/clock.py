"""The time. A filter that imports ``weir.clock`` needs the grant ``clock``."""

from wit_world.imports import clock as _host


def now() -> float:
    """Milliseconds since the Unix epoch."""
    return _host.now()


def monotonic() -> float:
    """Milliseconds since some moment before; never goes back."""
    return _host.monotonic()
