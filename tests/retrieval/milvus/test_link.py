"""What goes wrong between us and Milvus; where no server can be made to say it, a client that says so."""

import logging
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest
from pymilvus.exceptions import MilvusException, ParamError

from resift.errors import (
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
from resift.retrieval.milvus import MilvusIndex
from resift.retrieval.milvus.link import Link, connect
from tests.retrieval.milvus.conftest import Grams

URL = "http://milvus:19530"


class Refusal(grpc.RpcError):
    def __init__(self, status: str) -> None:
        super().__init__()
        self._status = status

    def code(self) -> Any:
        return SimpleNamespace(name=self._status)

    def details(self) -> str:
        return "so it says"


def blamed(error: MilvusException) -> MilvusException:
    """Return the error as pymilvus 3 makes it where the server blames the request."""
    error._is_input_error = True
    if not hasattr(MilvusException, "is_input_error"):
        error.is_input_error = True
    return error


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (Refusal("UNAUTHENTICATED"), Unauthorized),
        (Refusal("PERMISSION_DENIED"), Unauthorized),
        (Refusal("DEADLINE_EXCEEDED"), TimedOut),
        (Refusal("UNAVAILABLE"), Unavailable),
        (Refusal("RESOURCE_EXHAUSTED"), TooLarge),
        (Refusal("INTERNAL"), ServerError),
        (grpc.FutureTimeoutError(), Unavailable),
        (MilvusException(8, "so it says"), Overloaded),
        (MilvusException(2, "so it says"), Unavailable),
        (MilvusException(100, "so it says"), Rejected),
        (MilvusException(1100, "so it says"), Rejected),
        (MilvusException(1, "so it says"), ServerError),
        (blamed(MilvusException(1, "so it says")), Rejected),
        (MilvusException(grpc.StatusCode.UNAVAILABLE, "Retry timeout: so it says"), Unavailable),
        (MilvusException(grpc.StatusCode.DEADLINE_EXCEEDED, "so it says"), TimedOut),
        (ParamError(message="so it says"), Rejected),
    ],
    ids=lambda value: getattr(value, "__name__", None) or type(value).__name__,
)
def test_each_error_is_one_of_ours(raised: Exception, kind: type[ResiftError]) -> None:
    link = Link(object(), where=URL, timeout=1)
    with pytest.raises(kind, match=f"{URL}.*so it says|nobody answers at {URL}") as caught, link.asking():
        raise raised
    assert type(caught.value) is kind
    assert caught.value.__cause__ is raised


def test_errors_of_the_program_pass() -> None:
    link = Link(object(), where=URL, timeout=1)
    with pytest.raises(ZeroDivisionError), link.asking():
        raise ZeroDivisionError


def test_nothing_is_logged_that_is_raised(
    tmp_path: Path, encoder: Grams, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.WARNING), MilvusIndex.open(tmp_path / "store", encoder=encoder) as index:
        index.add(np.array([1]), ["tea"])
        with pytest.raises(InputError):
            index.search("tea", top_k=1, filter="lang = 3")
        with pytest.raises(ResiftError):
            MilvusIndex.open(tmp_path / "store", encoder=encoder)
        with pytest.raises(Unavailable):
            MilvusIndex.open("http://127.0.0.1:9", encoder=encoder, timeout=0.2)
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_others_are_still_logged(tmp_path: Path, encoder: Grams, caplog: pytest.LogCaptureFixture) -> None:
    """The user's own clients, in other threads or in this one, write what they wrote."""
    MilvusIndex.open(tmp_path / "store", encoder=encoder).close()
    logging.getLogger("milvus_lite.server_manager").error("theirs")
    assert [record.message for record in caplog.records] == ["theirs"]


@pytest.mark.parametrize("where", ["localhost:19530", "127.0.0.1:19530", "ftp://milvus:19530", "milvus://x"])
def test_addresses_that_are_none(where: str) -> None:
    with pytest.raises(InputError, match="http://localhost:19530"):
        connect(where, token=None, database=None, timeout=1)


def test_folders_of_other_things_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "today.txt").write_text("tea")
    (tmp_path / "old.db").write_bytes(b"SQLite format 3\0")
    with pytest.raises(InputError, match="other files"):
        connect(tmp_path / "notes", token=None, database=None, timeout=1)
    with pytest.raises(InputError, match="Milvus Lite 2"):
        connect(tmp_path / "old.db", token=None, database=None, timeout=1)
    with pytest.raises(InputError, match="cannot be made"):
        connect(tmp_path / "old.db" / "below", token=None, database=None, timeout=1)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["notes", "old.db", "today.txt"]


@pytest.mark.parametrize("file", ["schema.json", "manifest.json", "*.parquet", "*.idx"])
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_damaged_folder_says_so(
    file: str, damage: str, tmp_path: Path, encoder: Grams, capfd: pytest.CaptureFixture[str]
) -> None:
    with MilvusIndex.open(tmp_path / "store", encoder=encoder) as index:
        index.add(np.arange(50), [f"tea {place}" for place in range(50)])
        index.save(mark=1)
    [path] = (tmp_path / "store").rglob(file)
    kept = path.read_bytes()[:40]
    path.unlink()
    if damage == "cut":
        path.write_bytes(kept)
    if damage == "gone" and file == "*.idx":  # it is made again
        with MilvusIndex.open(tmp_path / "store", encoder=encoder) as index:
            assert (len(index), index.mark) == (50, 1)
    else:
        with pytest.raises(StoreDamaged, match="store"):
            MilvusIndex.open(tmp_path / "store", encoder=encoder)
        assert capfd.readouterr() == ("", "")


def test_closing_ends_milvus_lite(tmp_path: Path, encoder: Grams) -> None:
    before = set(threading.enumerate())
    for _ in range(3):  # also after errors
        with pytest.raises(InputError):
            MilvusIndex.open(tmp_path / "store", encoder=encoder, index="NONSENSE")
        MilvusIndex.open(tmp_path / "store", encoder=encoder).close()
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()


def test_a_program_that_does_not_close_ends_and_loses_nothing_saved(tmp_path: Path, encoder: Grams) -> None:
    program = (
        "import sys, numpy as np\n"
        "from resift.retrieval.milvus import MilvusIndex\n"
        "from tests.retrieval.milvus.conftest import Grams\n"
        "index = MilvusIndex.open(sys.argv[1], encoder=Grams())\n"
        "index.add(np.arange(5), ['tea'] * 5)\n"
        "index.save(mark=3)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(tmp_path / "store")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    with MilvusIndex.open(tmp_path / "store", encoder=encoder) as index:
        assert (index.mark, len(index)) == (3, 5)


def test_a_proxy_of_the_environment_is_not_for_milvus_lite(
    tmp_path: Path, encoder: Grams, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "grpc_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with MilvusIndex.open(tmp_path / "store", encoder=encoder, timeout=5) as index:
        assert len(index) == 0


@pytest.mark.parametrize("missing", ["pymilvus", "milvus_lite"])
def test_what_is_not_installed(missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: Grams) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtra, match=r"resift\[milvus\]"):
        MilvusIndex.open(tmp_path / "store", encoder=encoder)


def test_importing_the_module_loads_no_milvus() -> None:
    program = (
        "import sys, resift.retrieval.milvus\nprint([one for one in sys.modules if one.startswith(('pym', 'milvus'))])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
