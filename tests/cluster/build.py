"""
Build the test cluster and the peers ahead of time: ``python tests/cluster/build.py``.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    runpy.run_module("tests.helpers.go_build", run_name="__main__")
