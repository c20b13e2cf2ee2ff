"""A `MilvusClient` as the rest of resift knows its tools: our errors, no noise, and Milvus Lite ended with it."""

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from resift.closing import Closing
from resift.errors import (
    FolderBusy,
    InputError,
    MissingExtra,
    Overloaded,
    Rejected,
    ResiftError,
    ServerError,
    StoreDamaged,
    TimedOut,
    TooLarge,
    Unauthorized,
    Unavailable,
)

_URL = re.compile(r"(?:https?|tcp)://|unix:")
_HOST_AND_PORT = re.compile(r"[\w.-]+:\d{2,5}")
_PASSWORD = re.compile(r"//[^/]*@")
"""User and password in a URL, which no message repeats."""
_NOISY = ("pymilvus.decorators", "pymilvus.client.connection_manager", "milvus_lite.server_manager")
"""Loggers that print a traceback for each error that they also raise."""
_ASKING: ContextVar[list[logging.LogRecord] | None] = ContextVar("_ASKING", default=None)
"""Records that were kept off the log while this thread asks; None while it does not."""

_BY_GRPC_STATUS: dict[str, type[ServerError]] = {
    "UNAUTHENTICATED": Unauthorized,
    "PERMISSION_DENIED": Unauthorized,
    "DEADLINE_EXCEEDED": TimedOut,
    "UNAVAILABLE": Unavailable,
    "RESOURCE_EXHAUSTED": TooLarge,
    "INVALID_ARGUMENT": Rejected,
}
_BY_CODE: dict[int, type[ServerError]] = {
    2: Unavailable,  # pymilvus: no connection
    6: Rejected,  # Milvus Lite: an illegal argument
    8: Overloaded,  # rate limit
    100: Rejected,  # no such collection
    101: Rejected,  # the collection is not loaded
    1100: Rejected,  # an invalid parameter
    1400: Unauthorized,
    1401: Unauthorized,
    1800: Rejected,  # no such database
}
"""Milvus' own codes; the rest are plain `ServerError`."""


class Link(Closing):
    """A connection to Milvus.

    Attributes:
        where: its address or folder, for messages.
        folder: of Milvus Lite; None for a server.
        timeout: seconds that a call may take, retries included.
    """

    def __init__(self, client: Any, *, where: str, timeout: float, lite: "_Lite | None" = None) -> None:
        self._client = client
        self._lite = lite
        self.where = where
        self.timeout = timeout
        self.folder = None if lite is None else lite.folder
        self._turn: AbstractContextManager[Any] = nullcontext() if lite is None else threading.RLock()

    @contextmanager
    def asking(self) -> Iterator[Any]:
        """Give the client for one call; raises its errors as ours, and keeps them off the log."""
        # Subtle: a search of Milvus Lite does not see what it is flushing, so they take turns.
        with self._turn, _quietly(), _translated(self.where):
            if self._client is None:
                raise InputError(f"the index at {self.where} was closed and is used again")
            yield self._client

    @contextmanager
    def opening(self) -> Iterator[None]:
        """Take it for damage when Milvus Lite cannot read its files; raises StoreDamaged."""
        if self.folder is None:
            yield
            return
        heard = _Heard()
        logger = logging.getLogger("milvus_lite")
        logger.addHandler(heard)
        try:
            yield
        except ServerError as error:
            raise StoreDamaged(f"Milvus Lite cannot read {self.folder}: {error.message}") from error
        finally:
            logger.removeHandler(heard)
        if heard.losses:
            raise StoreDamaged(f"Milvus Lite lost documents of {self.folder}: {heard.losses[0]}")

    def close(self) -> None:
        """Close the connection, and Milvus Lite with it; a client of the caller's stays open."""
        with self._turn, _quietly():
            client, self._client = self._client, None
            lite, self._lite = self._lite, None
            if client is not None:
                client.close()
            if lite is not None:
                lite.close()


class _Lite:
    """Milvus Lite over a folder, in threads of this process."""

    def __init__(self, folder: Path) -> None:
        try:
            import milvus_lite  # noqa: F401 (a script of this name in the user's folder would hide it)
        except ModuleNotFoundError as error:
            if error.name != "milvus_lite":
                raise
            raise MissingExtra("Milvus Lite", extra="milvus") from None
        from milvus_lite.server_manager import ServerManager

        self.folder = folder
        # Its own manager, not the one that pymilvus shares in a process: whoever closes that closes it for all.
        self._manager = ServerManager()
        with _quietly() as records:
            address = self._manager.start_and_get_uri(str(folder))
        if address is None:
            raise _not_opened(folder, records)
        self.address = address

    def close(self) -> None:
        """End its threads and give its folder back."""
        self._manager.release_server(str(self.folder))


class _Heard(logging.Handler):
    """What Milvus Lite tells its log alone: that files are gone, and it goes on with what is left."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the messages that matter."""
        message = record.getMessage()
        if message.startswith(("manifest references missing", "loaded manifest from")):
            self.losses.append(message)


