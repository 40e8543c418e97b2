"""Exports of the interfaces that a filter may have besides those of every filter. Only what ``filter.py`` names is in the component's
world, so only that is imported here."""

import sys
from typing import Any

from .component import _guest, _logged
from .exchange import Done, Request

__all__: list[str] = []


def _is_there(name: str) -> bool:
    module = sys.modules.get(f"weir.{name}")
    if module is None:
        return False
    base = getattr(module, name.capitalize())
    if not issubclass(_guest.type, base):
        raise TypeError(f"filter.py names weir.{name}, and its filter does not derive from weir.{name}.{base.__name__}")
    __all__.append(name.capitalize())
    return True


if _is_there("connect"):
    from .connect import ClientHello, _decision, _tunnel

    class Connect:
        @_logged
        def on_connect(self, to: Any) -> Any:
            return _decision(_guest.filter.connect(_tunnel(to)))

        @_logged
        def on_client_hello(self, to: Any, hello: Any) -> Any:
            return _decision(_guest.filter.client_hello(_tunnel(to), ClientHello(hello.server_name, hello.alpn)))


if _is_there("completed"):
    from .completed import Summary

    class Completed:
        @_logged
        def on_completed(self, of: int, summary: Any) -> None:
            figures = Summary(
                summary.request_bytes, summary.response_bytes, summary.duration, summary.first_byte, summary.upstream_address
            )
            _guest.filter.completed(Done(Request(of), summary.reason.name.lower()), figures, _guest.state(of))


if _is_there("tick"):

    class Tick:
        @_logged
        def interval(self) -> int:
            return _guest.filter.interval()

        @_logged
        def on_tick(self) -> None:
            _guest.filter.tick()
