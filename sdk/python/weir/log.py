"""Lines for the operator, who limits their rate. ``print`` writes them too."""

from wit_world.imports import log as _host


def debug(message: object) -> None:
    """For whoever works on the filter."""
    _host.write(_host.Level.DEBUG, str(message))


def info(message: object) -> None:
    """Worth knowing."""
    _host.write(_host.Level.INFO, str(message))


def warn(message: object) -> None:
    """Something is not as it should be, and the filter went on."""
    _host.write(_host.Level.WARN, str(message))


def error(message: object) -> None:
    """The filter could not do its work."""
    _host.write(_host.Level.ERROR, str(message))
