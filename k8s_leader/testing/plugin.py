"""
The pytest plugin: fixtures that load nothing before they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from k8s_leader.testing.clock import FakeClock
    from k8s_leader.testing.leadership import Leadership

__all__ = ["leader_clock", "leadership"]


@pytest.fixture
def leadership() -> Leadership:
    """
    Leadership of a lease that no other test uses; nobody leads until it is granted.
    """
    from k8s_leader.testing.leadership import Leadership

    return Leadership()


@pytest.fixture
def leader_clock() -> FakeClock:
    """
    A clock that stands still until the test moves it.
    """
    from k8s_leader.testing.clock import FakeClock

    return FakeClock()
