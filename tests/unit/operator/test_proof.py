"""
What proves that a leader is dead, and everything near it that does not (rule S18).
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s_leader.election.record import TermId
from k8s_leader.operator.proof import Proof, Refusal, proof
from tests.unit.operator.objects import HOLDER, RUNNING, lease, pod, terminated

Change = Callable[[dict[str, Any]], Any]


def refused(pod_: dict[str, Any], lease_: dict[str, Any], because: str) -> None:
    verdict = proof(pod_, lease_)
    assert isinstance(verdict, Refusal)
    assert because in verdict.reason


@pytest.mark.parametrize(
    "dead",
    [
        pod(),
        pod(RUNNING, last=terminated()),
        pod({"waiting": {"reason": "CrashLoopBackOff"}}, last=terminated()),
        pod(terminated(f"{HOLDER}\nexit 1\n")),
        pod(terminated(HOLDER)),
        pod(terminated(reason="OOMKilled")),
        pod({**terminated(), "running": None, "waiting": None}),
    ],
)
def test_a_container_that_terminated_with_the_holder_in_its_log_is_a_proof(
    dead: dict[str, Any],
) -> None:
    verdict = proof(dead, lease())
    assert isinstance(verdict, Proof)
    assert verdict.term == TermId(
        identity=HOLDER,
        uid="lease-uid",
        acquire_time="2026-01-02T03:04:05.000006Z",
        transitions=3,
    )
    assert (verdict.pod, verdict.pod_uid) == ("shop/web-0", "pod-uid")
    assert verdict.container == "main"


@pytest.mark.parametrize(
    ("state", "because"),
    [
        (RUNNING, "0 containers"),
        ({"waiting": {"reason": "ContainerCreating"}}, "0 containers"),
        ({**terminated(), **RUNNING}, "0 containers"),  # two states at once
        (terminated(""), "0 containers"),
        (terminated("the workload wrote this\n" + HOLDER), "0 containers"),
        (terminated(HOLDER[:-1]), "0 containers"),  # cut by the kubelet
        (terminated(HOLDER + "x"), "0 containers"),
        (terminated(f" {HOLDER}"), "0 containers"),
        (terminated(f"{HOLDER}\r\n"), "0 containers"),
        (terminated(HOLDER.upper()), "0 containers"),
        (terminated(reason="Unknown"), "reason 'Unknown'"),
        (terminated(reason="ContainerStatusUnknown"), "StatusUnknown"),
        (terminated(reason=""), "reason ''"),
        (terminated(reason=None), "reason ''"),
        (terminated(containerID=""), "names no container"),
        (terminated(containerID=None), "names no container"),
        (terminated(message=None), "0 containers"),
    ],
)
def test_another_state_of_the_container_is_no_proof(
    state: dict[str, Any], because: str
) -> None:
    refused(pod(state), lease(), because)


def test_the_end_of_an_earlier_container_says_nothing_of_the_one_that_runs() -> None:
    earlier = terminated("web-0_another\n")
    refused(pod(RUNNING, last=earlier), lease(), "0 containers")


@pytest.mark.parametrize("sharing", ["shareProcessNamespace", "hostPID"])
@pytest.mark.parametrize("value", [True, "true", 1, {}])
def test_a_shared_process_namespace_is_no_proof(sharing: str, value: object) -> None:
    shared = pod()
    shared["spec"][sharing] = value
    refused(shared, lease(), sharing)
    shared["spec"][sharing] = False
    assert isinstance(proof(shared, lease()), Proof)


def test_what_containers_print_is_no_proof() -> None:
    printed = pod()
    printed["spec"]["containers"][0]["terminationMessagePolicy"] = (
        "FallbackToLogsOnError"
    )
    refused(printed, lease(), "terminationMessagePolicy")


@pytest.mark.parametrize("uid", [None, "", 7])
def test_a_pod_without_a_uid_is_no_proof(uid: object) -> None:
    nameless = pod()
    nameless["metadata"]["uid"] = uid
    refused(nameless, lease(), "no uid")


@pytest.mark.parametrize(
    "where", ["initContainerStatuses", "ephemeralContainerStatuses"]
)
def test_a_sidecar_s_end_is_no_proof(where: str) -> None:
    sidecar = pod()
    sidecar["status"][where] = sidecar["status"].pop("containerStatuses")
    refused(sidecar, lease(), "0 containers")


def test_two_containers_with_one_identity_are_no_proof() -> None:
    twins = pod()
    twins["spec"]["containers"].append({"name": "other"})
    twins["status"]["containerStatuses"].append(
        {"name": "other", "state": terminated()}
    )
    refused(twins, lease(), "2 containers")


@pytest.mark.parametrize(
    "containers", [[], [{"name": "other"}], [{"name": "main"}] * 2]
)
def test_a_status_of_a_container_that_the_pod_does_not_have_is_no_proof(
    containers: list[dict[str, Any]],
) -> None:
    odd = pod()
    odd["spec"]["containers"] = containers
    refused(odd, lease(), "containers named 'main'")


def test_the_phase_and_conditions_of_a_pod_are_no_proof() -> None:
    collected = pod(RUNNING)
    collected["status"] |= {
        "phase": "Failed",
        "reason": "NodeLost",
        "message": HOLDER,
        "conditions": [{"type": "DisruptionTarget", "status": "True"}],
    }
    refused(collected, lease(), "0 containers")


@pytest.mark.parametrize(
    ("notes", "because"),
    [
        ({"entrypoint": None}, "no entrypoint"),  # in-process, or without a log
        ({"entrypoint": "web-0_another"}, "no entrypoint"),  # of an earlier holder
        ({"holder": None}, "not one of ours"),
        ({"holder": "web-0_another"}, "not one of ours"),
        ({"transitions": None}, "not one of ours"),
        ({"transitions": "2"}, "not one of ours"),
        ({"pod": None}, "does not name the Pod"),
        ({"pod": "shop/web-1"}, "does not name the Pod"),
        ({"pod": "web-0"}, "does not name the Pod"),
    ],
)
def test_a_lease_that_says_otherwise_is_no_proof(
    notes: dict[str, str | None], because: str
) -> None:
    refused(pod(), lease(**notes), because)


@pytest.mark.parametrize(
    ("spec", "because"),
    [
        ({"holderIdentity": ""}, "nobody holds"),
        ({"holderIdentity": None}, "nobody holds"),
        ({"holderIdentity": "web-1_another"}, "not one of ours"),
        ({"leaseTransitions": 4}, "not one of ours"),
        ({"strategy": "OldestEmulationVersion"}, "coordinator"),
    ],
)
def test_another_holder_is_not_proved_dead(spec: dict[str, Any], because: str) -> None:
    moved = lease()
    moved["spec"] |= spec
    refused(pod(), moved, because)


# -- odd objects ------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just(HOLDER),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(pod_=st.dictionaries(st.text(), JSON), lease_=st.dictionaries(st.text(), JSON))
def test_an_object_that_is_anything_at_all_is_no_proof(
    pod_: dict[str, Any], lease_: dict[str, Any]
) -> None:
    assert isinstance(proof(pod_, lease()), Refusal)
    assert isinstance(proof(pod(), lease_), Refusal)


@given(seed=st.integers(0, 10_000), odd=JSON, of_pod=st.booleans())
def test_one_odd_value_anywhere_proves_nothing_that_it_does_not_say(
    seed: int, odd: object, of_pod: bool
) -> None:
    """
    Whatever one value becomes: a proof still holds each link, read naively.
    """
    bodies = [pod(), lease()]
    changed = bodies[0 if of_pod else 1]
    parent, key = random.Random(seed).choice(list(_places(changed)))
    parent[key] = copy.deepcopy(odd)
    verdict = proof(*bodies)
    if isinstance(verdict, Proof):
        dead, held = bodies
        ended = dead["status"]["containerStatuses"][0]["state"]["terminated"]
        assert ended["message"].split("\n")[0] == held["spec"]["holderIdentity"]
        assert "unknown" not in ended["reason"].lower()
        assert held["metadata"]["annotations"]["k8s-leader.io/entrypoint"] == HOLDER
        assert verdict.term.identity == HOLDER
        assert verdict.pod_uid == dead["metadata"]["uid"]


def _places(value: Any) -> Any:
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(pairs):
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)
