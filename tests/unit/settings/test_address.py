from __future__ import annotations

import pytest

from k8s_leader.settings import HttpAddress, http_address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        (":9090", "", 9090),
        (":0", "", 0),
        ("127.0.0.1:65535", "127.0.0.1", 65535),
        ("0.0.0.0:80", "0.0.0.0", 80),
        ("[::1]:9090", "::1", 9090),
        ("[::]:9090", "::", 9090),
    ],
)
def test_an_address_is_numeric_and_shown_as_it_is_written(
    text: str, host: str, port: int
) -> None:
    found = http_address(text)
    assert found == HttpAddress(host=host, port=port)
    assert str(found) == text


@pytest.mark.parametrize("text", ["auto", "off"])
def test_two_words_are_no_addresses(text: str) -> None:
    assert http_address(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "9090", ":", ":x", ":65536", ":-1", ": 9090", ":9090 ", ":\uff11"),
        *("localhost:9090", "127.0.0.1", "256.0.0.1:1", "::1:9090", "[]:9090"),
        *("[127.0.0.1]:9090", "[::1]", "http://[::1]:9090", "0.0.0.0:9090/x", "on"),
    ],
)
def test_what_is_no_address_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match=r"127\.0\.0\.1:9090"):
        http_address(text)
