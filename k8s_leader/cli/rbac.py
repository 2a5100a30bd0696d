"""
``k8s-leader rbac``: prints the Role and RoleBinding that a job needs.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from k8s_leader.app.rights import JOBS, Needs, Rule, rules
from k8s_leader.cli.arguments import Parser, UsageError
from k8s_leader.cli.lookup import kube_settings, looked_up, lookup_parser, written
from k8s_leader.clock import SystemClock
from k8s_leader.errors import ExitCode, SettingsError
from k8s_leader.kube.access import resolve
from k8s_leader.settings import Settings

__all__ = ["FEATURES", "kubernetes_lease", "needs_of", "objects", "rbac"]

_DESCRIPTION = """\
Print the Role and RoleBinding for a job, for `kubectl apply -f -`. Asks nobody.

  candidate  to run with this lease and these flags (what the chart makes)
  viewer     status, list, watch, history and doctor; all Leases when none is named
  manager    step-down, switchover, pause and resume besides
"""
_EXAMPLE = """\
  k8s-leader rbac reports --no-events --serviceaccount worker | kubectl apply -f -
  k8s-leader rbac --for viewer -n batch --group developers\
"""
_CODES = """\
exit codes:
   0  it was printed
  78  the command line or a setting is wrong"""
FEATURES = ("lease-create", "pod-label", "pod-deletion-cost", "events")
_RBAC = "rbac.authorization.k8s.io"


def rbac(argv: Sequence[str]) -> int:
    """
    Print what grants the rights of a job.

    Raises:
        UsageError: the command line is wrong.
        SettingsError: a setting is wrong.
    """
    options, settings = looked_up(_parser(), argv)
    needs = needs_of(options.job, settings)
    namespace = _namespace(settings)
    made = objects(
        rules(needs),
        name=options.role or "-".join((needs.lease or "leases", options.job)),
        namespace=namespace,
        pod_namespace=options.pod_namespace or namespace,
        subject=_subject(options, options.pod_namespace or namespace),
    )
    if options.output == "json":
        print(written({"apiVersion": "v1", "kind": "List", "items": made}, "json"))
    else:
        print("---\n".join(_yaml(body) for body in made), end="")
    return int(ExitCode.OK)


def _yaml(body: Mapping[str, Any]) -> str:
    import yaml

    text: str = yaml.safe_dump(
        body, sort_keys=False, default_flow_style=None, width=1000
    )
    return text


def _parser() -> Parser:
    parser = lookup_parser(
        "rbac",
        usage="[LEASE] [--for JOB] [--serviceaccount NAME] [-o yaml|json] [flags]",
        description=_DESCRIPTION,
        example=_EXAMPLE,
        codes=_CODES,
        settings=("lease", "namespace", "kubernetes", *FEATURES),
    )
    parser.add_argument("--for", dest="job", choices=JOBS, default="candidate")
    parser.add_argument("-o", "--output", choices=("yaml", "json"), default="yaml")
    parser.add_argument("--role", metavar="NAME", help="default: LEASE-JOB")
    parser.add_argument(
        "--pod-namespace", metavar="NAMESPACE", help="of the Pods, where it differs"
    )
    whom = parser.add_mutually_exclusive_group()
    whom.add_argument(
        "--serviceaccount", metavar="NAME", default="default", help="default: default"
    )
    whom.add_argument("--user", metavar="NAME")
    whom.add_argument("--group", metavar="NAME")
    return parser


def needs_of(job: str, settings: Settings) -> Needs:
    """
    Return what a job needs under these settings.

    Raises:
        SettingsError: a candidate without a Lease of Kubernetes.
    """
    named = settings.election.lease is not None or job == "candidate"
    lease = kubernetes_lease(settings) if named else None
    cluster = settings.cluster
    return Needs(
        job=job,
        lease=lease,
        create=settings.election.lease_create,
        marks=cluster.pod_label or cluster.pod_deletion_cost > 0,
        events=cluster.events,
    )


def kubernetes_lease(settings: Settings) -> str:
    """
    Return the name of the Lease that the settings name.

    Raises:
        SettingsError: they name none, or one outside Kubernetes.
    """
    lease = settings.election.lease
    if lease is None or lease.store != "kubernetes":
        raise SettingsError(
            "LEASE",
            lease and str(lease),
            allowed="a Lease of Kubernetes, as [NAMESPACE/]NAME",
            fix="name the Lease; only Kubernetes asks for rights",
        )
    return lease.name


def _namespace(settings: Settings) -> str:
    try:
        kube = kube_settings(settings)
        return resolve(kube, environ=os.environ, clock=SystemClock()).namespace
    except SettingsError:
        return settings.election.namespace or "default"


def _subject(options: argparse.Namespace, namespace: str) -> dict[str, str]:
    if options.user or options.group:
        kind = "User" if options.user else "Group"
        name = options.user or options.group
        return {"kind": kind, "name": name, "apiGroup": _RBAC}
    name = options.serviceaccount
    if not name or "/" in name:
        raise UsageError(
            f"--serviceaccount is {name!r}; allowed: a name without namespace. "
            "Fix: give the namespace of the Pods with --pod-namespace"
        )
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


def objects(
    wanted: Sequence[Rule],
    *,
    name: str,
    namespace: str,
    pod_namespace: str,
    subject: Mapping[str, str],
) -> list[dict[str, Any]]:
    """
    Return a Role and a RoleBinding for each namespace that is concerned.

    An Event lives in the namespace of what it is about: of the Lease and of the Pod.

    Args:
        wanted: the rules.
        name: of all objects.
        namespace: of the Lease.
        pod_namespace: of the Pods.
        subject: who gets the rights.
    """
    if namespace == pod_namespace:
        return list(_pair(wanted, name, namespace, subject))
    there = [rule for rule in wanted if rule.about != "pods"]
    here = [rule for rule in wanted if rule.about != "lease"]
    pairs = [*_pair(there, name, namespace, subject)]
    return [*pairs, *(_pair(here, name, pod_namespace, subject) if here else ())]


def _pair(
    wanted: Sequence[Rule], name: str, namespace: str, subject: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    metadata = {"name": name, "namespace": namespace}
    yield {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "Role",
        "metadata": dict(metadata),
        "rules": [rule.document() for rule in wanted],
    }
    yield {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": dict(metadata),
        "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": name},
        "subjects": [dict(subject)],
    }
