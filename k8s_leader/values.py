"""
``@dataclass(frozen=True, slots=True, kw_only=True)``, made in a fifth of the time.

The standard library writes and compiles six methods for each class, half a millisecond
that every start waits for some eighty times. Here the constructor is compiled when the
first instance is made, and the other methods read the names of the fields. The fields
are the standard library's, so ``replace``, ``asdict`` and ``fields`` work, and type
checkers see the real decorator.

Guaranteed is what the decorator does with exactly these three arguments. Different is
only ``inspect.signature`` of a class that has no instance yet.
"""

from __future__ import annotations

import dataclasses
from operator import attrgetter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass
    from typing import Any

__all__ = ["dataclass"]

_MISSING = dataclasses.MISSING


def _made(cls: type[Any]) -> type[Any]:
    own = set(vars(cls))
    plain = dataclasses.dataclass(
        init=False, repr=False, eq=False, slots=True, kw_only=True
    )
    made: type[Any] = plain(cls)
    fields = dataclasses.fields(made)
    methods = {
        "__init__": _first_init(made),
        "__repr__": _repr(tuple(f.name for f in fields if f.repr)),
        **_comparison(tuple(f.name for f in fields if f.compare)),
        "__setattr__": _refuse_setting,
        "__delattr__": _refuse_deleting,
        "__getstate__": _state,
        "__setstate__": _restore,
    }
    for name, method in methods.items():
        if name not in own:
            setattr(made, name, method)
    return made


if not TYPE_CHECKING:

    def dataclass(*, frozen: bool, slots: bool, kw_only: bool) -> Any:
        """
        Make a class a value; the arguments are there to be read, each is true.
        """
        if not (frozen and slots and kw_only):
            raise TypeError("other dataclasses are the standard library's")
        return _made


def _first_init(made: type[Any]) -> Any:
    def init(self: object, **given: Any) -> None:
        compiled: Any = _init(made)
        made.__init__ = compiled
        compiled(self, **given)

    return init


def _init(made: type[Any]) -> Any:
    """
    Compile the constructor: each field is an argument, and set through its slot.
    """
    words, lines = [], []
    scope: dict[str, Any] = {"_MISSING": _MISSING}
    for field in dataclasses.fields(made):
        name, value = field.name, field.name
        scope[f"_set_{name}"] = getattr(made, name).__set__
        if field.default is not _MISSING:
            scope[f"_default_{name}"] = field.default
            words.append(f"{name}=_default_{name}")
        elif field.default_factory is not _MISSING:
            scope[f"_make_{name}"] = field.default_factory
            words.append(f"{name}=_MISSING")
            value = f"_make_{name}() if {name} is _MISSING else {name}"
        else:
            words.append(name)
        lines.append(f"_set_{name}(self, {value})")
    if hasattr(made, "__post_init__"):
        lines.append("self.__post_init__()")
    head = ", ".join(["self", "*", *words] if words else ["self"])
    text = "\n ".join([f"def __init__({head}):", *lines, "return"])
    exec(text, scope)  # noqa: S102  # as the standard library does
    return scope["__init__"]


def _repr(names: tuple[str, ...]) -> Any:
    def represent(self: object) -> str:
        told = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__qualname__}({told})"

    return represent


def _comparison(names: tuple[str, ...]) -> dict[str, Any]:
    compared: Any = attrgetter(*names) if names else type

    def equals(self: object, other: object) -> Any:
        if type(other) is not type(self):
            return NotImplemented
        return compared(self) == compared(other)

    def digest(self: object) -> int:
        return hash(compared(self))

    return {"__eq__": equals, "__hash__": digest}


def _refuse_setting(_self: object, name: str, _value: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_deleting(_self: object, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _restore(self: Any, state: list[Any]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)