def connect(where: str | Path, *, token: str | None, database: str | None, timeout: float) -> Link:
    """Return a link to a server's URL, or to Milvus Lite in a folder, which is made when it is not there.

    Raises InputError for an address that cannot be one, FolderBusy when the folder is open elsewhere, StoreDamaged
    when it cannot be read, and errors of a server.
    """
    pymilvus = _pymilvus()
    named: dict[str, Any] = {"db_name": database or "", "timeout": timeout, "dedicated": True}
    if isinstance(where, str) and _URL.match(where):
        shown = _PASSWORD.sub("//", where)
        with _quietly(), _translated(shown):
            return Link(pymilvus.MilvusClient(where, token=token or "", **named), where=shown, timeout=timeout)
    if token is not None:
        raise InputError("token is for a server, and Milvus Lite has none", hint="give the server's URL")
    folder = _lite_folder(where)
    lite = _Lite(folder)
    try:
        with _quietly(), _translated(str(folder)):
            # A proxy of the environment is not for an address of this machine.
            named["grpc_options"] = {"grpc.enable_http_proxy": 0}
            client = pymilvus.MilvusClient(lite.address, **named)
    except BaseException:
        lite.close()
        raise
    return Link(client, where=str(folder), timeout=timeout, lite=lite)


def _pymilvus() -> Any:
    try:
        import pymilvus
    except ModuleNotFoundError as error:
        if error.name != "pymilvus":
            raise
        raise MissingExtra("MilvusIndex", extra="milvus") from None
    for name in _NOISY:
        logging.getLogger(name).addFilter(_keep_off)  # once, however often it is said
    logging.getLogger("grpc._server").addFilter(_keep_off_unimplemented)
    return pymilvus


def _lite_folder(where: str | Path) -> Path:
    """Return the folder of Milvus Lite, made when it is not there; raises InputError for one of other things."""
    if isinstance(where, str) and (_HOST_AND_PORT.fullmatch(where) or "://" in where):
        raise InputError(f"{where!r} is no address of Milvus", hint="write a URL such as http://localhost:19530")
    folder = Path(where)
    if folder.is_file():
        raise InputError(
            f"{folder} is a file, and Milvus Lite keeps its data in a folder",
            hint="files of Milvus Lite 2 cannot be read: index the documents again",
        )
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "collections").is_dir():
        raise InputError(f"{folder} holds other files than Milvus Lite's", hint="name an empty folder, or a new one")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made: {error}") from None
    return folder.absolute()


def _not_opened(folder: Path, records: list[logging.LogRecord]) -> ResiftError:
    """Return the error of a folder that Milvus Lite could not open, of what it wrote to its log."""
    reasons = [record.exc_info[1] for record in records if record.exc_info is not None]
    reason = reasons[0] if reasons else None
    if type(reason).__name__ == "DataDirLockedError":
        return FolderBusy(
            f"{folder} is open in another process, or twice in this one, and Milvus Lite allows one",
            hint="close it there; a Milvus server, or FaissIndex, can be read by several",
        )
    return StoreDamaged(f"Milvus Lite cannot open {folder}: {reason}")


def _keep_off_unimplemented(record: logging.LogRecord) -> bool:
    """Keep off the log that pymilvus asked Milvus Lite for what it does not have; a filter of gRPC's logger."""
    trace = None if record.exc_info is None else record.exc_info[2]
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is None or not trace.tb_frame.f_code.co_filename.endswith("milvus_pb2_grpc.py")


def _keep_off(record: logging.LogRecord) -> bool:
    """Keep errors off the log that are raised as ours; a filter of loggers."""
    kept = _ASKING.get()
    if kept is None:
        return True
    kept.append(record)
    return False


@contextmanager
def _quietly() -> Iterator[list[logging.LogRecord]]:
    records: list[logging.LogRecord] = []
    before = _ASKING.set(records)
    try:
        yield records
    finally:
        _ASKING.reset(before)


@contextmanager
def _translated(where: str) -> Iterator[None]:
    import grpc
    from pymilvus.exceptions import MilvusException

    try:
        yield
    except MilvusException as error:
        raise _as_ours(error, where) from error
    except grpc.FutureTimeoutError as error:
        raise Unavailable(f"nobody answers at {where}") from error
    except grpc.RpcError as error:
        kind = _BY_GRPC_STATUS.get(error.code().name, ServerError)
        raise kind(f"Milvus at {where} answered {error.code().name}: {error.details()}") from error


def _as_ours(error: Any, where: str) -> ResiftError:
    status = getattr(error.code, "name", "")  # after retries pymilvus gives gRPC's status for Milvus' code
    kind = _BY_GRPC_STATUS.get(status) or _BY_CODE.get(error.code) or ServerError
    if getattr(error, "is_input_error", False):  # new in pymilvus 3
        kind = Rejected
    if kind is ServerError and type(error).__name__ in ("ParamError", "DataNotMatchException", "PrimaryKeyException"):
        kind = Rejected
    if kind is Unavailable:
        return Unavailable(f"Milvus does not answer at {where}: {error.message}", hint="is it running there?")
    return kind(f"Milvus at {where} says: {error.message}")
