"""
The one table of settings: everything that a person can choose, said once.

Flags, ``K8S_LEADER_*`` variables, keys of the YAML file, ``--help``, ``config show``
and docs/settings.md are all made from it. Names of variables never look like the
service links that Kubernetes puts into every Pod (``…_PORT``, ``…_SERVICE_HOST``):
a Service called ``k8s-leader`` must not change a setting.
"""

from __future__ import annotations

import signal
from collections.abc import Callable

from k8s_leader.election.priority import HIGHEST, NEVER
from k8s_leader.settings import names, parsers
from k8s_leader.settings.address import DEFAULT_PORT, http_address
from k8s_leader.settings.companions import COMPANIONS
from k8s_leader.settings.setting import PREFIX, Setting

__all__ = ["BY_NAME", "GROUPS", "PREFIX", "SETTINGS", "TIMING_FIELDS", "Setting"]

GROUPS = {
    "election": "What is elected",
    "kubernetes": "How the cluster is reached",
    "timing": "Timing (derived from --lease-duration when not set)",
    "workload": "The workload",
    "companions": "Beside the workload: standby command, hooks, health",
    "cluster": "What is written into the cluster beside the lease",
    "http": "What is served over HTTP",
    "output": "Output",
}

TIMING_FIELDS = (
    "lease_duration",
    "renew_deadline",
    "renew_every",
    "retry_period",
    "acquire_every",
    "kill_time",
    "safety_margin",
    "stop_timeout",
    "request_timeout",
)


def _time(
    name: str,
    help_: str,
    *,
    default: str,
    limits: str,
    aliases: tuple[str, ...] = (),
    parse: Callable[[str], float] = parsers.duration,
) -> Setting:
    return Setting(
        name=name,
        group="timing",
        parse=parse,
        help=help_,
        limits=limits,
        default_text=default,
        metavar="TIME",
        unit="duration (15s, 1m30s, 500ms; a plain number is seconds)",
        fix="give a positive duration, or leave it out to have it derived",
        aliases=aliases,
    )


_ELECTION = (
    Setting(
        name="lease",
        group="election",
        parse=names.lease_name,
        help="The lease that is campaigned for; all candidates name the same one.",
        limits="A Lease's name is an RFC 1123 subdomain of at most 253 characters. "
        "sqlite:PATH elects among the processes of this machine; memory: inside one "
        "process, so that run refuses it. Never guessed: a missing lease is an error.",
        default_text="none: must be set, unless --disabled",
        metavar="[NAMESPACE/]NAME|sqlite:PATH",
        fix="name a lease, such as --lease reports",
        aliases=("--leader-elect-resource-name",),
    ),
    Setting(
        name="namespace",
        group="election",
        parse=names.namespace_name,
        help="The namespace of the Lease.",
        limits="An RFC 1123 label of at most 63 characters; must not contradict "
        "NAMESPACE/NAME in --lease. The default is found as client-go finds it.",
        default_text="the kubeconfig context's, else POD_NAMESPACE, else the Pod's",
        metavar="NAMESPACE",
        fix="use the name of an existing namespace",
        aliases=("--leader-elect-resource-namespace",),
    ),
    Setting(
        name="identity",
        group="election",
        parse=names.identity_prefix,
        help="The readable part of this candidate's identity.",
        limits="1 to 200 printable characters without spaces. A unique part is always "
        "added, for each start anew: a shared identity would be a shared lease.",
        default_text="POD_NAME, else the host name",
        metavar="PREFIX",
        fix="use the name of the Pod or host, or leave it out",
    ),
    Setting(
        name="lease-create",
        group="election",
        parse=parsers.boolean,
        default=True,
        help="Create the Lease when there is none.",
        limits="Turn it off where the chart or an administrator owns the Lease: the "
        "right to create cannot be limited to one name.",
        default_text="true",
        metavar="BOOL",
        fix="write true or false",
    ),
    Setting(
        name="priority",
        group="election",
        parse=parsers.between(NEVER, HIGHEST),
        default=HIGHEST,
        help="Who takes a lease that became free; below 10 waits a little.",
        limits="10 takes it at once; each step below leaves it to others for 300ms "
        "more; 0 never takes it, unless `k8s-leader switchover` names this candidate. "
        "A leader is never moved by it. Only of Kubernetes and SQLite leases.",
        default_text=str(HIGHEST),
        metavar="NUMBER",
        fix="give a number from 0 to 10, or leave it out",
    ),
    Setting(
        name="wait-timeout",
        group="election",
        parse=parsers.duration,
        help="Give up with status 75 when not leading after this long.",
        limits="Above 0, up to a year. By default a standby waits for ever: that is "
        "its work.",
        default_text="none: wait for ever",
        metavar="TIME",
        unit="duration",
        fix="give a positive duration, or leave it out to wait for ever",
    ),
    Setting(
        name="disabled",
        group="election",
        parse=parsers.boolean,
        default=False,
        help="No election at all: become the command, ungated.",
        limits="The only way to run without a lease, so that a forgotten setting never "
        "means two leaders.",
        default_text="false",
        metavar="BOOL",
        fix="write true or false",
    ),
)

