"""
A wall clock that jumps for the programs of a test, and for nobody else.

A small library that is loaded before the C library moves CLOCK_REALTIME by what stands
in a file. The boot-time clock is the machine's.
"""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["JumpingClock"]

_SOURCE = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile long *offset;

__attribute__((constructor)) static void start(void) {
    int fd = open(getenv("WALL_CLOCK_OFFSET"), O_RDONLY | O_CLOEXEC);
    void *page = mmap(0, sizeof(long), PROT_READ, MAP_SHARED, fd, 0);
    if (page != MAP_FAILED) offset = page;
    close(fd);
}

int clock_gettime(clockid_t id, struct timespec *now) {
    int result = syscall(SYS_clock_gettime, id, now);
    if (id == CLOCK_REALTIME && offset) now->tv_sec += *offset;
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec exact;
    int result = clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return result;
}

time_t time(time_t *where) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (where) *where = now.tv_sec;
    return now.tv_sec;
}
"""


class JumpingClock:
    """
    The wall clock of whatever runs with :attr:`environ`.

    Args:
        folder: a place of the test's own.
    """

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("no C compiler here")
        source, library = folder / "wall_clock.c", folder / "wall_clock.so"
        source.write_text(_SOURCE)
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-o", str(library), str(source)], check=True
        )
        file = folder / "wall_clock_offset"
        file.write_bytes(struct.pack("l", 0))
        with file.open("r+b") as opened:
            self._page = mmap.mmap(opened.fileno(), 8)
        self.environ = {"LD_PRELOAD": str(library), "WALL_CLOCK_OFFSET": str(file)}

    def jump(self, seconds: int) -> None:
        """
        Move the clock by so many seconds, back if they are negative.
        """
        (now,) = struct.unpack("l", self._page[:8])
        self._page[:8] = struct.pack("l", now + seconds)
