"""Start a peer's process and talk to it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from resift.bench.peers import Job
from resift.closing import Closing

_PACKAGE = Path(__file__).resolve().parents[1]
# Subtle: a peer's interpreter finds this package by its path alone. Were the folder around it on the path too, the
# libraries of this environment would hide those of the peer's.
_START = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("resift", sys.argv[1] + "/__init__.py")
sys.modules["resift"] = package = importlib.util.module_from_spec(spec)
spec.loader.exec_module(package)
from resift.bench.worker import main
main(*sys.argv[2:])
"""
_QUIET = {"TQDM_DISABLE": "1", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}


class PeerError(Exception):
    """A peer answered with an error, or died."""


class Process(Closing):
    """A peer's process.

    Args:
        name: of the peer.
        job: what it runs.
        python: its interpreter, None for this one.
        variables: more environment variables.
        verbose: let it write to our error output.
    """

    def __init__(
        self,
        name: str,
        job: Job,
        *,
        python: str | None = None,
        variables: Mapping[str, str] | None = None,
        verbose: bool = False,
    ) -> None:
        arguments = [name, str(job.folder), str(job.threads), str(job.max_length)]
        more = variables if variables is not None else {}
        self._process = subprocess.Popen(
            [python if python is not None else sys.executable, "-c", _START, str(_PACKAGE), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if verbose else subprocess.DEVNULL,
            text=True,
            env={**os.environ, **_QUIET, "OMP_NUM_THREADS": str(job.threads), **more},
        )

    def ask(self, **command: object) -> dict[str, Any]:
        """Send a command and wait for its answer; raises PeerError when that is an error or none comes."""
        if self._process.stdin is None or self._process.stdout is None:
            raise PeerError("the process has no pipes")
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise PeerError(f"the process ended with code {self._process.wait()}") from None
        line = self._process.stdout.readline()
        if not line:
            raise PeerError(f"the process ended with code {self._process.wait()} (killed for its memory?)")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise PeerError(answer["error"])
        return answer

    def close(self) -> None:
        """End the process's input, and with it the process."""
        self._process.communicate()
