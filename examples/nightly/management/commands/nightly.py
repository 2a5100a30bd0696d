"""
A Django management command that works on one replica: ``manage.py nightly LEASE``.
"""

from __future__ import annotations

import os
from typing import Any

from django.core.management.base import BaseCommand

import k8s_leader


class Command(BaseCommand):
    help = "Works as the leader until SIGTERM; the other replicas wait."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("lease")

    def handle(self, *, lease: str, **_: Any) -> None:
        k8s_leader.run(self.work, lease=lease)

    def work(self, term: k8s_leader.Term) -> None:  # a plain function: in a thread
        while not term.lost.wait(0.1):
            self.stdout.write(f"work {os.getpid()} {term.fencing_token}")
            self.stdout.flush()
