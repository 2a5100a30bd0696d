"""
The workload's tree of processes: start it, signal it, kill it, see it gone.

The tree is empty exactly when the guard has no child left but the elector: whoever
still lived would have an ancestor among the children. Gone means reaped (rule S5).
"""

from __future__ import annotations

import os
import signal

from k8s_leader.guard.descent import below, children, send
from k8s_leader.guard.linux import boot_time, die_with_parent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["ALL_SIGNALS", "Tree"]

_TOO_LATE = 125
_NOT_EXECUTABLE = 126
_NOT_FOUND = 127
_ROUNDS = 4
"""Looks for what forked away meanwhile; what still does is met at the next kill."""

ALL_SIGNALS = signal.valid_signals()
_SETTABLE = tuple(
    int(number) for number in ALL_SIGNALS - {signal.SIGKILL, signal.SIGSTOP}
)


class Tree:
    """
    A command in a process group of its own, and all that it starts.

    Args:
        spare: returns the guard's child that is no part of it, the elector.

    Attributes:
        leader: pid of the command while it is not reaped; else ``None``.
    """

    def __init__(self, *, spare: Callable[[], int | None]) -> None:
        self.leader: int | None = None
        self._spare = spare
        self._has_terminal = False

    def start(
        self, command: list[str], environ: dict[str, str], *, stop_at: float
    ) -> int:
        """
        Start the command; it looks at the clock once more before it execs.

        Returns:
            Its pid. A command that cannot be executed ends with 126 or 127.

        Raises:
            OSError: there is no memory or no process left for it.
        """
        guard = os.getpid()
        self._has_terminal = _in_foreground()
        # A signal that comes before the exec waits for it, and is not lost.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, ALL_SIGNALS)
        try:
            pid = os.fork()
            if pid == 0:
                self._exec(command, environ, guard=guard, stop_at=stop_at)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        self.leader = pid
        return pid

    def reaped(self, pid: int, status: int) -> int | None:
        """
        Return how the command ended, 128+n for signal n, if it was that child.
        """
        if pid != self.leader:
            return None
        self.leader = None
        if self._has_terminal:
            _take_terminal()
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code

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

    def freeze(self) -> None:
        """
        Stop everything below the guard but the elector, until nothing forks away.
        """
        known: set[int] = set()
        for _ in range(_ROUNDS):
            seen: set[int] = set()
            for pid in self._below():
                if pid not in known:
                    send(pid, signal.SIGSTOP)  # at once: it may be about to fork
                seen.add(pid)
            if seen == known:  # nobody is new, and nobody ended and left a child
                return
            known = seen

    def thaw(self) -> None:
        """
        Let everything go on that :meth:`freeze` stopped.
        """
        for pid in self.members():
            send(pid, signal.SIGCONT)

    def kill(self) -> bool:
        """
        Kill everything below the guard but the elector and what is below that.

        Everything is stopped before it is killed, so that nothing forks away.

        Returns:
            False if some of it may not be signalled by this user.
        """
        self.freeze()
        refused = [pid for pid in self.members() if not send(pid, signal.SIGKILL)]
        return not refused

    def members(self) -> list[int]:
        """
        Return every process of the tree, but orphans that have ended.
        """
        return list(self._below())

    def _below(self) -> Iterator[int]:
        return below(os.getpid(), spare=(self._spare(),), is_over=self._reap_orphan)

    def _reap_orphan(self, pid: int) -> bool:
        """
        Reap a process if it was left to the guard and has ended; tell whether it was.

        Thousands that ended a moment ago would keep the look from who is about to fork.
        """
        if pid == self.leader:
            return False
        try:
            return os.waitpid(pid, os.WNOHANG)[0] == pid
        except ChildProcessError:  # it is another's child
            return False

    def is_empty(self) -> bool:
        """
        Tell whether nothing of the tree is left, zombies included.
        """
        if self.leader is not None:
            return False
        return all(child == self._spare() for child in children(os.getpid()))

    def _exec(
        self,
        command: list[str],
        environ: dict[str, str],
        *,
        guard: int,
        stop_at: float,
    ) -> None:
        """
        Become the command; never returns.
        """
        status = _NOT_FOUND
        try:
            self._settle_in()
            die_with_parent()
            if os.getppid() != guard or boot_time() >= stop_at:
                os._exit(_TOO_LATE)
            _restore_signals()
            os.execvpe(command[0], command, environ)
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
    Undo what the guard and Python changed, then take what came meanwhile.
    """
    for number in _SETTABLE:
        signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _say(text: str) -> None:
    os.write(2, text.encode() + b"\n")
