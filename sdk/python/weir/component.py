"""The component: the contract's plain functions and exchange numbers, answered by the filter of ``filter.py``. Only here and in
``exchange.py`` do the SDK's types meet the generated ones."""

import dataclasses
import sys
import traceback
from typing import Any, Optional, get_args

from componentize_py_types import Err
from wit_world.exports import events, lifecycle
from wit_world.imports import http

from . import log
from .answers import ABORT, DROP, HOLD, WAIT, Reply, body_bytes, field_lines
from .calls import CallFailed, CallOutcome, CallResponse, Elapsed
from .config import Problem, parse
from .exchange import Chunk, Done, Exchange, Request, Response, Trailers, UpstreamError
from .filter import Filter
from .subscription import BodyMode, Subscription

_HEADS = ("request_head", "request_trailers", "response_head", "response_trailers")
_BODIES = ("request_body", "response_body")


class _Lines:
    """What is printed goes to the log, line by line: there is no standard output."""

    def __init__(self, write: Any) -> None:
        self._write, self._rest = write, ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._write(line)
        return len(text)

    def flush(self) -> None:
        pass


def _logged(hook: Any) -> Any:
    """What a hook raises ends the instance, as any trap does, and is written down first."""

    def call(*given: Any) -> Any:
        try:
            return hook(*given)
        except Err:
            raise
        except BaseException:
            log.error(traceback.format_exc())
            raise

    return call


class _Guest:
    """The one filter of this instance, and the state of each exchange in flight."""

    def __init__(self, type_: type[Filter]) -> None:
        self.type = type_
        self.filter: Any = None
        self.states: dict[int, Any] = {}
        self.config_type, self.state_type = _arguments(type_)

    def make(self, json: str) -> tuple[Optional[Filter], list[Problem]]:
        config, problems = parse(json, self.config_type)
        if problems:
            return None, problems
        made = self.type(config)
        return made, list(made.validate())

    def state(self, number: int) -> Any:
        if self.state_type is type(None):
            return None
        state = self.states.get(number)
        if state is None:
            state = self.states[number] = self.state_type()
        return state

    def has(self, hook: str) -> bool:
        return getattr(self.type, hook) is not getattr(Filter, hook)

    def subscription(self) -> Subscription:
        wanted = Subscription()
        for hook in _HEADS:
            setattr(wanted, hook, self.has(hook))
        for hook in _BODIES:
            setattr(wanted, hook, BodyMode.TRANSFORM if self.has(hook) else BodyMode.NONE)
        self.filter.subscription(wanted)
        return wanted


def _arguments(type_: type[Filter]) -> tuple[Any, Any]:
    """``Config`` and ``State`` of ``class Mine(Filter[Config, State])``."""
    for base in getattr(type_, "__orig_bases__", ()):
        if len(get_args(base)) == 2:
            return tuple(type(None) if argument is None else argument for argument in get_args(base))  # type: ignore[return-value]
    return type(None), type(None)


def _only_filter() -> type[Filter]:
    import filter as author  # the author's file

    own = [
        value
        for value in vars(author).values()
        if isinstance(value, type) and issubclass(value, Filter) and value.__module__ == author.__name__
    ]
    if len(own) != 1:
        raise TypeError(f"filter.py defines {len(own)} filters; it should define one class that derives from weir.Filter")
    return own[0]


_guest = _Guest(_only_filter())


def _reply(reply: Reply) -> http.LocalResponse:
    return http.LocalResponse(reply.status, field_lines(reply.headers), body_bytes(reply.body))


def _action(answer: Any) -> events.Action:
    if answer is None:
        return events.Action_Next()
    if isinstance(answer, Reply):
        return events.Action_Respond(_reply(answer))
    if answer is HOLD:
        return events.Action_HoldForBody()
    if answer is ABORT:
        return events.Action_Abort()
    if answer is WAIT:
        return events.Action_Wait()
    raise TypeError(f"a hook of a head returns None, a Reply, HOLD, WAIT or ABORT, not {answer!r}")


def _chunk_action(answer: Any) -> events.ChunkAction:
    if answer is None:
        return events.ChunkAction_Pass()
    if isinstance(answer, (bytes, bytearray, memoryview)):
        return events.ChunkAction_Replace(bytes(answer))
    if isinstance(answer, Reply):
        return events.ChunkAction_Respond(_reply(answer))
    if answer is DROP:
        return events.ChunkAction_DropChunk()
    if answer is ABORT:
        return events.ChunkAction_Abort()
    if answer is WAIT:
        return events.ChunkAction_Wait()
    raise TypeError(f"a hook of a body returns None, bytes, a Reply, DROP, WAIT or ABORT, not {answer!r}")


