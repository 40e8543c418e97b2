"""JSON text of a configuration -> a dataclass, or what is wrong and where (RFC 6901)."""

import json
import types
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints


@dataclass
class Problem:
    """A fault in the configuration."""

    pointer: str
    """RFC 6901 pointer into it, such as ``/hosts/0``; "" for the whole."""
    message: str
    """For whoever wrote the configuration."""

    def __str__(self) -> str:
        return f"{self.pointer}: {self.message}" if self.pointer else self.message


_KINDS = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "an object",
}


def parse(text: str, type_: Any) -> tuple[Any, list[Problem]]:
    """The configuration, and its faults. With faults the configuration is not to be used."""
    try:
        value = json.loads(text) if text.strip() else {}
    except ValueError as fault:
        return None, [Problem("", str(fault))]
    problems: list[Problem] = []
    value = {} if value is None else value
    if type_ is type(None):
        _object(value, {}, "", problems)
        return None, problems
    return _read(value, type_, "", problems), problems


def _wrong(value: Any, expected: str, pointer: str, problems: list[Problem]) -> None:
    problems.append(Problem(pointer, f"invalid type: {_KINDS[type(value)]}, expected {expected}"))


def _object(value: Any, known: Any, pointer: str, problems: list[Problem]) -> bool:
    if not isinstance(value, dict):
        _wrong(value, "an object", pointer, problems)
        return False
    for key in value:
        if key not in known:
            names = ", ".join(f"`{name}`" for name in known)
            expected = f"expected one of {names}" if names else "there are none"
            problems.append(Problem(_beneath(pointer, key), f"unknown field `{key}`, {expected}"))
    return True


def _beneath(pointer: str, key: str) -> str:
    return pointer + "/" + key.replace("~", "~0").replace("/", "~1")


def _read(value: Any, type_: Any, pointer: str, problems: list[Problem]) -> Any:
    origin, arguments = get_origin(type_), get_args(type_)
    if type_ is Any:
        return value
    if is_dataclass(type_):
        return _read_dataclass(value, type_, pointer, problems)
    if origin in (Union, types.UnionType):
        return _read_optional(value, arguments, pointer, problems)
    plain = origin or type_
    is_float = plain is float and type(value) is int
    if type(value) is not plain and not is_float:
        _wrong(value, "an integer" if plain is int and type(value) is float else _KINDS.get(plain, str(plain)), pointer, problems)
        return None
    if plain is list and arguments:
        return [_read(item, arguments[0], f"{pointer}/{index}", problems) for index, item in enumerate(value)]
    if plain is dict and arguments:
        return {key: _read(item, arguments[1], _beneath(pointer, key), problems) for key, item in value.items()}
    return value


def _read_optional(value: Any, types_: tuple[Any, ...], pointer: str, problems: list[Problem]) -> Any:
    """Of several types the first that fits; the faults of the last if none does."""
    found: list[Problem] = []
    for type_ in types_:
        if type_ is type(None):
            if value is None:
                return None
            continue
        found = []
        read = _read(value, type_, pointer, found)
        if not found:
            return read
    problems.extend(found)
    return None


def _read_dataclass(value: Any, type_: Any, pointer: str, problems: list[Problem]) -> Any:
    hints = get_type_hints(type_)
    known = {field.name: field for field in fields(type_) if field.init}
    if not _object(value, known, pointer, problems):
        return None
    given = {}
    for name, field in known.items():
        if name in value:
            given[name] = _read(value[name], hints[name], _beneath(pointer, name), problems)
        elif field.default is MISSING and field.default_factory is MISSING:
            problems.append(Problem(pointer, f"missing field `{name}`"))
            given[name] = None
    # what is wrong with it is known: whatever its own code checks need not see it
    return None if problems else type_(**given)
