"""
What the API server does with Leases, without the network: the fake's memory.

Kept faithful by running the same tests against the fake and the real API server.
"""

from __future__ import annotations

import copy
import datetime
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

GROUP = "coordination.k8s.io"
_MICRO_TIME = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)", re.ASCII
)
_LAYOUT = "2006-01-02T15:04:05.000000Z07:00"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_INT32 = 2**31
_KEPT = ("uid", "creationTimestamp")

Lease = dict[str, Any]


class StatusError(Exception):
    """
    An error answer of the API server.
    """

    def __init__(
        self, code: int, reason: str, message: str, details: Lease | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            **({"details": details} if details else {}),
            "code": code,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """
    One entry of the history that watches are served from.
    """

    version: int
    kind: str
    namespace: str
    lease: Lease


@dataclass(slots=True)
class Store:
    """
    Leases with one global resourceVersion counter, as in etcd.
    """

    version: int = 100
    compacted: int = 0
    leases: dict[tuple[str, str], Lease] = field(default_factory=dict)
    history: list[Change] = field(default_factory=list)
    missing_namespaces: set[str] = field(default_factory=set)
    on_change: Callable[[Change], None] = field(default=lambda _: None)

    def get(self, namespace: str, name: str) -> Lease:
        try:
            return copy.deepcopy(self.leases[namespace, name])
        except KeyError:
            raise _not_found(name) from None

    def list(self, namespace: str, name: str | None) -> list[Lease]:
        return [
            copy.deepcopy(lease)
            for (where, called), lease in sorted(self.leases.items())
            if where == namespace and name in {None, called}
        ]

    def create(self, namespace: str, body: Lease) -> Lease:
        lease = _decoded(body)
        metadata = lease["metadata"]
        if metadata.get("resourceVersion"):
            message = "resourceVersion should not be set on objects to be created"
            raise StatusError(500, "InternalError", message)
        if namespace in self.missing_namespaces:
            raise _not_found(namespace, kind="namespaces", group="")
        name = metadata.get("name") or ""
        _validate(lease, name)
        if (namespace, name) in self.leases:
            message = f'leases.{GROUP} "{name}" already exists'
            raise StatusError(409, "AlreadyExists", message, _details(name))
        now = datetime.datetime.now(datetime.UTC)
        metadata["uid"] = str(uuid.uuid4())
        metadata["creationTimestamp"] = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        return self._store("ADDED", namespace, lease)

    def replace(self, namespace: str, name: str, body: Lease) -> Lease:
        lease = _decoded(body)
        metadata = lease["metadata"]
        if metadata.setdefault("name", name) != name:
            message = (
                f"the name of the object ({metadata['name']}) does not match "
                f"the name on the URL ({name})"
            )
            raise StatusError(400, "BadRequest", message)
        if not metadata.get("resourceVersion"):
            message = (
                f'leases.{GROUP} "{name}" is invalid: metadata.resourceVersion: '
                "Invalid value: 0: must be specified for an update"
            )
            raise StatusError(422, "Invalid", message, _details(name))
        present = self.leases.get((namespace, name))
        _check_uid(lease, present)
        if present is None:
            # Leases are created by PUT too, unless the uid says which one was meant.
            del metadata["resourceVersion"]
            return self.create(namespace, lease)
        if metadata["resourceVersion"] != present["metadata"]["resourceVersion"]:
            raise _conflict(name, _MODIFIED)
        _validate(lease, name)
        for key in _KEPT:
            metadata[key] = present["metadata"][key]
        if lease == present:
            return copy.deepcopy(present)  # no change, no new version
        return self._store("MODIFIED", namespace, lease)

    def delete(self, namespace: str, name: str) -> Lease:
        lease = self.get(namespace, name)
        del self.leases[namespace, name]
        self.version += 1
        lease["metadata"]["resourceVersion"] = str(self.version)
        self._record("DELETED", namespace, lease)
        details = _details(name) | {"uid": lease["metadata"]["uid"]}
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": details,
        }

    def _store(self, kind: str, namespace: str, lease: Lease) -> Lease:
        self.version += 1
        lease["metadata"]["namespace"] = namespace
        lease["metadata"]["resourceVersion"] = str(self.version)
        self.leases[namespace, lease["metadata"]["name"]] = lease
        self._record(kind, namespace, lease)
        return copy.deepcopy(lease)

    def _record(self, kind: str, namespace: str, lease: Lease) -> None:
        change = Change(
            version=self.version,
            kind=kind,
            namespace=namespace,
            lease=copy.deepcopy(lease),
        )
        self.history.append(change)
        self.on_change(change)


_MODIFIED = (
    "the object has been modified; please apply your changes to the latest version "
    "and try again"
)


