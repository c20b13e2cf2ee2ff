"""Who may write, and who may look."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from resift.errors import FolderBusy
from resift.pipeline.lock import FILE, Gate, WriterLock

HOLD = """
import sys
from pathlib import Path
from resift.pipeline.lock import WriterLock
lock = WriterLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_writer_is_told_who_the_first_is(tmp_path: Path) -> None:
    with WriterLock(tmp_path), pytest.raises(FolderBusy, match=f"in process {os.getpid()}"):
        WriterLock(tmp_path)
    WriterLock(tmp_path).close()


def test_it_may_be_closed_twice(tmp_path: Path) -> None:
    first = WriterLock(tmp_path)
    first.close()
    second = WriterLock(tmp_path)
    first.close()
    with pytest.raises(FolderBusy):
        WriterLock(tmp_path)
    second.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_process_neither_keeps_nor_gives_back_what_its_parent_holds(tmp_path: Path) -> None:
    forked = """
import os, sys
from pathlib import Path
from resift.errors import FolderBusy
from resift.pipeline.lock import WriterLock
folder = Path(sys.argv[1])
lock = WriterLock(folder)
told, tell = os.pipe()
if os.fork() == 0:
    if sys.argv[2] == "closes":
        lock.close()
    os.write(tell, b".")
    sys.stdin.read()
    os._exit(0)
os.read(told, 1)
try:
    WriterLock(folder)
except FolderBusy:
    print("busy")
lock.close()
WriterLock(folder).close()
print("free")
"""
    for child in ("closes", "keeps"):
        with subprocess.Popen(
            [sys.executable, "-c", forked, str(tmp_path), child], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            output, _ = process.communicate(timeout=60)
            assert output == b"busy\nfree\n"


def test_it_ends_with_its_process(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(FolderBusy, match=f"in process {holder.pid}"):
            WriterLock(tmp_path)
        holder.kill()
        holder.wait()
    with WriterLock(tmp_path):
        assert (tmp_path / FILE).read_text() == f"{os.getpid()}\n"


def test_many_look_at_once() -> None:
    gate = Gate()
    both = threading.Barrier(2, timeout=30)

    def look() -> None:
        with gate.looking():
            both.wait()

    other = threading.Thread(target=look)
    other.start()
    look()  # would break the barrier if they took turns
    other.join()


def test_a_change_is_alone_and_goes_before_those_who_come_later() -> None:
    gate = Gate()
    seen: list[str] = []
    asked = threading.Event()

    def change() -> None:
        asked.set()
        with gate.changing():
            seen.append("changed")

    def look() -> None:
        with gate.looking():
            seen.append("looked")

    with gate.looking():
        changing = threading.Thread(target=change)
        changing.start()
        asked.wait(30)
        with gate._turn:  # until it waits for us to go
            gate._turn.wait_for(lambda: gate._waiting == 1, 30)
        looking = threading.Thread(target=look)
        looking.start()
        seen.append("left")
    changing.join()
    looking.join()
    assert seen == ["left", "changed", "looked"]


def test_a_failed_change_opens_the_gate() -> None:
    gate = Gate()
    with pytest.raises(ZeroDivisionError), gate.changing():
        raise ZeroDivisionError
    with gate.looking(), gate.looking():
        pass
