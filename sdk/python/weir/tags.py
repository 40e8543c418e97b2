"""Facts about an exchange that filters tell each other, and the record. A filter that imports ``weir.tags`` needs the grant ``tags``."""

from typing import Optional, Union

from wit_world.imports import tags as _host

from .exchange import Subject
from .refusal import Refusal, granted

Value = Union[str, float, bool]
"""What a tag says: at most 1024 bytes of text, a finite number, or yes or no."""


class TagError(Refusal):
    """A tag is not set or not read. ``code`` is ``InvalidName``, ``InvalidValue``, ``TooMany`` or ``Forbidden``."""

    words = {
        "InvalidName": "a name is 1 to 64 of a-z, 0-9, `-` and `_`",
        "InvalidValue": "the text is too long or the number not finite",
        "TooMany": "the filter has set all tags that it may",
        "Forbidden": "the publication does not let the filter read this tag",
    }


def set(of: Subject, name: str, value: Value) -> None:
    """Says something of the exchange; others know it as ``FILTER.NAME``. Raises :class:`TagError`."""
    granted(TagError, _host.set, of._number, name, _tag(value))


def get(of: Subject, name: str) -> Optional[Value]:
    """``NAME`` is what this filter said, ``FILTER.NAME`` what another did, if the publication lets this one read it. Raises :class:`TagError`."""
    tag = granted(TagError, _host.get, of._number, name)
    return None if tag is None else tag.value


def _tag(value: Value) -> _host.TagValue:
    # True is an int too
    if isinstance(value, bool):
        return _host.TagValue_Flag(value)
    if isinstance(value, str):
        return _host.TagValue_Text(value)
    if isinstance(value, (int, float)):
        return _host.TagValue_Number(float(value))
    raise TypeError(f"a tag is a string, a number or a bool, not {value!r}")
