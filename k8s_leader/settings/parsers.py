"""
From the text that people write to the values that the program uses.

Every parser takes the text of a flag, a variable or a file's scalar, and returns the
value or raises :class:`ValueError` with what would be allowed; the loader adds the
name of the setting and where it was written. No parser touches anything outside.
"""

from __future__ import annotations

import math
import re
import shlex
import signal
import urllib.parse
from collections.abc import Callable

__all__ = [
    "boolean",
    "choice",
    "duration",
    "exit_codes",
    "flat_text",
    "format_duration",
    "pace",
    "path",
    "signal_map",
    "signal_number",
]

SHORTEST = 0.1
"""Seconds; an API server is shared, and answers in some milliseconds at best."""

LONGEST = 365 * 86400.0
_DURATION_TEXT = 64
_MANY = 1000
_INT32 = 2**31 - 1
_PATH_TEXT = 4096
_NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_PLAIN = re.compile(_NUMBER)
_PART = re.compile(rf"({_NUMBER})(ns|us|µs|μs|ms|s|m|h)")  # Go knows both signs
_UNITS = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,  # the Greek letter, as Go accepts it
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})
_UNCATCHABLE = (
    frozenset({signal.SIGKILL, signal.SIGSTOP})
    if hasattr(signal, "SIGKILL")
    else frozenset[signal.Signals]()
)


def duration(text: str) -> float:
    """
    Return the seconds of ``15s``, ``1m30s``, ``500ms`` or a plain number of seconds.

    Raises:
        ValueError: it is no duration, not above zero, or longer than a year.
    """
    allowed = "a time above 0 and up to a year, such as 15s, 1m30s, 500ms or 15"
    text = text.strip()
    if len(text) > _DURATION_TEXT:
        raise ValueError(allowed)
    if _PLAIN.fullmatch(text):
        seconds = float(text)
    else:
        parts = _PART.findall(text)
        if not parts or "".join(number + unit for number, unit in parts) != text:
            raise ValueError(allowed)
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if not (math.isfinite(seconds) and 0 < seconds <= LONGEST):
        raise ValueError(allowed)
    return seconds


def pace(text: str) -> float:
    """
    Return the seconds between two requests, or of one: no fewer than `SHORTEST`.

    Raises:
        ValueError: it is no duration, or would flood the store.
    """
    seconds = duration(text)
    if seconds < SHORTEST:
        raise ValueError("at least 100ms: more often floods the store")
    return seconds


def format_duration(seconds: float) -> str:
    """
    Return the seconds as people write them: ``1m30s``, ``2.25s``, ``500ms``.
    """
    if seconds < 1:
        return f"{seconds * 1000:.6g}ms"
    minutes, rest = divmod(round(seconds, 6), 60)
    hours, minutes = divmod(int(minutes), 60)
    text = (f"{hours}h" if hours else "") + (f"{minutes}m" if minutes else "")
    return text + (f"{rest:.8g}s" if rest or not text else "")


def boolean(text: str) -> bool:
    """
    Return the truth of ``true``, ``yes``, ``on``, ``1`` and their opposites.
    """
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError("true or false (also yes/no, on/off, 1/0)")


def choice(*words: str) -> Callable[[str], str]:
    """
    Return a parser that takes one of the words, in any case.
    """

    def parse(text: str) -> str:
        word = text.strip().lower()
        if word not in words:
            raise ValueError("one of " + ", ".join(words))
        return word

    return parse


def flat_text(text: str, *, longest: int) -> str:
    """
    Return text that is safe in records, labels of logs and one line of output.
    """
    if not text or len(text) > longest or not text.isprintable() or " " in text:
        raise ValueError(
            f"1 to {longest} printable characters without spaces or line breaks"
        )
    return text


def path(text: str) -> str:
    """
    Return a path that a file can have.
    """
    if not text or len(text) > _PATH_TEXT or "\0" in text:
        raise ValueError(f"a path of 1 to {_PATH_TEXT} characters")
    return text