_KUBERNETES = (
    Setting(
        name="kubeconfig",
        group="kubernetes",
        parse=parsers.path,
        help="The kubeconfig file to use.",
        limits="Must exist. Default as client-go: KUBECONFIG (a list), ~/.kube/config, "
        "then the Pod's service account.",
        default_text="as kubectl and client-go find it",
        metavar="FILE",
        fix="name a readable kubeconfig file, or leave it out",
    ),
    Setting(
        name="context",
        group="kubernetes",
        parse=lambda text: parsers.flat_text(text, longest=253),
        help="The context of the kubeconfig.",
        limits="1 to 253 printable characters without spaces.",
        default_text="the kubeconfig's current context",
        metavar="NAME",
        fix="use a name that `kubectl config get-contexts` shows",
    ),
)

_TIMING = (
    Setting(
        name="profile",
        group="timing",
        parse=parsers.choice("fast", "default", "tolerant"),
        default="default",
        help="A lease duration by name: fast 8s, default 15s, tolerant 60s.",
        limits="--lease-duration, when set, wins. fast notices a crash sooner, "
        "tolerant survives longer outages of the API server.",
        default_text="default",
        metavar="NAME",
        fix="use fast, default or tolerant",
    ),
    _time(
        "lease-duration",
        "How long a record protects its holder; a crash is noticed after it.",
        default="15s (of the profile)",
        limits="L; from 7s up it works alone. At least renew-deadline + kill-time + "
        "safety-margin, or two workloads could run at once.",
        aliases=("--leader-elect-lease-duration",),
    ),
    _time(
        "renew-deadline",
        "Without a confirmed renewal for this long the workload is stopped.",
        default="2/3 of lease-duration (10s)",
        limits="Above renew-every + request-timeout.",
        aliases=("--leader-elect-renew-deadline",),
    ),
    _time(
        "renew-every",
        "How often the leader renews.",
        default="1/5 of lease-duration (3s)",
        limits="At least 100ms, and below acquire-every, so that three renewals fit "
        "before the deadline.",
        parse=parsers.pace,
    ),
    _time(
        "retry-period",
        "How soon a failed request is tried again.",
        default="2/15 of lease-duration, at most 10s (2s)",
        limits="At least 100ms, and below renew-deadline.",
        parse=parsers.pace,
        aliases=("--leader-elect-retry-period",),
    ),
    _time(
        "acquire-every",
        "How often a standby tries when nothing wakes it.",
        default="lease-duration (15s)",
        limits="At least 100ms, and above renew-every; a watch wakes standbys long "
        "before.",
        parse=parsers.pace,
    ),
    _time(
        "kill-time",
        "After a loss: from the stop signal to SIGKILL at the latest.",
        default="0.15 of lease-duration (2.25s)",
        limits="Fits between renew-deadline and the end of the lease.",
    ),
    _time(
        "safety-margin",
        "The workload is gone this long before the record could be taken.",
        default="1s + 2 % of lease-duration (1.3s)",
        limits="Covers a scheduling pause of 1s and 1 % difference of clock rates; "
        "smaller values give that up.",
    ),
    _time(
        "stop-timeout",
        "How long an orderly stop may take before SIGKILL; renewed meanwhile.",
        default="25s",
        limits="May exceed the lease. Keep it below the Pod's "
        "terminationGracePeriodSeconds (30s by default).",
    ),
    _time(
        "request-timeout",
        "The bound of one request to the store.",
        default="1/5 of lease-duration, at most 10s (3s)",
        limits="At least 100ms, and below renew-deadline - renew-every.",
        parse=parsers.pace,
    ),
)


