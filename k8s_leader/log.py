"""
Our log: one line per event on stderr, as text or as JSON.

Configured once by the command (``cli``, ``app``), never on import and never by the
library: an application that embeds us has its own logging. Every line carries which
lease, which identity and, while leading, which term. No secret is ever logged.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from dataclasses import dataclass
from typing import IO, Any

__all__ = ["JsonFormatter", "LogContext", "TextFormatter", "configure"]

ROOT = "k8s_leader"
_COLOURS = {
    logging.DEBUG: "\033[2m",
    logging.WARNING: "\033[33m",
    logging.ERROR: "\033[31m",
    logging.CRITICAL: "\033[31;1m",
}
_RESET = "\033[0m"


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
        stream: where to; ``None``: stderr as it is now.
        context: to share with others; ``None``: a new one.

    Returns:
        The context, to be told of lease, identity and term.
    """
    context = context or LogContext()
    stream = stream or sys.stderr
    formatter: logging.Formatter
    if format == "json":
        formatter = JsonFormatter(context)
    else:
        formatter = TextFormatter(context, colour=stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger = logging.getLogger(ROOT)
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
    return context
