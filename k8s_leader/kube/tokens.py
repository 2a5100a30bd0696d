"""
Where the Authorization header comes from, and how it stays fresh.

Guarantees: a token file is read again when the header is older than `MAX_AGE` on the
boot-time clock, and at once when the API server refused it; what cannot be read or is
empty leaves the old token in use, and a disk that hangs delays no request. Plugins run
again before their credential expires, and after a refusal at most once in
`PLUGIN_PAUSE`. No secret is ever logged.
Not guaranteed: that the API server likes the token.
"""

from __future__ import annotations

import abc
import asyncio
import base64
import contextlib
import copy
import datetime
import json
import logging
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

from k8s_leader.clock import Clock
from k8s_leader.errors import InWords, SettingsError
from k8s_leader.kube import lean
from k8s_leader.kube.looking import Looking
from k8s_leader.kube.oidc import verified
from k8s_leader.values import dataclass

__all__ = [
    "MAX_AGE",
    "PLUGIN_PAUSE",
    "PLUGIN_TIMEOUT",
    "AuthProviderToken",
    "Credential",
    "ExecToken",
    "FileToken",
    "FixedToken",
    "TokenSource",
    "basic",
    "bearer",
]

_log = logging.getLogger(__name__)

MAX_AGE = 30.0
"""Seconds after which a token file is read again: well below the minute promised."""

PLUGIN_PAUSE = 10.0
"""Seconds between two runs of a plugin; a refused credential must not fork a storm."""

PLUGIN_TIMEOUT = 300.0
"""Seconds for one run of a plugin; somebody may have to log in in a browser."""

