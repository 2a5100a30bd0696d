"""
What the commands for people share: which lease is meant, and how output is written.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from k8s_leader.app.stores import LeaseChoice
from k8s_leader.cli.arguments import Parser, UsageError, add_settings, parse_settings
from k8s_leader.errors import SettingsError
from k8s_leader.kube import KubeSettings
from k8s_leader.settings import Settings
from k8s_leader.settings.sources import Written

__all__ = [
    "READING",
    "add_output",
    "chosen_lease",
    "kube_settings",
    "looked_up",
    "lookup_parser",
    "written",
]

READING = ("lease", "namespace", "kubernetes")
"""The settings that say which lease is looked at, and through which API server."""

EXIT_CODES = """\
exit codes:
   0  it was done
  66  there is no such Lease
  69  the API server does not answer
  77  a right is missing: the rule to add is printed
  78  the command line or a setting is wrong"""


def lookup_parser(
    command: str,
    *,
    usage: str,
    description: str,
    example: str,
    codes: str = EXIT_CODES,
    settings: Collection[str] = READING,
    takes_lease: bool = True,
) -> Parser:
    """
    Return the parser of a command that looks at leases.

    Args:
        command: its name.
        usage: what follows the name.
        description: what it does.
        example: lines that show it.
        codes: its exit codes.
        settings: names or groups of the settings it takes as flags.
        takes_lease: whether the lease may be written without ``--lease``.
    """
    made = Parser(
        prog=f"k8s-leader {command}",
        usage=f"k8s-leader {command} {usage}",
        description=description,
        epilog=f"example:\n{example}\n\n{codes}",
    )
    if takes_lease:
        made.add_argument("word", nargs="?", metavar="LEASE", help="same as --lease")
    add_settings(made, settings)
    return made


def add_output(parser: Parser) -> None:
    """
    Let a parser know ``-o``.
    """
    parser.add_argument(
        "-o",
        "--output",
        choices=("text", "json", "yaml"),
        default="text",
        help="text for people (default), json or yaml for scripts",
    )


def looked_up(
    parser: Parser, argv: Sequence[str], environ: Mapping[str, str] | None = None
) -> tuple[argparse.Namespace, Settings]:
    """
    Parse the words; return the options and the settings.

    Raises:
        UsageError: the command line is wrong.
        SettingsError: a setting is wrong.
    """
    options, flags, file = parse_settings(parser, argv, gates=False)
    word: str | None = getattr(options, "word", None)
    if word is not None:
        if "lease" in flags and flags["lease"].text != word:
            raise UsageError(
                f"two leases are named: {word!r} and --lease {flags['lease'].text!r}. "
                "Fix: name one"
            )
        flags["lease"] = Written(text=word, source="flag", where="LEASE")
    environ = os.environ if environ is None else environ
    settings = Settings.load(flags, environ, file, lease_needed=False)
    for warning in settings.warnings:
        print(f"k8s-leader: warning: {warning}", file=sys.stderr)
    return options, settings


def chosen_lease(settings: Settings) -> LeaseChoice:
    """
    Return the lease that the settings name.

    Raises:
        SettingsError: none, or one that only its own process can see.
    """
    lease = settings.election.lease
    if lease is None or lease.store == "memory":
        raise SettingsError(
            "LEASE",
            lease and str(lease),
            allowed="[NAMESPACE/]NAME or sqlite:PATH",
            fix="name the lease with --lease NAME, or set K8S_LEADER_LEASE",
        )
    return LeaseChoice(
        store=lease.store,
        lease=lease.name,
        namespace=settings.election.namespace,
        may_create=False,
        kubeconfig=settings.kube.kubeconfig,
        context=settings.kube.context,
    )


def kube_settings(settings: Settings) -> KubeSettings:
    """
    Return how the API server is reached.
    """
    return KubeSettings(
        kubeconfig=settings.kube.kubeconfig,
        context=settings.kube.context,
        namespace=settings.election.namespace,
    )


def written(document: Any, output: str) -> str:
    """
    Return a document as JSON or YAML, as ``-o`` says.
    """
    if output == "yaml":
        import yaml

        text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
        return text.rstrip("\n")
    return json.dumps(document, indent=2)
