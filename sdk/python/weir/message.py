"""Messages of WebSockets and server-sent events. A filter that sees them imports ``weir.message`` and derives from :class:`Messages`
too."""

from dataclasses import dataclass
from typing import Any, Literal, Optional, Union

from wit_world.exports import message as _types

from .answers import DROP, _Word
from .exchange import Response

Origin = Literal["client", "upstream"]
"""Who says it. All server-sent events are of the upstream."""


@dataclass
class ServerEvent:
    """One server-sent event."""

    data: str
    """Lines, joined by line feeds."""
    event: Optional[str] = None
    """The type; ``message`` where there is none."""
    id: Optional[str] = None
    """What the client is to keep."""
    retry: Optional[int] = None
    """Milliseconds until the client connects again."""


Content = Union[str, bytes, ServerEvent]
"""One whole message: text or bytes of a WebSocket, or a server-sent event."""


@dataclass
class Close:
    """The WebSocket is closed, or the response ended, on both sides."""

    code: int
    """1000 to 4999, of those that may be sent (RFC 6455 section 7.4)."""
    reason: str = ""
    """At most 123 bytes."""


MessageAction = Union[None, Content, Close, Literal[_Word.DROP]]
"""What becomes of a message. ``None``: it goes on as it is. Content goes on in its place: an event in place of an event, text or bytes in
place of text or bytes. ``weir.DROP``: nothing does."""


class Messages:
    """``class Mine(weir.Filter[Config, State], weir.message.Messages)``. Messages of the client meet the filters of the chain in its order,
    those of the upstream in reverse. These hooks cannot wait."""

    def open(self, response: Response, state: Any) -> bool:
        """The upstream has answered a WebSocket's handshake with 101, or begun a stream of events. Whether this filter is to see what
        follows."""
        return True

    def message(self, response: Response, origin: Origin, content: Content, state: Any) -> MessageAction:
        """One whole message, at most ``weir.limits.buffer_bytes()``; a longer one fails by policy."""


def _origin(direction: Any) -> Origin:
    return "client" if direction.name == "REQUEST" else "upstream"


def _content(content: Any) -> Content:
    said = content.value
    if isinstance(content, _types.Content_Event):
        return ServerEvent(said.data, said.event, said.id, said.retry)
    return said


def _action(answer: Any) -> Any:
    if answer is None:
        return _types.MessageAction_Pass()
    if answer is DROP:
        return _types.MessageAction_DropMessage()
    if isinstance(answer, Close):
        return _types.MessageAction_Close(_types.CloseReason(answer.code, answer.reason))
    if isinstance(answer, str):
        return _types.MessageAction_Replace(_types.Content_Text(answer))
    if isinstance(answer, (bytes, bytearray, memoryview)):
        return _types.MessageAction_Replace(_types.Content_Binary(bytes(answer)))
    if isinstance(answer, ServerEvent):
        event = _types.ServerEvent(answer.event, answer.data, answer.id, answer.retry)
        return _types.MessageAction_Replace(_types.Content_Event(event))
    raise TypeError(f"message returns None, a string, bytes, a ServerEvent, Close or DROP, not {answer!r}")
