"""
Finding and ending processes where `/proc` and the kernel say no.
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from k8s_leader.guard import cgroup, descent, linux, tree
from k8s_leader.guard.environ import given_environ

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def made_tree() -> tree.Tree:
    return tree.Tree(spare=lambda: None)


@pytest.fixture
def sleeper() -> Iterator[int]:
    with subprocess.Popen(["sleep", "1000"], env={}) as child:
        yield child.pid
        child.kill()


def test_a_kernel_without_the_list_of_children_is_asked_for_all_parents(
    monkeypatch: pytest.MonkeyPatch, sleeper: int
) -> None:
    def no_list(path: str) -> list[str]:
        if path.endswith("/task"):
            raise FileNotFoundError(path)
        return listdir(path)

    listdir = os.listdir
    monkeypatch.setattr(os, "listdir", no_list)
    assert sleeper in descent.children(os.getpid())
    assert descent.children(2**22 + 1) == []


def test_children_that_may_not_be_listed_are_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def denied(_path: str) -> list[str]:
        raise PermissionError

    monkeypatch.setattr(os, "listdir", denied)
    assert descent.children(1) == []


def test_descendants_are_found_but_those_that_are_spared(sleeper: int) -> None:
    assert sleeper in list(descent.below(os.getpid()))
    assert sleeper not in list(descent.below(os.getpid(), spare=(sleeper,)))


def test_who_is_found_is_stopped_before_its_children_are_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    One that forks away after the look and before the signal is missed, each time.
    """
    done: list[str] = []

    def children(pid: int) -> list[int]:
        done.append(f"look at {pid}")
        return {os.getpid(): [2], 2: [3]}.get(pid, [])

    monkeypatch.setattr(descent, "children", children)
    monkeypatch.setattr(tree, "send", lambda pid, _: done.append(f"stop {pid}"))
    made_tree().freeze()
    assert done[1:5] == ["stop 2", "look at 2", "stop 3", "look at 3"]


def test_one_that_ended_during_a_look_may_have_left_a_child_to_be_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = iter([[2], [], [3], [3]])
    stopped: list[int] = []
    monkeypatch.setattr(tree, "below", lambda *_, **__: next(looks))
    monkeypatch.setattr(tree, "send", lambda pid, _: stopped.append(pid))
    made_tree().freeze()
    assert stopped == [2, 3]


def test_orphans_that_have_ended_are_reaped_and_hide_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended = [os.posix_spawn("/bin/true", ["true"], {}) for _ in range(3)]
    for pid in ended:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    leader, elector, orphan = ended
    ours = os.getpid()
    monkeypatch.setattr(
        descent, "children", lambda pid: list(ended) if pid == ours else []
    )
    forest = tree.Tree(spare=lambda: elector)
    forest.leader = leader
    assert forest.members() == [leader]
    with pytest.raises(ChildProcessError):
        os.waitpid(orphan, os.WNOHANG)
    for pid in (leader, elector):  # how they ended is news
        assert os.waitpid(pid, os.WNOHANG)[0] == pid


def test_a_state_is_a_letter_and_nothing_once_it_is_gone(sleeper: int) -> None:
    os.kill(sleeper, signal.SIGKILL)
    os.waitid(os.P_PID, sleeper, os.WEXITED | os.WNOWAIT)
    assert descent.state(sleeper) == "Z"
    assert descent.state(2**22 + 1) == ""


