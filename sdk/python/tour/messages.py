"""The rest of the tour: messages of WebSockets and server-sent events."""

from typing import Any

import weir
from weir import message as said


class Judge(said.Messages):
    def open(self, response: weir.Response, state: Any):
        state.trace += "O"
        return not response.request.path.startswith("/ws?unseen")

    def message(self, response: weir.Response, origin: said.Origin, content: said.Content, state: Any):
        state.trace += "m" if origin == "client" else "M"
        match content.data if isinstance(content, said.ServerEvent) else content:
            case "swap" | b"swap":
                return other(content)
            case "drop":
                return weir.DROP
            case "trace":
                return state.trace
            case "close":
                return said.Close(4001, "enough")
        return None


def other(content: said.Content) -> said.Content:
    if isinstance(content, str):
        return f"not {content}"
    if isinstance(content, bytes):
        return b"<\0\xff>"
    event, retry = content.event, content.retry
    return said.ServerEvent("two\nlines", event and f"{event}!", content.id, None if retry is None else retry + 1)
