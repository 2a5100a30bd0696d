"""
The two versions of Helm that the chart supports, built before the first test; promtool.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys

import pytest

from tests.helpers.go_build import HELM_3, HELM_4, KUSTOMIZE, NoGoError
from tests.helpers.helm import Helm

_REASON = "no Helm: neither Go nor a binary built before"
_IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}
_PROGRAMS = (HELM_3, HELM_4, KUSTOMIZE)


def pytest_collection_finish(session: pytest.Session) -> None:
    wanted = any(item.get_closest_marker("helm") for item in session.items)
    if not wanted or session.config.option.collectonly:
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    open_air = (
        capture.global_and_fixture_disabled() if capture else contextlib.nullcontext()
    )
    with open_air:
        for program in _PROGRAMS:
            with contextlib.suppress(NoGoError):  # the tests say so
                program.build(progress=_tell)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("helm") and not all(
        program.can_be_had() for program in _PROGRAMS
    ):
        if _IN_CI:
            pytest.fail(_REASON, pytrace=False)
        pytest.skip(_REASON)


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


@pytest.fixture(params=["helm3", "helm4"])
def helm(request: pytest.FixtureRequest) -> Helm:
    """
    Each supported version of Helm, without a cluster.
    """
    return Helm(program={"helm3": HELM_3, "helm4": HELM_4}[request.param])


@pytest.fixture
def helm4() -> Helm:
    """
    The newer Helm alone, where the version makes no difference.
    """
    return Helm(program=HELM_4)


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        reason = "no promtool: install Debian's package prometheus"
        if _IN_CI:
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return found
