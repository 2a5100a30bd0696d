"""
Every command for people, tried on real candidates; what it prints is what docs show.

``docs/write_cli.py`` puts the output into the pages; a test records it again and
compares, with what differs from run to run (names, times, numbers) taken out.
"""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from k8s_leader.cli import main
from k8s_leader.election.record import micro_time
from tests.helpers.candidate import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.helpers.candidate import Candidate
    from tests.helpers.site import Site

__all__ = ["PAGES", "blocks", "filled", "record", "without_chance"]

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "docs" / "cli.md", ROOT / "docs" / "operations.md")
PODS = ("reports-7c9f-abcde", "reports-7c9f-fghij", "reports-7c9f-klmno")
_PROMPT = "    $ k8s-leader "
_TIMINGS = ("--lease-duration", "15s", "--safety-margin", "1.3s")
_CHANCE = (
    (r"reports-7c9f-[a-z]{5}", "POD"),
    (r"test-[0-9a-f]{8}", "NAMESPACE"),
    (r"[0-9a-f]{8}-[0-9a-f-]{27}", "UUID"),
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
    (r"\d+(\.\d+)?(ms|s)\b", "SECONDS"),
    (r"\b\d+(\.\d+)*\b", "NUMBER"),
    (r"(?<= )(-|NUMBER)(?= |$)", "NUMBER"),  # a token that is not published yet
    (r"[ \t]+", " "),
)


def record(site: Site) -> dict[str, str]:
    """
    Use each command as a person does; return what it printed.

    Args:
        site: where KUBECONFIG leads.
    """
    said: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        candidates = dict(_candidates(site, stack))
        _foreign_lease(site)

        def use(words: str, status: int = 0) -> None:
            said[words] = _cleaned(_output(words, status), site)

        for words in (
            "status reports",
            "list",
            "explain",
            "rbac reports --no-events --serviceaccount worker",
            "doctor reports",
        ):
            use(words)
        said["watch reports"] = _watched(candidates, site)
        use("history reports")
        before = _identity(site)
        _enter(site, PODS[0], stack)
        wait_until(lambda: _identity(site) != before, why="it stands by")
        use(f"switchover reports --to {PODS[0]} --yes --wait")
        use("step-down reports --yes --wait")
        use("switchover reports --to ghost --yes", status=65)
        use("pause reports --yes")
        use("step-down reports --yes", status=65)
        use("resume reports --yes")
    return said


def blocks(page: str) -> dict[str, str]:
    """
    Return the command lines of a page with the output that it shows.
    """
    found: dict[str, str] = {}
    for match in re.finditer(_BLOCK, page, re.MULTILINE):
        lines = match["output"].rstrip().splitlines()
        if lines:
            found[match["words"]] = "\n".join(line[4:] for line in lines)
    return found


_BLOCK = rf"^{re.escape(_PROMPT)}(?P<words>.*)\n(?P<output>(?:    .*\n|\n(?=    ))*)"


def filled(page: str, said: dict[str, str]) -> str:
    """
    Return a page with the newest output of each of its commands.
    """

    def newest(match: re.Match[str]) -> str:
        output = said.get(match["words"])
        if output is None:
            return match[0]
        lines = [f"    {line}".rstrip() for line in output.rstrip().splitlines()]
        return "\n".join([_PROMPT + match["words"], *lines, ""])

    return re.sub(_BLOCK, newest, page, flags=re.MULTILINE)


def without_chance(output: str) -> str:
    """
    Return output without what no two runs have in common.
    """
    lines = [line for line in output.splitlines() if " latency " not in line]
    text = "\n".join(lines)
    for pattern, name in _CHANCE:
        text = re.sub(pattern, name, text)
    return text


def _candidates(
    site: Site, stack: contextlib.ExitStack
) -> Iterator[tuple[str, Candidate]]:
    for name in PODS:
        yield name, _enter(site, name, stack)
        role = "leader" if name == PODS[0] else "standby"
        wait_until(lambda n=name, r=role: site.role(n) == r, why=name)  # type: ignore[misc]


def _enter(site: Site, name: str, stack: contextlib.ExitStack) -> Candidate:
    """
    Start a candidate; its Pod, which only the API knows, is ready on a node.
    """
    uid = None
    if any(pod == name for pod in _pods(site)):
        uid = site.pod(name)["uid"]
    else:
        site.pod_spec["nodeName"] = f"node-{PODS.index(name) + 1}"
        uid = site.make_pod(name)
        ready = {"conditions": [{"type": "Ready", "status": "True"}]}
        site.api.patch(f"{site.pods}/{name}/status", {"status": ready})
    return stack.enter_context(site.candidate(name, *_TIMINGS, uid=uid))


def _identity(site: Site) -> str:
    return str(site.pod(PODS[0])["annotations"]["k8s-leader.io/candidate"])


def _pods(site: Site) -> list[str]:
    items = site.api.request("GET", site.pods)["items"]
    return [item["metadata"]["name"] for item in items]


def _foreign_lease(site: Site) -> None:
    spec = {
        "holderIdentity": "op-5f7_1234",
        "leaseDurationSeconds": 15,
        "leaseTransitions": 3,
        "renewTime": micro_time(time.time()),
    }
    body = {"metadata": {"name": "other-operator"}, "spec": spec}
    site.api.request("POST", site.api.lease_path(site.namespace), body)


def _watched(candidates: dict[str, Candidate], site: Site) -> str:
    """
    Watch while the leader is told to stop.
    """
    watching = subprocess.Popen(
        [sys.executable, "-m", "k8s_leader", "watch", "reports"],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    )
    try:
        assert watching.stdout is not None
        lines = [watching.stdout.readline()]
        candidates[PODS[0]].stop()
        lines += [watching.stdout.readline() for _ in range(2)]
    finally:
        watching.kill()
        watching.communicate()
    return _cleaned("".join(lines), site)


def _output(words: str, status: int) -> str:
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        got = main(words.split())
    assert got == status, text.getvalue()
    return text.getvalue()


def _cleaned(output: str, site: Site) -> str:
    """
    Return output without addresses and paths of this machine.
    """
    output = output.replace(site.api.url, "https://10.0.0.1:6443")
    return re.sub(r"by kubeconfig \S+,", "by kubeconfig ~/.kube/config,", output)
