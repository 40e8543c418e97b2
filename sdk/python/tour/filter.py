"""Goes through the whole SDK: sdk/tour has the cases that every language's tour is held to."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import weir
import weir.callout
import weir.completed
import weir.connect
import weir.limits
import weir.secrets
import weir.tags
import weir.tick
import weir.timer
from messages import Judge
from counting import add_tick, count, measure, ticks


@dataclass
class Config:
    mark: str = "-"
    names: list[str] = field(default_factory=list)
    limit: float = 7
    strict: bool = False
    any: Any = None


@dataclass
class State:
    trace: str = ""


def text(status: int, body: str) -> weir.Reply:
    return weir.Reply(status, [("content-type", "text/plain"), ("x-two", "1"), ("x-two", "2")], body)


def facts(request: weir.Request) -> str:
    c = request.connection
    first = [request.method, request.scheme, request.authority, request.path, int(request.version == "http11")]
    second = [c.entry, c.client_address, c.user or "-", c.tunnel_target or "-", c.server_name or "-", str(c.intercepted).lower()]
    return "\n".join([" ".join(map(str, first)), " ".join(second), request.id])


def rewrite(request: weir.Request) -> None:
    request.method = "PUT"
    request.authority = "other.example:81"
    request.path = "/new?q=1"
    joined = "".join(f"[{value}]" for value in request.headers.get_all("X-Many"))
    names = "".join(f"[{name}]" for name, _ in request.headers)
    request.headers.set("x-joined", joined)
    request.headers.set("x-names", names)
    request.headers.append("x-many", "é")
    request.headers.remove("x-gone")


def outcome(change: Callable[..., None], *given: object) -> str:
    try:
        change(*given)
    except weir.HeaderError as fault:
        return {"Forbidden": "forbidden", "InvalidSyntax": "invalid-syntax"}[fault.code]
    return "ok"


def errors(request: weir.Request) -> str:
    return " ".join(
        [
            outcome(request.headers.set, "content-length", 1),
            outcome(request.headers.set, "a b", 1),
            outcome(setattr, request, "method", "A B"),
            outcome(request.headers.set, "a", 1),
        ]
    )


def rescheme(request: weir.Request) -> None:
    ftp = outcome(setattr, request, "scheme", "ftp")
    request.scheme = "https"
    request.headers.set("x-scheme", f"{request.scheme} {'refused' if ftp == 'invalid-syntax' else ftp}")


def late(trailers: weir.Trailers) -> weir.TrailersAction:
    if "x-wait" in trailers.headers:
        weir.timer.start(trailers, 10)
        return weir.WAIT
    return None


def body(subject: weir.Subject, chunk: weir.Chunk) -> weir.ChunkAction:
    match chunk.data:
        case b"wait":
            weir.timer.start(subject, 10)
            return weir.WAIT
        case b"swap":
            return b"<\0\xff>"
        case b"drop":
            return weir.DROP
        case b"abort":
            return weir.ABORT
        case b"respond":
            return text(413, "too much")
    return None


class Tour(weir.Filter[Config, State], weir.connect.Connect, Judge, weir.completed.Completed, weir.tick.Tick):
    def request_head(self, request: weir.Request, state: State):
        state.trace += "h"
        path, config = request.path, self.config
        if path.startswith("/config"):
            deep = (config.any or {}).get("deep", "-")
            return text(200, f"{config.mark} {','.join(config.names)} {config.limit:g} {str(config.strict).lower()} {deep}")
        if path.startswith("/facts"):
            return text(200, facts(request))
        if path.startswith("/errors"):
            return text(200, errors(request))
        if path.startswith("/metrics"):
            return text(200, measure())
        if path.startswith("/limits"):
            own = weir.limits
            return text(200, f"{own.cpu_ms()} {own.memory_bytes():.0f} {own.buffer_bytes()} {own.answer_bytes()}")
        if path.startswith("/abort"):
            return weir.ABORT
        if path.startswith("/panic"):
            raise RuntimeError("on purpose")
        if path.startswith("/scheme"):
            rescheme(request)
        if path.startswith("/rewrite"):
            rewrite(request)
        if path.startswith("/kv"):
            count(request)
        if path.startswith("/ticks"):
            request.headers.set("x-ticks", f"{ticks():g}")
        if path.startswith("/tag"):
            weir.tags.set(request, "seen", "yes")
            request.headers.set("x-tagged", "yes")
        if path.startswith("/secret"):
            request.headers.set("authorization", f"Bearer {weir.secrets.placeholder(request, 'key')}")
            request.headers.set("x-none", weir.secrets.placeholder(request, "other") or "-")
        if path.startswith("/wait"):
            weir.timer.start(request, 10)
            return weir.WAIT
        if path.startswith("/call"):
            weir.callout.start(request, "oracle", "/answer")
            return weir.WAIT
        if path.startswith("/skip"):
            request.set_body_mode(weir.BodyMode.NONE)
        if path.startswith("/hold") and request.has_body:
            return weir.HOLD

    def request_body(self, request: weir.Request, chunk: weir.Chunk, state: State):
        state.trace += "B" if chunk.end_of_stream else "b"
        if chunk.data == b"head":
            request.headers.set("x-held", "yes")
        return body(request, chunk)

    def request_trailers(self, trailers: weir.Trailers, state: State):
        state.trace += "t"
        trailers.headers.set("x-sum", trailers.headers.get("x-part", "-"))
        return late(trailers)

    def response_head(self, response: weir.Response, state: State):
        state.trace += "H"
        if response.status == 404:
            response.status = 410
        response.headers.set("x-trace", state.trace)

    def response_body(self, response: weir.Response, chunk: weir.Chunk, state: State):
        return body(response, chunk)

    def response_trailers(self, trailers: weir.Trailers, state: State):
        trailers.headers.remove("x-secret")
        return late(trailers)

    def upstream_error(self, request: weir.Request, error: weir.UpstreamError, state: State):
        if error.kind != "Reset":
            return text(503, f"{'tls' if error.kind == 'Tls' else 'other'} {error.reason}")

    def resumed(self, exchange: weir.Exchange, call: int, outcome: weir.CallOutcome, state: State):
        if exchange.chunk is not None:
            return b"(" + exchange.chunk + b")"
        if exchange.trailers is not None:
            exchange.trailers.headers.set("x-late", "yes")
            return None
        headers = exchange.request.headers
        match outcome:
            case weir.Elapsed():
                headers.set("x-waited", "elapsed")
            case weir.CallResponse():
                headers.set("x-answer", f"{outcome.status} {outcome.body.decode()}")
            case weir.CallFailed():
                headers.set("x-answer", f"failed {outcome.error.kind.lower()}")

    def done(self, done: weir.Done, state: State):
        print(done.request.id, done.reason, state.trace)

    def connect(self, to: weir.connect.Tunnel):
        if to.target.startswith("denied."):
            return weir.connect.Deny(f"{to.target}, on purpose")
        if to.target.startswith("elsewhere."):
            return weir.connect.Redirect(self.config.mark)
        if self.config.strict:
            return weir.connect.PassThrough()

    def client_hello(self, to: weir.connect.Tunnel, hello: weir.connect.ClientHello):
        if hello.server_name == "refused.localhost":
            return weir.connect.Deny("by its name")
        if hello.alpn[:1] == ["h2"] and to.entry == "forward":
            return weir.connect.Deny("no tunnel comes so")

    def completed(self, done: weir.Done, summary: weir.completed.Summary, state: State):
        timed = "timed" if summary.first_byte is not None and summary.first_byte <= summary.duration else "-"
        figures = f"{summary.request_bytes:g} {summary.response_bytes:g} {timed} {summary.upstream_address or '-'}"
        print("completed", done.request.path, int(done.reason == "complete"), figures)

    def interval(self):
        return 100

    def tick(self):
        add_tick()
