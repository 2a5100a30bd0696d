from __future__ import annotations

import io
import json
import logging
import os

import pytest

from k8s_leader.log import LogContext, PatientHandler, TextFormatter, configure


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


def test_a_reader_that_hangs_costs_lines_and_never_the_writer() -> None:
    reader, writer = os.pipe()
    log = logging.getLogger("k8s_leader.a")
    try:
        log.handlers[:], log.propagate = [PatientHandler(writer)], False
        log.handlers[0].setFormatter(TextFormatter(LogContext(lease="x")))
        for number in range(5000):  # a pipe takes 64 KiB: this would block for ever
            log.warning("%d %s", number, "." * 80)
        first = os.read(reader, 2**20)
        log.warning("and on %s", "x" * 9000)
        second = os.read(reader, 2**20)
    finally:
        log.handlers.clear()
        log.propagate = True
        os.close(reader)
        os.close(writer)
    told = first.decode().splitlines()
    assert [int(line.split()[2]) for line in told] == list(range(len(told)))
    lost = 5000 - len(told)
    assert second.startswith(b"(%d lines were lost: nobody read)\n" % lost)
    assert second.endswith(b"x" * 9000 + b" lease=x\n")


def test_a_closed_stderr_is_no_error_of_the_program(
    capsys: pytest.CaptureFixture[str],
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    handler = PatientHandler(writer)
    record = logging.makeLogRecord({"msg": "into the void"})
    handler.handle(record)
    os.close(writer)
    handler.handle(record)
