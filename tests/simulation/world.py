"""
Virtual time: one queue of events, machines with clocks of their own, and processes.

Each process is an asyncio event loop of its own, stepped by the one scheduler: so it
can be stopped, killed or be late while the others run, and its timers follow the
clock of its machine. Nothing here waits in real time; the same seed gives the same run.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["Handle", "Machine", "Process", "Scheduler", "StepLimitError"]

Call = Callable[..., object]

_FEW = 400
"""So many events at one instant are a busy loop."""

_MANY = 40
"""So many tasks are looked through for those that are done."""


class StepLimitError(Exception):
    """
    Something goes round and round while no time passes.
    """


class Handle:
    """
    A call that is to come; all that asyncio wants of its handles.
    """

    __slots__ = ("_when", "args", "call")

    def __init__(self, call: Call, args: tuple[Any, ...], when: float = 0.0) -> None:
        self.call: Call | None = call
        self.args = args
        self._when = when

    def cancel(self) -> None:
        self.call = None
        self.args = ()

    def cancelled(self) -> bool:
        return self.call is None

    def when(self) -> float:
        return self._when

    def run(self) -> None:
        # Not in its context: nothing here has variables of one, and it costs time.
        if self.call is not None:
            self.call(*self.args)


class Scheduler:
    """
    The one queue of all that will happen.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self._queue: list[tuple[float, int, Handle]] = []
        self._count = 0

    def at(self, when: float, call: Call, *args: object) -> Handle:
        """
        Have ``call`` made at ``when``, in true seconds.
        """
        handle = Handle(call, args, when)
        self._count = count = self._count + 1
        now = self.now
        heapq.heappush(self._queue, (max(now, when), count, handle))
        return handle

    def after(self, delay: float, call: Call, *args: object) -> Handle:
        return self.at(self.now + delay, call, *args)

    def run(self, *, until: float) -> None:
        """
        Let everything happen up to ``until``.
        """
        queue, pop = self._queue, heapq.heappop
        same = 0
        while queue and queue[0][0] <= until:
            when, _, handle = pop(queue)
            same = same + 1 if when == self.now else 0
            if same > _FEW:
                raise StepLimitError(f"busy loop at {when:.3f}: {handle.call}")
            self.now = when
            if handle.call is not None:
                handle.call(*handle.args)
        self.now = until


class Machine:
    """
    A machine's clocks: a boot-time clock with its own rate, a wall clock that may jump.
    """

    __slots__ = ("_scheduler", "offset", "rate", "wall_offset", "wall_stands")

    def __init__(self, scheduler: Scheduler, *, offset: float, rate: float) -> None:
        self._scheduler = scheduler
        self.offset = offset
        self.rate = rate
        self.wall_offset = 1_750_000_000.0
        self.wall_stands: float | None = None

    def now(self) -> float:
        return self.offset + self._scheduler.now * self.rate

    def wall(self) -> float:
        if self.wall_stands is not None:
            return self.wall_stands
        return self.now() + self.wall_offset

    def stood_still(self, seconds: float) -> None:
        """
        Take back what the boot-time clock counted; the wall clock knows of it.
        """
        self.offset -= seconds * self.rate
        self.wall_offset += seconds * self.rate

    def is_before(self, instant: float) -> bool:
        return self.now() < instant - 1e-6

    def true(self, instant: float) -> float:
        """
        Return the true time of an instant on this machine's clock.
        """
        return (instant - self.offset) / self.rate


class Process(asyncio.AbstractEventLoop):
    """
    A process that runs an event loop; it can be stopped, continued and killed.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        machine: Machine,
        *,
        on_error: Callable[[BaseException], None],
    ) -> None:
        self.alive = True
        self.stops = 0  # how many reasons there are for it to stand still
        self._scheduler = scheduler
        self._machine = machine
        self._on_error = on_error
        self._ready: deque[Handle] = deque()
        self._arrived: list[Handle] = []
        self._expired: list[Handle] = []
        self._armed = False
        self._tasks: list[asyncio.Task[Any]] = []

    # -- what asyncio asks of a loop ---------------------------------------------

    def time(self) -> float:
        return self._machine.now()

    def call_soon(  # type: ignore[override]  # our handle is enough
        self,
        callback: Call,
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> Handle:
        handle = Handle(callback, args)
        self._ready.append(handle)
        if not self._armed:
            self._arm()
        return handle

    def call_later(  # type: ignore[override]  # the same
        self,
        delay: float,
        callback: Call,
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> Handle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]  # the same
        self,
        when: float,
        callback: Call,
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> Handle:
        handle = Handle(callback, args, when)
        # Never early, not even by a rounding: epoll rounds up as well.
        self._scheduler.at(self._machine.true(when) + 1e-7, self._expire, handle)
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]  # no eager tasks here
        self, coro: Coroutine[Any, Any, Any], *, name: str | None = None
    ) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name=name)
        if len(self._tasks) >= _MANY:
            self._tasks = [each for each in self._tasks if not each.done()]
        self._tasks.append(task)
        return task

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """
        Ignore what nobody fetched: answers that came after their request was dropped.
        """

    # -- what the world does to it -----------------------------------------------

    def deliver(self, call: Call, *args: object) -> None:
        """
        Hand in something from outside; a stopped process gets it when it goes on.
        """
        if not self.alive:
            return
        handle = Handle(call, args)
        if self.stops:
            self._arrived.append(handle)
        else:
            self._ready.append(handle)
            self._drain()

    def stop_(self) -> None:
        self.stops += 1

    def cont(self, *, timers_first: bool) -> None:
        self.stops -= 1
        if self.stops or not self.alive:
            return
        first, second = self._arrived, self._expired
        if timers_first:
            first, second = second, first
        self._arrived, self._expired = [], []
        for handle in (*first, *second):
            self._take_up(handle)
        self._drain()

    def kill(self) -> None:
        """
        End it. What its tasks do in their last moments reaches nobody.
        """
        if not self.alive:
            return
        self.alive = False
        for task in self._tasks:
            task.cancel()
        for _ in range(20):
            self._run_ready()
        assert all(task.done() for task in self._tasks), self._tasks
        self._tasks = []

    def _arm(self) -> None:
        if self.alive:
            self._armed = True
            self._scheduler.at(self._scheduler.now, self._drain)

    def _expire(self, handle: Handle) -> None:
        if handle.call is None or not self.alive:
            return
        if self.stops:
            self._expired.append(handle)
        else:
            self._take_up(handle)
            self._drain()

    def _take_up(self, handle: Handle) -> None:
        """
        Let it run; a timer of a clock that stood still waits on.
        """
        when = handle.when()
        if self._machine.is_before(when):
            self._scheduler.at(self._machine.true(when) + 1e-7, self._expire, handle)
        else:
            self._ready.append(handle)

    def _drain(self) -> None:
        if self.alive and not self.stops:
            self._armed = True
            self._run_ready()
        self._armed = False

    def _run_ready(self) -> None:
        ready = self._ready
        asyncio._set_running_loop(self)
        try:
            for _ in range(_FEW):
                if not ready or (self.stops and self.alive):
                    return
                handle = ready.popleft()
                try:
                    if handle.call is not None:
                        handle.call(*handle.args)
                except Exception as error:  # noqa: BLE001  # as asyncio does
                    if self.alive:
                        self._on_error(error)
            raise StepLimitError("a process runs and runs while no time passes")
        finally:
            asyncio._set_running_loop(None)
