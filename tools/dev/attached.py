"""A provider that is kept running for all commands in one folder: each start of it costs seconds.

For tests and the demo: a user's Terraform starts its providers itself, for each command.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tools.dev.providers import ProvidersError
from tools.dev.terraform import Terraform

_ADDRESS = re.compile(r"TF_REATTACH_PROVIDERS='(.*)'")


@contextmanager
def aws_provider(terraform: Terraform) -> Iterator[None]:
    """Keeps hashicorp/aws running for the commands of ``terraform`` in the block. The folder is initialised.

    Not for a configuration with several instances of the provider: in one process they would share one region.
    """
    if any(re.search(r"^\s*alias\s*=", path.read_text(), re.MULTILINE) for path in terraform.directory.glob("*.tf")):
        yield
        return
    before = terraform.environment
    (program,) = terraform.data.glob("providers/*/hashicorp/aws/*/*/terraform-provider-aws_*")
    # In the folder of the configuration, as Terraform starts it: a path of a zip is relative.
    with subprocess.Popen(
        [program, "-debug"],
        cwd=terraform.directory,
        env=dict(before),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            terraform.environment = {**before, "TF_REATTACH_PROVIDERS": _address(process)}
            yield
        finally:
            terraform.environment = before
            process.kill()


def _address(process: subprocess.Popen[str]) -> str:
    """Where the provider listens, from the first lines that it prints."""
    for line in process.stdout or ():
        if found := _ADDRESS.search(line):
            return found[1]
    raise ProvidersError("hashicorp/aws did not start")
