"""
In a forked child every term is lost, and nothing of the parent's lease is touched.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

_FORKS = """
import asyncio, multiprocessing, os, sys, time, warnings
warnings.simplefilter("ignore")
import k8s_leader

def verdict(term, candidate):
    return not term.lost.is_set() or term.remaining() > 0 or candidate.is_leader

def in_child(term, candidate):
    os._exit(verdict(term, candidate))

def plain(term, candidate):
    pid = os.fork()
    if pid == 0:
        in_child(term, candidate)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def pool(term, candidate):
    context = multiprocessing.get_context("fork")
    child = context.Process(target=in_child, args=(term, candidate))
    child.start(); child.join()
    return child.exitcode

def leaves():
    # The child returns as any code would: that must not release the parent's lease.
    @k8s_leader.leader_only(lease=lease)
    def work(term):
        pid = os.fork()
        if pid == 0:
            return 0
        os.waitpid(pid, 0)
        time.sleep(0.3)
        term.raise_if_lost()
        return 0
    return work()

async def main(fork):
    async with k8s_leader.campaign(lease=lease) as candidate:
        async for term in candidate.terms():
            async with term:
                code = fork(term, candidate)
                term.raise_if_lost()
                assert candidate.is_leader
                return code

what, lease = sys.argv[1:]
code = leaves() if what == "leaves" else asyncio.run(main(globals()[what]))
os._exit(code)
"""


@pytest.mark.parametrize("way", ["plain", "pool", "leaves"])
def test_s10_a_forked_child_has_lost_the_term_and_the_parent_has_not(
    tmp_path: Path, way: str
) -> None:
    argv = [sys.executable, "-c", _FORKS, way, f"sqlite:{tmp_path / 'lease.db'}"]
    done = subprocess.run(argv, check=False, timeout=60, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
