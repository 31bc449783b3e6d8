"""One execution environment of Lambda: a forked process that runs invocations one after the other, until it dies.

The process is forked from one that has imported the function and boto3, so a new one costs milliseconds. Its calls to
AWS do not go to a network: they are handed to the harness, which answers them, loses the answer or kills the process.
Its clock is not the machine's: sleeping, and waiting for an answer that never comes, only add to the time used up. So
no run waits, and none depends on how busy the machine is.
"""

import contextlib
import fcntl
import json
import logging
import os
import pickle
import signal
import socket
import stat
import struct
import sys
import tempfile
import termios
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import astuple
from typing import Any, NoReturn

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from botocore.httpsession import URLLib3Session

from rotation_lab import signed

TIMEOUT_SECONDS = 60.0
"""The function's timeout."""
DELIVERY = 0.2
"""Seconds in which this machine's kernel takes over what was sent to it, however late it acknowledges."""
_pause = time.sleep  # the function's own takes no time

Handler = Callable[[Any, Any], Any]


class InjectedError(Exception):
    """Raised in the function by the harness."""


class Channel:
    """Messages between the harness and an environment: a length, then a pickle. Both ends are this project's."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def fileno(self) -> int:
        """For ``select``."""
        return self._end.fileno()

    def send(self, *message: Any) -> None:
        """Send a message; when the other end has gone, it is dropped."""
        data = pickle.dumps(message)
        with contextlib.suppress(OSError):
            self._end.sendall(struct.pack("!I", len(data)) + data)

    def receive(self) -> tuple[Any, ...] | None:
        """The next message; None when the other end has gone."""
        head = self._read(4)
        data = self._read(struct.unpack("!I", head)[0]) if head else b""
        return pickle.loads(data) if data else None

    def close(self) -> None:
        """Close this end."""
        self._end.close()

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            try:
                more = self._end.recv(size - len(data))
            except OSError:
                return b""
            if not more:
                return b""
            data += more
        return data


class Environment:
    """The harness's side: a process that waits for events."""

    def __init__(self, handler: Handler) -> None:
        ours, theirs = socket.socketpair()
        self.channel = Channel(ours)
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self.pid: int | None = os.fork()
        if self.pid == 0:
            ours.close()
            _live(Channel(theirs), handler, self._output.fileno())
        theirs.close()

    @property
    def alive(self) -> bool:
        """Whether it can take another event."""
        return self.pid is not None

    def kill(self) -> None:
        """End the process at once, as Lambda ends one whose time is over."""
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = None
            self.channel.close()

    def output(self) -> str:
        """All that the process has printed."""
        self._output.seek(0)
        return self._output.read().decode(errors="replace")

    def close(self) -> str:
        """End the process, and return what it has printed."""
        self.kill()
        said = self.output()
        self._output.close()
        return said


class Clock:
    """The time that an invocation has used up."""

    def __init__(self) -> None:
        self.used = 0.0

    def remaining(self) -> float:
        """Seconds that are left."""
        return TIMEOUT_SECONDS - self.used