def exit_codes(text: str) -> tuple[int, ...]:
    """
    Return the codes of ``143`` or ``143,130``, sorted, each once.
    """
    words = [word.strip() for word in text.split(",")]
    numbers = {int(w) for w in words if re.fullmatch(r"[0-9]{1,3}", w)}
    if len(text) > _PATH_TEXT or not all(
        re.fullmatch(r"[0-9]{1,3}", w) and int(w) <= 255  # noqa: PLR2004  # 8 bits
        for w in words
    ):
        raise ValueError("numbers from 0 to 255 with commas between, such as 143,130")
    return tuple(sorted(numbers))


def command(text: str) -> tuple[str, ...]:
    """
    Return the words of a command, quoted as in a shell.
    """
    allowed = "a command with its arguments, quoted as in a shell"
    if len(text) > _PATH_TEXT or "\0" in text:
        raise ValueError(allowed)
    try:
        words = shlex.split(text)
    except ValueError as exc:
        raise ValueError(f"{allowed} ({exc})") from exc
    if not words:
        raise ValueError(allowed)
    return tuple(words)


def url(text: str) -> str:
    """
    Return a URL of http or https.
    """
    try:
        parts = urllib.parse.urlsplit(text)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port  # raises when it is none
    except ValueError:
        is_url = False
    if not is_url or not text.isprintable() or " " in text or len(text) > _PATH_TEXT:
        raise ValueError("a URL that begins with http:// or https://")
    return text


def count(text: str) -> int:
    """
    Return a whole number from 1 to 1000.
    """
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= _MANY:
        raise ValueError(f"a whole number from 1 to {_MANY}")
    return int(text)


def between(lowest: int, highest: int) -> Callable[[str], int]:
    """
    Return a parser of whole numbers within these bounds.
    """

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,10}", text) or not lowest <= int(text) <= highest:
            raise ValueError(f"a whole number from {lowest} to {highest}")
        return int(text)

    return parse


def deletion_cost(text: str) -> int:
    """
    Return a pod-deletion-cost; 0 means to leave it alone.
    """
    if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) > _INT32:
        raise ValueError(f"a whole number from 0 to {_INT32}")
    return int(text)


def signal_number(text: str) -> int:
    """
    Return the number of ``TERM``, ``SIGTERM`` or ``15``.
    """
    word = text.strip().upper()
    if re.fullmatch(r"[0-9]{1,3}", word):
        number = int(word)
        if number in signal.valid_signals() and number > 0:
            return number
    else:
        full = word if word.startswith("SIG") else f"SIG{word}"
        found = signal.Signals.__members__.get(full)
        if found is not None:
            return int(found)
    raise ValueError("a signal's name or number, such as TERM, SIGINT or 15")


def stop_signal(text: str) -> int:
    """
    Return the number of a signal that can ask a program to stop.
    """
    number = signal_number(text)
    if signal.Signals.__members__.get("SIGSTOP") == number or number in _harmless():
        raise ValueError("a signal that can end a program, such as TERM, INT or QUIT")
    return number


def _harmless() -> frozenset[int]:
    names = (
        "SIGCHLD",
        "SIGCONT",
        "SIGWINCH",
        "SIGURG",
        "SIGTSTP",
        "SIGTTIN",
        "SIGTTOU",
    )
    members = signal.Signals.__members__
    return frozenset(int(members[name]) for name in names if name in members)


def signal_map(text: str) -> dict[int, int]:
    """
    Return the pairs of ``TERM=QUIT,HUP=USR1``; 0 or ``none`` drops the signal.
    """
    allowed = (
        "pairs SIGNAL=SIGNAL with commas between, such as TERM=QUIT,HUP=none; "
        "KILL, STOP and CHLD cannot be mapped"
    )
    pairs: dict[int, int] = {}
    for pair in text.split(","):
        source, equals, target = pair.replace(":", "=", 1).partition("=")
        if not equals:
            raise ValueError(allowed)
        try:
            number = signal_number(source)
            dropped = target.strip().lower() in {"0", "none"}
            mapped = 0 if dropped else signal_number(target)
        except ValueError:
            raise ValueError(allowed) from None
        forbidden = number in _UNCATCHABLE or number == _child_signal()
        if forbidden or number in pairs:
            raise ValueError(allowed)
        pairs[number] = mapped
    return pairs


def _child_signal() -> int:
    return int(signal.Signals.__members__.get("SIGCHLD", 0))
