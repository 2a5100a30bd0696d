"""
Our values are what the standard library's would be, and are made faster.
"""

from __future__ import annotations

import copy
import dataclasses
import pickle
from dataclasses import FrozenInstanceError, field, fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s_leader import values
from k8s_leader.values import dataclass
from tests.helpers.fresh import answer_of

SLOW = [
    "k8s_leader.kube.kubeconfig.Kubeconfig",
    "k8s_leader.kube.kubeconfig.Selection",
    "k8s_leader.log.LogContext",
]
"""Those that change, and what stands beside one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """
    A place with a name that does not count.
    """

    x: int
    y: float = 2.0
    tags: list[str] = field(default_factory=list, compare=False)
    secret: str = field(default="s", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked(Point):
    z: int = 3

    def __post_init__(self) -> None:
        if self.z < 0:
            raise ValueError("z")

    def __repr__(self) -> str:
        return "own"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    x: int
    y: float = 2.0
    tags: list[str] = field(default_factory=list, compare=False)
    secret: str = field(default="s", repr=False)


@given(st.integers(0, 2), st.sampled_from([0.0, 2.0]), st.integers(0, 2))
def test_values_compare_hash_and_read_as_the_standard_librarys(
    x: int, y: float, other: int
) -> None:
    ours, theirs = Point(x=x, y=y, tags=["a"]), Plain(x=x, y=y, tags=["a"])
    assert repr(ours) == repr(theirs).replace("Plain", "Point")
    assert (ours == Point(x=other)) is (theirs == Plain(x=other))
    assert hash(ours) == hash(theirs)
    assert dataclasses.asdict(ours) == dataclasses.asdict(theirs)
    assert [f.name for f in fields(Point)] == [f.name for f in fields(Plain)]
    assert replace(ours, y=9.0) == Point(x=x, y=9.0, tags=["b"])


def test_a_value_is_never_that_of_another_class() -> None:
    others: list[object] = [Plain(x=1), Checked(x=1), None]
    assert Point(x=1) not in others


def test_a_value_cannot_be_changed() -> None:
    value: Any = Point(x=1)
    for name in ("x", "other"):
        with pytest.raises(FrozenInstanceError, match=f"cannot assign to.*{name}"):
            setattr(value, name, 2)
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'x'"):
        del value.x
    assert not hasattr(value, "__dict__")


def test_wrong_arguments_are_named() -> None:
    made: Any = Point
    with pytest.raises(TypeError, match="missing.*argument: 'x'"):
        made(y=1.0)
    with pytest.raises(TypeError, match="unexpected keyword argument 'w'"):
        made(x=1, w=2)
    with pytest.raises(TypeError, match="positional"):
        made(1)


def test_what_a_class_says_itself_stays() -> None:
    value = Checked(x=1, z=4)
    assert (value.x, value.z, repr(value)) == (1, 4, "own")
    with pytest.raises(ValueError, match="z"):
        Checked(x=1, z=-1)


def test_defaults_made_for_one_are_not_shared() -> None:
    assert Point(x=1).tags is not Point(x=1).tags


def test_values_are_copied_and_pickled() -> None:
    value = Checked(x=1, y=3.0)
    for other in (copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert (other, type(other)) == (value, Checked)


def test_other_kinds_are_refused() -> None:
    with pytest.raises(TypeError, match="the standard library's"):
        values.dataclass(frozen=False, slots=True, kw_only=True)


def test_no_value_of_an_elector_is_made_by_compiling_methods() -> None:
    """
    Each would take half a millisecond of every start, and there are eighty.
    """
    found = answer_of(
        "import json, sys\n"
        "from k8s_leader.cli import elector\n"
        "elector._load('kubernetes')\n"
        "ours = [m for n, m in sys.modules.items() if n.startswith('k8s_leader.')]\n"
        "made = {c for m in ours for c in vars(m).values()\n"
        "        if hasattr(c, '__dataclass_fields__') and isinstance(c, type)}\n"
        "slow = [f'{c.__module__}.{c.__name__}' for c in made\n"
        "        if 'values' not in getattr(c.__setattr__, '__module__', '')]\n"
        "print(json.dumps({'made': len(made), 'slow': sorted(slow)}))\n"
    )
    assert found["made"] > 60
    assert found["slow"] == SLOW
