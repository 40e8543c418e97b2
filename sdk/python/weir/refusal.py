"""Calls of the agent that it can refuse: the error of a ``result`` is raised, here as an error with words."""

from collections.abc import Callable
from typing import ClassVar, TypeVar

from componentize_py_types import Err

T = TypeVar("T")


class Refusal(Exception):
    """What the agent did not do."""

    words: ClassVar[dict[str, str]] = {}
    code: str
    """Name of the error in the contract, as ``TooLarge``."""

    def __init__(self, code: str) -> None:
        super().__init__(self.words.get(code, code))
        self.code = code


def granted(refusal: type[Refusal], call: Callable[..., T], *given: object) -> T:
    """What the call gives, or raises ``refusal``."""
    try:
        return call(*given)
    except Err as fault:
        # KvError.TOO_LARGE -> TooLarge
        raise refusal("".join(word.capitalize() for word in fault.value.name.split("_"))) from None
