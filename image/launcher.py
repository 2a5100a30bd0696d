"""
The command of the self-contained tree: k8s-leader, and ``copy-tree``.
"""

from __future__ import annotations

import sys


def copy_tree(arguments: list[str]) -> int:
    """
    Copy this tree into a folder, which other containers mount at the same path.

    For init containers, in images that have neither a shell nor cp. May be repeated:
    a container that was restarted copies again.
    """
    import os

    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if len(arguments) != 1 or not os.path.isdir(arguments[0]):
        print("usage: k8s-leader copy-tree FOLDER (an existing one)", file=sys.stderr)
        return 78
    for folder, folders, files in os.walk(home):
        target = os.path.join(arguments[0], os.path.relpath(folder, home))
        for name in folders:
            os.makedirs(os.path.join(target, name), exist_ok=True)
        for name in files:
            _copy(os.path.join(folder, name), os.path.join(target, name))
    return 0


def _copy(source: str, target: str) -> None:
    # Never write into a file that may be running, and change nothing of the folder:
    # it is a volume that may belong to somebody else.
    import os
    import shutil

    temporary = f"{target}.new"
    shutil.copyfile(source, temporary)
    shutil.copymode(source, temporary)
    os.replace(temporary, target)


if __name__ == "__main__":
    if sys.argv[1:2] == ["copy-tree"]:
        sys.exit(copy_tree(sys.argv[2:]))
    from k8s_leader.cli import main

    sys.exit(main())