_WORDS = {
    ABORT: events.Resumption_Abort,
    DROP: events.Resumption_DropChunk,
    HOLD: events.Resumption_HoldForBody,
    WAIT: events.Resumption_Wait,
}


def _resumption(answer: Any) -> events.Resumption:
    if answer is None:
        return events.Resumption_Proceed()
    if isinstance(answer, (bytes, bytearray, memoryview)):
        return events.Resumption_Replace(bytes(answer))
    if isinstance(answer, Reply):
        return events.Resumption_Respond(_reply(answer))
    if isinstance(answer, type(WAIT)):
        return _WORDS[answer]()
    raise TypeError(f"resumed returns None, bytes, a Reply, DROP, HOLD, WAIT or ABORT, not {answer!r}")


def _fault(error: events.UpstreamError) -> UpstreamError:
    kind = type(error).__name__.removeprefix("UpstreamError_")
    return UpstreamError(kind, getattr(error, "value", ""))


def _outcome(outcome: events.CallOutcome) -> CallOutcome:
    if isinstance(outcome, events.CallOutcome_Response):
        response = outcome.value
        return CallResponse(response.status, response.headers, response.body)
    if isinstance(outcome, events.CallOutcome_Failed):
        return CallFailed(_fault(outcome.value))
    return Elapsed()


class Lifecycle:
    @_logged
    def validate_config(self, json: str) -> list[lifecycle.Problem]:
        return [lifecycle.Problem(problem.pointer, problem.message) for problem in _guest.make(json)[1]]

    @_logged
    def configure(self, json: str) -> lifecycle.Subscription:
        sys.stdout, sys.stderr = _Lines(log.info), _Lines(log.warn)  # type: ignore[assignment]
        made, problems = _guest.make(json)
        if problems:
            raise Err("; ".join(map(str, problems)))
        _guest.filter = made
        given = vars(_guest.subscription())
        given |= {hook: http.BodyMode(given[hook].value) for hook in _BODIES}
        # what a later contract adds and this SDK does not know is not asked for
        return lifecycle.Subscription(**{field.name: given.get(field.name, 0) for field in dataclasses.fields(lifecycle.Subscription)})


class Events:
    @_logged
    def on_request_head(self, of: int, end_of_stream: bool) -> events.Action:
        return _action(_guest.filter.request_head(Request(of, end_of_stream), _guest.state(of)))

    @_logged
    def on_response_head(self, of: int, end_of_stream: bool) -> events.Action:
        return _action(_guest.filter.response_head(Response(of, end_of_stream), _guest.state(of)))

    @_logged
    def on_body(self, of: int, origin: http.Direction, chunk: bytes, end_of_stream: bool) -> events.ChunkAction:
        piece = Chunk(chunk, end_of_stream)
        if origin is http.Direction.REQUEST:
            return _chunk_action(_guest.filter.request_body(Request(of), piece, _guest.state(of)))
        return _chunk_action(_guest.filter.response_body(Response(of), piece, _guest.state(of)))

    @_logged
    def on_trailers(self, of: int, origin: http.Direction) -> events.ChunkAction:
        if origin is http.Direction.REQUEST:
            return _chunk_action(_guest.filter.request_trailers(Trailers(of, http.Part.REQUEST_TRAILERS), _guest.state(of)))
        return _chunk_action(_guest.filter.response_trailers(Trailers(of, http.Part.RESPONSE_TRAILERS), _guest.state(of)))

    @_logged
    def on_upstream_error(self, of: int, error: events.UpstreamError) -> events.Action:
        return _action(_guest.filter.upstream_error(Request(of), _fault(error), _guest.state(of)))

    @_logged
    def on_resume(self, of: int, waiting: events.Hook, call: int, outcome: events.CallOutcome) -> events.Resumption:
        return _resumption(_guest.filter.resumed(Exchange(of, waiting.name.lower()), call, _outcome(outcome), _guest.state(of)))

    @_logged
    def on_done(self, of: int, reason: events.DoneReason) -> None:
        if _guest.has("done"):
            _guest.filter.done(Done(Request(of), reason.name.lower()), _guest.state(of))
        _guest.states.pop(of, None)
