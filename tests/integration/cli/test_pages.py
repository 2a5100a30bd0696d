"""
The documentation shows what the commands print.
"""

from __future__ import annotations

import pytest

from tests.helpers.cli_session import PAGES, blocks, filled, record, without_chance
from tests.helpers.site import Site

pytestmark = [pytest.mark.kube, pytest.mark.slow]


def test_each_command_prints_what_its_page_shows(site: Site) -> None:
    said = record(site)
    shown: dict[str, str] = {}
    for page in PAGES:
        shown |= blocks(page.read_text())
    assert shown.keys() == said.keys(), (
        "each command is shown, and none that was not tried"
    )
    for words, output in said.items():
        assert without_chance(shown[words]) == without_chance(output.rstrip()), (
            f"{words}: write the pages again with docs/write_cli.py"
        )


def test_a_page_is_filled_and_what_is_no_output_stays() -> None:
    page = "text\n\n    $ k8s-leader list\n    old\n\n    older\n\nmore\n"
    assert blocks(page) == {"list": "old\n\nolder"}
    new = "text\n\n    $ k8s-leader list\n    new\n\n    newer\n\nmore\n"
    assert filled(page, {"list": "new\n\nnewer\n", "watch": "x"}) == new
