"""Exports of the interfaces that a filter may have besides those of every filter. Only what the filter's modules import is in the
component's world, so only that is imported here."""

import sys
from typing import Any

from .component import _guest, _logged
from .exchange import Done, Request, Response

__all__: list[str] = []


def _is_there(name: str, base_name: str) -> bool:
    module = sys.modules.get(f"weir.{name}")
    if module is None:
        return False
    if not issubclass(_guest.type, getattr(module, base_name)):
        raise TypeError(f"weir.{name} is imported, and the filter does not derive from weir.{name}.{base_name}")
    __all__.append(name.capitalize())
    return True


if _is_there("connect", "Connect"):
    from .connect import ClientHello, _decision, _tunnel

    class Connect:
        @_logged
        def on_connect(self, to: Any) -> Any:
            return _decision(_guest.filter.connect(_tunnel(to)))

        @_logged
        def on_client_hello(self, to: Any, hello: Any) -> Any:
            return _decision(_guest.filter.client_hello(_tunnel(to), ClientHello(hello.server_name, hello.alpn)))


if _is_there("message", "Messages"):
    from . import message

    class Message:
        @_logged
        def on_open(self, of: int) -> bool:
            return bool(_guest.filter.open(Response(of), _guest.state(of)))

        @_logged
        def on_message(self, of: int, origin: Any, content: Any) -> Any:
            said = message._content(content)
            return message._action(_guest.filter.message(Response(of), message._origin(origin), said, _guest.state(of)))


if _is_there("completed", "Completed"):
    from .completed import Summary

    class Completed:
        @_logged
        def on_completed(self, of: int, summary: Any) -> None:
            figures = Summary(
                summary.request_bytes, summary.response_bytes, summary.duration, summary.first_byte, summary.upstream_address
            )
            _guest.filter.completed(Done(Request(of), summary.reason.name.lower()), figures, _guest.state(of))


if _is_there("tick", "Tick"):

    class Tick:
        @_logged
        def interval(self) -> int:
            return _guest.filter.interval()

        @_logged
        def on_tick(self) -> None:
            _guest.filter.tick()
