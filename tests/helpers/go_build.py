"""
Builds the Go programs of the tests once and keeps them outside the repository.

A binary is found again by the content of everything it was made of: the module's
Go files, go.mod, go.sum, the flags and the version of Go. Builds are serialised by
a file lock and end in a rename, so that concurrent test runs share one build and
nobody ever sees half a file.

Without a Go toolchain a binary that an earlier build left in the cache is used.

Run ``python -m tests.helpers.go_build`` to build all of them ahead of time.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = [
    "ACTIONLINT",
    "CLUSTER",
    "HELM_3",
    "HELM_4",
    "KIND",
    "KUBERNETES",
    "KUSTOMIZE",
    "PAUSE",
    "PEERS",
    "PROGRAMS",
    "WORKLOAD",
    "WORKLOAD_GLIBC",
    "WORKLOAD_MUSL",
    "GoBuildError",
    "GoProgram",
    "NoGoError",
]

TESTS = Path(__file__).resolve().parent.parent
KUBERNETES_VERSION = "1.34.4"
_REPORT_EVERY = 10.0
_BUILD_TIMEOUT = 1800.0


class GoBuildError(RuntimeError):
    """
    The Go compiler refused; its output is the message.
    """


class NoGoError(RuntimeError):
    """
    There is neither a Go toolchain nor a binary from an earlier build.
    """

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} needs Go >= 1.24 on the PATH to be built once "
            "(then: python -m tests.helpers.go_build)"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GoProgram:
    """
    One package that becomes one binary, pinned by a Go module of this repository.

    Attributes:
        name: of the binary.
        source: folder of the module.
        package: what is built; by default the module itself.
        ldflags: for the linker.
    """

    name: str
    source: Path
    package: str = "."
    ldflags: str = "-s -w"

    def ready(self) -> Path | None:
        """
        Return the binary if it can be had without building, else None.
        """
        go = shutil.which("go")
        if go:
            path = self._path(_go_version(go))
            return path if path.exists() else None
        found = sorted(self._folder().glob(f"*/{self.name}"))
        return found[-1] if found else None

    def can_be_had(self) -> bool:
        """
        Tell whether `build` has a chance.
        """
        return shutil.which("go") is not None or self.ready() is not None

    def build(self, *, progress: Callable[[str], None] | None = None) -> Path:
        """
        Return the binary, building it first when it is not in the cache.

        Args:
            progress: told a line now and then while a build runs.

        Raises:
            NoGoError: nothing to build with, and nothing built before.
            GoBuildError: the build failed.
        """
        found = self.ready()
        if found:
            return found
        go = shutil.which("go")
        if go is None:
            raise NoGoError(self.name)
        target = self._path(_go_version(go))
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(target.parent / "lock"):
            if not target.exists():
                self._build(go, target=target, progress=progress or (lambda _: None))
        return target

    def _build(self, go: str, *, target: Path, progress: Callable[[str], None]) -> None:
        started = time.monotonic()
        progress(f"building {self.name} with Go, once (a few minutes when all is new)")
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            temporary = Path(folder) / self.name
            command = [go, "build", "-v", "-trimpath", "-ldflags", self.ldflags]
            command += ["-o", str(temporary), self.package]
            lines = _run_reporting(
                command, cwd=self.source, name=self.name, progress=progress
            )
            if not temporary.exists():
                tail = "\n".join(lines[-30:])
                raise GoBuildError(f"go build of {self.name} failed:\n{tail}")
            temporary.rename(target)
        progress(f"built {self.name} in {time.monotonic() - started:.0f} s")

    def _path(self, version: str) -> Path:
        return self._folder() / version / self.name

    def _folder(self) -> Path:
        digest = hashlib.sha256(f"{self.ldflags}{self._of_elsewhere()}".encode())
        own = self.package.startswith("./")
        code = (self.source / self.package if own else self.source).glob("*.go")
        for path in sorted([*code, *self.source.glob("go.*")]):
            content = path.read_bytes()
            digest.update(f"\0{path.name}\0{len(content)}\0".encode())
            digest.update(content)
        return cache_folder() / f"{self.name}-{digest.hexdigest()[:20]}"

    def _of_elsewhere(self) -> str:
        return "" if self.package == "." else f"\0{self.package}"


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """
    Return the folder of the binaries; it survives the checkout.
    """
    base = environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "k8s-leader" / "go"


_KUBERNETES_FLAGS = (
    "-s -w"
    f" -X k8s.io/component-base/version.gitVersion=v{KUBERNETES_VERSION}"
    " -X k8s.io/component-base/version.gitMajor=1"
    " -X k8s.io/component-base/version.gitMinor=34"
)
CLUSTER = GoProgram(
    name="kube-apiserver", source=TESTS / "cluster", ldflags=_KUBERNETES_FLAGS
)
# What a kind cluster is made of: see tests/cluster/kind.
KIND = GoProgram(name="kind", source=TESTS / "cluster", package="sigs.k8s.io/kind")
KUBERNETES = GoProgram(
    name="kubernetes",
    source=TESTS / "cluster",
    package="./kubernetes",
    ldflags=_KUBERNETES_FLAGS,
)
PAUSE = GoProgram(name="pause", source=TESTS / "cluster", package="./pause")
ACTIONLINT = GoProgram(
    name="actionlint",
    source=TESTS / "workflows",
    package="github.com/rhysd/actionlint/cmd/actionlint",
)
WORKLOAD = GoProgram(name="workload", source=TESTS / "e2e" / "workload")
# The same, bound to the loader of a C library.
WORKLOAD_GLIBC = GoProgram(
    name="workload",
    source=TESTS / "e2e" / "workload",
    package="./glibc",
    ldflags="-s -w -I /lib64/ld-linux-x86-64.so.2",
)
WORKLOAD_MUSL = GoProgram(
    name="workload",
    source=TESTS / "e2e" / "workload",
    package="./musl",
    ldflags="-s -w -I /lib/ld-musl-x86_64.so.1",
)
PEERS = GoProgram(name="client-go-elector", source=TESTS / "peers")

# The versions stand in tests/tools/go.mod; a released Helm gets such flags as well.
_TOOLS = TESTS / "tools"
HELM_3 = GoProgram(
    name="helm3",
    source=_TOOLS,
    package="helm.sh/helm/v3/cmd/helm",
    ldflags=(
        "-s -w -X helm.sh/helm/v3/internal/version.version=v3.21.4"
        " -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1"
        " -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=36"
        " -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1"
        " -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=36"
    ),
)
HELM_4 = GoProgram(
    name="helm4",
    source=_TOOLS,
    package="helm.sh/helm/v4/cmd/helm",
    ldflags="-s -w -X helm.sh/helm/v4/internal/version.version=v4.2.4",
)
KUSTOMIZE = GoProgram(
    name="kustomize", source=_TOOLS, package="sigs.k8s.io/kustomize/kustomize/v5"
)
PROGRAMS = (
    CLUSTER,
    PEERS,
    HELM_3,
    HELM_4,
    KUSTOMIZE,
    KIND,
    KUBERNETES,
    PAUSE,
    WORKLOAD,
    WORKLOAD_GLIBC,
    WORKLOAD_MUSL,
    ACTIONLINT,
)
"""Everything that a complete test run needs."""


def _go_version(go: str) -> str:
    # `go version` also knows the toolchain line; the module's folder does not matter
    # here, since all modules of this repository ask for the same language version.
    output = subprocess.run(
        [go, "env", "GOVERSION", "GOARCH"], check=True, capture_output=True, text=True
    ).stdout
    return "-".join(output.split())


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _run_reporting(
    command: list[str], *, cwd: Path, name: str, progress: Callable[[str], None]
) -> list[str]:
    environ = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=readonly -buildvcs=false",
    }
    lines: list[str] = []
    started = reported = time.monotonic()
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip())
            now = time.monotonic()
            if now - started > _BUILD_TIMEOUT:
                process.kill()
            if now - reported >= _REPORT_EVERY:
                reported = now
                elapsed = now - started
                progress(f"  {name}: {elapsed:.0f} s, {len(lines)} packages, {line}")
    return lines


def main() -> int:
    """
    Build every program; return 1 when one does not compile, 3 when there is no Go.
    """
    status = 0
    for program in PROGRAMS:
        try:
            path = program.build(progress=lambda line: print(line, flush=True))
        except NoGoError as error:
            print(error, file=sys.stderr)
            status = 3
        except GoBuildError as error:
            print(error, file=sys.stderr)
            return 1
        else:
            print(f"{program.name}: {path}")
    return status


if __name__ == "__main__":
    raise SystemExit(main())
