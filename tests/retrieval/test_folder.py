"""An index in a folder: what is saved is there, whatever happens, and nothing else is."""

import json
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from resift.errors import FolderBusy, InputError, StoreDamaged
from resift.retrieval.analyzers import FunctionAnalyzer
from resift.retrieval.bm25 import BM25
from resift.retrieval.folder import MANIFEST, Disk

TEXTS = ["green tea", "black coffee", "tea house", "oolong tea"]


def found(index: BM25) -> dict[int, float]:
    return {int(hit.id): hit.score for query in ("tea", "coffee", "water") for hit in index.search(query, top_k=99)}


def test_a_new_folder_is_empty_and_keeps_what_is_saved(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "index"
    with BM25.open(folder) as index:
        assert (len(index), index.mark, index.analyzer) == (0, 0, "ngrams")
        index.add(range(4), TEXTS)
        index.save(mark=12)
        expected = found(index)
        index.delete([0])  # not saved
    with BM25.open(str(folder)) as index:
        assert (len(index), index.mark) == (4, 12)
        assert found(index) == expected == found(BM25(TEXTS))


def test_deletes_and_replacements_are_saved(tmp_path: Path) -> None:
    with BM25.open(tmp_path) as index:
        index.add(range(4), TEXTS)
        index.save(mark=1)
        index.delete([1])
        index.add([2], ["water"])
        index.save(mark=2)
        index.delete([2])
        index.save(mark=3)
    with BM25.open(tmp_path) as index:
        assert found(index) == found(BM25(["green tea", "oolong tea"], ids=[0, 3]))


def test_an_index_in_memory_moves_to_a_folder(tmp_path: Path) -> None:
    index = BM25(TEXTS, analyzer="words", k1=1.2)
    with pytest.raises(InputError, match="in memory"):
        index.save(mark=1)
    index.save(mark=1, folder=tmp_path)
    index.add([3], ["water"])
    index.save(mark=2)
    with BM25.open(tmp_path) as again:
        assert (again.mark, again.analyzer) == (2, "words")
        assert found(again) == found(index)
    with pytest.raises(InputError, match="only an index in memory"):
        BM25(TEXTS).save(mark=1, folder=tmp_path)
    with pytest.raises(InputError, match="only an index in memory"):
        index.save(mark=3, folder=tmp_path / "other")


def test_options_that_contradict_the_folder_are_refused(tmp_path: Path) -> None:
    with BM25.open(tmp_path, analyzer="words", k1=1.2, b=0.5) as index:
        index.save(mark=1)
    BM25.open(tmp_path, analyzer="words", k1=1.2, b=0.5).close()
    with pytest.raises(InputError, match="analyzer='words', not 'ngrams'"):
        BM25.open(tmp_path, analyzer="ngrams")
    with pytest.raises(InputError, match=r"k1=1\.2, not 0\.9"):
        BM25.open(tmp_path, k1=0.9)
    with pytest.raises(InputError, match=r"b=0\.5, not 0\.4"):
        BM25.open(tmp_path, b=0.4)


def test_an_analyzer_of_one_s_own_has_a_name_and_is_given_again(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs a name"):
        BM25.open(tmp_path, analyzer=str.split)
    mine = FunctionAnalyzer(str.split, name="split")
    with BM25.open(tmp_path, analyzer=mine) as index:
        index.add([5], ["Tea"])
        index.save(mark=1)
    with pytest.raises(InputError, match="of your own, 'split': give it again"):
        BM25.open(tmp_path)
    with BM25.open(tmp_path, analyzer=mine) as index:
        assert [hit.id for hit in index.search("Tea", top_k=1)] == [5]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(InputError, match="expected a folder"):
        BM25.open(file)


def saved(folder: Path) -> Path:
    with BM25.open(folder) as index:
        index.add(range(4), TEXTS)
        index.save(mark=1)
        index.delete([1])
        index.save(mark=2)
    return folder


@pytest.mark.parametrize("suffix", [".segment", ".deleted"])
def test_missing_and_broken_files_are_named(tmp_path: Path, suffix: str) -> None:
    folder = saved(tmp_path / "index")
    [file] = folder.glob(f"*{suffix}")
    whole = file.read_bytes()
    for content in (whole[:-1], whole[:20], b"", whole + b"\0", b"\xff" * len(whole)):
        file.write_bytes(content)
        with pytest.raises(StoreDamaged, match=file.name):
            BM25.open(folder)
    file.unlink()
    with pytest.raises(StoreDamaged, match=file.name):
        BM25.open(folder)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"format": "resift-bm25/9"}', b"null"])
def test_a_broken_manifest_is_named(tmp_path: Path, content: bytes) -> None:
    folder = saved(tmp_path / "index")
    (folder / MANIFEST).write_bytes(content)
    with pytest.raises(StoreDamaged, match=MANIFEST):
        BM25.open(folder)


def test_segments_whose_arrays_contradict_each_other_are_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path / "index")
    [file] = folder.glob("*.segment")
    whole = file.read_bytes()
    size = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + size])
    first, last = header["offsets"]["data_offsets"]
    for place in (8 + size + first, 8 + size + last - 4):
        broken = bytearray(whole)
        broken[place : place + 4] = (2**31).to_bytes(4, "little")
        file.write_bytes(broken)
        with pytest.raises(StoreDamaged, match="do not fit together"):
            BM25.open(folder)
    del header["peaks"]
    text = json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + whole[8 + size :])
    with pytest.raises(StoreDamaged):
        BM25.open(folder)


