"""
The elector's process, started by ``run`` before it has checked anything.

To load what an elector needs takes longer than all the rest of a start. So it loads
while this process reads the settings and becomes the guard, which takes the elector
over as its child: exec changes no process id. Until the guard speaks to it, an elector
only loads. When nothing comes of the start it is killed; it also ends by itself when
its socket is closed.

Imports little: whatever this module waits for, the elector waits for.
"""

from __future__ import annotations

import os
import signal
import site
import sys
from collections.abc import Mapping, Sequence

__all__ = ["EarlyElector", "elector_argv", "likely_store", "start_early"]

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_ENTRY = "from k8s_leader.cli import main; sys.exit(main())"
_NEEDS_NONE = {"--disabled", "--help", "-h"}


class EarlyElector:
    """
    An elector that loads and waits for the guard's hello.

    Args:
        store: which libraries it shall load.

    Attributes:
        config_fd: the memory file that it will read its configuration from.
        handed_on: what the guard is told of it: its pid, our end of the socket.

    Raises:
        OSError: there is no process or descriptor left for it.
    """

    def __init__(self, store: str) -> None:
        self.store = store
        self.config_fd = os.memfd_create("k8s-leader-config", 0)  # 0: survives exec
        self._end: int | None
        try:
            self._pid, self._end = self._spawn()
        except OSError:
            os.close(self.config_fd)
            raise
        self.handed_on = (self._pid, self._end)

    def _spawn(self) -> tuple[int, int]:
        # Half of socket's size; not everywhere, and this module is.
        from _socket import AF_UNIX, SOCK_SEQPACKET, socketpair

        ours, theirs = socketpair(AF_UNIX, SOCK_SEQPACKET)
        os.set_inheritable(theirs.fileno(), True)
        argv = [*elector_argv(), str(self.config_fd), str(theirs.fileno()), self.store]
        try:
            pid = os.posix_spawn(
                argv[0],
                argv,
                os.environ,
                setpgroup=0,  # a terminal's signals are for the guard
                setsigmask=(),
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        os.set_inheritable(ours.fileno(), True)
        return pid, ours.detach()

    def abandon(self) -> None:
        """
        End it, and wait for its end; again, this has no effect.
        """
        if self._end is None:
            return
        os.close(self._end)
        os.close(self.config_fd)
        self._end = None
        os.kill(self._pid, signal.SIGKILL)  # ours until it is reaped
        os.waitpid(self._pid, 0)


def start_early(argv: Sequence[str], environ: Mapping[str, str]) -> EarlyElector | None:
    """
    Start an elector, unless it is likely that none is needed, or not possible.

    Args:
        argv: of ``run``, unchecked.
        environ: the environment, for the settings in it.
    """
    store = likely_store(argv, environ)
    # With SIGCHLD ignored the end of a child goes unnoticed, and its id to another.
    ignores = signal.getsignal(getattr(signal, "SIGCHLD", 0)) is signal.SIG_IGN
    if store is None or ignores or sys.platform != "linux" or not sys.executable:
        return None
    try:
        return EarlyElector(store)
    except OSError:
        return None  # the guard will try, and say what is wrong


def likely_store(argv: Sequence[str], environ: Mapping[str, str]) -> str | None:
    """
    Guess the store from words that nobody has checked; ``None``: no elector is needed.

    A wrong guess costs processor time and nothing else: the elector is thrown away.
    """
    words = list(argv)
    if "--" not in words:
        return None
    words = words[: words.index("--")]
    disabled = environ.get("K8S_LEADER_DISABLED", "false").lower() != "false"
    if disabled or _NEEDS_NONE.intersection(words):
        return None
    named = " ".join([*words, environ.get("K8S_LEADER_LEASE", "")])
    return "sqlite" if "sqlite:" in named else "kubernetes"


def elector_argv() -> list[str]:
    """
    Return the command of the elector, without its file descriptors.

    It must find the same modules as this process, installed or not, and nothing that
    merely lies in the workload's directory: isolated mode, and where that would not
    find us (a checkout, PYTHONPATH, a user's site), our own list of folders.
    """
    plain = [sys.executable, "-I", "-m", "k8s_leader", "elector"]
    folder = os.path.dirname(_PACKAGE)
    # With PYTHONPATH our dependencies may lie elsewhere than in the environment.
    if folder in site.getsitepackages() and not os.environ.get("PYTHONPATH"):
        return plain
    folders = [os.path.abspath(path) for path in sys.path if path]
    if folder not in folders:
        folders.append(folder)
    code = f"import sys; sys.path[:] = {folders!r}; {_ENTRY}"
    return [sys.executable, "-I", "-c", code, "elector"]