@pytest.mark.parametrize("error", [ProcessLookupError, PermissionError])
def test_a_signal_to_who_is_gone_or_anothers_is_not_an_error(
    monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    def kill(*_: int) -> None:
        raise error

    monkeypatch.setattr(os, "kill", kill)
    assert descent.send(1, signal.SIGTERM) is (error is ProcessLookupError)


@pytest.mark.parametrize("error", [ProcessLookupError, PermissionError])
def test_a_group_that_cannot_be_told_is_not_an_error(
    monkeypatch: pytest.MonkeyPatch, sleeper: int, error: type[OSError]
) -> None:
    def killpg(*_: int) -> None:
        raise error

    monkeypatch.setattr(os, "killpg", killpg)
    forest = made_tree()
    forest.signal(signal.SIGTERM)  # nobody to tell
    forest.leader = sleeper
    forest.signal(signal.SIGCONT)
    assert forest.leader == sleeper


@pytest.mark.parametrize(("left", "status"), [(-0.001, 125), (60.0, 7)])
def test_s1_a_command_whose_time_came_while_it_was_forked_does_not_start(
    left: float, status: int
) -> None:
    forest = made_tree()
    stop_at = linux.boot_time() + left
    pid = forest.start(["sh", "-c", "exit 7"], dict(os.environ), stop_at=stop_at)
    assert not forest.is_empty()
    assert forest.reaped(*os.waitpid(pid, 0)) == status
    assert forest.leader is None


def test_a_forest_that_never_stops_growing_does_not_hold_the_guard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks: list[int] = []

    def growing(*_: object, **__: object) -> list[int]:
        looks.append(len(looks))
        return list(looks)

    monkeypatch.setattr(tree, "below", growing)
    monkeypatch.setattr(tree, "send", lambda *_: None)
    made_tree().freeze()
    assert len(looks) < 10


def test_what_was_frozen_is_thawed(
    monkeypatch: pytest.MonkeyPatch, sleeper: int
) -> None:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(tree, "below", lambda *_, **__: [sleeper])
    monkeypatch.setattr(tree, "send", lambda pid, number: sent.append((pid, number)))
    made_tree().freeze()
    made_tree().thaw()
    assert sent == [(sleeper, signal.SIGSTOP), (sleeper, signal.SIGCONT)]


def test_an_error_of_a_system_call_is_an_oserror(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        linux._prctl(-1, 0)


class Folders:
    """
    Where the kernel says that this process's cgroup lies.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.point = folder / "cgroup2"
        self.point.mkdir()
        self.own = "0::/\n"
        self.mounts = f"1 0 0:1 / {self.point} rw - cgroup2 none rw\n"
        self._folder = folder
        monkeypatch.setattr("builtins.open", self.open)

    def open(self, path: str, *args: Any) -> Any:
        texts = {"/proc/self/cgroup": self.own, "/proc/self/mountinfo": self.mounts}
        if path in texts:
            written = self._folder / path.replace("/", "-")
            written.write_text(texts[path])
            return written.open()
        return open(path, *args)  # noqa: PTH123  # as the caller wanted it


@pytest.fixture
def folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Folders:
    return Folders(monkeypatch, tmp_path)


def test_without_a_second_cgroup_tree_there_is_no_cgroup(folders: Folders) -> None:
    folders.mounts = "1 0 0:1 / /proc rw - proc proc rw\n"
    assert cgroup.make_cgroup("x") is None
    folders.mounts, folders.own = "", "9:pids:/\n"
    assert cgroup.make_cgroup("x") is None


def test_a_cgroup_outside_the_mount_is_not_ours(folders: Folders) -> None:
    folders.mounts = folders.mounts.replace(" / ", " /docker/x ", 1)
    assert cgroup.make_cgroup("x") is None


def test_a_cgroup_that_cannot_be_made_is_none(folders: Folders) -> None:
    folders.point.rmdir()
    assert cgroup.make_cgroup("x") is None


def test_a_cgroup_for_which_the_name_is_taken_is_none(folders: Folders) -> None:
    (folders.point / "k8s-leader-x").mkdir()
    (folders.point / "k8s-leader-x" / "one").touch()
    assert cgroup.make_cgroup("x") is None


def test_a_cgroup_that_cannot_be_killed_is_removed_again(folders: Folders) -> None:
    assert cgroup.make_cgroup("x") is None
    assert list(folders.point.iterdir()) == []


def test_a_cgroup_that_can_be_killed_is_used(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: True)
    (folders.point / "cgroup.procs").touch()
    made = cgroup.make_cgroup("x")
    assert made is not None
    folder = folders.point / "k8s-leader-x"
    assert made.path == str(folder)
    made.leave()  # it never entered
    for name in ("cgroup.procs", "cgroup.kill"):
        (folder / name).touch()
    assert made.enter()
    made.kill()
    made.leave()
    assert (folder / "cgroup.procs").read_text() == "0"
    assert (folder / "cgroup.kill").read_text() == "1"
    assert (folders.point / "cgroup.procs").read_text() == "0"
    made.remove()  # it is not empty: it stays
    assert folder.exists()


def test_what_killed_guards_left_is_removed_and_nothing_else(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: True)
    made = ("k8s-leader-old", "k8s-leader-used", "k8s-leader-new", "another")
    for name in made:
        (folders.point / name).mkdir()
    for name in ("k8s-leader-old", "k8s-leader-used"):
        os.utime(folders.point / name, (0, 0))
    (folders.point / "k8s-leader-used" / "one").touch()
    assert cgroup.make_cgroup("x") is not None
    left = {each.name for each in folders.point.iterdir()}
    assert left == {*made, "k8s-leader-x"} - {"k8s-leader-old"}


def test_a_cgroup_that_does_not_let_us_in_is_not_an_error(tmp_path: Path) -> None:
    assert not cgroup.Cgroup(str(tmp_path / "no" / "where")).enter()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "cgroup.procs").symlink_to("/dev/full")
    assert not cgroup.Cgroup(str(tmp_path / "full")).enter()


def test_an_environment_that_cannot_be_read_again_is_taken_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def denied(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("k8s_leader.guard.environ.open", denied, raising=False)
    assert given_environ() == dict(os.environ)


@pytest.mark.parametrize(
    ("given", "kept"), [(b"A=1\0LC_CTYPE=C\0", "C"), (b"A=1\0NOT_LC_CTYPE=C\0", None)]
)
def test_a_locale_that_python_chose_is_not_handed_on(
    monkeypatch: pytest.MonkeyPatch, given: bytes, kept: str | None
) -> None:
    def read_again(*_: object) -> io.BytesIO:
        return io.BytesIO(given)

    monkeypatch.setattr("k8s_leader.guard.environ.open", read_again, raising=False)
    monkeypatch.setenv("LC_CTYPE", "C.UTF-8")
    found = given_environ()
    assert found.pop("LC_CTYPE", None) == kept
    assert found == {k: v for k, v in os.environ.items() if k != "LC_CTYPE"}
