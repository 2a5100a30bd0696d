"""
What the demo's workloads wrote, and what follows from it.
"""

from __future__ import annotations

from k8s_leader.values import dataclass

__all__ = ["Journal", "Term", "most_at_once"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """
    One term, by its workload's own lines: boot-time seconds of first and last.
    """

    token: int
    who: str
    began: float
    ended: float


class Journal:
    """
    A file with lines of boot time, fencing token, candidate and event.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def terms(self) -> list[Term]:
        """
        Return all terms in the order of their beginning.
        """
        # Not by token alone: two workloads under one token would be one term.
        found: dict[tuple[int, str], Term] = {}
        for line in self._complete_lines():
            at, token, who, _event = line.split()
            known = found.get((int(token), who))
            found[int(token), who] = Term(
                token=int(token),
                who=who,
                began=known.began if known else float(at),
                ended=float(at),
            )
        return sorted(found.values(), key=lambda term: term.began)

    def lines(self) -> int:
        """
        Return how many lines were written.
        """
        return len(self._complete_lines())

    def most_at_once(self) -> int:
        """
        Return how many terms ran at the same time at most.
        """
        return most_at_once(self.terms())

    def _complete_lines(self) -> list[str]:
        try:
            with open(self.path, encoding="ascii") as file:
                text = file.read()
        except FileNotFoundError:
            return []
        return text[: text.rfind("\n") + 1].splitlines()


def most_at_once(terms: list[Term]) -> int:
    """
    Return the largest number of terms that overlap; touching counts as overlap.
    """
    edges = [(term.began, 1) for term in terms] + [(term.ended, -1) for term in terms]
    now = most = 0
    for _, step in sorted(edges, key=lambda edge: (edge[0], -edge[1])):
        now += step
        most = max(most, now)
    return most
