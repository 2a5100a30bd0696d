"""
Build the self-contained tree: ``build_tree.py --root OUT`` makes OUT/opt/k8s-leader.

The tree holds an interpreter with its own loader, C library and every library that
it uses, our dependencies by their pinned hashes, and k8s-leader. It needs nothing of
the file system that it is put into, not even a C library, and is bound to its path:
the kernel finds the loader by an absolute name. Runs with the interpreter that is to
be copied; standard library only, besides the pinned build tools that it installs.

Same inputs, same bytes: times are SOURCE_DATE_EPOCH's (default 0), compiled modules
are bound to no time.
"""

from __future__ import annotations

import argparse
import compileall
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from py_compile import PycInvalidationMode

PREFIX = Path("/opt/k8s-leader")
SOURCE = Path(__file__).resolve().parent.parent
# Of the standard library: what only developers, other systems and terminals use.
LEFT_OUT = (
    "__pycache__",
    "site-packages",
    "dist-packages",
    "config-*",
    "LICENSE.txt",
    "test",
    "tests",
    "_test*",
    "_xx*",
    "xx*",
    "idlelib",
    "tkinter",
    "_tkinter*",
    "turtle*",
    "lib2to3",
    "ensurepip",
    "venv",
    "pydoc*",
    "doctest.py",
    "unittest",
    "distutils",
    "msilib",
    "curses",
    "_curses*",
    "readline*",
    "dbm",
    "_dbm*",
    "_gdbm*",
    "nis*",
    "ossaudiodev*",
    "audioop*",
    "_codecs_*",
    "_crypt*",
    "spwd*",
    "xmlrpc",
)
# Of kubernetes_asyncio only transport and credentials are ever loaded (kube/lean.py).
UNUSED_PACKAGES = (
    "kubernetes_asyncio/client/models",
    "kubernetes_asyncio/client/api",
    "kubernetes_asyncio/dynamic",
    "kubernetes_asyncio/e2e_test",
    "kubernetes_asyncio/leaderelection",
    "kubernetes_asyncio/stream",
    "kubernetes_asyncio/test",
    "kubernetes_asyncio/utils",
    "kubernetes_asyncio/watch",
    "tzdata/zoneinfo",
    "bin",
)
UNUSED_FILES = (
    "*.c",
    "*.h",
    "*.hash",
    "*.md",
    "*.pxd",
    "*.pxi",
    "*.pyi",
    "*.pyx",
    "*_test.py",
    "_testcapi*",
    "test_*.py",
)


