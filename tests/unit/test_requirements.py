"""
What the requirements files may hold: versions and hashes, and no place to get them.

Where packages come from is for whoever installs them to say: a mirror, a cache, a
folder. A file that names a host or a path works in one place only.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "requirements").iterdir())
LOCKED = [path for path in FILES if path.suffix == ".txt"]

PLACES = re.compile(
    r"://"  # a host
    r"|^\s*(-i|-f|--(extra-)?index-url|--find-links|--trusted-host|--proxy)\b"
    r"| @ "  # a package from a place
    r"|^\s*(-e\s|[./~])",  # a package from a folder
    re.MULTILINE,
)


def name_of(path: Path) -> str:
    return path.name


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_host_and_no_folder_is_named(path: Path) -> None:
    found = PLACES.search(path.read_text())
    assert found is None, f"{path.name} names a place: {found.group()!r}"


@pytest.mark.parametrize(
    "line",
    [
        "--index-url=https://packages.example/simple",
        "-i https://packages.example/simple",
        "--find-links wheels",
        "yarl @ file:///srv/yarl.whl",
        "-e ../yarl",
        "./yarl",
        "/srv/yarl.whl",
    ],
)
def test_a_place_would_be_seen(line: str) -> None:
    assert PLACES.search(f"aiohttp==3.14.5\n{line}\n")


@pytest.mark.parametrize("path", LOCKED, ids=name_of)
def test_every_locked_package_has_one_version_and_a_hash(path: Path) -> None:
    text = re.sub(r"\\\n", " ", path.read_text())
    lines = [
        x for x in text.splitlines() if x.strip() and not x.lstrip().startswith("#")
    ]
    assert lines
    for line in lines:
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==\S+ ", line), line
        assert "--hash=sha256:" in line
