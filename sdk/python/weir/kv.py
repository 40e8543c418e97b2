"""A store of the filter's own, by key: its versions and instances share one on each agent, and it survives swaps and restarts. What
was written in the last second may be lost when the agent is killed. A filter that imports ``weir.kv`` needs the grant ``kv``.

``ttl`` is in milliseconds; ``None`` keeps the entry until it is deleted. Strings are kept as UTF-8.
"""

from dataclasses import dataclass
from typing import Optional, Union

from wit_world.imports import kv as _host

from .refusal import Refusal, granted


@dataclass
class Entry:
    """What is kept under a key."""

    value: bytes
    version: float
    """Changes with each write of the key."""


class KvError(Refusal):
    """Nothing was written. ``code`` is ``TooLarge``, ``Full`` or ``NotANumber``."""

    words = {
        "TooLarge": "a key is 1 to 512 bytes, a value at most 64 KiB",
        "Full": "the filter's store is full",
        "NotANumber": "the value is no number",
    }


def get(key: str) -> Optional[Entry]:
    """What is there."""
    entry = _host.get(key)
    return None if entry is None else Entry(entry.value, entry.version)


def set(key: str, value: Union[str, bytes], ttl: Optional[float] = None) -> None:
    """Keeps a value. Raises :class:`KvError`."""
    granted(KvError, _host.set, key, _bytes(value), _lifetime(ttl))


def compare_and_set(key: str, version: Optional[float], value: Union[str, bytes], ttl: Optional[float] = None) -> bool:
    """Keeps a value if the entry has this version still; ``None``: if there is no entry. Whether it was kept. Raises
    :class:`KvError`."""
    return granted(KvError, _host.compare_and_set, key, None if version is None else float(version), _bytes(value), _lifetime(ttl))


def delete(key: str) -> bool:
    """Whether there was one."""
    return _host.delete(key)


def add(key: str, by: float = 1, ttl: Optional[float] = None) -> float:
    """Adds to a number, and gives the sum. An absent one counts as 0 and lives for ``ttl``; one that is there keeps the time it has.
    Raises :class:`KvError`."""
    return granted(KvError, _host.add, key, float(by), _lifetime(ttl))


def _bytes(value: Union[str, bytes]) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def _lifetime(ttl: Optional[float]) -> Optional[float]:
    return None if ttl is None else float(ttl)
