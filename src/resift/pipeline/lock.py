"""Who may write to a folder, and who may look at the stores of a process: two locks.

`WriterLock` is the operating system's: it ends with the process that holds it, however that ends. `Gate` is one of this
process: many searches at a time, or one change.
"""

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from resift.closing import Closing
from resift.errors import FolderBusy, InputError

FILE = "writer.lock"
_FAR = 1 << 30
"""The byte that Windows locks: beyond the text, which others read meanwhile."""


class WriterLock(Closing):
    """The right to write to a folder; raises FolderBusy where somebody has it."""

    def __init__(self, folder: Path) -> None:
        file = folder / FILE
        try:
            self._handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            raise InputError(
                f"{folder} cannot be written ({os.strerror(error.errno)})", hint="open it with writable=False to search"
            ) from error
        if not _try_lock(self._handle):
            holder = os.pread(self._handle, 100, 0).decode(errors="replace") if hasattr(os, "pread") else ""
            os.close(self._handle)
            self._handle = -1
            raise FolderBusy(
                f"{folder} is open for writing{f' in process {holder.strip()}' if holder.strip() else ''}",
                hint="open it with writable=False to search, or close the other one first",
            )
        self._process = os.getpid()
        with suppress(OSError):  # on a full disk nobody is told who it is, and documents can still be deleted
            os.truncate(self._handle, 0) if hasattr(os, "pread") else None
            os.write(self._handle, f"{self._process}\n".encode())

    def close(self) -> None:
        """Let others write; in a process that was forked off meanwhile, let its parent go on alone."""
        if self._handle < 0:
            return
        handle, self._handle = self._handle, -1
        if os.getpid() == self._process:
            _unlock(handle)
        os.close(handle)


def _try_lock(handle: int) -> bool:
    """Lock an open file without waiting. It is this handle that holds it: a second one of the process does not."""
    try:
        import fcntl
    except ModuleNotFoundError:
        return _try_lock_windows(handle)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _unlock(handle: int) -> None:
    """Give the lock back. Closing does not, as long as a process that was forked off has the file open, too."""
    try:
        import fcntl
    except ModuleNotFoundError:
        return  # Windows does not fork
    fcntl.flock(handle, fcntl.LOCK_UN)


def _try_lock_windows(handle: int) -> bool:
    import msvcrt

    os.lseek(handle, _FAR, os.SEEK_SET)
    try:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError:
        return False
    os.lseek(handle, 0, os.SEEK_SET)
    return True


class Gate:
    """Many at a time may look, or one may change; whoever wants to change goes before those who come to look later."""

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._looking = 0
        self._changing = False
        self._waiting = 0

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Keep changes out; not to be entered again by the same thread."""
        with self._turn:
            self._turn.wait_for(lambda: not self._changing and not self._waiting)
            self._looking += 1
        try:
            yield
        finally:
            with self._turn:
                self._looking -= 1
                self._turn.notify_all()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Keep everybody else out."""
        with self._turn:
            self._waiting += 1
            try:
                self._turn.wait_for(lambda: not self._changing and not self._looking)
                self._changing = True
            finally:
                self._waiting -= 1
                self._turn.notify_all()
        try:
            yield
        finally:
            with self._turn:
                self._changing = False
                self._turn.notify_all()
