"""Write filters for the Weir proxy in Python.

A filter is the one class in ``filter.py`` that derives from :class:`Filter`. The agent calls its methods as the head, the body
and the trailers of a request and its response pass; what a method returns says what happens next.

::

    import weir

    class Hello(weir.Filter):
        def response_head(self, response, state):
            response.headers.set("x-hello", "from python")

What has to be granted stands in modules of their own: ``import weir.kv`` and the like, of ``kv``, ``tags``, ``timer``, ``callout``,
``secrets``, ``metrics``, ``clock`` and ``random``. A filter needs the grants of those that any of its modules imports. So do further hooks,
which need no grant: those of ``weir.connect``, ``weir.message``, ``weir.completed`` and ``weir.tick``.
"""

from . import log
from .answers import ABORT, DROP, HOLD, WAIT, Action, ChunkAction, Reply, Resumption, TrailersAction
from .calls import CallFailed, CallOutcome, CallResponse, Elapsed
from .config import Problem
from .exchange import (
    Chunk,
    Connection,
    Done,
    Exchange,
    HeaderError,
    Headers,
    Request,
    Response,
    Subject,
    Trailers,
    UpstreamError,
)
from .filter import Filter
from .subscription import BodyMode, Subscription

__all__ = [
    "ABORT",
    "DROP",
    "HOLD",
    "WAIT",
    "Action",
    "BodyMode",
    "CallFailed",
    "CallOutcome",
    "CallResponse",
    "Chunk",
    "ChunkAction",
    "Connection",
    "Done",
    "Elapsed",
    "Exchange",
    "Filter",
    "HeaderError",
    "Headers",
    "Problem",
    "Reply",
    "Request",
    "Response",
    "Resumption",
    "Subject",
    "Subscription",
    "Trailers",
    "TrailersAction",
    "UpstreamError",
    "log",
]