DAMAGED = """
import sys
from pathlib import Path
from resift.errors import StoreDamaged
from resift.retrieval.bm25 import BM25

def compacted(index):
    index.compact()

def replaced(index):
    index.delete([0, 2])

for use in (lambda index: index.search("tea", top_k=3), compacted, replaced):
    with BM25.open(Path(sys.argv[1])) as index:
        try:
            use(index)
        except StoreDamaged as error:
            print(error)
"""


def test_postings_of_no_document_are_damage_and_no_crash(tmp_path: Path) -> None:
    folder = saved(tmp_path / "index")
    [file] = folder.glob("*.segment")
    whole = bytearray(file.read_bytes())
    size = int.from_bytes(whole[:8], "little")
    first, last = (8 + size + place for place in json.loads(whole[8 : 8 + size])["slots"]["data_offsets"])
    whole[first:last] = b"\xff" * (last - first)
    file.write_bytes(whole)
    # In a process of its own: memory far behind an array may be somebody's.
    done = subprocess.run(
        [sys.executable, "-c", DAMAGED, str(folder)], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("a posting is of no document") == 3


@pytest.mark.parametrize("name", ["../other.segment", "/etc/passwd", "", ".", 7])
def test_a_manifest_names_files_of_its_folder_alone(tmp_path: Path, name: object) -> None:
    folder = saved(tmp_path / "index")
    for kind in ("file", "deleted"):
        manifest = json.loads((folder / MANIFEST).read_text())
        manifest["segments"][0][kind] = name
        (folder / MANIFEST).write_text(json.dumps(manifest))
        with pytest.raises(StoreDamaged, match="no file of the folder"):
            BM25.open(folder)


def test_a_file_that_cannot_be_opened_now_is_not_damaged(tmp_path: Path) -> None:
    folder = saved(tmp_path / "index")  # a pipeline deletes what is damaged
    for suffix in (".deleted", ".segment"):
        [file] = folder.glob(f"*{suffix}")
        file.unlink()
        file.mkdir()
        with pytest.raises(OSError, match=r"directory|denied"):
            BM25.open(folder)


def test_two_writers_are_told_apart(tmp_path: Path) -> None:
    one, two = BM25.open(tmp_path), BM25.open(tmp_path)
    one.add([1], ["tea"])
    two.add([2], ["coffee"])
    one.save(mark=1)
    with pytest.raises(FolderBusy, match="saved by somebody else"):
        two.save(mark=1)
    with BM25.open(tmp_path) as index:
        assert 1 in index
        assert 2 not in index


def test_a_reader_keeps_what_it_opened(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    with BM25.open(folder) as reader, BM25.open(folder) as writer:
        before = found(reader)
        writer.add(range(10), ["water"] * 10)
        writer.compact()
        writer.save(mark=3)
        assert found(reader) == before
        assert (reader.mark, len(reader)) == (2, 3)


def test_what_is_not_needed_is_removed_and_other_files_stay(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    (folder / "notes.txt").write_text("mine")
    (folder / "0123.segment").write_text("left over")
    with BM25.open(folder) as index:
        index.compact()
        index.save(mark=3)
    names = {file.suffix for file in folder.iterdir()}
    assert names == {".json", ".segment", ".txt"}
    assert len(list(folder.glob("*.segment"))) == 1


def test_large_segments_are_on_disk_before_they_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resift.retrieval.bm25._SPILLED", 1)
    with BM25.open(tmp_path) as index:
        index.add(range(4), TEXTS)
        assert len(list(tmp_path.glob("*.segment"))) == 1
        assert found(index) == found(BM25(TEXTS))
    with BM25.open(tmp_path) as index:
        assert len(index) == 0
        index.save(mark=1)
    assert list(tmp_path.glob("*.segment")) == []


class FailingDisk(Disk):
    """Fails at one operation, the `at`-th, and then at all later ones; a write is cut off in the middle."""

    def __init__(self, at: int) -> None:
        self.left = at

    def _step(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError("no space left on device")

    def write(self, file: Path, fill: Callable[[BinaryIO], None]) -> None:
        try:
            self._step()
        except OSError:
            super().write(file, fill)
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
            raise
        super().write(file, fill)

    def replace(self, source: Path, target: Path) -> None:
        self._step()
        super().replace(source, target)

    def sync(self, folder: Path) -> None:
        self._step()
        super().sync(folder)

    def remove(self, file: Path) -> None:
        self._step()
        super().remove(file)


def test_a_failure_at_any_operation_leaves_the_old_or_the_new_state(tmp_path: Path) -> None:
    old = saved(tmp_path / "old")
    states = {
        2: found(BM25.open(old)),
        3: found(BM25(["water", "tea for two", "tea house", "oolong tea"], ids=[0, 7, 2, 3])),
    }
    marks, at = [], 0
    while not marks or at < 100:
        folder = tmp_path / str(at)
        shutil.copytree(old, folder)
        disk = FailingDisk(at)
        index = BM25.open(folder, _disk=disk)
        index.add([0, 7], ["water", "tea for two"])
        index.delete([1])
        try:
            index.save(mark=3)
        except OSError:
            with BM25.open(folder) as again:
                assert found(again) == states[again.mark]
                marks.append(again.mark)
        else:
            break
        disk.left = 1000  # there is space again
        index.add([9], ["coffee"])
        index.save(mark=4)
        expected = found(BM25(["water", "tea for two", "tea house", "oolong tea", "coffee"], ids=[0, 7, 2, 3, 9]))
        with BM25.open(folder) as again:
            assert (again.mark, found(again)) == (4, expected)
        at += 1
    assert marks == sorted(marks)
    assert {2, 3} == set(marks)
    assert at >= 6


WRITER = """
import sys
from resift.retrieval.bm25 import BM25
index = BM25.open(sys.argv[1])
print(index.mark, flush=True)
for mark in range(index.mark + 1, 10**6):
    index.add([mark], [f"tea {mark}"])
    index.delete([mark - 20])
    index.save(mark=mark)
    print(mark, flush=True)
"""


def state(mark: int) -> set[int]:
    return set(range(max(1, mark - 19), mark + 1))


def test_a_killed_writer_leaves_what_it_saved(tmp_path: Path) -> None:
    last = 0
    for lines in (1, 30, 60):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        said = [int(writer.stdout.readline()) for _ in range(lines)]
        writer.send_signal(signal.SIGKILL)
        said += [int(line) for line in writer.stdout.read().split("\n") if line]
        writer.stdout.close()
        writer.wait()
        with BM25.open(tmp_path) as index:
            assert index.mark >= max(*said, last)
            assert {int(hit.id) for hit in index.search("tea", top_k=99)} == state(index.mark)
            last = index.mark


def test_readers_open_whole_states_while_a_writer_saves(tmp_path: Path) -> None:
    writer = BM25.open(tmp_path)
    writer.save(mark=0)
    done = threading.Event()
    wrong: list[object] = []
    opened: set[int] = set()

    def read() -> None:
        while not done.is_set():
            with BM25.open(tmp_path) as reader:
                ids = {int(hit.id) for hit in reader.search("tea", top_k=999)}
                opened.add(reader.mark)
                if ids != state(reader.mark):
                    wrong.append((reader.mark, ids))

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for mark in range(1, 60):
            writer.add([mark], [f"tea {mark}"])
            writer.delete([mark - 20])
            writer.save(mark=mark)
    finally:
        done.set()
        thread.join()
    assert wrong == []
    assert opened
