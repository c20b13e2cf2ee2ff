"""Crashes, damage and company: what a folder is after them."""

import json
import os
import shutil
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resift.errors import FolderBusy, InputError, StoreDamaged
from resift.retrieval import FaissIndex
from resift.retrieval.faiss_folder import MANIFEST

D = 8


def vectors(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, D))


def filled(folder: Path, **options: Any) -> FaissIndex:
    """An index with all kinds of files: a base, two tails, deletions."""
    index = FaissIndex.open(folder, dimension=D, buffer=100, **options)
    index.add_vectors(range(200), vectors(1, 200))
    index.delete([3, 4])
    index.add_vectors(range(300, 330), vectors(2, 30))
    index.save(mark=1)
    index.add_vectors(range(400, 402), vectors(3, 2))
    index.delete([301])
    index.save(mark=2)
    return index


def answers(index: FaissIndex) -> list[Any]:
    return [index.mark, len(index), *index.search_vectors(vectors(9, 5), top_k=10)]


class CrashError(BaseException):
    """Nobody catches it: the process might as well be gone."""


class Crashing:
    """Lets so many calls of the system pass, and dies at the next."""

    def __init__(self, passing: int) -> None:
        self.left = passing

    def wrap(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            self.left -= 1
            if self.left < 0:
                raise CrashError
            return call(*arguments, **options)

        return counted


def change(index: FaissIndex, step: str) -> None:
    if step == "tail":
        index.add_vectors(range(500, 520), vectors(4, 20))
        index.delete([5, 302])
    else:
        index.add_vectors(range(100, 400), vectors(5, 300))


@pytest.mark.parametrize("step", ["tail", "base"])
def test_a_crash_anywhere_leaves_the_old_or_the_new(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path / "start").close()
    with FaissIndex.open(tmp_path / "start") as index:
        old = answers(index)
        change(index, step)
        new = [3, *answers(index)[1:]]
    outcomes = []
    for passing in range(100):
        folder = tmp_path / str(passing)
        shutil.copytree(tmp_path / "start", folder)
        index = FaissIndex.open(folder)
        change(index, step)
        with monkeypatch.context() as patch:
            crashing = Crashing(passing)
            patch.setattr(os, "fsync", crashing.wrap(os.fsync))
            patch.setattr(Path, "replace", crashing.wrap(Path.replace))
            patch.setattr(Path, "unlink", crashing.wrap(Path.unlink))
            patch.setattr(np, "save", crashing.wrap(np.save))
            patch.setattr(np, "savez", crashing.wrap(np.savez))
            try:
                index.save(mark=3)
            except CrashError:
                pass
            else:
                break
        with FaissIndex.open(folder) as again:
            found = answers(again)
            assert found in (old, new)
            outcomes.append(found == new)
            change(again, step)
            again.save(mark=3)
        with FaissIndex.open(folder) as again:
            assert answers(again) == new
        assert sorted(one.name.split("-")[0] for one in folder.iterdir()).count("base") == 1
    assert sorted(outcomes) == outcomes  # first the old, from one call on the new
    assert len(set(outcomes)) == 2


def test_a_failed_save_can_be_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = filled(tmp_path)
    change(index, "base")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(InputError, match="No space left"):
            index.save(mark=3)
    assert index.mark == 2
    index.save(mark=4)
    with FaissIndex.open(tmp_path) as again:
        assert answers(again) == answers(index)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0x10
    file.write_bytes(content)


def lose(file: Path) -> None:
    file.unlink()


@pytest.mark.parametrize("damage", [cut, flip, lose])
@pytest.mark.parametrize("kind", ["flat", "hnsw", "ivf"])
def test_damage_is_named(kind: str, damage: Callable[[Path], None], tmp_path: Path) -> None:
    filled(tmp_path / "x", kind=kind).close()
    names = sorted(one.name for one in (tmp_path / "x").iterdir() if one.name != MANIFEST)
    assert [name.split("-")[0] for name in names] == ["base", "deleted", "ids", "tail", "tail"]
    for name in names:
        copy = tmp_path / f"without-{name}"
        shutil.copytree(tmp_path / "x", copy)
        damage(copy / name)
        with pytest.raises(StoreDamaged, match=name):
            FaissIndex.open(copy)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "damaged"),
        ("{", "damaged"),
        ("[]", "no index of this version"),
        ('{"format": "resift-faiss/99"}', "no index of this version"),
        ('{"format": "resift-faiss/1"}', "damaged"),
    ],
)
def test_a_damaged_manifest_is_named(content: str, words: str, tmp_path: Path) -> None:
    filled(tmp_path).close()
    (tmp_path / MANIFEST).write_text(content)
    with pytest.raises(StoreDamaged, match=rf"faiss\.json.*{words}"):
        FaissIndex.open(tmp_path)