_EXPIRY_LEEWAY = 60.0
"""Seconds before its expiry at which a credential is replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """
    What we show to the API server; secret, so nothing of it is in the repr.

    Args:
        authorization: the value of the Authorization header; ``None``: none is sent.
        certificate: a client certificate in PEM that came with it.
        key: its private key in PEM.
    """

    authorization: str | None = field(default=None, repr=False)
    certificate: str | None = field(default=None, repr=False)
    key: str | None = field(default=None, repr=False)


class TokenSource(Protocol):
    """
    Something that hands out credentials.
    """

    async def current(self) -> Credential:
        """
        Return the credential to use now, refreshed when it is due.
        """

    async def renewed(self) -> Credential:
        """
        Return a credential after the present one was refused: fetched again now.
        """

    async def aclose(self) -> None:
        """
        Let go of what runs in the background.
        """


def bearer(token: str) -> Credential:
    """
    Return the credential for a bearer token; surrounding white space is dropped.

    Raises:
        ValueError: the token is empty or holds what no HTTP header may hold.
    """
    stripped = token.strip()
    if not stripped or not stripped.isascii() or not stripped.isprintable():
        msg = "no usable token"
        raise ValueError(msg)
    return Credential(authorization=f"Bearer {stripped}")


def basic(username: str, password: str) -> Credential:
    """
    Return the credential for a user name and a password.
    """
    pair = f"{username}:{password}".encode()
    return Credential(authorization="Basic " + base64.b64encode(pair).decode())


class FixedToken:
    """
    A credential that never changes: a token or password written in the kubeconfig.
    """

    def __init__(self, credential: Credential) -> None:
        self._credential = credential

    async def current(self) -> Credential:
        """
        Return the credential.
        """
        return self._credential

    async def renewed(self) -> Credential:
        """
        Return the same credential: there is no other.
        """
        return self._credential

    async def aclose(self) -> None:
        """
        Do nothing: there is nothing to let go of.
        """


class FileToken:
    """
    A token in a file that somebody else rotates (the kubelet, for instance).

    Args:
        path: the file.
        clock: whose ``now`` the age is counted on.
        setting: what led to the file, for messages.

    Raises:
        SettingsError: the file is missing, unreadable or empty at the start.
    """

    def __init__(self, path: str, *, clock: Clock, setting: str) -> None:
        self._path = Path(path)
        self._clock = clock
        self._complained = False
        try:
            self._credential = bearer(self._path.read_text(encoding="ascii"))
        except (OSError, ValueError) as error:
            raise SettingsError(
                setting,
                path,
                allowed=f"a readable file with one token in it ({_reason(error)})",
                fix="mount a service account token there, or correct the path",
            ) from None
        self._read_at = clock.now()
        self._looking = Looking(self._read)

    async def current(self) -> Credential:
        """
        Return the token, read again when it is `MAX_AGE` old.

        While the disk does not answer the old token stays in use.
        """
        if self._clock.now() - self._read_at >= MAX_AGE:
            await self._looking.briefly()
        return self._credential

    async def renewed(self) -> Credential:
        """
        Read the file now; keep the old token when that fails.
        """
        await self._looking.through()
        return self._credential

    def _read(self) -> None:
        now = self._clock.now()
        try:
            self._credential = bearer(self._path.read_text(encoding="ascii"))
        except (OSError, ValueError) as error:
            self._complain(_reason(error))
        else:
            self._complained = False
        self._read_at = now

    async def aclose(self) -> None:
        """
        Do nothing: there is nothing to let go of.
        """

    def _complain(self, reason: str) -> None:
        if not self._complained:
            _log.warning(
                "token file %s cannot be used (%s); the old token stays in use",
                self._path,
                reason,
            )
        self._complained = True


class _PluginToken(abc.ABC):
    """
    A credential that a slow helper makes; it outlives the request that asked for it.
    """

    def __init__(self, *, clock: Clock, name: str) -> None:
        self._clock = clock
        self._name = name
        self._credential: Credential | None = None
        self._due = 0.0
        self._ran_at = float("-inf")
        self._running: asyncio.Task[None] | None = None

    async def current(self) -> Credential:
        """
        Return the credential; one that expires soon is replaced in the background.

        Raises:
            SettingsError: there is none yet, and the helper failed.
        """
        if self._credential is not None and self._clock.now() < self._due:
            return self._credential
        running = self._start()
        if self._credential is None:
            await asyncio.shield(running)
        return self._credential or Credential()

    async def renewed(self) -> Credential:
        """
        Make a new credential, unless one was made in the last `PLUGIN_PAUSE`.
        """
        is_running = self._running is not None and not self._running.done()
        if is_running or self._clock.now() - self._ran_at >= PLUGIN_PAUSE:
            self._forget()
            await asyncio.shield(self._start())
        return await self.current()

    async def aclose(self) -> None:
        """
        Stop waiting for a run under way.
        """
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})

    def _start(self) -> asyncio.Task[None]:
        # A request's deadline may be shorter than a log-in takes: the run goes on
        # without the request, and a later request finds its result.
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run(), name=f"kube {self._name}")
        return self._running

    async def _run(self) -> None:
        try:
            self._credential, self._due = await self._make()
        except Exception as error:  # noqa: BLE001 - anything may come out of a plugin
            if self._credential is None:
                raise SettingsError(
                    self._name,
                    InWords("one that failed"),
                    allowed="a helper that hands out a credential",
                    fix=f"run it by hand; it said {type(error).__name__}: "
                    + _short(error),
                ) from None
            self._due = self._clock.now() + PLUGIN_PAUSE
            _log.warning("%s failed: %s", self._name, _short(error))
        finally:
            self._ran_at = self._clock.now()

    def _forget(self) -> None:  # noqa: B027 - most keep nothing that could be refused
        """
        Drop what the helper would otherwise hand out again.
        """

    @abc.abstractmethod
    async def _make(self) -> tuple[Credential, float]:
        """
        Return a new credential and when, on the clock's ``now``, to replace it.
        """


class ExecToken(_PluginToken):
    """
    A credential plugin (``users[].user.exec``), as kubernetes_asyncio describes it.

    Args:
        config: the ``exec`` part of the kubeconfig's user.
        clock: for the expiry.
    """

    def __init__(self, config: Mapping[str, Any], *, clock: Clock) -> None:
        super().__init__(clock=clock, name="users[].user.exec of the kubeconfig")
        self._config = config

    async def _make(self) -> tuple[Credential, float]:
        module = await asyncio.to_thread(lean.load, "config.kube_config")
        node = module.ConfigNode("exec", dict(self._config))
        async with asyncio.timeout(PLUGIN_TIMEOUT):
            status = await _run_plugin(module.ExecProvider(node))
        token = status.get("token")
        certificate = status.get("clientCertificateData")
        key = status.get("clientKeyData")
        if not token and not (certificate and key):
            msg = "the plugin returned neither a token nor a client certificate"
            raise ValueError(msg)
        authorization = bearer(token).authorization if token else None
        credential = Credential(
            authorization=authorization, certificate=certificate, key=key
        )
        return credential, self._expiry(status.get("expirationTimestamp"))

    def _expiry(self, stamp: str | None) -> float:
        if not stamp:
            return float("inf")
        at = datetime.datetime.fromisoformat(stamp)
        left = at.timestamp() - self._clock.wall() - _EXPIRY_LEEWAY
        return self._clock.now() + max(left, PLUGIN_PAUSE)


class AuthProviderToken(_PluginToken):
    """
    An auth provider (``users[].user.auth-provider``), run by kubernetes_asyncio.

    Refreshed tokens are kept in memory only; the kubeconfig is never written.

    Args:
        user: the kubeconfig's user.
        clock: for the pauses.
    """

    def __init__(self, user: Mapping[str, Any], *, clock: Clock) -> None:
        super().__init__(clock=clock, name="users[].user.auth-provider")
        self._user = copy.deepcopy(dict(user))

    async def _make(self) -> tuple[Credential, float]:
        module = verified(await asyncio.to_thread(lean.load, "config.kube_config"))
        loader = module.KubeConfigLoader(_one_user(self._user), config_base_path=None)
        found = SimpleNamespace(api_key={})
        async with asyncio.timeout(PLUGIN_TIMEOUT):
            await loader.load_and_set(found)
        credential = Credential(authorization=found.api_key["BearerToken"].strip())
        return credential, self._clock.now() + MAX_AGE

    def _forget(self) -> None:
        with contextlib.suppress(KeyError, TypeError):
            del self._user["auth-provider"]["config"]["id-token"]


async def _run_plugin(provider: Any) -> dict[str, Any]:
    """
    Run what an ExecProvider describes, and return the status it prints.

    The provider's own ``run`` leaves the process behind when it is cancelled, and
    waits for ever for one that writes much to its standard error.
    """
    spec = {"interactive": False}
    info = {"apiVersion": provider.api_version, "kind": "ExecCredential", "spec": spec}
    process = await asyncio.create_subprocess_exec(
        *provider.args,
        env={**provider.env, "KUBERNETES_EXEC_INFO": json.dumps(info)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        printed, complaint = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        said = complaint.decode(errors="replace")
        msg = f"the plugin ended with status {process.returncode}: {said}"
        raise RuntimeError(msg)
    answer = json.loads(printed)
    if answer["apiVersion"] != provider.api_version:
        msg = f"the plugin speaks {answer['apiVersion']}, not {provider.api_version}"
        raise ValueError(msg)
    return dict(answer["status"])


def _one_user(user: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "current-context": "only",
        "contexts": [{"name": "only", "context": {"cluster": "only", "user": "only"}}],
        "clusters": [{"name": "only", "cluster": {"server": "http://unused"}}],
        "users": [{"name": "only", "user": user}],
    }


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "it is empty or not a token"


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
