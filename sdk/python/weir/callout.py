"""Requests to servers that the publication names, for hooks that answer ``WAIT``. A filter that imports ``weir.callout`` needs the grant
``callout``."""

from collections.abc import Iterable, Mapping
from typing import Optional, Union

from wit_world.imports import callout as _host

from .answers import body_bytes, field_lines
from .exchange import Subject
from .refusal import Refusal, granted


class CallError(Refusal):
    """No call was started. ``code`` is ``UnknownUpstream``, ``InvalidRequest`` or ``TooMany``."""

    words = {
        "UnknownUpstream": "the publication names no such upstream",
        "InvalidRequest": "the method, the path or a field is not valid",
        "TooMany": "the filter has started all that it may for this exchange",
    }


def start(
    of: Subject,
    upstream: str,
    path: str = "/",
    *,
    method: str = "GET",
    headers: Union[Mapping[str, str], Iterable[tuple[str, str]]] = (),
    body: Union[str, bytes] = b"",
    timeout: Optional[int] = None,
) -> int:
    """Sends a request. What it gives names the call in ``resumed``. A call ends with its exchange. Raises :class:`CallError`.

    ``path`` is path and query in origin form, below the path of the upstream's URL. Framing, hop-by-hop fields and Host are the
    agent's. ``timeout`` is in milliseconds, no longer than the upstream's own bound, which is taken without one.
    """
    request = _host.CallRequest(method, path, field_lines(headers), body_bytes(body))
    return granted(CallError, _host.start, of._number, upstream, request, timeout)
