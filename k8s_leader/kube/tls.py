"""
The TLS context for the API server, rebuilt when certificate files change.

Guarantees: a changed CA or client certificate is in use within `CHECK_EVERY` seconds
of requests, without dropping a connection; files that are missing, half written or
malformed leave the old context in use, and a disk that hangs delays no request.
Private keys given as data never touch a disk on Linux. Verification is what Go does:
chains may end in an intermediate certificate of the CA file, and extensions that only
newer Pythons insist on are not required.
"""

from __future__ import annotations

import contextlib
import logging
import os
import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import field
from pathlib import Path

from k8s_leader.clock import Clock
from k8s_leader.errors import SettingsError
from k8s_leader.kube.looking import Looking
from k8s_leader.kube.tokens import Credential
from k8s_leader.values import dataclass

__all__ = ["CHECK_EVERY", "Pem", "Tls", "TlsFiles"]

_log = logging.getLogger(__name__)

CHECK_EVERY = 30.0
"""Seconds between two looks at the certificate files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pem:
    """
    Certificates or a key: in a file, or given as text.
    """

    setting: str
    path: str | None = None
    text: str | None = field(default=None, repr=False)

    def read(self) -> str:
        """
        Return the PEM text.

        Raises:
            OSError: the file cannot be read.
            ValueError: it is not text.
        """
        if self.path is None:
            return self.text or ""
        return Path(self.path).read_text(encoding="utf-8")

    def stamp(self) -> object:
        """
        Return something that differs when the file was changed or replaced.
        """
        if self.path is None:
            return None
        try:
            found = Path(self.path).stat()
        except OSError:
            return "missing"
        return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """
    What the context is made of.

    Args:
        ca: the authorities to trust; ``None``: those of the system.
        certificate: our client certificate.
        key: its private key.
        insecure: do not verify the server at all (``insecure-skip-tls-verify``).
    """

    ca: Pem | None = None
    certificate: Pem | None = None
    key: Pem | None = None
    insecure: bool = False

    def stamp(self) -> tuple[object, ...]:
        """
        Return something that differs when any of the files changed.
        """
        pems = (self.ca, self.certificate, self.key)
        return tuple(pem and pem.stamp() for pem in pems)


class Tls:
    """
    Holds the present context.

    Args:
        files: what to build it from.
        clock: whose ``now`` the checks are counted on.

    Raises:
        SettingsError: the files do not make a context at the start.
    """

    def __init__(self, files: TlsFiles, *, clock: Clock) -> None:
        self._files = files
        self._clock = clock
        self._stamp = files.stamp()
        self._refused: object = None
        self._extra = self._wanted = Credential()
        self._context = _build(files, self._extra)
        self._checked_at = clock.now()
        self._looking = Looking(self._check)

    async def current(self, credential: Credential) -> ssl.SSLContext:
        """
        Return the context to use now.

        Args:
            credential: may bring a client certificate of its own (exec plugins).
        """
        due = self._clock.now() - self._checked_at >= CHECK_EVERY
        same = _pair(credential) == _pair(self._extra)
        self._wanted = credential
        if not same:
            await self._looking.through()
        elif due:
            await self._looking.briefly()
        return self._context

    def expire(self) -> None:
        """
        Look at the files again before the next request: a handshake just failed.
        """
        self._checked_at = float("-inf")

    def _check(self) -> None:
        now, credential = self._clock.now(), self._wanted
        self._take(credential)
        self._checked_at = now

    def _take(self, credential: Credential) -> None:
        stamp, pair = self._files.stamp(), _pair(credential)
        if stamp == self._stamp and pair == _pair(self._extra):
            return
        try:
            self._context = _build(self._files, credential)
        except SettingsError as error:
            if self._refused != (stamp, pair):
                _log.warning("certificates changed but cannot be used: %s", error)
            self._refused = (stamp, pair)
            return
        _log.info("certificates changed: new connections use the new ones")
        self._stamp, self._extra, self._refused = stamp, credential, None


def _pair(credential: Credential) -> tuple[str | None, str | None]:
    return credential.certificate, credential.key


def _build(files: TlsFiles, credential: Credential) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.set_alpn_protocols(["http/1.1"])
    if files.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif files.ca is None:
        context.load_default_certs()
    else:
        _trust(context, files.ca)
    certificate, key = files.certificate, files.key
    if credential.certificate and credential.key:
        plugin = "users[].user.exec of the kubeconfig"
        certificate = Pem(setting=plugin, text=credential.certificate)
        key = Pem(setting=plugin, text=credential.key)
    if certificate is not None and key is not None:
        _present(context, certificate, key)
    return context


def _trust(context: ssl.SSLContext, ca: Pem) -> None:
    try:
        context.load_verify_locations(cadata=ca.read())
    except (OSError, ValueError) as error:
        raise _bad(ca, "CA certificates in PEM", error) from None


def _present(context: ssl.SSLContext, certificate: Pem, key: Pem) -> None:
    try:
        with _as_file(certificate.read()) as cert, _as_file(key.read()) as private:
            # An encrypted key must not make OpenSSL ask on the terminal.
            context.load_cert_chain(cert, private, password=lambda: b"")
    except (OSError, ValueError) as error:
        what = "a client certificate and its unencrypted key in PEM"
        raise _bad(certificate, what, error) from None


def _bad(pem: Pem, what: str, error: OSError | ValueError) -> SettingsError:
    if isinstance(error, ssl.SSLError):
        reason = "malformed"
    elif isinstance(error, OSError):
        reason = error.strerror or type(error).__name__
    else:
        reason = "empty or not text"
    return SettingsError(
        pem.setting,
        pem.path or "the data in the kubeconfig",
        allowed=f"{what} (it is: {reason})",
        fix="put the right certificate there, or correct the path",
    )


@contextlib.contextmanager
def _as_file(text: str) -> Iterator[str]:
    """
    Lend PEM text as a file, since OpenSSL's certificates can only be given as one.
    """
    if not hasattr(os, "memfd_create"):  # pragma: no cover - Linux has it
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(text)
            file.flush()
            yield file.name
        return
    descriptor = os.memfd_create("k8s-leader-pem", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
