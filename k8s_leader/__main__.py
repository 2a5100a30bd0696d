"""
``python -m k8s_leader``: the same as the ``k8s-leader`` command.
"""

from __future__ import annotations

import sys

from k8s_leader.cli import main

if __name__ == "__main__":
    sys.exit(main())
