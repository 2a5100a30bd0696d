"""
Write a CycloneDX bill of materials from the pins: ``sbom.py OUT [LIBRARY ...]``.

What it lists is what requirements/image.txt pins, the interpreter that runs this
script, and the shared libraries by name. Same inputs, same bytes: no time, no random
serial number.
"""

from __future__ import annotations

import json
import platform
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;\\]+)(?P<rest>.*)$")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def pinned(text: str) -> list[dict[str, Any]]:
    """
    Return the components that a file of pins names, with the hashes it allows.
    """
    found: list[dict[str, Any]] = []
    for line in text.splitlines():
        pin = _PIN.match(line)
        if pin:
            name, version = pin["name"].lower(), pin["version"]
            purl = f"pkg:pypi/{name}@{version}"
            found.append(
                {
                    "type": "library",
                    "name": name,
                    "version": version,
                    "purl": purl,
                    "bom-ref": purl,
                    "externalReferences": [],
                }
            )
        for digest in _HASH.findall(line):
            found[-1]["externalReferences"].append(
                {
                    "type": "distribution",
                    "url": found[-1]["purl"],
                    "hashes": [{"alg": "SHA-256", "content": digest}],
                }
            )
    return found


def document(libraries: list[str]) -> dict[str, Any]:
    """
    Return the whole bill of materials.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    components = pinned((ROOT / "requirements" / "image.txt").read_text())
    ours = f"pkg:pypi/{project['name']}@{project['version']}"
    python = platform.python_version()
    others = [
        {"type": "platform", "name": "cpython", "version": python, "bom-ref": "cpython"}
    ]
    others += [
        {"type": "file", "name": f"lib/{name}", "bom-ref": f"lib/{name}"}
        for name in libraries
    ]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "name": project["name"],
                "version": project["version"],
                "licenses": [{"license": {"id": project["license"]}}],
                "purl": ours,
                "bom-ref": ours,
            }
        },
        "components": [*components, *others],
        "dependencies": [
            {"ref": ours, "dependsOn": [c["bom-ref"] for c in components]},
        ],
    }


def main() -> None:
    """
    Write the document to the file that the first argument names.
    """
    out, *libraries = sys.argv[1:]
    text = json.dumps(document(libraries), indent=1, sort_keys=True)
    Path(out).write_text(text + "\n")


if __name__ == "__main__":
    main()
