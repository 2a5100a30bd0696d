"""
Run the end-to-end tests: ``python -m tests.e2e [ARGUMENTS OF PYTEST]``.

Most tests have a namespace of their own and mostly wait: they run beside each other.
Those marked ``alone`` take nodes or the API server away, or measure; they come last.
Says loudly when this machine cannot have a cluster; with CI=true that is a failure.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from tests.e2e.testbed import VARIABLE, testbed, why_not

# One test at a time to each process, in their order, so that the last ones are last.
_BESIDE_EACH_OTHER = ("-n", "4", "--dist", "load", "--maxschedchunk", "1")


def main() -> int:
    """
    Return pytest's status.
    """
    reason = why_not()
    if reason:
        sys.stderr.write(f"!! NO END-TO-END TESTS: {reason}\n")
        return int(os.environ.get("CI", "").lower() in {"1", "true", "yes"})
    # What was made must be taken away, whoever ends us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with testbed() as made:
        environ = {**os.environ, VARIABLE: made.to_text()}
        words = ("-m", "pytest", "tests/e2e", *_BESIDE_EACH_OTHER, *sys.argv[1:])
        return subprocess.run(
            [sys.executable, *words], env=environ, check=False
        ).returncode


if __name__ == "__main__":
    raise SystemExit(main())
