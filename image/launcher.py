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
    import shutil

    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if len(arguments) != 1 or not os.path.isdir(arguments[0]):
        print("usage: k8s-leader copy-tree FOLDER (an existing one)", file=sys.stderr)
        return 78
    shutil.copytree(
        home, arguments[0], symlinks=True, dirs_exist_ok=True, copy_function=_replace
    )
    return 0


def _replace(source: str, target: str) -> str:
    # Never write into a file that may be running.
    import os
    import shutil

    temporary = f"{target}.new"
    shutil.copyfile(source, temporary)
    shutil.copymode(source, temporary)
    os.replace(temporary, target)
    return target


if __name__ == "__main__":
    if sys.argv[1:2] == ["copy-tree"]:
        sys.exit(copy_tree(sys.argv[2:]))
    from k8s_leader.cli import main

    sys.exit(main())
