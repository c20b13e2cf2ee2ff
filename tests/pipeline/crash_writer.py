"""Dies in the midst of writing, as often as it is asked to: what the crash tests run in a process of its own.

It reads jobs, a line of JSON each, and for each one forks a child that writes to a pipeline until it is killed: at a
step of its own, when it comes there for the n-th time (SIGKILL from within), or when its time is up (SIGALRM, whose
default is the same, anywhere). For each change that has returned the child writes its number to the job's journal. The
parent never opens anything, so that a child begins with a clean process, without the time that an import takes.
"""

import json
import os
import resource
import signal
import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from resift.pipeline.opening import open_folder
from tests.pipeline.crash_plan import change, own_stores
from tests.pipeline.fakes import LetterEncoder


def main() -> None:
    for module in ("resift.retrieval.bm25", "resift.retrieval.faiss", "faiss"):  # what each child would import
        if find_spec(module) is not None:
            import_module(module)
    for line in sys.stdin:
        job = json.loads(line)
        child = os.fork()
        if child == 0:
            write(job)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(-os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status), flush=True)


def write(job: Mapping[str, Any]) -> None:
    """Make changes from `first` to `last`."""
    met = 0

    def step(name: str) -> None:
        nonlocal met
        met += name == job.get("step")
        if met == job.get("time", 1):
            Path(job["died"]).write_text(name)
            os.kill(os.getpid(), signal.SIGKILL)

    folder = Path(job["folder"])
    journal = os.open(job["journal"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        if "seconds" in job:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, job["seconds"])
        opened = open_folder(folder, writable=True, own=own_stores(folder), encoder=LetterEncoder(), step=step)
        if "largest" in job:  # files may grow to this size, then writing fails as on a full disk
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (job["largest"], resource.RLIM_INFINITY))
        assert opened.indexing is not None
        for number in range(job["first"], job["last"]):
            change(opened.indexing, job["seed"], number)
            os.write(journal, f"{number}\n".encode())
        opened.close()
    except OSError as error:
        Path(job["died"]).write_text(f"OSError {error.errno}")
        os._exit(3)
    except BaseException as error:
        Path(job["died"]).write_text(repr(error))
        os._exit(4)


if __name__ == "__main__":
    main()
