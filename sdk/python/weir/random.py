"""Of a generator fit for cryptography. A filter that imports ``weir.random`` needs the grant ``random``."""

from wit_world.imports import random as _host


def number() -> int:
    """0 to 2**32 - 1."""
    return _host.number()


def bytes(count: int) -> bytes:
    """So many bytes, at most 4096; more ends the instance."""
    return _host.bytes(count)
