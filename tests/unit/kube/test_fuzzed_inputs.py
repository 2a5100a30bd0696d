"""
Whatever a Lease, a kubeconfig or a client holds: an answer or a clear error, no crash.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from k8s_leader.errors import LeaseMalformedError, SettingsError
from k8s_leader.kube import KubeSettings
from k8s_leader.kube.kubeconfig import find
from k8s_leader.leases.kubernetes import parse, spell

_FIELDS = (
    *("holderIdentity", "leaseDurationSeconds", "acquireTime", "renewTime"),
    *("leaseTransitions", "strategy", "preferredHolder", "somethingNew"),
)
_NOTES = (
    *("holder", "lease-duration", "transitions", "released-by", "fencing-token"),
    *("paused", "step-down", "switchover", "something-new"),
)
_TIMES = (
    *("2025-06-15T15:06:40.000000Z", "2025-06-15T15:06:40Z", "0001-01-01T00:00:00Z"),
    *("9999-12-31T23:59:59.999999+14:00", "2025-06-15", "24:61", "-1"),
)
_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(_TIMES),
    st.sampled_from(["1e400", "9" * 5000, "١٢", "true", "7/x"]),
)
_json = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
_notes = st.dictionaries(
    st.sampled_from([f"k8s-leader.io/{name}" for name in _NOTES]), _json
)
_bodies = st.fixed_dictionaries(
    {
        "metadata": _json
        | st.fixed_dictionaries(
            {"name": _json, "uid": _json, "resourceVersion": _json},
            optional={"annotations": _json | _notes, "labels": _json},
        ),
        "spec": _json | st.dictionaries(st.sampled_from(_FIELDS), _json),
    }
)


@given(_bodies)
@hypothesis_settings(max_examples=400)
def test_no_lease_object_does_more_than_be_read_or_be_malformed(
    body: dict[str, Any],
) -> None:
    try:
        stored = parse(body)
    except LeaseMalformedError:
        return
    record = stored.record
    assert isinstance(record.holder, str)
    assert record.duration is None or 0 < record.duration < 2**31
    assert 0 <= record.transitions < 2**31
    assert record.token is None or 0 <= record.token < 2**63
    written = spell(body, record)
    assert 1 <= written["spec"]["leaseDurationSeconds"] < 2**31
    before = body["spec"] if isinstance(body["spec"], dict) else {}
    if "somethingNew" in before:
        assert written["spec"]["somethingNew"] is before["somethingNew"]


_SECRET = "hunter2"  # what must not be shown
_entries = st.lists(
    st.fixed_dictionaries(
        {"name": _json | st.just("x")},
        optional={
            "cluster": _json,
            "context": _json
            | st.fixed_dictionaries({"cluster": st.just("x"), "user": st.just("x")}),
            "user": _json | st.just({"token": _SECRET}),
        },
    ),
    max_size=2,
)
_configs = st.dictionaries(
    st.sampled_from(["clusters", "contexts", "users", "current-context", "kind"]),
    _json | _entries | st.just("x"),
)


@given(st.binary(max_size=60) | _configs.map(lambda each: json.dumps(each).encode()))
@hypothesis_settings(
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_kubeconfig_does_more_than_be_read_or_be_a_clear_error(
    tmp_path: Any, content: bytes
) -> None:
    path = tmp_path / "config"
    path.write_bytes(content)
    wanted = KubeSettings(kubeconfig=str(path))
    try:
        selection = find(wanted, environ={}).select(wanted)
    except SettingsError as error:
        assert _SECRET not in str(error)
        assert "\n" not in str(error)
    else:
        assert _SECRET not in repr(selection)
