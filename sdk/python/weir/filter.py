"""The class that a filter derives from."""

from collections.abc import Iterable
from typing import Generic, TypeVar

from .answers import Action, ChunkAction, Resumption, TrailersAction
from .calls import CallOutcome
from .config import Problem
from .exchange import Chunk, Done, Exchange, Request, Response, Trailers, UpstreamError
from .subscription import Subscription

Config = TypeVar("Config")
State = TypeVar("State")


class Filter(Generic[Config, State]):
    """A filter: ``class Mine(weir.Filter[Config, State])``, or ``class Mine(weir.Filter)`` without either.

    ``Config`` is a dataclass: a key of the JSON text that it does not have is a fault, as is a value of another type. ``State`` is
    a class that is called without arguments: what is remembered of one exchange between its hooks.

    Hooks come in this order: request head, request body and trailers, response head (or upstream error), response body and
    trailers, done. A hook that is not overridden is not called, and costs nothing.
    """

    config: Config

    def __init__(self, config: Config) -> None:
        self.config = config

    def validate(self) -> Iterable[Problem]:
        """What is wrong with a configuration whose keys and types are right."""
        return ()

    def subscription(self, subscription: Subscription) -> None:
        """Asks for less or more than the overridden hooks say: heads and trailers, and bodies as ``BodyMode.TRANSFORM``."""

    def request_head(self, request: Request, state: State) -> Action:
        """The head of a request came."""

    def request_body(self, request: Request, chunk: Chunk, state: State) -> ChunkAction:
        """A chunk of a request's body came. Its head can be changed only if it is held."""

    def request_trailers(self, trailers: Trailers, state: State) -> TrailersAction:
        """A request's trailers came, after its last chunk."""

    def response_head(self, response: Response, state: State) -> Action:
        """The head of a response came."""

    def response_body(self, response: Response, chunk: Chunk, state: State) -> ChunkAction:
        """A chunk of a response's body came. Its head can be changed only if it is held."""

    def response_trailers(self, trailers: Trailers, state: State) -> TrailersAction:
        """A response's trailers came, after its last chunk."""

    def upstream_error(self, request: Request, error: UpstreamError, state: State) -> Action:
        """No response came. A reply answers in its place; ``None`` leaves the agent's own error response."""

    def resumed(self, exchange: Exchange, call: int, outcome: CallOutcome, state: State) -> Resumption:
        """A call or timer that a hook waits for has ended (``WAIT``). What the hook could change can be changed now. ``call`` is the
        number that starting it gave. ``None`` lets things pass as they are."""

    def done(self, done: Done, state: State) -> None:
        """The exchange is over. Runs once for every exchange that met a hook."""
