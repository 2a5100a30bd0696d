"""
Our log: one line per event on stderr, as text or as JSON.

Configured once by the command (``cli``, ``app``), never on import and never by the
library: an application that embeds us has its own logging. Every line carries which
lease, which identity and, while leading, which term. No secret is ever logged. A line
that stderr does not take now is left out: nobody waits for a reader (S9).
"""

from __future__ import annotations

import json
import logging
import os
import select
import sys
import time
from dataclasses import dataclass
from typing import IO, Any

__all__ = [
    "JsonFormatter",
    "LogContext",
    "PatientHandler",
    "TextFormatter",
    "configure",
]

ROOT = "k8s_leader"
_COLOURS = {
    logging.DEBUG: "\033[2m",
    logging.WARNING: "\033[33m",
    logging.ERROR: "\033[31m",
    logging.CRITICAL: "\033[31;1m",
}
_RESET = "\033[0m"
_PIECE = 4096
"""What a pipe that is ready takes without blocking (PIPE_BUF)."""


@dataclass(slots=True, kw_only=True)
class LogContext:
    """
    What every line says besides its message; change it as it changes.

    Attributes:
        lease: as it was named.
        identity: of this candidate.
        term: the fencing token of the running term; ``None`` on standby.
    """

    lease: str | None = None
    identity: str | None = None
    term: int | None = None

    def fields(self) -> dict[str, Any]:
        """
        Return what is known, in the order in which it is shown.
        """
        pairs = {"lease": self.lease, "identity": self.identity, "term": self.term}
        return {name: value for name, value in pairs.items() if value is not None}


def _timestamp(record: logging.LogRecord) -> str:
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{seconds}.{int(record.msecs):03d}Z"


class TextFormatter(logging.Formatter):
    """
    ``TIME LEVEL message lease=… identity=… term=…``, coloured on a terminal.

    Args:
        context: what every line carries.
        colour: whether to mark levels by colour.
    """

    def __init__(self, context: LogContext, *, colour: bool = False) -> None:
        super().__init__()
        self._context = context
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """
        Return the line; a traceback follows on lines of its own.
        """
        message = record.getMessage().replace("\n", "\n  ")
        parts = [_timestamp(record), f"{record.levelname:<7}", message]
        parts += [f"{k}={v}" for k, v in self._context.fields().items()]
        line = " ".join(parts)
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        colour = _COLOURS.get(record.levelno) if self._colour else None
        return f"{colour}{line}{_RESET}" if colour else line


class JsonFormatter(logging.Formatter):
    """
    One JSON object per line: ts, level, logger, msg, lease, identity, term, err.

    Args:
        context: what every line carries.
    """

    def __init__(self, context: LogContext) -> None:
        super().__init__()
        self._context = context

    def format(self, record: logging.LogRecord) -> str:
        """
        Return the object as one line.
        """
        entry: dict[str, Any] = {
            "ts": _timestamp(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": record.getMessage(),
            **self._context.fields(),
        }
        if record.exc_info:
            entry["err"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)


class PatientHandler(logging.Handler):
    """
    Writes lines to a descriptor, and never waits for whoever should read it.

    A pipe that nobody empties would stop the process that logs, which renews a lease.
    What does not fit now is left out; the next line that fits says how many were.

    Args:
        descriptor: of the stream; others may share it.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._lost = 0
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)

    def emit(self, record: logging.LogRecord) -> None:
        """
        Write the line now, or not at all.
        """
        try:
            line = self.format(record).encode(errors="backslashreplace") + b"\n"
            if self._lost:
                line = b"(%d lines were lost: nobody read)\n" % self._lost + line
            if self._write(line):
                self._lost = 0
            else:
                self._lost += 1
        except Exception:  # noqa: BLE001  # as every handler of logging does
            self.handleError(record)

    def _write(self, line: bytes) -> bool:
        """
        Write in pieces that a pipe which is ready takes at once (PIPE_BUF).
        """
        for start in range(0, len(line), _PIECE):
            if not self._is_ready():
                return start > 0
            os.write(self._descriptor, line[start : start + _PIECE])
        return True

    def _is_ready(self) -> bool:
        return any(found & select.POLLOUT for _, found in self._poll.poll(0))


def _handler(stream: IO[str] | None) -> logging.Handler:
    if stream is not None or not hasattr(select, "poll"):
        return logging.StreamHandler(stream)
    try:
        return PatientHandler(sys.stderr.fileno())
    except (OSError, AttributeError):  # stderr is replaced, or closed
        return logging.StreamHandler()


def configure(
    *,
    format: str = "text",  # noqa: A002  # the setting's own name
    level: str = "info",
    stream: IO[str] | None = None,
    context: LogContext | None = None,
) -> LogContext:
    """
    Send the log of this package to a stream; calling it again replaces the first.

    Args:
        format: ``text`` or ``json``.
        level: ``debug``, ``info``, ``warning`` or ``error``.
        stream: where to; ``None``: stderr as it is now, which is never waited for.
        context: to share with others; ``None``: a new one.

    Returns:
        The context, to be told of lease, identity and term.
    """
    context = context or LogContext()
    formatter: logging.Formatter
    if format == "json":
        formatter = JsonFormatter(context)
    else:
        formatter = TextFormatter(context, colour=(stream or sys.stderr).isatty())
    handler = _handler(stream)
    handler.setFormatter(formatter)
    logger = logging.getLogger(ROOT)
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
    return context