_WORKLOAD = (
    Setting(
        name="on-exit",
        group="workload",
        parse=parsers.choice("release", "restart", "exit"),
        default="exit",
        help="When the command ends by itself: release the lease and campaign again, "
        "restart it within the term, or exit with its code.",
        limits="exit lets the container's own restart policy decide; restart and "
        "release back off when the command keeps ending.",
        default_text="exit",
        metavar="WHAT",
        fix="use release, restart or exit",
    ),
    Setting(
        name="once",
        group="workload",
        parse=parsers.boolean,
        default=False,
        help="One term only: exit with 79 when leadership is lost.",
        limits="By default a candidate that lost campaigns again.",
        default_text="false",
        metavar="BOOL",
        fix="write true or false",
    ),
    Setting(
        name="success-exit-codes",
        group="workload",
        parse=parsers.exit_codes,
        default=(),
        help="Exit codes of the command that count as 0.",
        limits="Numbers from 0 to 255 with commas between; 143 is SIGTERM obeyed.",
        default_text="none",
        metavar="CODES",
        fix="write numbers such as 143,130",
    ),
    Setting(
        name="stop-signal",
        group="workload",
        parse=parsers.stop_signal,
        default=int(signal.SIGTERM),
        help="The signal that asks the command to stop.",
        limits="A name or number; one that can end a program.",
        default_text="TERM",
        metavar="SIGNAL",
        fix="use the signal that the command stops on, such as TERM, INT or QUIT",
    ),
    Setting(
        name="signal-map",
        group="workload",
        parse=parsers.signal_map,
        default={},
        help="Signals that reach the command as others; none drops one.",
        limits="KILL, STOP and CHLD cannot be mapped.",
        default_text="every signal as itself",
        metavar="FROM=TO,...",
        fix="write pairs such as HUP=USR1,WINCH=none",
    ),
    Setting(
        name="termination-log",
        group="workload",
        parse=parsers.path,
        default="auto",
        help="Where the identity is written as proof of this container's end.",
        limits="auto: /dev/termination-log where the kubelet put one; off: nowhere; or "
        "a path.",
        default_text="auto",
        metavar="auto|off|FILE",
        fix="use auto, off or the container's terminationMessagePath",
    ),
)

_CLUSTER = (
    Setting(
        name="events",
        group="cluster",
        parse=parsers.boolean,
        default=True,
        help="Write Kubernetes Events on the Lease, and on the Pod where it is known.",
        limits="Needs create on events. Without that right: one warning, nothing else.",
        default_text="true",
        metavar="BOOL",
        fix="write true or false",
    ),
    Setting(
        name="pod-label",
        group="cluster",
        parse=parsers.boolean,
        default=True,
        help="Keep k8s-leader.io/role: leader|standby on the own Pod, and what makes "
        "it a candidate that others can list.",
        limits="Needs POD_NAME, POD_NAMESPACE and POD_UID (downward API) and patch on "
        "pods; does nothing without the variables. An orderly stop waits up to 50ms "
        "for the label to go.",
        default_text="true",
        metavar="BOOL",
        fix="write true or false",
    ),
    Setting(
        name="pod-deletion-cost",
        group="cluster",
        parse=parsers.deletion_cost,
        default=1000,
        help="The controller.kubernetes.io/pod-deletion-cost of the leader's Pod, so "
        "that a rollout or a scale-down takes standbys first.",
        limits="0 to 2147483647; 0: leave the annotation alone. Needs what --pod-label "
        "needs.",
        default_text="1000",
        metavar="COST",
        fix="write a whole number, or 0 to leave the annotation alone",
    ),
    Setting(
        name="lease-notes",
        group="cluster",
        parse=parsers.boolean,
        default=True,
        help="Annotate the Lease for people: the holder's Pod, node and version, the "
        "last change and a short history.",
        limits="Costs no request: they are part of the leader's renewals.",
        default_text="true",
        metavar="BOOL",
        fix="write true or false",
    ),
)

_HTTP = (
    Setting(
        name="http",
        group="http",
        parse=http_address,
        default="auto",
        help="Where probes, status, events and metrics are served (docs/http.md).",
        limits=f"auto: :{DEFAULT_PORT} inside a cluster, else off. :PORT is all "
        "addresses, IPv6 and IPv4; port 0 is any free one. A port in use is an error.",
        default_text="auto",
        metavar="auto|off|[ADDRESS]:PORT",
        fix=f"use a numeric address and a port, such as :{DEFAULT_PORT}, or off",
    ),
)

_OUTPUT = (
    Setting(
        name="log-format",
        group="output",
        parse=parsers.choice("text", "json"),
        default="text",
        help="The format of our own log, on stderr.",
        limits="The command's output is never touched.",
        default_text="text",
        metavar="FORMAT",
        fix="use text or json",
        aliases=("--logging-format",),
    ),
    Setting(
        name="log-level",
        group="output",
        parse=parsers.choice("debug", "info", "warning", "error"),
        default="info",
        help="How much is logged: info is one line per change of state.",
        limits="debug shows each renewal.",
        default_text="info",
        metavar="LEVEL",
        fix="use debug, info, warning or error",
    ),
)

SETTINGS: tuple[Setting, ...] = (
    *_ELECTION,
    *_KUBERNETES,
    *_TIMING,
    *_WORKLOAD,
    *COMPANIONS,
    *_CLUSTER,
    *_HTTP,
    *_OUTPUT,
)
"""Every setting, in the order in which it is shown."""

BY_NAME = {setting.name: setting for setting in SETTINGS}
"""The same by name."""
