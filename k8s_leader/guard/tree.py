"""
The workload's tree of processes: start it, signal it, kill it, see it gone.

As PID 1 or subreaper every orphan of the tree becomes a child of the guard. So the
tree is empty exactly when the guard has no child left but the elector: whoever still
lived would have an ancestor among the children. Gone means reaped (rule S5).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence

from k8s_leader.guard.linux import die_with_parent

__all__ = ["Tree"]

_TOO_LATE = 125
_NOT_EXECUTABLE = 126
_NOT_FOUND = 127


class Tree:
    """
    What runs during a term: a command in its own session, and all that it starts.

    Attributes:
        leader: pid of the command while it is not reaped; else ``None``.
        code: how the command ended: its status, or 128+n for signal n.
    """

    def __init__(self) -> None:
        self.leader: int | None = None
        self.code: int | None = None
        self.started_at = 0.0

    def start(
        self,
        command: Sequence[str],
        environ: Mapping[str, str],
        *,
        stop_at: float,
        now: Callable[[], float],
    ) -> int:
        """
        Start the command; it looks at the clock once more before it execs.

        Returns:
            Its pid. A command that cannot be executed ends with 126 or 127.
        """
        guard = os.getpid()
        self.code = None
        self.started_at = now()
        sys.stdout.flush()
        sys.stderr.flush()
        # A signal that comes before the exec waits for it, and is not lost.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        pid = os.fork()
        if pid == 0:
            _exec(command, environ, guard=guard, stop_at=stop_at, now=now)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        self.leader = pid
        return pid

    def reaped(self, pid: int, status: int) -> bool:
        """
        Note that a child was reaped; tell whether it was the command itself.
        """
        if pid != self.leader:
            return False
        code = os.waitstatus_to_exitcode(status)
        self.code = code if code >= 0 else 128 - code
        self.leader = None
        return True

    def signal(self, number: int) -> None:
        """
        Send a signal to the command's process group.
        """
        if self.leader is None:
            return
        try:
            os.killpg(self.leader, number)
        except ProcessLookupError:
            _send(self.leader, number)  # it has no group of its own yet
        except PermissionError:
            pass

    def kill(self, *, spare: Iterable[int]) -> None:
        """
        Kill everything below the guard, but ``spare`` and what is below that.

        Everything is stopped before it is killed, so that nothing forks away.
        """
        for _ in range(3):
            found = below(os.getpid(), spare=frozenset(spare))
            for pid in found:
                _send(pid, signal.SIGSTOP)
            if set(below(os.getpid(), spare=frozenset(spare))) <= set(found):
                break
        for pid in below(os.getpid(), spare=frozenset(spare)):
            _send(pid, signal.SIGKILL)

    def is_empty(self, *, spare: Iterable[int]) -> bool:
        """
        Tell whether nothing of the tree is left, zombies included.
        """
        return self.leader is None and not (
            frozenset(children(os.getpid())) - frozenset(spare)
        )


def children(pid: int) -> list[int]:
    """
    Return the children of a process, zombies included; none if it is gone.
    """
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
        for thread in threads:
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
    except FileNotFoundError:
        if os.path.exists(f"/proc/{pid}"):
            return _children_by_parent(pid)  # a kernel without that file
    except (ProcessLookupError, PermissionError):
        pass
    return found


def _children_by_parent(parent: int) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[1]) == parent:
                found.append(int(name))
    return found


def below(pid: int, *, spare: frozenset[int]) -> list[int]:
    """
    Return all descendants of a process, without ``spare`` and theirs.
    """
    found: list[int] = []
    queue = [child for child in children(pid) if child not in spare]
    while queue:
        child = queue.pop()
        found.append(child)
        queue += children(child)
    return found


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def _exec(
    command: Sequence[str],
    environ: Mapping[str, str],
    *,
    guard: int,
    stop_at: float,
    now: Callable[[], float],
) -> None:
    """
    Become the command; never returns.
    """
    status = _NOT_FOUND
    try:
        os.setsid()
        die_with_parent()
        if os.getppid() != guard or now() >= stop_at:
            os._exit(_TOO_LATE)
        _restore_signals()
        os.execvpe(command[0], list(command), dict(environ))
    except (FileNotFoundError, NotADirectoryError):
        _say(f"k8s-leader: error: {command[0]}: not found")
    except (OSError, ValueError) as exc:
        status = _NOT_EXECUTABLE
        _say(f"k8s-leader: error: {command[0]}: {exc}")
    finally:
        os._exit(status)


def _restore_signals() -> None:
    """
    Undo what the guard and Python changed.
    """
    for number in signal.valid_signals():
        if number not in (signal.SIGKILL, signal.SIGSTOP) and callable(
            signal.getsignal(number)
        ):
            signal.signal(number, signal.SIG_DFL)
    for name in ("SIGPIPE", "SIGXFSZ"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _say(text: str) -> None:
    os.write(2, text.encode() + b"\n")
