"""Runs the sandbox in this process until it is told to stop. Import it after ``environment.prepare``."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config

from rotation_lab.sandbox import additions, alarms, delivery, emulator, patches
from rotation_lab.sandbox.calls import Calls, Faults
from rotation_lab.sandbox.clock import Clock
from rotation_lab.sandbox.control import Control
from rotation_lab.sandbox.endpoint import Endpoint
from rotation_lab.sandbox.interpreters import Interpreters
from rotation_lab.sandbox.metrics import Metrics
from rotation_lab.sandbox.rates import Rates
from rotation_lab.sandbox.reaper import Reaper
from rotation_lab.sandbox.rotation import Policy, Rotations
from rotation_lab.sandbox.runtime import Pool
from rotation_lab.sandbox.secrets_manager import Secrets
from rotation_lab.sandbox.timers import Timers

_log = logging.getLogger("sandbox")
_TICK_SECONDS = 1.0
_GRACE_SECONDS = 0.3  # for answers that are being written when it stops


@dataclass(frozen=True)
class Options:
    """``rates``: the part of the quotas at which Secrets Manager throttles, or None.

    ``idle``: seconds after which a function's idle environment ends.
    """

    rates: float | None
    idle: float


class Server:
    """All parts of a sandbox, put together."""

    def __init__(self, listener: socket.socket, work: Path, policy: Policy, options: Options) -> None:
        clock, calls, faults = Clock(), Calls(), Faults()
        self._listener, self._reaper = listener, Reaper(work)
        self._pool = Pool(Interpreters(), self._reaper, options.idle)
        secrets = Secrets(clock)
        self._rotations = Rotations(secrets, policy)
        patches.apply(secrets, self._pool, Rates(part=options.rates) if options.rates else None)
        additions.apply()
        self._timers, self._metrics = Timers(clock), Metrics(clock)
        for part in (self._timers, self._metrics, alarms, delivery):
            part.apply()
        Endpoint(calls, faults, self._pool).apply()
        self._control = Control(emulator.app.app, clock, secrets, self._rotations, self._look, calls, faults)

    def _look(self) -> list[str]:
        """Does what is due by the clock; returns the names of the secrets that begin to rotate."""
        started = self._rotations.tick()
        self._timers.tick()
        self._metrics.tick()
        alarms.tick()
        return started

    async def run(self, started: Callable[[], None], until_end_of_input: bool) -> None:
        """Serves until SIGINT, SIGTERM, or the end of standard input if that is wanted."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        if until_end_of_input:
            loop.add_reader(sys.stdin.fileno(), _at_end_of_input, stop)
        background = [asyncio.create_task(self._tick()), asyncio.create_task(self._tell(started))]
        try:
            await serve(self._application, self._config(), shutdown_trigger=stop.wait)
        finally:
            for task in background:
                task.cancel()
            await asyncio.to_thread(self._close)

    async def _application(self, scope: Any, receive: Any, send: Any) -> None:
        # A function for hypercorn, which asks what kind of callable it got.
        await self._control(scope, receive, send)

    def _config(self) -> Config:
        config = Config()
        config.bind = [f"fd://{self._listener.fileno()}"]
        config.graceful_timeout = _GRACE_SECONDS
        config.keep_alive_timeout = 75
        config.loglevel = "WARNING"
        return config

    async def _tell(self, started: Callable[[], None]) -> None:
        await self._control.started.wait()
        started()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            try:
                await asyncio.to_thread(self._look)
                await asyncio.to_thread(self._pool.expire)
            except Exception:  # noqa: BLE001 - the next second is another chance
                _log.exception("scheduler")

    def _close(self) -> None:
        self._rotations.stop()
        self._pool.close()
        self._reaper.close()


def _at_end_of_input(stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        stop.set()


def report(descriptor: int, port: int) -> None:
    """Tells whoever has started this process that it serves, and where."""
    with os.fdopen(descriptor, "w") as pipe:
        json.dump({"port": port}, pipe)
