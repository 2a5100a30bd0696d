"""
Write docs/settings.md from the table of settings; ``--check`` only compares.
"""

from __future__ import annotations

import sys
from pathlib import Path

from generated import write_or_check

from k8s_leader.settings import SETTINGS, Setting
from k8s_leader.settings.table import GROUPS

PAGE = Path(__file__).with_name("settings.md")
HEAD = """\
# Settings

<!-- Written by docs/write_settings.py from k8s_leader/settings/table.py: make docs -->

Each setting can be said in three ways. Flags win over environment variables, those
over the YAML file (`--config FILE` or `K8S_LEADER_CONFIG`), and that over defaults.
`k8s-leader config show --origin` prints what holds and where it came from;
`k8s-leader config validate` checks and starts nothing. A wrong value is one message
that names the setting as it was written, and exit status 78; nothing is started.

- The key in the file is the flag without its dashes: `lease-duration: 15s`. A value
  means what it means after the flag, `off` too. Commands and lists may be YAML lists
  (`health-exec: [sh, -c, 'test -e /tmp/ok']`), `signal-map` a mapping.
- An empty variable says nothing. An unknown `K8S_LEADER_*` variable is a warning, an
  unknown key in the file an error; both guess what was meant.
- Durations are Go's: `15s`, `1m30s`, `500ms`; a plain number is seconds.
- A Service named `k8s-leader` makes Kubernetes set variables such as
  `K8S_LEADER_PORT=tcp://...` in every Pod; no setting has such a name.
- The command gets none of these variables. It gets `LEADER_IDENTITY`, `LEADER_LEASE`,
  `LEADER_NAMESPACE`, `LEADER_FENCING_TOKEN`, `LEADER_TERM` and `LEADER_STATUS_URL`,
  which are no settings: a `k8s-leader run` inside a workload inherits nothing.
- A switch needs no value: `--once`, `--no-once`, `--once=false`.

## How the durations hold together

`renew-deadline + kill-time + safety-margin <= lease-duration`, or a command might
still run when another candidate may start its own. `renew-every + request-timeout <
renew-deadline`, `retry-period < renew-deadline` and `renew-every < acquire-every`.
What is not set is derived from `lease-duration`, so that setting it alone always
works, from 7s up. The values in parentheses below are those of 15s.
"""
TAIL = """\
## Exit codes

| code | meaning | what to do |
|---|---|---|
| the command's own | it ended by itself and `--on-exit` is `exit`, or a stop was asked for; codes in `--success-exit-codes` become 0 | |
| 128 + n | signal n ended the command | |
| 0 | stopped before it ever led | |
| 1 | `doctor`: at least one check failed | its fix is printed |
| 66 | commands for people: there is no such lease | name another; `k8s-leader list -A` |
| 69 | commands for people: the API server does not answer | try again; `k8s-leader doctor` |
| 70 | internal error: a bug | report it with the log |
| 75 | `--wait-timeout` passed without leadership | retry; see who leads |
| 77 | the API server forbids a request | add the rule that is printed to the Role |
| 78 | a setting or the command line is wrong; nothing was started | the message says the fix |
| 79 | leadership was lost and `--once` is set | start again to campaign again |
| 126 | the command is not executable | its mode, or its first line |
| 127 | the command was not found | its path, or PATH in the image |
| 137 | in-process leaders only: the process ended itself by SIGKILL, since its work did not stop in time | make the work stop sooner |
"""  # noqa: E501  # a table row is one line


def section(setting: Setting) -> str:
    """
    Return the paragraph of one setting.
    """
    lines = [f"### {setting.name}", "", setting.help, ""]
    value = "" if setting.is_switch else f" {setting.metavar}"
    rows = [
        ("flag", f"`{setting.flag}{value}`"),
        ("variable", f"`{setting.variable}`"),
        ("key", f"`{setting.name}`"),
        ("default", setting.default_text),
        ("unit", setting.unit),
        ("also", ", ".join(f"`{alias}`" for alias in setting.aliases)),
    ]
    lines += [f"- {name}: {text}" for name, text in rows if text]
    return "\n".join([*lines, "", setting.limits, ""])


def page() -> str:
    """
    Return the whole page.
    """
    parts = [HEAD]
    for group, title in GROUPS.items():
        parts.append(f"## {title}\n")
        parts += [section(row) for row in SETTINGS if row.group == group]
    return "\n".join([*parts, TAIL])


if __name__ == "__main__":
    sys.exit(write_or_check(PAGE, page()))
