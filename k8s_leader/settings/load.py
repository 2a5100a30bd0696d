"""
Settings as one frozen tree, and how it is put together.

Precedence: flags, then ``K8S_LEADER_*`` variables, then the YAML file, then defaults.
Whoever holds a :class:`Settings` holds valid ones: each value was parsed, names follow
Kubernetes' rules, and the durations satisfy the safety rules together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from k8s_leader.election.timing import PROFILES, Timing
from k8s_leader.errors import SettingsError
from k8s_leader.settings import names, sources
from k8s_leader.settings.address import DEFAULT_PORT, HttpAddress
from k8s_leader.settings.names import LeaseName
from k8s_leader.settings.sources import Written
from k8s_leader.settings.table import BY_NAME, SETTINGS, TIMING_FIELDS
from k8s_leader.values import dataclass

__all__ = [
    "Cluster",
    "Companions",
    "Election",
    "Kube",
    "Log",
    "Origin",
    "Settings",
    "Web",
    "Workload",
]

_FIELD_WORD = re.compile(r"\b(" + "|".join(TIMING_FIELDS) + r")\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Election:
    """
    What is elected; see docs/settings.md for each field.
    """

    lease: LeaseName | None
    namespace: str | None
    identity: str
    lease_create: bool
    priority: int
    wait_timeout: float | None
    disabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Kube:
    """
    How the cluster is reached.
    """

    kubeconfig: str | None
    context: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """
    What happens to the command.
    """

    on_exit: str
    once: bool
    success_exit_codes: tuple[int, ...]
    stop_signal: int
    signal_map: Mapping[int, int]
    termination_log: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Companions:
    """
    What runs beside the workload; times in seconds, commands as words.
    """

    standby_command: tuple[str, ...]
    on_started_leading: tuple[str, ...]
    on_stopped_leading: tuple[str, ...]
    hook_timeout: float
    health_exec: tuple[str, ...]
    health_http: str | None
    health_file: str | None
    health_every: float
    health_timeout: float
    health_failures: int
    unhealthy_backoff: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """
    What is written into the cluster beside the lease.
    """

    events: bool
    pod_label: bool
    pod_deletion_cost: int
    lease_notes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """
    Where HTTP is served; ``None``: nowhere.
    """

    http: HttpAddress | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """
    How we talk.
    """

    format: str
    level: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """
    Where a value came from.

    Attributes:
        source: ``flag``, ``environment``, ``file``, ``default`` or ``derived``.
        where: the flag, variable or file; empty for the last two.
    """

    source: str
    where: str = ""

    def __str__(self) -> str:
        """
        Return it as ``config show --origin`` prints it.
        """
        return f"{self.source} {self.where}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """
    All settings, valid, and where each came from.

    Attributes:
        warnings: lines for the person, about what was ignored.
        origins: by the name of the setting.
    """

    election: Election
    kube: Kube
    timing: Timing
    profile: str
    workload: Workload
    companions: Companions
    cluster: Cluster
    web: Web
    log: Log
    origins: Mapping[str, Origin]
    warnings: tuple[str, ...] = ()

    @classmethod
    def load(
        cls,
        flags: Mapping[str, Written] | None = None,
        environ: Mapping[str, str] | None = None,
        file: str | None = None,
        *,
        lease_needed: bool = True,
    ) -> Settings:
        """
        Put the sources together and check the whole.

        Args:
            flags: what the command line said, by the name of the setting.
            environ: the environment; ``None``: an empty one.
            file: of ``--config``; ``None``: of K8S_LEADER_CONFIG, or none.
            lease_needed: refuse when neither a lease nor ``--disabled`` is given.

        Raises:
            SettingsError: something is wrong; names setting, value and fix.
        """
        environ = environ or {}
        written = _merge(flags or {}, environ, file)
        values = {setting.name: _parse(setting.name, written) for setting in SETTINGS}
        _check_lease(values, written, needed=lease_needed)
        timing = _timing(values, written)
        return cls(
            election=_election(values, environ),
            kube=Kube(kubeconfig=values["kubeconfig"], context=values["context"]),
            timing=timing,
            profile=values["profile"],
            workload=_workload(values),
            companions=_companions(values),
            cluster=_cluster(values),
            web=Web(http=_http(values["http"], environ)),
            log=Log(format=values["log-format"], level=values["log-level"]),
            origins=_origins(written, values["lease"]),
            warnings=tuple(sources.unknown_variables(environ)),
        )

    def value(self, name: str) -> Any:
        """
        Return the value of a setting by its name in the table.
        """
        field = BY_NAME[name].field
        parts = (self.election, self.kube, self.timing, self.workload, self.companions)
        for part in (*parts, self.cluster, self.web, self):
            if hasattr(part, field):
                return getattr(part, field)
        return getattr(self.log, field.removeprefix("log_"))


def _merge(
    flags: Mapping[str, Written], environ: Mapping[str, str], file: str | None
) -> dict[str, Written]:
    variable = environ.get(sources.CONFIG_VARIABLE, "")
    from_file: dict[str, Written] = {}
    if file is not None:
        from_file = sources.from_file(file)
    elif variable:
        from_file = sources.from_file(variable, setting=sources.CONFIG_VARIABLE)
    return {**from_file, **sources.from_environ(environ), **flags}


def _parse(name: str, written: Mapping[str, Written]) -> Any:
    setting, found = BY_NAME[name], written.get(name)
    if found is None:
        return setting.default
    try:
        return setting.parse(found.text)
    except ValueError as exc:
        value = found.text if len(found.text) <= 80 else found.text[:77] + "..."  # noqa: PLR2004  # one line
        raise SettingsError(
            found.blame(setting.flag), value, allowed=str(exc), fix=setting.fix
        ) from None


def _check_lease(
    values: dict[str, Any], written: Mapping[str, Written], *, needed: bool
) -> None:
    lease: LeaseName | None = values["lease"]
    if lease is None:
        if needed and not values["disabled"]:
            raise SettingsError(
                "--lease",
                None,
                allowed=BY_NAME["lease"].metavar,
                fix="name the lease with --lease NAME (or K8S_LEADER_LEASE); only "
                "--disabled runs the command without an election",
            )
        return
    namespace = values["namespace"]
    if lease.namespace and namespace and lease.namespace != namespace:
        raise SettingsError(
            written["namespace"].blame("--namespace"),
            namespace,
            allowed=f"the namespace that --lease names ({lease.namespace})",
            fix="say the namespace once",
        )
    if lease.store == "sqlite":
        names.check_sqlite_path(lease.name, setting=written["lease"].blame("--lease"))


def _timing(values: dict[str, Any], written: Mapping[str, Written]) -> Timing:
    given = {field: values[field.replace("_", "-")] for field in TIMING_FIELDS}
    length = given.pop("lease_duration")
    if length is None:
        length = PROFILES[values["profile"]]
    try:
        return Timing.derive(length, **given)
    except SettingsError as exc:
        raise _translated(exc, written, {**given, "lease_duration": length}) from None


def _translated(
    error: SettingsError, written: Mapping[str, Written], values: Mapping[str, Any]
) -> SettingsError:
    """
    Name the setting that the person wrote, not the field that did not fit.
    """
    involved = [error.setting, *_FIELD_WORD.findall(error.allowed)]
    fields = [f for f in involved if f.replace("_", "-") in written] or involved
    field = fields[0]
    name = field.replace("_", "-")
    setting = BY_NAME[name]
    found = written.get(name)
    blame = found.blame(setting.flag) if found else setting.flag
    allowed, fix = _flags(error.allowed), _flags(error.fix)
    if field != error.setting:
        allowed = (
            f"what holds together with --{error.setting.replace('_', '-')}: {allowed}"
        )
    value = found.text if found else values.get(field, error.value)
    return SettingsError(blame, value, allowed=allowed, fix=fix)


def _flags(text: str) -> str:
    return _FIELD_WORD.sub(lambda match: f"--{match[0].replace('_', '-')}", text)


def _election(values: dict[str, Any], environ: Mapping[str, str]) -> Election:
    lease: LeaseName | None = values["lease"]
    return Election(
        lease=lease,
        namespace=(lease.namespace if lease else None) or values["namespace"],
        identity=values["identity"] or names.default_identity(environ),
        lease_create=values["lease-create"],
        priority=values["priority"],
        wait_timeout=values["wait-timeout"],
        disabled=values["disabled"],
    )


def _workload(values: dict[str, Any]) -> Workload:
    return Workload(
        on_exit=values["on-exit"],
        once=values["once"],
        success_exit_codes=values["success-exit-codes"],
        stop_signal=values["stop-signal"],
        signal_map=values["signal-map"],
        termination_log=None
        if values["termination-log"] == "off"
        else values["termination-log"],
    )


def _companions(values: dict[str, Any]) -> Companions:
    return Companions(
        **{
            field.name: values[field.name.replace("_", "-")]
            for field in fields(Companions)
        }
    )


def _cluster(values: dict[str, Any]) -> Cluster:
    return Cluster(
        events=values["events"],
        pod_label=values["pod-label"],
        pod_deletion_cost=values["pod-deletion-cost"],
        lease_notes=values["lease-notes"],
    )


def _http(written: HttpAddress | str, environ: Mapping[str, str]) -> HttpAddress | None:
    if isinstance(written, HttpAddress):
        return written
    here = written == "auto" and names.in_cluster(environ)
    return HttpAddress(port=DEFAULT_PORT) if here else None


def _origins(
    written: Mapping[str, Written], lease: LeaseName | None
) -> dict[str, Origin]:
    origins = {}
    for setting in SETTINGS:
        found = written.get(setting.name)
        derived = setting.field in TIMING_FIELDS or setting.name == "identity"
        origins[setting.name] = (
            Origin(source=found.source, where=found.where)
            if found
            else Origin(source="derived" if derived else "default")
        )
    if lease is not None and lease.namespace:
        origins["namespace"] = origins["lease"]
    return origins
