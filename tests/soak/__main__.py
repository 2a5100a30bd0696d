"""
Run it: ``python -m tests.soak --minutes 60``.

With ``--retry-period 0.3s`` who stepped down may lead again sooner, which makes five
hand-overs a second out of one. The result is JSON on stdout (and in ``--json FILE``)
and names the commit; the exit status is 1 if something grew, or if two workloads ran
at once.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from tests.simulation.recorded_run import sources
from tests.soak.soak import judge, soak


def main() -> int:
    """
    Return 0 when nothing grew and every promise held.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--candidates", type=int, default=4)
    parser.add_argument("--retry-period", metavar="TIME", help="of the candidates")
    parser.add_argument("--json", type=Path, help="write the result here, too")
    given = parser.parse_args()
    if given.retry_period:
        os.environ["K8S_LEADER_RETRY_PERIOD"] = given.retry_period
    folder = Path(tempfile.mkdtemp(prefix="k8s-leader-soak-"))
    try:
        result = soak(
            minutes=given.minutes,
            candidates=given.candidates,
            folder=folder,
            say=lambda line: print(line, file=sys.stderr, flush=True),
        )
        result.broken += judge(result)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    text = json.dumps({"commit": sources()["commit"], **result.as_json()}, indent=2)
    print(text)
    if given.json:
        given.json.write_text(text + "\n")
    return int(bool(result.broken))


if __name__ == "__main__":
    sys.exit(main())