def _details(name: str, kind: str = "leases", group: str = GROUP) -> Lease:
    return {"name": name, **({"group": group} if group else {}), "kind": kind}


def _not_found(name: str, kind: str = "leases", group: str = GROUP) -> StatusError:
    resource = f"{kind}.{group}" if group else kind
    message = f'{resource} "{name}" not found'
    return StatusError(404, "NotFound", message, _details(name, kind, group))


def _conflict(name: str, why: str) -> StatusError:
    message = f'Operation cannot be fulfilled on leases.{GROUP} "{name}": {why}'
    return StatusError(409, "Conflict", message, _details(name))


def _invalid(name: str, key: str, value: object, why: str) -> StatusError:
    shown = str(value) if isinstance(value, int) else f'"{value}"'
    message = f'Lease.{GROUP} "{name}" is invalid: {key}: Invalid value: {shown}: {why}'
    return StatusError(422, "Invalid", message, _details(name, "Lease"))


def _check_uid(lease: Lease, present: Lease | None) -> None:
    wanted = lease["metadata"].get("uid")
    found = present["metadata"]["uid"] if present else ""
    if wanted and wanted != found:
        why = (
            "StorageError: invalid object, Code: 4, AdditionalErrorMsg: Precondition "
            f"failed: UID in precondition: {wanted}, UID in object meta: {found}"
        )
        raise _conflict(lease["metadata"]["name"], why)


def _undecodable(why: str) -> StatusError:
    message = f'Lease in version "v1" cannot be handled as a Lease: {why}'
    return StatusError(400, "BadRequest", message)


def _decoded(body: object) -> Lease:
    """
    Check types as the decoder of the API server does, which answers 400.
    """
    if not isinstance(body, dict):
        raise _undecodable("json: cannot unmarshal into Go value of type v1.Lease")
    lease = copy.deepcopy(body)
    if lease.get("kind", "Lease") != "Lease":
        message = (
            f'{lease["kind"]} in version "v1" cannot be handled as a Lease: no kind '
            f'"{lease["kind"]}" is registered'
        )
        raise StatusError(400, "BadRequest", message)
    lease["apiVersion"], lease["kind"] = f"{GROUP}/v1", "Lease"
    lease["metadata"] = dict(lease.get("metadata") or {})
    spec = {k: v for k, v in (lease.get("spec") or {}).items() if v is not None}
    for key in ("leaseDurationSeconds", "leaseTransitions"):
        _check_int(key, spec.get(key, 0))
    for key in ("holderIdentity", "strategy", "preferredHolder"):
        if not isinstance(spec.get(key, ""), str):
            raise _undecodable(_type_error(key, spec[key], "string"))
    for key in ("acquireTime", "renewTime"):
        if key in spec:
            spec[key] = _micro_time(spec[key])
    lease["spec"] = spec
    return lease


def _check_int(key: str, value: object) -> None:
    good = isinstance(value, int) and not isinstance(value, bool)
    if not good or not -_INT32 <= value < _INT32:  # type: ignore[operator]  # good
        raise _undecodable(_type_error(key, value, "int32"))


def _type_error(key: str, value: object, kind: str) -> str:
    found = "string" if isinstance(value, str) else f"number {value}"
    return (
        f"json: cannot unmarshal {found} into Go struct field "
        f"LeaseSpec.spec.{key} of type {kind}"
    )


def _micro_time(value: object) -> str:
    if not isinstance(value, str) or not _MICRO_TIME.fullmatch(value):
        raise _undecodable(f'parsing time "{value}" as "{_LAYOUT}": cannot parse')
    try:
        at = datetime.datetime.fromisoformat(value).astimezone(datetime.UTC)
    except ValueError:
        raise _undecodable(f'parsing time "{value}": out of range') from None
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _validate(lease: Lease, name: str) -> None:
    """
    Check values as the validation of the API server does, which answers 422.

    ``strategy`` and ``preferredHolder`` are kept, as with the feature gate
    CoordinatedLeaderElection switched on; without it the API server drops them.
    """
    if not name:
        why = "metadata.name: Required value: name or generateName is required"
        message = f'Lease.{GROUP} "" is invalid: {why}'
        raise StatusError(422, "Invalid", message, _details(name, "Lease"))
    if not _NAME.fullmatch(name) or len(name) > 253:
        raise _invalid(name, "metadata.name", name, "a lowercase RFC 1123 subdomain")
    spec = lease["spec"]
    duration = spec.get("leaseDurationSeconds")
    if duration is not None and duration <= 0:
        raise _invalid(
            name, "spec.leaseDurationSeconds", duration, "must be greater than 0"
        )
    transitions = spec.get("leaseTransitions")
    if transitions is not None and transitions < 0:
        why = "must be greater than or equal to 0"
        raise _invalid(name, "spec.leaseTransitions", transitions, why)
