"""
The rights that each job needs: one list for ``rbac``, ``doctor`` and the chart's test.

Each rule is as narrow as RBAC allows: ``create`` cannot be limited to a name, and
Pods have names that no Role can know.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from k8s_leader.kube import Right
from k8s_leader.values import dataclass

__all__ = ["JOBS", "Needs", "Rule", "rules"]

_LEASES = "coordination.k8s.io"
JOBS = ("candidate", "viewer", "manager")
"""Campaign; look (status, list, watch, history); order (step-down, pause, ...)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """
    One rule of a Role.

    Attributes:
        about: ``lease``, ``pods`` or ``events``: in whose namespace it belongs.
        group: the API group; empty for the core.
        resource: the plural resource.
        verbs: what is allowed.
        name: of the one object; ``None``: any.
    """

    about: str
    group: str = ""
    resource: str
    verbs: tuple[str, ...]
    name: str | None = None

    def document(self) -> dict[str, Any]:
        """
        Return it as it stands in a Role.
        """
        names = {"resourceNames": [self.name]} if self.name else {}
        return {
            "apiGroups": [self.group],
            "resources": [self.resource],
            **names,
            "verbs": list(self.verbs),
        }

    def rights(self, namespace: str) -> Iterator[Right]:
        """
        Yield each single right, for a review.
        """
        for verb in self.verbs:
            yield Right(
                verb=verb,
                group=self.group,
                resource=self.resource,
                namespace=namespace,
                name=self.name,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """
    What is to be done with a lease.

    Attributes:
        job: one of `JOBS`.
        lease: its name; ``None``: any Lease of the namespace (not for candidates).
        create: candidates make a missing Lease.
        marks: candidates label their Pods, or set the deletion cost.
        events: candidates write Events.
    """

    job: str
    lease: str | None
    create: bool = True
    marks: bool = True
    events: bool = True


def rules(needs: Needs) -> tuple[Rule, ...]:
    """
    Return the rules, those on the Lease first.
    """
    if needs.job != "candidate":
        changing = ("update",) if needs.job == "manager" else ()
        return (
            _leases("get", "list", "watch", *changing, name=needs.lease),
            Rule(about="pods", resource="pods", verbs=("list",)),
        )
    found = [_leases("get", "list", "watch", "update", name=needs.lease)]
    if needs.create:
        found.append(_leases("create"))
    if needs.marks:
        found.append(Rule(about="pods", resource="pods", verbs=("patch",)))
    if needs.events:
        found.append(Rule(about="events", resource="events", verbs=("create",)))
    return tuple(found)


def _leases(*verbs: str, name: str | None = None) -> Rule:
    return Rule(about="lease", group=_LEASES, resource="leases", verbs=verbs, name=name)