def run(*command: object, **environ: str) -> str:
    """
    Run a program with a clean environment; return what it printed.
    """
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [str(word) for word in command],
        env={**clean, **environ},
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        sys.exit(f"failed: {' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


class Tree:
    """
    The tree under construction.
    """

    def __init__(self, root: Path, tools: Path) -> None:
        self.home = root / PREFIX.relative_to("/")
        self.lib = self.home / "lib"
        self.python = self.home / "bin" / "python3"
        self.stdlib = self.lib / Path(sysconfig.get_path("stdlib")).name
        self._root = root
        self._tools = tools

    def add_interpreter(self) -> None:
        """
        Copy the interpreter and the standard library.
        """
        self.python.parent.mkdir(parents=True)
        shutil.copy(os.path.realpath(sys.executable), self.python)
        source = sysconfig.get_path("stdlib")
        shutil.copytree(source, self.stdlib, ignore=shutil.ignore_patterns(*LEFT_OUT))

    def add_libraries(self) -> None:
        """
        Copy the loader and every library, and bind the interpreter to them.

        DT_RPATH of a program, other than DT_RUNPATH, also serves the libraries that
        it loads later, and comes before LD_LIBRARY_PATH of the workload's image.
        """
        loader = Path(self._patchelf("--print-interpreter", self.python).strip())
        modules = [*self.stdlib.rglob("*.so*"), *self.site().rglob("*.so*")]
        wanted = {os.path.realpath(loader): loader.name}
        for path in (Path(os.path.realpath(sys.executable)), *modules):
            found = re.findall(r"(\S+) => (/\S+)", run("ldd", path))
            wanted.update((where, name) for name, where in found)
        for where, name in wanted.items():
            shutil.copy(where, self.lib / name)
        self._strip([self.python, *self.lib.glob("*.so*"), *modules])
        for path in [*self.lib.glob("*.so*"), *self.stdlib.glob("lib-dynload/*.so")]:
            if (
                path.name != loader.name
                and self._patchelf("--print-rpath", path).strip()
            ):
                self._patchelf("--remove-rpath", path)
        bind = ["--set-interpreter", PREFIX / "lib" / loader.name]
        bind += ["--force-rpath", "--set-rpath", PREFIX / "lib"]
        self._patchelf(*bind, self.python)

    def add_packages(self, pip: list[str]) -> None:
        """
        Install the pinned dependencies and k8s-leader, without what is never loaded.
        """
        site = self.site()
        pins = SOURCE / "requirements" / "image.txt"
        common = [*pip, "--target", site, "--no-compile", "--no-deps"]
        run(*common, "--require-hashes", "-r", pins)
        ours = ["--no-index", "--no-build-isolation", SOURCE]
        run(*common, *ours, PYTHONPATH=str(self._tools))
        for name in UNUSED_PACKAGES:
            shutil.rmtree(site / name, ignore_errors=True)
        for pattern in UNUSED_FILES:
            for path in site.rglob(pattern):
                path.unlink()
        for name in ("RECORD", "direct_url.json", "INSTALLER", "REQUESTED"):
            for path in site.glob(f"*.dist-info/{name}"):
                path.unlink()

    def add_commands(self) -> None:
        """
        Add our command, in the tree and where every PATH finds it.
        """
        command = self.home / "bin" / "k8s-leader"
        text = (SOURCE / "image" / "launcher.py").read_text()
        command.write_text(f"#!{PREFIX}/bin/python3 -I\n{text}")
        command.chmod(0o755)
        link = self._root / "usr" / "local" / "bin" / "k8s-leader"
        link.parent.mkdir(parents=True)
        link.symlink_to(PREFIX / "bin" / "k8s-leader")

    def add_papers(self) -> None:
        """
        Add the licences of what was copied, and the bill of materials.
        """
        papers = self.home / "share" / "licenses"
        papers.mkdir(parents=True)
        shutil.copy(SOURCE / "LICENSE", papers / "k8s-leader")
        python = Path(sysconfig.get_path("stdlib")) / "LICENSE.txt"
        if python.exists():
            shutil.copy(python, papers / "python")
        for path in sorted(self.lib.glob("*.so*")):
            self._licence_of(path.name, papers)
        out = self.home / "share" / "sbom.cdx.json"
        libraries = [path.name for path in sorted(self.lib.glob("*.so*"))]
        run(sys.executable, SOURCE / "image" / "sbom.py", out, *libraries)

    def compile(self) -> None:
        """
        Compile every module, under the path where it will be read.
        """
        done = compileall.compile_dir(
            self.lib,
            quiet=2,
            stripdir=str(self._root),
            prependdir="/",
            invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
            maxlevels=20,
        )
        if not done:
            sys.exit("failed: a module of the tree cannot be compiled")

    def settle(self, epoch: int) -> None:
        """
        Give everything the same time and the modes that any user can read.
        """
        for path in [self._root, *self._root.rglob("*")]:
            if not path.is_symlink():
                executable = path.is_dir() or path.stat().st_mode & 0o100
                path.chmod(0o755 if executable else 0o644)
            os.utime(path, (epoch, epoch), follow_symlinks=False)

    def site(self) -> Path:
        """
        Return the folder where the copied interpreter looks for packages.
        """
        # Debian's interpreters look elsewhere than python.org's: ask it.
        code = f"import site; print(site.getsitepackages([{str(PREFIX)!r}])[-1])"
        found = run(sys.executable, "-I", "-S", "-c", code).strip()
        site = self._root / found.lstrip("/")
        site.mkdir(parents=True, exist_ok=True)
        return site

    def _strip(self, paths: list[Path]) -> None:
        if shutil.which("strip"):
            for path in paths:
                path.chmod(0o755)
                run("strip", "--strip-unneeded", path)
        else:
            print("no strip here (binutils): debug symbols stay, the tree is larger")

    def _licence_of(self, library: str, papers: Path) -> None:
        if shutil.which("dpkg") is None:
            return
        found = subprocess.run(
            ["dpkg", "-S", f"*/{library}"], check=False, capture_output=True, text=True
        )
        for package in {line.split(":")[0] for line in found.stdout.splitlines()}:
            copyright_file = Path("/usr/share/doc") / package / "copyright"
            if copyright_file.exists():
                shutil.copy(copyright_file, papers / package)

    def _patchelf(self, *args: object) -> str:
        return run(self._tools / "bin" / "patchelf", *args)


def main() -> None:
    """
    Build into a folder that must not exist yet, or is empty.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--wheels", type=Path, help="install from here, no index")
    args = parser.parse_args()
    os.umask(0o022)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    pip += ["install", "--root-user-action=ignore"]
    if args.wheels and any(args.wheels.glob("*.whl")):
        pip += ["--no-index", "--find-links", str(args.wheels)]
    with tempfile.TemporaryDirectory() as folder:
        tools = Path(folder)
        pins = SOURCE / "requirements" / "image-build.txt"
        run(*pip, "--target", tools, "--no-deps", "--require-hashes", "-r", pins)
        tree = Tree(args.root.resolve(), tools)
        tree.add_interpreter()
        tree.add_packages(pip)
        tree.add_libraries()
        tree.add_commands()
        tree.add_papers()
        tree.compile()
        tree.settle(int(os.environ.get("SOURCE_DATE_EPOCH") or 0))
    size = sum(p.stat().st_size for p in args.root.rglob("*") if not p.is_symlink())
    print(f"{tree.home}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
