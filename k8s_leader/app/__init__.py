"""
The composition root: nothing else puts the parts together.
"""

from __future__ import annotations

from typing import Any

__all__ = ["run_elector"]


def run_elector(config: dict[str, Any], sock_fd: int) -> int:
    """
    Run the elector process of the entrypoint; see ``k8s_leader.app.elector``.
    """
    from k8s_leader.app.elector import run_elector as run

    return run(config, sock_fd)
