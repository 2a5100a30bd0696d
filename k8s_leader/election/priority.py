"""
Priority: how long a candidate leaves a lease that it may take to better ones.

Advisory, as orders are: it turns "take" into "wait" and nothing else, so it can make
nobody lead who could not anyway. It never moves a lease that is held.
"""

from __future__ import annotations

import math

__all__ = ["HIGHEST", "NEVER", "patience"]

HIGHEST = 10
"""The default: takes a free lease at once."""

NEVER = 0
"""Leads only when somebody switches over to this very candidate."""

_STEP = 0.3
"""Seconds for each step below the highest: more than candidates wait by chance."""


def patience(priority: int) -> float:
    """
    Return the seconds for which a lease that may be taken is left to others.
    """
    return math.inf if priority == NEVER else (HIGHEST - priority) * _STEP
