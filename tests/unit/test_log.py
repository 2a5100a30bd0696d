from __future__ import annotations

import io
import json
import logging

import pytest

from k8s_leader.log import LogContext, configure


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def own_logger(restored_log: None) -> None:
    """
    Give back the logger as it was.
    """


def test_text_lines_carry_lease_identity_and_term() -> None:
    stream = io.StringIO()
    context = configure(stream=stream, context=LogContext(lease="ns/x"))
    log = logging.getLogger("k8s_leader.test")
    context.identity = "pod_1"
    log.info("standing by")
    context.term = 7
    log.warning("two\nlines")
    log.debug("not shown")
    first, second, third = stream.getvalue().splitlines()
    assert first.endswith("Z INFO    standing by lease=ns/x identity=pod_1")
    assert second.endswith("WARNING two")
    assert third == "  lines lease=ns/x identity=pod_1 term=7"


def test_json_lines_are_objects_also_with_an_error() -> None:
    stream = io.StringIO()
    configure(format="json", level="debug", stream=stream).term = 3
    try:
        raise ValueError("no\nway")
    except ValueError:
        logging.getLogger("k8s_leader.a").exception("failed %s", "twice")
    entry = json.loads(stream.getvalue())
    assert entry["msg"] == "failed twice"
    assert (entry["level"], entry["logger"], entry["term"]) == (
        "error",
        "k8s_leader.a",
        3,
    )
    assert "ValueError" in entry["err"]
    assert entry["ts"].endswith("Z")


def test_a_terminal_gets_colour_and_a_traceback() -> None:
    stream = Terminal()
    configure(stream=stream)
    try:
        raise ValueError("no")
    except ValueError:
        logging.getLogger("k8s_leader.a").exception("failed")
    text = stream.getvalue()
    assert text.startswith("\033[31m")
    assert "ValueError: no" in text
    logging.getLogger("k8s_leader.a").info("plain")
    assert "\033" not in stream.getvalue().splitlines()[-1]


def test_configuring_again_replaces_and_defaults_to_stderr(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure(stream=io.StringIO())
    configure()
    logging.getLogger("k8s_leader.a").info("once")
    assert capsys.readouterr().err.count("once") == 1
