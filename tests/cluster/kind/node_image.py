"""
A kind node image made of Debian packages and one Kubernetes binary.

Every component of the control plane is the same multi-call binary, so that there is
one image under five names inside the node, and the pause image.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cluster.kind.archive import write_archive
from tests.cluster.kind.debian import root_file_system
from tests.cluster.kind.shell import cache, digest_of, locked, run, which
from tests.helpers.go_build import KUBERNETES, KUBERNETES_VERSION, PAUSE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.kind.engine import Engine

__all__ = ["node_image"]

_FILES = Path(__file__).parent / "node"
_PACKAGES = (
    "systemd,systemd-sysv,dbus,iptables,nftables,iproute2,conntrack,socat,ethtool,"
    "kmod,mount,util-linux,procps,ca-certificates,containerd,runc,"
    "containernetworking-plugins"
)
# Units that would change the machine, which a privileged node could, or only delay.
_MASKED = """systemd-udevd.service systemd-udevd-kernel.socket
systemd-udevd-control.socket systemd-udev-trigger.service systemd-modules-load.service
systemd-sysctl.service systemd-logind.service getty.target getty@.service
console-getty.service systemd-remount-fs.service systemd-binfmt.service
proc-sys-fs-binfmt_misc.automount proc-sys-fs-binfmt_misc.mount dev-hugepages.mount
dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount
sys-kernel-config.mount sys-fs-fuse-connections.mount nftables.service apt-daily.timer
apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service
fstrim.timer systemd-tmpfiles-clean.timer systemd-firstboot.service
systemd-ask-password-console.path systemd-ask-password-wall.path
systemd-random-seed.service systemd-pcrphase.service systemd-pcrphase-sysinit.service
systemd-networkd.service systemd-timesyncd.service systemd-resolved.service"""
_COMPONENTS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "etcd",
)
_TABLES = (
    "iptables",
    "iptables-save",
    "iptables-restore",
    "ip6tables",
    "ip6tables-save",
    "ip6tables-restore",
)


def node_image(engine: Engine) -> str:
    """
    Return the name of the node image, built and loaded if it is new.
    """
    binaries = KUBERNETES.build(), PAUSE.build()
    here = Path(__file__).parent
    sources = (here / "debian.py", here / "archive.py", Path(__file__), _FILES)
    digest = digest_of(_PACKAGES, *map(str, binaries), *sources)
    name = f"k8s-leader-test/node:{digest}"
    folder = cache("node")
    with locked(folder / "lock"):
        if not engine.has_image(name):
            packed = root_file_system("node", *_PACKAGES.split(","))
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                _Node(Path(scratch), *binaries).build(packed, engine, name)
    return name


class _Node:
    """
    The node's root file system under construction.
    """

    def __init__(self, scratch: Path, kubernetes: Path, pause: Path) -> None:
        self._scratch = scratch
        self._root = scratch / "root"
        self._kubernetes = kubernetes
        self._pause = pause

    def build(self, packed: Path, engine: Engine, name: str) -> None:
        self._root.mkdir()
        run("tar", "-xf", packed, "-C", self._root)
        archives = [self._component_image(), self._pause_image()]
        self._add_files()
        with _containerd(self._root / "var/lib/containerd", self._scratch) as socket:
            for archive in archives:
                pull = ("images", "import", "--snapshotter", "overlayfs", archive)
                run("ctr", "--address", socket, "--namespace", "k8s.io", *pull)
        tar = self._scratch / "node.tar"
        run("tar", "--numeric-owner", "-C", self._root, "-cf", tar, ".")
        changes = ['ENTRYPOINT ["/usr/local/bin/entrypoint"]', "ENV container=docker"]
        words = [word for change in changes for word in ("--change", change)]
        engine.docker("import", *words, tar, name)

    def _component_image(self) -> Path:
        root = self._scratch / "components"
        programs = root / "usr/local/bin"
        _lay_out(root)
        shutil.copy(self._kubernetes, programs / "kubernetes")
        for component in _COMPONENTS:
            (programs / component).symlink_to("kubernetes")
        self._add_iptables(root)
        names = self._image_names()
        wanted = [n for n in names if "/pause:" not in n and "/coredns:" not in n]
        return write_archive(self._scratch / "kube.tar", root=root, names=wanted)

    def _pause_image(self) -> Path:
        root = self._scratch / "pause"
        root.mkdir()
        shutil.copy(self._pause, root / "pause")
        names = [name for name in self._image_names() if "/pause:" in name]
        target = self._scratch / "pause.tar"
        return write_archive(target, root=root, names=names, entrypoint=["/pause"])

    def _image_names(self) -> list[str]:
        kubeadm = self._scratch / "kubeadm"
        if not kubeadm.exists():
            kubeadm.symlink_to(self._kubernetes)
        version = ("--kubernetes-version", f"v{KUBERNETES_VERSION}")
        return run(kubeadm, "config", "images", "list", *version).split()

    def _add_iptables(self, root: Path) -> None:
        # Its extensions bring libraries of their own: "statistic", needed from the
        # second endpoint of a service on, takes libm.
        extensions = next(self._root.glob("usr/lib/*/xtables"))
        library = extensions.relative_to(self._root)
        shutil.copytree(extensions, root / library)
        program = "usr/sbin/xtables-nft-multi"
        shutil.copy(self._root / program, root / program)
        for name in _TABLES:
            (root / "usr/sbin" / name).symlink_to("xtables-nft-multi")
        modules = [f"/{library}/{path.name}" for path in extensions.glob("*.so")]
        for line in run(
            "chroot", self._root, "ldd", f"/{program}", *modules, check=False
        ).splitlines():
            found = next((w for w in line.split() if w.startswith("/lib")), None)
            if found and not found.endswith(":"):
                target = root / "usr" / found.lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(self._root / found.lstrip("/"), target)
        for name in ("protocols", "services"):
            if (self._root / "etc" / name).exists():
                shutil.copy(self._root / "etc" / name, root / "etc" / name)

    def _add_files(self) -> None:
        root = self._root
        shutil.copytree(_FILES, root, dirs_exist_ok=True)
        for name in ("entrypoint", "kubelet-cgroups"):
            (root / "usr/local/bin" / name).chmod(0o755)
        (root / "kind/version").write_text(f"v{KUBERNETES_VERSION}\n")
        shutil.copy(self._kubernetes, root / "usr/bin/kubernetes")
        for name in ("kubelet", "kubeadm", "kubectl"):
            (root / "usr/bin" / name).symlink_to("kubernetes")
        units = root / "etc/systemd/system"
        for unit in _MASKED.split():
            (units / unit).unlink(missing_ok=True)
            (units / unit).symlink_to("/dev/null")
        wants = units / "multi-user.target.wants"
        wants.mkdir(exist_ok=True)
        (wants / "kubelet.service").symlink_to("/etc/systemd/system/kubelet.service")
        (units / "default.target").unlink(missing_ok=True)
        (units / "default.target").symlink_to("/lib/systemd/system/multi-user.target")


def _lay_out(root: Path) -> None:
    folders = ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "usr/local/bin", "etc")
    for name in (*folders, "tmp", "run", "var", "proc", "sys", "dev"):
        (root / name).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")


@contextlib.contextmanager
def _containerd(root: Path, scratch: Path) -> Iterator[Path]:
    """
    Run the machine's containerd on the node's folder; yield its socket.

    Images of one layer are unpacked with a bind mount: it takes no overlay on another.
    """
    config, socket = scratch / "containerd.toml", scratch / "containerd.sock"
    config.write_text('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
    command = [which("containerd") or "containerd", "--config", str(config)]
    command += ["--root", str(root), "--state", str(scratch / "state")]
    command += ["--address", str(socket)]
    with (scratch / "containerd.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        ends = time.monotonic() + 30
        while not socket.exists() and time.monotonic() < ends:
            time.sleep(0.1)
        yield socket
    finally:
        process.terminate()
        process.wait(timeout=30)
        shutil.rmtree(root / "tmpmounts", ignore_errors=True)
