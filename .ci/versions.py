"""
Compare the version in pyproject.toml with every other place that names it.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# file -> pattern whose first group is a version; all matches must agree.
PLACES = {
    "CHANGELOG.md": r"(?m)\A(?:.*\n)*?## \[?(\d+\.\d+\.\d+[^\]\s]*)",
    "helm/k8s-leader/Chart.yaml": r'(?m)^appVersion: "?([^"\s]+)',
    "helm/k8s-leader-operator/Chart.yaml": r'(?m)^appVersion: "?([^"\s]+)',
}


def main() -> int:
    """
    Print each place that disagrees; return the exit status.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    version = project["version"]
    wrong = []
    for name, pattern in PLACES.items():
        path = ROOT / name
        if not path.exists():
            if name == "CHANGELOG.md":
                wrong.append(f"{name} is missing")
            continue
        found = re.findall(pattern, path.read_text())
        if not found or any(other != version for other in found):
            wrong.append(f"{name} says {found or 'nothing'}, pyproject {version}")
    for line in wrong:
        print(line, file=sys.stderr)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
