"""Says hello: refuses one path, counts what a request's body came in, and marks every response."""

from dataclasses import dataclass

import weir


@dataclass
class Config:
    header: str = "x-hello"
    value: str = "from python"
    block: str = "/blocked"


@dataclass
class State:
    chunks: int = 0


class Hello(weir.Filter[Config, State]):
    def validate(self):
        if not self.config.block.startswith("/"):
            yield weir.Problem("/block", "a path begins with `/`")

    def subscription(self, subscription: weir.Subscription):
        subscription.request_body = weir.BodyMode.OBSERVE

    def request_head(self, request: weir.Request, state: State):
        if request.path.startswith(self.config.block):
            return weir.Reply(403, {"content-type": "text/plain"}, "blocked by hello-python\n")
        if request.has_body:
            return weir.HOLD
        request.headers.set("x-seen", 0)

    def request_body(self, request: weir.Request, chunk: weir.Chunk, state: State):
        if chunk.data:
            state.chunks += 1
        if chunk.end_of_stream:
            request.headers.set("x-seen", state.chunks)

    def response_head(self, response: weir.Response, state: State):
        response.headers.set(self.config.header, self.config.value)
