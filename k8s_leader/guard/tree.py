"""
The workload's tree of processes: start it, signal it, kill it, see it gone.

The tree is empty exactly when the guard has no child left but the elector: whoever
still lived would have an ancestor among the children. Gone means reaped (rule S5).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Collection, Mapping, Sequence

from k8s_leader.guard.cgroup import Cgroup
from k8s_leader.guard.descent import below, children, send
from k8s_leader.guard.linux import die_with_parent

__all__ = ["Tree"]

_TOO_LATE = 125
_NOT_EXECUTABLE = 126
_NOT_FOUND = 127


class Tree:
    """
    A command in a process group of its own, and all that it starts.

    Args:
        cgroup: where it lives, if there is such a place.

    Attributes:
        leader: pid of the command while it is not reaped; else ``None``.
        code: how the command ended: its status, or 128+n for signal n.
        started_at: boot-time seconds.
    """

    def __init__(self, *, cgroup: Cgroup | None = None) -> None:
        self.leader: int | None = None
        self.code: int | None = None
        self.started_at = 0.0
        self._cgroup = cgroup
        self._has_terminal = False

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

        Raises:
            OSError: there is no memory or no process left for it.
        """
        guard = os.getpid()
        self.code = None
        self.started_at = now()
        self._has_terminal = _in_foreground()
        sys.stdout.flush()
        sys.stderr.flush()
        # A signal that comes before the exec waits for it, and is not lost.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            pid = os.fork()
            if pid == 0:
                self._exec(command, environ, guard=guard, stop_at=stop_at, now=now)
        finally:
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
        if self._has_terminal:
            _take_terminal()
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
            send(self.leader, number)  # it has no group of its own yet
        except PermissionError:
            pass

    def freeze(self, *, spare: Collection[int]) -> None:
        """
        Stop everything below the guard, but ``spare``, until nothing forks away.
        """
        known: set[int] = set()
        for _ in range(4):
            found = set(below(os.getpid(), spare=spare))
            if found <= known:
                return
            for pid in found - known:
                send(pid, signal.SIGSTOP)
            known |= found

    def thaw(self, *, spare: Collection[int]) -> None:
        """
        Let everything go on that :meth:`freeze` stopped.
        """
        for pid in below(os.getpid(), spare=spare):
            send(pid, signal.SIGCONT)

    def kill(self, *, spare: Collection[int]) -> None:
        """
        Kill everything below the guard, but ``spare`` and what is below that.

        Everything is stopped before it is killed, so that nothing forks away.
        """
        if self._cgroup is not None:
            self._cgroup.kill()
        self.freeze(spare=spare)
        for pid in below(os.getpid(), spare=spare):
            send(pid, signal.SIGKILL)

    def is_empty(self, *, spare: Collection[int]) -> bool:
        """
        Tell whether nothing of the tree is left, zombies included.
        """
        return self.leader is None and not (set(children(os.getpid())) - set(spare))

    def _exec(
        self,
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
            self._settle_in()
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

    def _settle_in(self) -> None:
        """
        Get a session of its own; on a terminal a group, and the terminal's keys.
        """
        if self._cgroup is not None:
            self._cgroup.enter()
        if self._has_terminal:
            os.setpgid(0, 0)
            _take_terminal()
        else:
            os.setsid()


def _in_foreground() -> bool:
    try:
        return os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp()
    except OSError:  # it is not this session's terminal
        return False


def _take_terminal() -> None:
    """
    Become the terminal's foreground group; who asks from behind would be stopped.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    try:
        os.tcsetpgrp(0, os.getpgrp())
    except OSError:
        pass  # the terminal was hung up
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _restore_signals() -> None:
    """
    Undo what the guard and Python changed.
    """
    for number in signal.valid_signals():
        if number not in (signal.SIGKILL, signal.SIGSTOP) and callable(
            signal.getsignal(number)
        ):
            signal.signal(number, signal.SIG_DFL)
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTTIN, signal.SIGTTOU):
        signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _say(text: str) -> None:
    os.write(2, text.encode() + b"\n")
