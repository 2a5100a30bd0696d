"""
runc, for machines that withhold capabilities from everybody.

``--privileged`` asks for every capability. Where the machine's bounding set lacks one,
the start fails; this takes what is withheld out of the container's and the exec's
specification, and becomes runc. Standard library only, run by the engine.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
from pathlib import Path
from typing import Any

# In the kernel's order.
CAPABILITIES = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
]


def withheld() -> set[str]:
    """
    Return the capabilities that no process of this machine can have.
    """
    status = Path("/proc/self/status").read_text()
    bounding = int(status.split("CapBnd:")[1].split()[0], 16)
    return {
        f"CAP_{name}"
        for bit, name in enumerate(CAPABILITIES)
        if not bounding >> bit & 1
    }


def strip(process: dict[str, Any]) -> None:
    """
    Take what is withheld out of a process's capability sets.
    """
    lacking = withheld()
    sets = process.get("capabilities") or {}
    for name, wanted in sets.items():
        sets[name] = [one for one in wanted if one not in lacking]


def rewrite(file: Path, *, whole: bool) -> None:
    """
    Strip the specification in a file: a container's (`whole`) or an exec's.
    """
    spec = json.loads(file.read_text())
    strip(spec["process"] if whole else spec)
    file.write_text(json.dumps(spec))


def main() -> None:
    """
    Look at runc's arguments, rewrite the file that they name, become runc.
    """
    arguments = sys.argv[1:]
    for flag, value in itertools.pairwise(arguments):
        if flag == "--bundle":
            rewrite(Path(value) / "config.json", whole=True)
        elif flag == "--process":
            rewrite(Path(value), whole=False)
    os.execvp("runc", ["runc", *arguments])


if __name__ == "__main__":
    main()
