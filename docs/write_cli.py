"""
Write what the commands print into docs/cli.md and docs/operations.md.

Needs the real API server of the tests. A test (tests/integration/cli/test_pages.py)
uses every command again and says when a page no longer shows what it prints.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.helpers.candidate import Journal  # after the path to it
from tests.helpers.cli_session import PAGES, filled, record  # the same
from tests.helpers.cluster import ApiServer  # the same
from tests.helpers.go_build import CLUSTER  # the same
from tests.helpers.site import Site  # the same


def main() -> int:
    """
    Record a session, and write it.
    """
    with (
        ApiServer(CLUSTER.build()) as api,
        tempfile.TemporaryDirectory() as folder,
    ):
        site = Site(api, Journal(Path(folder) / "journal"), api.lifeline)
        os.environ["KUBECONFIG"] = str(api.kubeconfig(namespace=site.namespace))
        said = record(site)
    for page in PAGES:
        page.write_text(filled(page.read_text(), said))
    return 0


if __name__ == "__main__":
    sys.exit(main())
