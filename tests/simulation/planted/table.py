"""
The table of planted faults, and how one gets into it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from k8s_leader.election import machine
from k8s_leader.election.events import State
from tests.simulation.plan import Plan

__all__ = ["PLANTED", "Planted", "handlers", "planted"]

Patch = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """
    One planted fault.

    Attributes:
        name: the mistake.
        rule: the rule of the design that it breaks.
        found_by: names of the checks that may find it.
        themes: the schedules that are about it; others are not run for it.
        plant: applied while schedules run.
        plan: changes each plan, for mistakes that are settings.
    """

    name: str
    rule: str
    found_by: frozenset[str]
    themes: frozenset[str]
    plant: Patch
    plan: Callable[[Plan], Plan] = lambda plan: plan


PLANTED: list[Planted] = []


def planted(
    rule: str, *, by: str, themes: str, plan: Callable[[Plan], Plan] | None = None
) -> Callable[[Callable[[], Iterator[Any]]], None]:
    """
    Put a planted fault into the table; its docstring is its name.
    """

    def take(plant: Callable[[], Iterator[Any]]) -> None:
        name = " ".join((plant.__doc__ or "").split()).rstrip(".")
        PLANTED.append(
            Planted(
                name=name,
                rule=rule,
                found_by=frozenset(by.split(", ")),
                themes=frozenset(themes.split(", ")),
                plant=contextmanager(plant),
                plan=plan or (lambda each: each),
            )
        )

    return take


def handlers(event: type, handler: Callable[..., Any], *states: State) -> Any:
    rows = {
        (state, kind): handler
        for state, kind in machine._TABLE
        if kind is event and (not states or state in states)
    }
    return patch.dict(machine._TABLE, rows)
