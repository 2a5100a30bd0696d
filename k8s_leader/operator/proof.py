"""
The proof that the holder of a Lease is dead (rule S18). Pure.

Somebody else may release a lease only if the holder's whole tree of processes is
certain to be gone. The chain, and every link must hold:

1. The record is one of ours, and it says that its holder is the entrypoint with a
   termination log: its tree lives and dies with one container.
2. The Pod is the one that the record names, and shares no PID namespace: when the
   first process of its container ends, the kernel has ended all others.
3. The kubelet reports that a container of that Pod terminated, and what the guard
   wrote into that container's termination log begins with the holder's identity.

A missing Pod, a node that is not ready, a phase, a status without a cause, a log that
something else overwrote: nothing of that is a proof, and the lease expires as usual.
Not guaranteed: truth against somebody who may write the status of Pods.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from k8s_leader.election.record import Record, TermId
from k8s_leader.errors import LeaseMalformedError
from k8s_leader.leases.kubernetes import parse
from k8s_leader.observers.cluster.names import ENTRYPOINT, POD

__all__ = ["Proof", "Refusal", "proof"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """
    The holder is dead.

    Attributes:
        term: the term it held, and no other.
        pod: ``namespace/name`` of its Pod.
        pod_uid: of that very Pod.
        container: name of the container that terminated.
        reason: why, in the kubelet's word (``Error``, ``OOMKilled``).
    """

    term: TermId
    pod: str
    pod_uid: str
    container: str
    reason: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """
    There is no proof.

    Attributes:
        reason: the first link that does not hold, for people.
    """

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """
    A container whose termination log names the holder.
    """

    name: str
    reason: str


def proof(pod: Mapping[str, Any], lease: Mapping[str, Any]) -> Proof | Refusal:
    """
    Tell whether a Pod's status proves that the holder of a Lease is dead.

    Args:
        pod: the Pod, as the API server returned it; may be odd in any way.
        lease: the Lease, likewise.
    """
    try:
        stored = parse(lease)
    except LeaseMalformedError:
        return Refusal("it is no Lease")
    record, notes = stored.record, _mapping(lease, "metadata", "annotations")
    metadata, spec = _mapping(pod, "metadata"), _mapping(pod, "spec")
    name = f"{metadata.get('namespace')}/{metadata.get('name')}"
    doubt = _doubt_in_record(record, notes) or _doubt_in_pod(metadata, spec)
    if doubt is None and notes.get(POD) != name:
        doubt = f"the Lease does not name the Pod {name}"
    if doubt is not None:
        return Refusal(doubt)
    ended = _ended(pod, record.holder)
    if isinstance(ended, Refusal):
        return ended
    return Proof(
        term=TermId(
            identity=record.holder,
            uid=stored.uid,
            acquire_time=record.acquire_time or "",
            transitions=record.transitions,
        ),
        pod=name,
        pod_uid=str(metadata["uid"]),
        container=ended.name,
        reason=ended.reason,
    )


def _doubt_in_record(record: Record, notes: Mapping[str, Any]) -> str | None:
    if record.is_free:
        return "nobody holds the Lease"
    if record.strategy is not None:
        return "a coordinator elects, not the candidates"
    if (record.our_holder, record.our_transitions) != (
        record.holder,
        record.transitions,
    ):
        return "the holder is not one of ours"
    if notes.get(ENTRYPOINT) != record.holder:
        return "the holder is no entrypoint with a termination log"
    return None


def _doubt_in_pod(metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> str | None:
    if not _text(metadata.get("uid")):
        return "the Pod has no uid"
    if not isinstance(spec.get("containers"), list):
        return "the Pod has no containers"
    for sharing in ("shareProcessNamespace", "hostPID"):
        if spec.get(sharing) not in (None, False):
            return f"the Pod has {sharing}: its processes may outlive the container"
    return None


def _ended(pod: Mapping[str, Any], identity: str) -> _Ended | Refusal:
    """
    Find the one container that terminated with this identity in its log.
    """
    found = []
    for status in _items(_mapping(pod, "status").get("containerStatuses")):
        for terminated in _terminations(status):
            message = _text(terminated.get("message"))
            if message.split("\n", 1)[0] == identity:
                found.append((_text(status.get("name")), terminated))
    if len(found) != 1:
        return Refusal(f"{len(found)} containers terminated with the holder's identity")
    name, terminated = found[0]
    reason = _text(terminated.get("reason"))
    if not reason or "unknown" in reason.lower():
        return Refusal(f"container {name} terminated for the reason {reason!r}")
    if not _text(terminated.get("containerID")):
        return Refusal(f"the status of container {name} names no container")
    return _doubt_in_message(pod, name) or _Ended(name=name, reason=reason)


def _doubt_in_message(pod: Mapping[str, Any], name: str) -> Refusal | None:
    """
    Make sure that the message is the termination log, not the container's output.

    Any container may print the identity of another one.
    """
    specs = [
        spec
        for spec in _items(_mapping(pod, "spec").get("containers"))
        if spec.get("name") == name
    ]
    if len(specs) != 1:
        return Refusal(f"the Pod has {len(specs)} containers named {name!r}")
    if specs[0].get("terminationMessagePolicy") not in (None, "File"):
        return Refusal(
            f"container {name} has another terminationMessagePolicy than File"
        )
    return None


def _terminations(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """
    Yield how this container terminated now, and how it did before its last restart.

    A state that is two at once is none.
    """
    for when in ("state", "lastState"):
        state = {k: v for k, v in _mapping(status, when).items() if v is not None}
        if set(state) == {"terminated"}:
            yield _mapping(state, "terminated")


def _mapping(whole: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    for name in path:
        part = whole.get(name)
        whole = part if isinstance(part, Mapping) else {}
    return whole


def _items(value: object) -> list[Mapping[str, Any]]:
    found = value if isinstance(value, list) else []
    return [item for item in found if isinstance(item, Mapping)]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
