"""``python -m rotation_lab.sandbox``: a local AWS until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import socket
import sys
import tempfile
from pathlib import Path

from rotation_lab.sandbox import environment
from rotation_lab.sandbox.client import variables

_DEFAULT_PORT = 4566
_HELP = """\
A local AWS at {endpoint}. Everything is kept in memory and gone when it stops (Ctrl-C).

For Terraform, the AWS CLI and boto3, in another terminal:
{exports}

Then, for example:
  aws secretsmanager rotate-secret --secret-id NAME
  curl {endpoint}/_sandbox/state                                # labels, steps, result of each rotation
  curl -X POST {endpoint}/_sandbox/advance -d '{{"days": 31}}'    # schedules that fall due begin
"""


def main() -> int:
    """Runs the sandbox; returns the exit code: 0, or 1 when the port is taken."""
    arguments = _arguments()
    _log_to(arguments.log)
    try:
        listener = socket.create_server((arguments.host, arguments.port), backlog=256)
    except OSError as error:
        print(
            f"sandbox: cannot listen on {arguments.host}:{arguments.port}: {error.strerror}. Choose another port,"
            " or 0 for a free one (make sandbox PORT=0).",
            file=sys.stderr,
        )
        return 1
    port = listener.getsockname()[1]
    environment.prepare(arguments.host, port, Path(tempfile.mkdtemp(prefix="sandbox-")))
    _serve(listener, port, arguments)
    return 0


def _serve(listener: socket.socket, port: int, arguments: argparse.Namespace) -> None:
    # Imported here: ministack reads the environment, which has only now been prepared.
    from rotation_lab.sandbox.rotation import Policy
    from rotation_lab.sandbox.server import Options, Server, report

    def started() -> None:
        if arguments.ready_descriptor is None:
            exports = "\n".join(f"  export {name}={value}" for name, value in variables(port).items())
            print(_HELP.format(endpoint=f"http://127.0.0.1:{port}", exports=exports), flush=True)
        else:
            report(arguments.ready_descriptor, port)

    policy = Policy(arguments.attempts, arguments.backoff)
    server = Server(listener, Path(tempfile.gettempdir()), policy, Options(arguments.rates, arguments.idle))
    asyncio.run(server.run(started, until_end_of_input=arguments.ready_descriptor is not None))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m rotation_lab.sandbox", description=__doc__)
    parser.add_argument("--port", type=_port, default=_DEFAULT_PORT, help="0 for a free one (default: %(default)s)")
    parser.add_argument("--host", default="127.0.0.1", choices=["127.0.0.1", "localhost"], help=argparse.SUPPRESS)
    parser.add_argument("--attempts", type=int, default=3, help="attempts of a failing rotation (default: 3)")
    parser.add_argument("--backoff", type=float, default=0.2, help="seconds before the second one (default: 0.2)")
    parser.add_argument("--idle", type=float, default=300, help="seconds that an idle function stays warm (300)")
    throttled = "throttle Secrets Manager at AWS's quotas, or at a part of them, such as 0.1"
    parser.add_argument("--rates", type=float, nargs="?", const=1.0, help=throttled)
    parser.add_argument("--log", type=Path, help="a file for the log (default: standard error)")
    parser.add_argument("--ready-descriptor", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text} is not a port: it is 0 to 65535")
    return int(text)


def _log_to(path: Path | None) -> None:
    logging.basicConfig(filename=path, level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    logging.getLogger("sandbox").setLevel(logging.INFO)
    if path is not None:
        # What is printed, by an interpreter that crashes for example, belongs there too.
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.dup2(descriptor, sys.stderr.fileno())
        os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main())
