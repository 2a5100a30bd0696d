"""
``k8s-leader status``: who leads, for people and for `helm test`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from k8s_leader.app.sight import Sight, look
from k8s_leader.cli.arguments import Parser, UsageError, add_settings, parse_settings
from k8s_leader.clock import SystemClock
from k8s_leader.errors import ExitCode, SettingsError
from k8s_leader.kube import KubeSettings
from k8s_leader.settings import Settings
from k8s_leader.settings.parsers import duration, format_duration

__all__ = ["status"]

_USAGE = """\
k8s-leader status --lease [NAMESPACE/]NAME [--expect-leader] [--max-age TIME] [flags]

Say who holds a Lease. Takes the flags of `run` that name the Lease and the cluster.
With --expect-leader it waits up to --max-age (15s) until the holder is seen to renew,
and exits with 75 when that does not happen. Needs the right to get the Lease.
"""


def status(argv: Sequence[str]) -> int:
    """
    Print who holds the Lease; with ``--expect-leader`` wait until it renews.

    Raises:
        UsageError: the command line is wrong.
        SettingsError: a setting is wrong, or the lease is not on Kubernetes.
        LeaseError: the API server cannot be asked.
    """
    parser = Parser(prog="k8s-leader status", usage=_USAGE.rstrip())
    parser.add_argument("--expect-leader", action="store_true")
    parser.add_argument("--max-age", default="15s", metavar="TIME")
    add_settings(parser)
    options, flags, file = parse_settings(parser, argv)
    settings = Settings.load(flags, os.environ, file)
    patience = _time(options.max_age) if options.expect_leader else 0.0
    sight = asyncio.run(_look(settings, patience))
    name = (
        f"{sight.namespace}/{settings.election.lease and settings.election.lease.name}"
    )
    print(f"{name}: {_told(sight)}")
    if not options.expect_leader or sight.renewed:
        return int(ExitCode.OK)
    print(f"no leader was seen to renew within {format_duration(patience)}")
    return int(ExitCode.WAIT_TIMEOUT)


async def _look(settings: Settings, patience: float) -> Sight:
    lease = settings.election.lease
    if lease is None or lease.store != "kubernetes":
        raise SettingsError(
            "--lease",
            lease and str(lease),
            allowed="a Lease of Kubernetes, as [NAMESPACE/]NAME",
            fix="name the Lease with --lease NAME",
        )
    kube = KubeSettings(
        kubeconfig=settings.kube.kubeconfig,
        context=settings.kube.context,
        namespace=settings.election.namespace,
    )
    return await look(kube, lease.name, clock=SystemClock(), patience=patience)


def _time(text: str) -> float:
    try:
        return duration(text)
    except ValueError as exc:
        raise UsageError(
            f"--max-age is {text!r}; allowed is {exc}. Fix: write --max-age 15s"
        ) from None


def _told(sight: Sight) -> str:
    record = sight.record
    if record is None:
        return "there is no such Lease"
    if record.is_free:
        return f"nobody leads; it changed hands {record.transitions} times"
    return (
        f"led by {record.holder} since {record.acquire_time}, renewed "
        f"{record.renew_time}, term {record.transitions}"
    )
