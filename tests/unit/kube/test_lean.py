"""
What importing the API client costs, and that the user's own import stays whole.
"""

from __future__ import annotations

from typing import Any

import pytest

from k8s_leader.kube import lean
from tests.helpers.fresh import answer_of

PROGRAM = """
import json, sys
{before}
import k8s_leader.kube
from k8s_leader.kube import lean
lean.load("config.kube_config")
found = sorted(sys.modules)
{after}
print(json.dumps({{"modules": found, "result": result}}))
"""


def run(before: str = "", after: str = "result = None") -> dict[str, Any]:
    program = PROGRAM.format(before=before, after=after)
    return answer_of(program)


def test_neither_models_nor_apis_nor_anything_else_of_it_is_imported() -> None:
    modules = run()["modules"]
    assert "aiohttp" in modules
    assert [name for name in modules if name.startswith("kubernetes")] == []


USE = """
import kubernetes_asyncio
from kubernetes_asyncio import client, config
loader = config.kube_config.KubeConfigLoader
result = [
    client.V1Lease(kind="Lease").kind,
    config.kube_config.ApiClient is client.ApiClient,
    client.rest.RESTClientObject.__module__,
]
"""
WHOLE = ["Lease", True, "kubernetes_asyncio.client.rest"]


@pytest.mark.slow
def test_a_later_import_by_the_user_gets_the_whole_library() -> None:
    assert run(after=USE)["result"] == WHOLE


@pytest.mark.slow
def test_an_earlier_import_by_the_user_stays_whole() -> None:
    found = run(before="import kubernetes_asyncio", after=USE)["result"]
    assert found == WHOLE


def test_a_module_that_does_not_exist_is_an_import_error() -> None:
    with pytest.raises(ModuleNotFoundError, match="is kubernetes_asyncio installed"):
        lean.load("client.nothing")


def test_what_a_package_does_not_have_is_an_import_error() -> None:
    with pytest.raises(ModuleNotFoundError):
        lean._Namespace()._import("kubernetes_asyncio.client", fromlist=("V1Lease",))


def test_a_plain_import_inside_finds_the_private_modules() -> None:
    namespace = lean._Namespace()
    root = namespace._import("kubernetes_asyncio.client.rest")
    assert root.client.rest is namespace.module("kubernetes_asyncio.client.rest")
    module = namespace._import("kubernetes_asyncio.client", fromlist=("rest",))
    assert module.rest is root.client.rest
    exceptions = namespace._import(
        "kubernetes_asyncio.client", fromlist=("exceptions",)
    ).exceptions
    assert exceptions.ApiException is root.client.rest.ApiException


def test_a_relative_import_inside_finds_the_private_modules() -> None:
    namespace = lean._Namespace()
    home = {"__package__": "kubernetes_asyncio.config"}
    module = namespace._import(
        "config_exception", home, fromlist=("ConfigException",), level=1
    )
    assert module is namespace.module("kubernetes_asyncio.config.config_exception")
