"""What this filter may use, as its publication says. No grant is needed."""

from wit_world.imports import limits as _host


def cpu_ms() -> int:
    """CPU time of one hook, milliseconds."""
    return _host.cpu_ms()


def memory_bytes() -> float:
    """Linear memory of an instance, bytes."""
    return _host.memory_bytes()


def buffer_bytes() -> int:
    """What ``max_buffer`` is capped to, bytes."""
    return _host.buffer_bytes()


def answer_bytes() -> int:
    """What one answer may hold, bytes."""
    return _host.answer_bytes()
