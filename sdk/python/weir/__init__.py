"""Write filters for the Weir proxy in Python.

A filter is the one class in ``filter.py`` that derives from :class:`Filter`. The agent calls its methods as the head, the body
and the trailers of a request and its response pass; what a method returns says what happens next.

::

    import weir

    class Hello(weir.Filter):
        def response_head(self, response, state):
            response.headers.set("x-hello", "from python")
"""

from . import log
from .answers import ABORT, DROP, HOLD, Action, ChunkAction, Reply, TrailersAction
from .config import Problem
from .exchange import (
    Chunk,
    Connection,
    Done,
    HeaderError,
    Headers,
    Request,
    Response,
    Trailers,
    UpstreamError,
)
from .filter import Filter
from .subscription import BodyMode, Subscription

__all__ = [
    "ABORT",
    "DROP",
    "HOLD",
    "Action",
    "BodyMode",
    "Chunk",
    "ChunkAction",
    "Connection",
    "Done",
    "Filter",
    "HeaderError",
    "Headers",
    "Problem",
    "Reply",
    "Request",
    "Response",
    "Subscription",
    "Trailers",
    "TrailersAction",
    "UpstreamError",
    "log",
]
