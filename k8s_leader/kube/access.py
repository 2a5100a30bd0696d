"""
Decide how the API server is reached and as whom, in client-go's order.

An explicit kubeconfig, else the files of KUBECONFIG, else ``~/.kube/config``, else,
when those say nothing, the Pod's own service account. The namespace: the explicit
one, else the context's, else in a Pod POD_NAMESPACE and then the service account's,
else ``default``.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from k8s_leader.clock import Clock
from k8s_leader.errors import SettingsError
from k8s_leader.kube import kubeconfig
from k8s_leader.kube.kubeconfig import Kubeconfig, Selection
from k8s_leader.kube.proxy import proxy_from_environment, proxy_from_kubeconfig
from k8s_leader.kube.settings import KubeSettings
from k8s_leader.kube.tls import Pem, Tls, TlsFiles
from k8s_leader.kube.tokens import (
    AuthProviderToken,
    Credential,
    ExecToken,
    FileToken,
    FixedToken,
    TokenSource,
    basic,
    bearer,
)
from k8s_leader.settings.names import namespace_name
from k8s_leader.values import dataclass

__all__ = ["Access", "is_in_cluster", "resolve"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """
    How to reach one API server; ready to use.

    Args:
        host: the URL of the API server, without a slash at the end.
        namespace: the namespace to use when none is named.
        source: where all this came from, for people.
        tokens: who hands out the Authorization header.
        tls: the TLS context; ``None`` for plain HTTP.
        tls_server_name: the name to verify instead of the host's.
        proxy: the HTTP proxy; may hold a password.
        headers: headers of each request (impersonation).
    """

    host: str
    namespace: str
    source: str
    tokens: TokenSource = field(repr=False)
    tls: Tls | None = field(default=None, repr=False)
    tls_server_name: str | None = None
    proxy: str | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = ()


def is_in_cluster(settings: KubeSettings, *, environ: Mapping[str, str]) -> bool:
    """
    Whether this process runs in a Pod that has credentials for its API server.
    """
    token = Path(settings.service_account_dir, "token")
    return bool(_service(environ)) and token.exists()


def resolve(
    settings: KubeSettings, *, environ: Mapping[str, str], clock: Clock
) -> Access:
    """
    Return the access that settings, environment and files lead to.

    Raises:
        SettingsError: nothing leads to an API server, or what does is wrong.
    """
    config = kubeconfig.find(settings, environ=environ)
    if config:
        return _from_kubeconfig(config, settings, environ=environ, clock=clock)
    if settings.context or settings.cluster or settings.user:
        raise SettingsError(
            "--context",
            settings.context or settings.cluster or settings.user,
            allowed="a name in a kubeconfig, and there is no kubeconfig",
            fix="name the kubeconfig (--kubeconfig or KUBECONFIG)",
        )
    return _in_cluster(settings, environ=environ, clock=clock)


def _service(environ: Mapping[str, str]) -> str:
    host = environ.get("KUBERNETES_SERVICE_HOST", "")
    port = environ.get("KUBERNETES_SERVICE_PORT", "")
    if not host or not port:
        return ""
    bracketed = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return f"https://{bracketed}:{port}"


def _in_cluster(
    settings: KubeSettings, *, environ: Mapping[str, str], clock: Clock
) -> Access:
    host = _service(environ)
    folder = Path(settings.service_account_dir)
    if not host:
        raise SettingsError(
            "kubeconfig",
            None,
            allowed="--kubeconfig, KUBECONFIG, ~/.kube/config (of HOME, if that is "
            "set) or a Pod's own account",
            fix="name a kubeconfig, or use a lease that needs no cluster",
        )
    if not Path(folder, "token").exists():
        raise SettingsError(
            str(folder / "token"),
            None,
            allowed="the token of the Pod's service account",
            fix="set automountServiceAccountToken: true, or name a kubeconfig",
        )
    ca = Pem(setting="CA of the service account", path=str(folder / "ca.crt"))
    return Access(
        host=_url(host, setting="KUBERNETES_SERVICE_HOST"),
        namespace=settings.namespace or _pod_namespace(folder, environ=environ),
        source="service account of the Pod",
        tokens=FileToken(
            str(folder / "token"), clock=clock, setting="token of the service account"
        ),
        tls=Tls(TlsFiles(ca=ca), clock=clock),
    )


def _pod_namespace(folder: Path, *, environ: Mapping[str, str]) -> str:
    named = environ.get("POD_NAMESPACE", "").strip()
    if named:
        return _namespace(named, setting="POD_NAMESPACE")
    path = folder / "namespace"
    try:
        found = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        found = ""
    return _namespace(found or "default", setting=str(path))


def _namespace(name: str, *, setting: str) -> str:
    try:
        return namespace_name(name)
    except ValueError as error:
        raise SettingsError(
            setting, name, allowed=str(error), fix="correct it, or use --namespace"
        ) from None


def _from_kubeconfig(
    config: Kubeconfig,
    settings: KubeSettings,
    *,
    environ: Mapping[str, str],
    clock: Clock,
) -> Access:
    chosen = config.select(settings)
    cluster = chosen.cluster
    host = _url(cluster.get("server"), setting=f"server in {config.where}")
    proxy = cluster.get("proxy-url")
    return Access(
        host=host,
        namespace=settings.namespace
        or chosen.namespace
        or _outside_namespace(settings, environ=environ),
        source=f"kubeconfig {config.where}, context {chosen.context or '-'}",
        tokens=_tokens(config, chosen.user, clock=clock),
        tls=_tls(config, chosen, clock=clock) if host.startswith("https:") else None,
        tls_server_name=cluster.get("tls-server-name") or None,
        proxy=proxy_from_kubeconfig(proxy, setting=f"proxy-url in {config.where}")
        if proxy
        else proxy_from_environment(host, environ=environ),
        headers=_impersonation(chosen.user),
    )


def _outside_namespace(settings: KubeSettings, *, environ: Mapping[str, str]) -> str:
    if is_in_cluster(settings, environ=environ):
        return _pod_namespace(Path(settings.service_account_dir), environ=environ)
    return "default"


def _url(server: object, *, setting: str) -> str:
    try:
        parts = urlsplit(server if isinstance(server, str) else "")
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        valid = False
    if not valid or not isinstance(server, str):
        raise SettingsError(
            setting,
            server,
            allowed="https://HOST:PORT, IPv6 addresses in square brackets",
            fix="correct the address of the API server",
        )
    return server.rstrip("/")


def _tls(config: Kubeconfig, chosen: Selection, *, clock: Clock) -> Tls:
    cluster, user = chosen.cluster, chosen.user
    certificate = _pem(config, user, "client-certificate")
    key = _pem(config, user, "client-key")
    if (certificate is None) != (key is None):
        missing = "client-key" if key is None else "client-certificate"
        raise config.error(
            missing, "a client certificate together with its key", missing=True
        )
    files = TlsFiles(
        ca=_pem(config, cluster, "certificate-authority"),
        certificate=certificate,
        key=key,
        insecure=cluster.get("insecure-skip-tls-verify") is True,
    )
    return Tls(files, clock=clock)


def _pem(config: Kubeconfig, part: dict[str, Any], key: str) -> Pem | None:
    setting = f"{key} in {config.where}"
    data = part.get(f"{key}-data")
    if data:
        try:
            text = base64.b64decode(data, validate=True).decode()
        except (binascii.Error, TypeError, ValueError):
            raise config.error(f"{key}-data", "PEM encoded as base64") from None
        return Pem(setting=setting, text=text)
    path = part.get(key)
    return Pem(setting=setting, path=path) if isinstance(path, str) and path else None


def _tokens(config: Kubeconfig, user: dict[str, Any], *, clock: Clock) -> TokenSource:
    if user.get("tokenFile"):
        setting = f"tokenFile in {config.where}"
        return FileToken(str(user["tokenFile"]), clock=clock, setting=setting)
    if user.get("token"):
        try:
            return FixedToken(bearer(str(user["token"])))
        except ValueError:
            raise config.error("token", "one line of printable characters") from None
    if user.get("username"):
        name, password = str(user["username"]), str(user.get("password") or "")
        return FixedToken(basic(name, password))
    if isinstance(user.get("exec"), dict):
        return ExecToken(user["exec"], clock=clock)
    if isinstance(user.get("auth-provider"), dict):
        return AuthProviderToken(user, clock=clock)
    return FixedToken(Credential())


def _impersonation(user: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """
    Ignoring ``as`` would act with more rights than the person asked for.
    """
    headers = []
    if user.get("as"):
        headers.append(("Impersonate-User", str(user["as"])))
    if user.get("as-uid"):
        headers.append(("Impersonate-Uid", str(user["as-uid"])))
    headers += [
        ("Impersonate-Group", str(name)) for name in user.get("as-groups") or ()
    ]
    for key, values in (user.get("as-user-extra") or {}).items():
        headers += [(f"Impersonate-Extra-{key}", str(value)) for value in values or ()]
    return tuple(headers)