def test_a_lost_manifest_is_no_empty_index(tmp_path: Path) -> None:
    filled(tmp_path).close()
    (tmp_path / MANIFEST).unlink()
    with pytest.raises(StoreDamaged, match=r"no faiss\.json"):
        FaissIndex.open(tmp_path, dimension=D)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(InputError, match="x"):
        FaissIndex.open(tmp_path / "x", dimension=D)


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "base-of-mine.faiss").write_text("mine")
    index = filled(tmp_path)
    (tmp_path / "base-99.faiss").write_text("of a crash")
    index.add_vectors([1], vectors(6, 1))
    index.save(mark=3)
    names = {one.name for one in tmp_path.iterdir()}
    assert {"notes.txt", "base-of-mine.faiss"} <= names
    assert "base-99.faiss" not in names
    named = json.loads((tmp_path / MANIFEST).read_text())
    assert len(names) == 3 + sum(named[one] is not None for one in ("base", "ids", "deleted")) + len(named["tail"])


def test_opening_while_another_one_saves(tmp_path: Path) -> None:
    """Files may go between reading their names and reading them: then there are newer ones."""
    index = FaissIndex.open(tmp_path, dimension=D, buffer=20)
    index.save(mark=1)
    done = threading.Event()

    def write() -> None:
        for turn in range(40):
            index.add_vectors(range(turn * 10, turn * 10 + 10), vectors(turn, 10))
            index.save(mark=turn + 2)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    marks = []
    while not done.is_set():
        with FaissIndex.open(tmp_path) as reader:
            assert len(reader) == (reader.mark - 1) * 10
            marks.append(reader.mark)
    writer.join()
    assert marks == sorted(marks)


def test_two_writers(tmp_path: Path) -> None:
    first, second = filled(tmp_path), FaissIndex.open(tmp_path)
    second.delete([1])
    second.save(mark=3)
    first.delete([2])
    with pytest.raises(FolderBusy, match="open it again"):
        first.save(mark=3)
    with FaissIndex.open(tmp_path) as index:
        assert answers(index) == answers(second)


@pytest.mark.parametrize("kind", ["ids", "tail", "deleted"])
@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\xff\0", b"PK\x05\x06" + bytes(18), b"\x80\x05N."])
def test_damage_that_keeps_its_checksum_is_named(kind: str, content: bytes, tmp_path: Path) -> None:
    filled(tmp_path / "x").close()
    file = next((tmp_path / "x").glob(f"{kind}-*"))
    file.write_bytes(content)
    manifest = json.loads((tmp_path / "x" / MANIFEST).read_text())
    entries = [manifest["ids"], manifest["deleted"], *manifest["tail"]]
    [entry] = [one for one in entries if one["name"] == file.name]
    entry |= {"size": len(content), "checksum": zlib.crc32(content)}
    (tmp_path / "x" / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(StoreDamaged, match=file.name):
        FaissIndex.open(tmp_path / "x")


def test_a_manifest_names_files_of_its_folder_alone(tmp_path: Path) -> None:
    filled(tmp_path / "x").close()
    manifest = json.loads((tmp_path / "x" / MANIFEST).read_text())
    manifest["ids"]["name"] = "../x/" + manifest["ids"]["name"]
    (tmp_path / "x" / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(StoreDamaged, match="no file of an index"):
        FaissIndex.open(tmp_path / "x")
