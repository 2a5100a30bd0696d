"""
Write docs/metrics.md from the table of metrics; ``--check`` only compares.
"""

from __future__ import annotations

import sys
from pathlib import Path

from generated import write_or_check

from k8s_leader.observers.families import FAMILIES, LEASE_LABELS, Family

PAGE = Path(__file__).with_name("metrics.md")
HEAD = """\
# Metrics

<!-- Written by docs/write_metrics.py: make docs -->

Every candidate, leader or standby, shows all of these from its first scrape on, at
`/metrics` of the [HTTP port](http.md). In the library they are shown where it is told:
`http=":9090"`, or `registry=` with a registry of yours; nothing is put
on the default one.

- `k8s_leader_is_leader` is worked out at the scrape, from the grant. A leader
  that was deposed or hangs never shows 1 beyond it; one that is frozen is not scraped
  at all. **No answer means not leading**: alert on `max(k8s_leader_is_leader) == 0` *or
  absent*.
- `k8s_leader_lease_margin_seconds` is the health of the heartbeat: how much time was
  left when a renewal was confirmed. It falls long before anything is lost.
- Two candidates may both be seen as leaders for one scrape, since scrapes are taken at
  different moments. `leader_election_*` are client-go's names, for dashboards that
  exist; its slow path is a renewal that has to be asked for again.
- A process that ends takes its last counts with it, so each candidate shows what it saw
  of the others, too: `k8s_leader_observed_ends_total`, and of the record
  `k8s_leader_lease_fencing_token` and `k8s_leader_lease_transitions`. All see the same:
  take the maximum over the candidates, not the sum.
- Series do not grow with time: labels have the values below, and the one identity (in
  `k8s_leader_holder_info`) replaces the one before.
- `PROMETHEUS_MULTIPROC_DIR` changes nothing here and gets no file of ours: it is the
  workload's.
- Counters begin at 0 with the process, also when the guard starts another elector
  beside a running workload. That is no acquisition.

All but the last two have the labels """
ROW = "| name | kind | labels | meaning |\n|---|---|---|---|\n"


def row(family: Family) -> str:
    """
    Return the line of one metric.
    """
    labels = ", ".join(f"`{label}`" for label in family.labels)
    values = f" ({family.values})" if family.values else ""
    return f"| `{family.name}` | {family.kind} | {labels}{values} | {family.help} |\n"


def page() -> str:
    """
    Return the whole page.
    """
    common = " and ".join(f"`{label}`" for label in LEASE_LABELS)
    head = f"{HEAD}{common}\n(empty where the store has no namespaces).\n\n"
    return head + ROW + "".join(row(family) for family in FAMILIES)


if __name__ == "__main__":
    sys.exit(write_or_check(PAGE, page()))
