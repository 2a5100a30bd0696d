"""
One row of the table of settings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from k8s_leader.settings import parsers
from k8s_leader.values import dataclass

__all__ = ["PREFIX", "Setting"]

PREFIX = "K8S_LEADER_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """
    One row of the table.

    Attributes:
        name: as in the flag without its dashes, and as the key of the YAML file.
        group: the heading it stands under; a key of :data:`GROUPS`.
        parse: from text to the value; raises ValueError with what is allowed.
        default: the value when nothing was said; ``None``: none, or derived.
        default_text: how the default is told.
        metavar: what stands for the value in ``--help``.
        unit: of a number; empty for words.
        help: what it does, in one sentence.
        limits: what is allowed, and why the default is what it is.
        fix: what to do about a wrong value.
        aliases: other flags that mean the same.
    """

    name: str
    group: str
    parse: Callable[[str], Any]
    help: str
    limits: str
    default: Any = None
    default_text: str
    metavar: str
    unit: str = ""
    fix: str
    aliases: tuple[str, ...] = ()

    @property
    def flag(self) -> str:
        """
        Return the flag, with its dashes.
        """
        return f"--{self.name}"

    @property
    def variable(self) -> str:
        """
        Return the name of the environment variable.
        """
        return PREFIX + self.name.upper().replace("-", "_")

    @property
    def field(self) -> str:
        """
        Return the name as an attribute in Python.
        """
        return self.name.replace("-", "_")

    @property
    def is_switch(self) -> bool:
        """
        Tell whether its flag takes no value.
        """
        return self.parse is parsers.boolean
