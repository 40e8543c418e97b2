"""Numbers for the operator, in the agent's ``/metrics`` as ``weir_agent_filter_metric_NAME`` with the label ``filter``. A filter that imports
``weir.metrics`` needs the grant ``metrics``.

All instances of a filter share a series, and a new version goes on counting where the old one is. The same name and labels are the same
series, so these may be made at any time, but no earlier than the filter.
"""

from collections.abc import Iterable, Mapping
from typing import Union

from wit_world.imports import metrics as _host

from .answers import field_lines
from .refusal import Refusal, granted

Labels = Union[Mapping[str, str], Iterable[tuple[str, str]]]
"""By name; or pairs."""


class MetricError(Refusal):
    """There is no such metric. ``code`` is ``InvalidName``, ``Conflict`` or ``TooMany``."""

    words = {
        "InvalidName": "the name, a label or the bounds are not valid",
        "Conflict": "the name is in use for another kind of metric",
        "TooMany": "the filter has all series, labels or bounds that it may",
    }


class Counter:
    """A number that only grows. Raises :class:`MetricError`."""

    def __init__(self, name: str, help: str = "", labels: Labels = ()) -> None:
        self._series = granted(MetricError, _host.counter, name, help, field_lines(labels))

    def add(self, by: float = 1) -> None:
        """What is negative counts nothing."""
        _host.add(self._series, float(by))


class Gauge:
    """A number that goes up and down. Raises :class:`MetricError`."""

    def __init__(self, name: str, help: str = "", labels: Labels = ()) -> None:
        self._series = granted(MetricError, _host.gauge, name, help, field_lines(labels))

    def add(self, by: float = 1) -> None:
        """Changes the number."""
        _host.add(self._series, float(by))

    def set(self, value: float) -> None:
        """Puts a number in its place."""
        _host.set(self._series, float(value))


class Histogram:
    """Counts values by size. ``bounds`` ascend; none are 0.005 to 10. Raises :class:`MetricError`."""

    def __init__(self, name: str, help: str = "", labels: Labels = (), bounds: Iterable[float] = ()) -> None:
        self._series = granted(MetricError, _host.histogram, name, help, field_lines(labels), [float(bound) for bound in bounds])

    def observe(self, value: float) -> None:
        """Counts a value."""
        _host.observe(self._series, float(value))
