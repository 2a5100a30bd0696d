from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s_leader.errors import SettingsError
from k8s_leader.settings import LeaseName, check_sqlite_path, in_cluster, lease_name
from k8s_leader.settings.names import identity_prefix, namespace_name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("reports", LeaseName(store="kubernetes", name="reports")),
        ("a.b-c", LeaseName(store="kubernetes", name="a.b-c")),
        ("ns/x", LeaseName(store="kubernetes", name="x", namespace="ns")),
        ("sqlite:/run/x.db", LeaseName(store="sqlite", name="/run/x.db")),
        ("sqlite:x", LeaseName(store="sqlite", name="x")),
        ("memory:", LeaseName(store="memory", name="default")),
        ("memory:jobs", LeaseName(store="memory", name="jobs")),
        ("x" * 253, LeaseName(store="kubernetes", name="x" * 253)),
    ],
)
def test_a_lease_names_its_store(text: str, expected: LeaseName) -> None:
    assert lease_name(text) == expected


@pytest.mark.parametrize("text", ["reports", "ns/x", "sqlite:/run/x.db", "memory:jobs"])
def test_a_lease_is_shown_as_it_was_written(text: str) -> None:
    assert str(lease_name(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Reports",
        "a_b",
        "-a",
        "a-",
        ".a",
        "a..b",
        "a/b/c",
        "a/",
        "/a",
        "a b",
        "é",
        "x\n",
        "x" * 254,
        "n" * 64 + "/x",
        "sqlite:",
        "sqlite:/tmp/",
        "sqlite:a\0b",
        "redis:x",
        "memory:a b",
        "tcp://10.0.0.1:80",
    ],
)
def test_a_lease_that_cannot_exist_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="RFC 1123|sqlite:PATH|printable"):
        lease_name(text)


@given(st.text(max_size=300))
def test_any_text_is_a_name_that_is_read_back_or_refused(text: str) -> None:
    try:
        found = lease_name(text)
    except ValueError:
        return
    assert lease_name(str(found)) == found


@pytest.mark.parametrize("text", ["", "A", "a.b", "a" * 64, "-a", "a\n"])
def test_a_namespace_is_a_label(text: str) -> None:
    with pytest.raises(ValueError, match="RFC 1123 label"):
        namespace_name(text)


@pytest.mark.parametrize("text", ["", "a b", "a\nb", "a\x1b[31m", "x" * 201])
def test_an_identity_that_would_spoil_a_log_line_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="printable"):
        identity_prefix(text)


def test_a_service_host_or_a_token_mount_means_in_cluster(tmp_path: Path) -> None:
    token = tmp_path / "token"
    assert not in_cluster({}, token=str(token))
    assert in_cluster({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, token=str(token))
    token.touch()
    assert in_cluster({}, token=str(token))


def test_a_new_an_empty_and_a_real_sqlite_file_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "lease.db"
    check_sqlite_path(str(path))
    path.touch()
    check_sqlite_path(str(path))
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE t (x)")
    check_sqlite_path(str(path))


def test_a_file_that_is_not_sqlite_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("precious")
    with pytest.raises(SettingsError, match="a SQLite file"):
        check_sqlite_path(str(path))
    assert path.read_text() == "precious"


def test_a_directory_is_no_sqlite_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="a regular file"):
        check_sqlite_path(str(tmp_path))


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="make .*/nowhere first"):
        check_sqlite_path(str(tmp_path / "nowhere" / "x.db"))


def test_a_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="can be opened"):
        check_sqlite_path(str(tmp_path / ("x" * 300)))


@pytest.mark.parametrize("denied", ["folder", "file"])
def test_what_this_user_cannot_write_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, denied: str
) -> None:
    # Root may write everywhere, so the answer of the system is given here.
    path = tmp_path / "lease.db"
    path.touch()
    refused = str(tmp_path if denied == "folder" else path)
    monkeypatch.setattr(os, "access", lambda asked, _mode: asked != refused)
    with pytest.raises(SettingsError, match="writable"):
        check_sqlite_path(str(path), setting="--lease")
