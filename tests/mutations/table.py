"""
The table of mutations: one change of the source, and the tests that have to fail of it.

They are for what no simulation of elections runs: the kernel's hard stop (S10), secrets
(S13), settings (S14), the operator's proof (S18), managers of users (S19), what the
guard hands to its workload, and what the simulated machines have in place of the real
clocks, process trees, guards' loops and API client.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MUTATIONS", "Mutation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """
    One planted fault.

    Attributes:
        name: the mistake.
        rule: the rule of the design that it breaks.
        file: where, below the root of the repository.
        before, after: the text that is replaced; it is there exactly once.
        tests: what has to fail.
    """

    name: str
    rule: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]


_TREE = "tests/integration/guard/test_tree.py"
_FAULTS = "tests/integration/kube/test_faults.py"
_PROOF = "tests/unit/operator/test_proof.py"
_CUSTOM = "tests/contract/test_custom_managers.py"

MUTATIONS = (
    Mutation(
        name="deadlines are counted on the wall clock",
        rule="S1",
        file="k8s_leader/clock.py",
        before="        return time.clock_gettime(_BOOTTIME)\n",
        after="        return time.time()\n",
        tests=("tests/unit/test_clock.py",),
    ),
    Mutation(
        name="the guard counts deadlines on the wall clock",
        rule="S1",
        file="k8s_leader/guard/linux.py",
        before="    return time.clock_gettime(time.CLOCK_BOOTTIME)\n",
        after="    return time.time()\n",
        tests=("tests/unit/test_clock.py",),
    ),
    Mutation(
        name="a tree counts as empty when its leader has ended",
        rule="S5",
        file="k8s_leader/guard/tree.py",
        before="all(child == self._spare() for child in children(os.getpid()))",
        after="True",
        tests=(f"{_TREE}::test_what_a_command_leaves_behind_is_killed_when_it_ends",),
    ),
    Mutation(
        name="the transport sends a request again whose connection broke",
        rule="S6",
        file="k8s_leader/kube/transport.py",
        before="middlewares=(_send_once,),",
        after="",
        tests=(
            f"{_FAULTS}::test_a_connection_that_breaks_is_an_outage_and_"
            "nothing_is_sent_twice",
        ),
    ),
    Mutation(
        name="a Lease is read from a cache that may lag",
        rule="S7",
        file="k8s_leader/kube/lease_api.py",
        before="        path = leases_path(namespace, name)\n        try:\n",
        after='        path = leases_path(namespace, name) + "?resourceVersion=0"\n'
        "        try:\n",
        tests=(f"{_FAULTS}::test_a_lease_is_read_from_the_store_and_from_no_cache",),
    ),
    Mutation(
        name="a Lease is written whatever was written since",
        rule="S7",
        file="k8s_leader/kube/lease_api.py",
        before='_EXPECTED: Final = ("uid", "resourceVersion")',
        after='_EXPECTED: Final = ("uid",)',
        tests=("tests/unit/kube/test_parts.py",),
    ),
    Mutation(
        name="a second elector is started while the first one lives",
        rule="S9",
        file="k8s_leader/guard/supervisor.py",
        before="        if self._elector.pid is not None:\n            return\n",
        after="",
        tests=("tests/unit/guard/test_supervisor.py",),
    ),
    Mutation(
        name="the kernel's timer is never set",
        rule="S10",
        file="k8s_leader/guard/linux.py",
        before="self._set(max(at, _LEAST))",
        after="self._set(0.0)",
        tests=(
            "tests/integration/library/test_hard_stop.py::"
            "test_s10_a_stopped_process_is_killed_before_the_grant_ends",
        ),
    ),
    Mutation(
        name="a PID 1 trusts a timer that cannot end it",
        rule="S10",
        file="k8s_leader/runner/hardstop.py",
        before='sys.platform == "linux" and os.getpid() != 1',
        after='sys.platform == "linux"',
        tests=("tests/unit/runner/test_hardstop.py::test_pid_1_gets_the_weaker_one",),
    ),
    Mutation(
        name="a forked child goes on with its parent's term",
        rule="S10",
        file="k8s_leader/runner/inprocess.py",
        before="        self.forked = True\n",
        after="        return\n",
        tests=("tests/integration/library/test_fork.py",),
    ),
    Mutation(
        name="a repr shows the token of a kubeconfig",
        rule="S13",
        file="k8s_leader/kube/kubeconfig.py",
        before="user: dict[str, Any] = field(repr=False)",
        after="user: dict[str, Any]",
        tests=("tests/unit/kube/test_kubeconfig.py::test_secrets_are_in_no_repr",),
    ),
    Mutation(
        name="our settings reach the workload",
        rule="S13",
        file="k8s_leader/guard/environ.py",
        before="if not is_ours and name not in",
        after="if name not in",
        tests=(
            "tests/integration/guard/test_environment.py::"
            "test_the_terms_facts_are_there_and_stale_ones_and_our_settings_are_not",
        ),
    ),
    Mutation(
        name="without a lease the command runs without an election",
        rule="S14",
        file="k8s_leader/settings/load.py",
        before='if needed and not values["disabled"]:',
        after="if False:",
        tests=(
            "tests/unit/settings/test_load.py::"
            "test_no_lease_is_an_error_that_names_both_ways_out",
        ),
    ),
    Mutation(
        name="a Pod without service links counts as a machine outside the cluster",
        rule="S14",
        file="k8s_leader/settings/names.py",
        before=" or os.path.exists(token)",
        after="",
        tests=(
            "tests/unit/settings/test_names.py::"
            "test_a_service_host_or_a_token_mount_means_in_cluster",
        ),
    ),
    Mutation(
        name="a container that ended for unknown reasons is dead",
        rule="S18",
        file="k8s_leader/operator/proof.py",
        before='if not reason or "unknown" in reason.lower():',
        after="if not reason:",
        tests=(_PROOF,),
    ),
    Mutation(
        name="a holder is dead although its processes may live in another container",
        rule="S18",
        file="k8s_leader/operator/proof.py",
        before='for sharing in ("shareProcessNamespace", "hostPID"):',
        after='for sharing in ("hostPID",):',
        tests=(_PROOF,),
    ),
    Mutation(
        name="a sidecar or an in-process leader is taken for an entrypoint",
        rule="S18",
        file="k8s_leader/operator/proof.py",
        before="if notes.get(ENTRYPOINT) != record.holder:",
        after="if False:",
        tests=(_PROOF,),
    ),
    Mutation(
        name="what a container printed is taken for its termination log",
        rule="S18",
        file="k8s_leader/operator/proof.py",
        before='specs[0].get("terminationMessagePolicy") not in (None, "File")',
        after="False",
        tests=(_PROOF,),
    ),
    Mutation(
        name="a manager that cannot tell gives a fencing token",
        rule="S19",
        file="k8s_leader/leases/custom.py",
        before="Held(token=None)",
        after="Held(token=1)",
        tests=(f"{_CUSTOM}::test_only_the_holder_releases",),
    ),
    Mutation(
        name="a True that comes after its time is kept",
        rule="S19",
        file="k8s_leader/leases/custom.py",
        before="            task.add_done_callback(self._give_back)\n",
        after="",
        tests=(f"{_CUSTOM}::test_s6_a_true_that_comes_too_late_is_released_again",),
    ),
    Mutation(
        name="anything true is taken for True",
        rule="S19",
        file="k8s_leader/leases/custom.py",
        before="if not isinstance(answer, bool):",
        after="if False:",
        tests=(f"{_CUSTOM}::test_what_is_no_bool_is_not_known",),
    ),
)
"""All of them; every rule that the simulation cannot see has at least one."""
