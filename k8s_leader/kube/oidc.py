"""
Refreshes OpenID tokens as kubernetes_asyncio does, over connections that are verified.

Its own requestor trusts any server when the kubeconfig names no authority, and fails
when it names one; and it wants a new refresh token, which few providers send.
"""

from __future__ import annotations

import ssl
from types import ModuleType
from typing import Any

import aiohttp

__all__ = ["verified"]


def verified(module: ModuleType) -> ModuleType:
    """
    Put our requestor into a private copy of ``config.kube_config``; return the copy.
    """
    base: Any = module.OpenIDRequestor

    class Requestor(base):  # type: ignore[misc]  # ships no types
        def _get_connector(self) -> aiohttp.TCPConnector:
            context = ssl.create_default_context(cafile=self._ssl_ca_cert)
            return aiohttp.TCPConnector(ssl=context)

        async def refresh_token(self, refresh_token: str) -> dict[str, Any]:
            found = await super().refresh_token(refresh_token)
            return {"refresh_token": refresh_token, **found}

    vars(module)["OpenIDRequestor"] = Requestor
    return module
