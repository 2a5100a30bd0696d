from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from k8s_leader.cli.become import HANDED_TO_WORKLOAD
from k8s_leader.election.timing import Timing
from k8s_leader.settings.sources import CONFIG_VARIABLE, is_service_link
from k8s_leader.settings.table import GROUPS, SETTINGS, TIMING_FIELDS, Setting

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_is_told_completely(setting: Setting) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", setting.name)
    assert setting.group in GROUPS
    assert setting.help.endswith(".")
    assert setting.limits.endswith(".")
    assert setting.fix
    assert setting.default_text
    assert setting.metavar


def test_no_setting_is_named_like_a_service_link() -> None:
    names = [setting.variable for setting in SETTINGS] + [CONFIG_VARIABLE]
    assert not [name for name in names if is_service_link(name)]


def test_settings_and_the_variables_of_the_workload_are_disjoint() -> None:
    names = {setting.variable for setting in SETTINGS} | {CONFIG_VARIABLE}
    assert names.isdisjoint(HANDED_TO_WORKLOAD)


def test_no_flag_is_given_twice() -> None:
    flags = [f for setting in SETTINGS for f in (setting.flag, *setting.aliases)]
    assert len(flags) == len(set(flags))


def test_every_duration_of_the_election_can_be_set() -> None:
    assert set(TIMING_FIELDS) == set(Timing.__slots__)
    assert set(TIMING_FIELDS) <= {setting.field for setting in SETTINGS}


def test_the_spellings_of_kubernetes_are_accepted() -> None:
    aliases = {alias for setting in SETTINGS for alias in setting.aliases}
    assert aliases >= {
        "--leader-elect-lease-duration",
        "--leader-elect-renew-deadline",
        "--leader-elect-retry-period",
        "--leader-elect-resource-name",
        "--leader-elect-resource-namespace",
    }


def test_the_page_of_settings_is_what_the_table_says() -> None:
    script = ROOT / "docs" / "write_settings.py"
    done = subprocess.run(
        [sys.executable, script, "--check"], check=False, cwd=ROOT, timeout=60
    )
    assert done.returncode == 0, "run `make docs`"