class LambdaContext:
    """Lambda's context object: what functions read of it."""

    function_name, function_version, memory_limit_in_mb = "function", "$LATEST", 128
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:function"
    aws_request_id = "00000000-0000-4000-8000-000000000000"
    log_group_name, log_stream_name = "/aws/lambda/function", "stream"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the invocation is killed."""
        return round(self._clock.remaining() * 1000)


class Process:
    """The process's side: calls to AWS, sleep and sockets' timeouts go through it."""

    def __init__(self, channel: Channel) -> None:
        self._channel, self.clock = channel, Clock()
        self.short: float | None = None
        """Seconds of real time that stand for any timeout of a socket, where the service stops answering."""

    def patch(self) -> None:
        """Take the place of the network and of the clock, for whatever the function uses."""
        settimeout = socket.socket.settimeout

        def shortened(sock: socket.socket, seconds: float | None) -> None:
            # A timeout that is longer than the function lives does not help it, so it stays as it is.
            if self.short is not None and seconds is not None and 0 < seconds < self.clock.remaining():
                seconds = min(seconds, self.short)
            settimeout(sock, seconds)

        URLLib3Session.send = lambda session, request: self._send(session, request)  # type: ignore[arg-type, assignment, method-assign]
        socket.socket.settimeout = shortened  # type: ignore[assignment]
        time.sleep = self.sleep  # type: ignore[assignment]

    def sleep(self, seconds: float) -> None:
        """Only the clock moves."""
        self.clock.used += seconds
        if self.clock.remaining() <= 0:
            self._time_is_over()

    def _send(self, session: URLLib3Session, request: AWSPreparedRequest) -> AWSResponse:
        self._channel.send("call", *astuple(signed.read(request)))
        answer = self._channel.receive()
        if answer is None:
            os._exit(1)
        kind, *rest = answer
        if kind == "answer":
            return signed.response(request, *rest)
        if kind == "exception":
            raise InjectedError("injected")
        if kind == "timeout":
            self.sleep(_read_timeout(session))
            raise ReadTimeoutError(endpoint_url=request.url)
        raise ConnectionClosedError(endpoint_url=request.url)

    def _time_is_over(self) -> NoReturn:
        self._channel.send("late")
        signal.pause()
        os._exit(1)


def _live(channel: Channel, handler: Handler, output: int) -> NoReturn:
    try:
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.stdout = sys.stderr = open(1, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
        for log_handler in logging.getLogger().handlers:
            if isinstance(log_handler, logging.StreamHandler):
                log_handler.setStream(sys.stdout)
        process = Process(channel)
        process.patch()
        while (message := channel.receive()) is not None:
            event, process.short = message
            process.clock.used = 0.0
            channel.send(*_invoke(handler, event, LambdaContext(process.clock)), open_ports())
    finally:
        os._exit(0)


def _invoke(handler: Handler, event: Any, context: LambdaContext) -> tuple[str, str, str, str]:
    """ "done" or "failed", the name of the exception's class, its message, and all that it holds as text."""
    try:
        handler(event, context)
    except BaseException as error:  # noqa: BLE001 - as the runtime does
        kinds = " ".join(kind.__name__ for kind in type(error).__mro__)
        return "failed", kinds, str(error), _everything(error)
    finally:
        sys.stdout.flush()
    return "done", "", "", json.dumps(dict(os.environ))


def open_ports() -> list[int]:
    """The local ports of the connections that this process has open, when all that it has sent there has arrived."""
    end, found = time.monotonic() + DELIVERY, list[int]()
    for connection in _connections():
        found.append(connection.getsockname()[1])
        while _unacknowledged(connection) and time.monotonic() < end:
            _pause(0.001)
    return found


def _connections() -> Iterator[socket.socket]:
    """Whatever the process speaks with over TCP, opened by Python or by a driver's library."""
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 - numbers, not paths
        with contextlib.suppress(OSError):  # it is what listed the folder, or not connected
            # Sockets alone are duplicated: nothing would close copies of other files, and they would double each time.
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                with socket.socket(fileno=os.dup(int(name))) as connection:
                    if connection.family in (socket.AF_INET, socket.AF_INET6) and connection.getpeername():
                        yield connection


def _unacknowledged(connection: socket.socket) -> int:
    return int(struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))[0])


def _everything(error: BaseException) -> str:
    """What anybody could get out of the exception: its chain, traceback, arguments and attributes."""
    texts = ["".join(traceback.format_exception(error)), json.dumps(dict(os.environ))]
    for one in _chain(error):
        texts += [str(one), repr(one), *map(repr, one.args), repr(vars(one)), *getattr(one, "__notes__", [])]
    return "\n".join(texts)


def _chain(error: BaseException) -> Iterator[BaseException]:
    todo, seen = [error], set[int]()
    while todo:
        one = todo.pop()
        if id(one) not in seen:
            seen.add(id(one))
            yield one
            todo += [other for other in (one.__cause__, one.__context__) if other is not None]


def _read_timeout(session: URLLib3Session) -> float:
    timeout = getattr(session, "_timeout", 60)
    return float(getattr(timeout, "_read", timeout) or 60)
