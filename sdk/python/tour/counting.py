"""What the tour counts: in its store, and for the operator. The filter's file names neither capability."""

from collections.abc import Callable

import weir
import weir.kv
from weir import metrics


def count(request: weir.Request) -> None:
    weir.kv.add("n")
    request.headers.set("x-count", f"{weir.kv.add('n'):g}")


def ticks() -> float:
    return weir.kv.add("ticks", 0)


def add_tick() -> None:
    weir.kv.add("ticks")


def measure() -> str:
    """The fault of a gauge that has a counter's name, and of a name that is none."""
    metrics.Counter("tour_seen", "Requests.", {"kind": "a"}).add()
    gauge = metrics.Gauge("tour_level")
    gauge.set(5)
    gauge.add(-2)
    metrics.Histogram("tour_size", bounds=[1, 10]).observe(4)
    return f"{fault(metrics.Gauge, 'tour_seen')} {fault(metrics.Counter, 'a b')}"


def fault(make: Callable[[str], object], name: str) -> str:
    try:
        make(name)
    except metrics.MetricError as fault:
        return {"Conflict": "conflict", "InvalidName": "invalid-name"}[fault.code]
    return "ok"
