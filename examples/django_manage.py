"""
The ``manage.py`` of a site with one app.

    python examples/django_manage.py nightly sqlite:/tmp/nightly.db
"""

from __future__ import annotations

import sys

from django.conf import settings
from django.core.management import execute_from_command_line

if __name__ == "__main__":
    settings.configure(INSTALLED_APPS=["examples.nightly"])
    execute_from_command_line(sys.argv)
