"""
The image by itself, on the engine: users, read-only roots, and what stays untouched.
"""

from __future__ import annotations

import pytest

from tests.cluster.kind.engine import Engine
from tests.cluster.kind.shell import CommandError
from tests.e2e.images import Images

STRANGER = ("--user", "1000710000:0", "--read-only", "--cap-drop", "ALL")
ON_DISK = ("--env", "K8S_LEADER_LEASE=sqlite:/dev/shm/lease.db")
UNGATED = ("--env", "K8S_LEADER_DISABLED=true")


def ran(engine: Engine, *words: object) -> str:
    return engine.docker("run", "--rm", "--network", "none", *words)


def test_the_command_is_what_the_container_is_given(
    engine: Engine, images: Images
) -> None:
    said = ran(engine, *STRANGER, *ON_DISK, images.first, "/workload", "-lasts", "1ms")
    assert said.startswith("workload of token 1 user 1000710000")


def test_without_an_election_the_container_is_the_command(
    engine: Engine, images: Images
) -> None:
    said = ran(engine, *STRANGER, *UNGATED, images.base, "id", "-u")
    assert said == "1000710000\n"


def test_no_lease_means_no_start(engine: Engine, images: Images) -> None:
    with pytest.raises(CommandError, match=r"(?s)status 78.*--lease is missing"):
        ran(engine, images.first, "/workload")


def test_an_image_of_nothing_but_the_tree_knows_its_version(
    engine: Engine, images: Images
) -> None:
    assert ran(engine, *STRANGER, images.tree, "version").startswith("k8s-leader ")


def test_the_image_says_who_runs_it_and_what_it_runs(
    engine: Engine, images: Images
) -> None:
    template = "{{.Config.User}} {{.Config.Entrypoint}} {{.Config.StopSignal}}"
    said = engine.docker("inspect", "--format", template, images.base)
    assert said == "65532:65532 [k8s-leader run --] SIGTERM\n"


def test_the_image_adds_nothing_to_the_environment(
    engine: Engine, images: Images
) -> None:
    said = ran(engine, *UNGATED, images.base, "env")
    names = {line.split("=")[0] for line in said.splitlines()}
    assert names <= {"PATH", "HOME", "HOSTNAME", "LC_CTYPE"}


def test_a_python_of_the_base_image_stays_its_own(
    engine: Engine, images: Images
) -> None:
    code = "import sys; print(sys.prefix, [p for p in sys.path if 'leader' in p])"
    said = ran(engine, *UNGATED, images.base, "python3", "-c", code)
    assert said.startswith("/usr")
    assert said.endswith(" []\n")
