"""
What the operator is told of a cluster's changes; each of its duties hears all of them.
"""

from __future__ import annotations

from k8s_leader.operator.view import Body, Key

__all__ = ["Duty"]


class Duty:
    """
    One thing that the operator does; it overrides what concerns it.

    The view is up to date before each call. Nothing is raised: what fails is said in
    the log, once. Calls about different objects may overlap.
    """

    async def lease_changed(self, lease: Body) -> object:
        """
        Act on a Lease that is new or was written.
        """

    async def lease_deleted(self, lease: Body) -> object:
        """
        Act on the end of a Lease.

        Args:
            lease: as it was last.
        """

    async def pod_changed(self, pod: Key) -> object:
        """
        Act on a candidate's Pod that is new or was written.
        """

    async def pod_deleted(self, pod: Body) -> object:
        """
        Act on the end of a candidate's Pod.

        Args:
            pod: as it was last.
        """

    async def service_changed(self, service: Key) -> object:
        """
        Act on a Service that asks for its leader, new or written.
        """
