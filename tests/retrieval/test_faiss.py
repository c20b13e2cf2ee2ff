"""The index against a dictionary of its vectors and numpy: whatever its kind, storage and history."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resift.errors import EngineClosed, FolderBusy, InputError, MissingExtra
from resift.retrieval import FaissIndex, FunctionEncoder, Hit
from resift.retrieval.faiss_base import Kind, Storage
from resift.retrieval.vectors import as_unit, cosines

KINDS: list[Kind] = ["flat", "hnsw", "ivf"]
STORAGES: list[Storage] = ["fp32", "fp16", "int8"]
D = 8


def grid(seed: int, count: int, dimension: int = D) -> np.ndarray:
    """Vectors of few different numbers: many ties, and some zeros."""
    return np.random.default_rng(seed).integers(-1, 2, (count, dimension)).astype(np.float32)


def clusters(seed: int, count: int, *, dimension: int = 32, centres: int = 50) -> np.ndarray:
    random = np.random.default_rng(seed)
    middle = random.standard_normal((centres, dimension))
    return (middle[random.integers(0, centres, count)] + 0.5 * random.standard_normal((count, dimension))).astype("f4")


def expected(
    model: dict[int, np.ndarray], query: np.ndarray, top_k: int, among: Iterable[int] | None = None
) -> list[Hit]:
    """All vectors compared, in float64."""
    allowed = set(model) if among is None else set(model) & set(among)
    ids = np.array([one for one in sorted(allowed) if model[one].any()], np.int64)
    unit = as_unit(query[None], dimension=None, source="test")[0]
    if not len(ids) or not unit.any():
        return []
    scores = cosines(as_unit(np.array([model[i] for i in ids]), dimension=None, source="test"), unit)
    return [Hit(int(ids[i]), float(scores[i])) for i in np.lexsort((ids, -scores))[:top_k]]


def letters(texts: list[str]) -> list[list[float]]:
    return [[float(text.count(letter)) for letter in "abcdefgh"] for text in texts]


@pytest.mark.parametrize("buffer", [1, 40, 5000])
def test_flat_is_exact_with_ties(buffer: int) -> None:
    vectors = grid(1, 600)
    index = FaissIndex(dimension=D, buffer=buffer)
    for start in range(0, 600, 60):
        index.add_vectors(range(start, start + 60), vectors[start : start + 60])
    model = dict(enumerate(vectors))
    assert len(index) == sum(vectors.any(axis=1))
    queries = grid(2, 40)
    for top_k in (1, 7, 100, 600, 10_000):
        wanted = [expected(model, query, top_k) for query in queries]
        assert index.search_vectors(queries, top_k=top_k) == wanted
        assert [index.search_vector(query, top_k=top_k) for query in queries] == wanted


@pytest.mark.parametrize("kind", KINDS)
def test_equal_vectors_are_sorted_by_id(kind: Kind) -> None:
    index = FaissIndex(dimension=D, kind=kind, buffer=10)
    same = np.tile(grid(3, 1), (300, 1)) * np.random.default_rng(0).uniform(0.1, 9, (300, 1))
    index.add_vectors(np.random.default_rng(1).permutation(300), same)
    assert index.info.settled == 300
    hits = index.search_vector(same[0], top_k=10)
    assert [hit.id for hit in hits] == list(range(10))
    assert len({hit.score for hit in hits}) == 1


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_recall(kind: Kind, storage: Storage) -> None:
    """Recall@10 against fp32 brute force at least .95 (a flat int8 index loses some order by itself: .9)."""
    vectors, queries = clusters(4, 4000), clusters(5, 100)
    index = FaissIndex(dimension=32, kind=kind, storage=storage, buffer=500)
    index.add_vectors(range(3000), vectors[:3000])
    index.add_vectors(range(3000, 4000), vectors[3000:])  # grown, not built again
    assert index.info.settled == 4000
    exact = FaissIndex(dimension=32, buffer=5000)
    exact.add_vectors(range(4000), vectors)
    wanted = exact.search_vectors(queries, top_k=10)
    found = index.search_vectors(queries, top_k=10)
    shared = [len({hit.id for hit in a} & {hit.id for hit in b}) for a, b in zip(found, wanted, strict=True)]
    assert sum(shared) / 1000 >= (0.9 if storage == "int8" else 0.95)
    itself = index.search_vectors(vectors[:200], top_k=1)
    assert [hits[0].id for hits in itself] == list(range(200))


@pytest.mark.parametrize("kind", KINDS)
def test_many_queries_are_as_one_by_one(kind: Kind) -> None:
    index = FaissIndex(dimension=32, kind=kind, buffer=500)
    index.add_vectors(range(3000), clusters(6, 3000))
    queries = clusters(7, 150)
    among = np.arange(0, 3000, 3)
    for chosen in (None, among, among[:20]):
        alone = [index.search_vector(query, top_k=5, among=chosen) for query in queries]
        assert index.search_vectors(queries, top_k=5, among=chosen) == alone


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.01, 0.05, 0.3, 0.9])
def test_among(kind: Kind, share: float) -> None:
    vectors = clusters(8, 3000)
    index = FaissIndex(dimension=32, kind=kind, buffer=500)
    index.add_vectors(range(2900), vectors[:2900])
    index.add_vectors(range(2900, 3000), vectors[2900:])
    index.delete(range(0, 300))
    chosen = np.flatnonzero(np.random.default_rng(9).random(3000) < share)
    model = {i: vectors[i] for i in range(300, 3000)}
    right = 0
    for query in clusters(10, 30):
        wanted = expected(model, query, 10, chosen)
        found = index.search_vector(query, top_k=10, among=[*chosen, 77_777, 5])
        assert {hit.id for hit in found} <= set(chosen.tolist()) - set(range(300))
        assert len(found) == len(wanted)
        right += len({hit.id for hit in found} & {hit.id for hit in wanted}) / len(wanted)
    assert right / 30 >= (1 if kind == "flat" or share < 0.1 else 0.95)
    assert index.search_vector(vectors[400], top_k=5, among=[]) == []


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_many_equal_vectors_hide_nothing(kind: Kind, storage: Storage) -> None:
    """A footer that stands in every other passage: FAISS' graph alone finds a third of the others less then."""
    vectors = clusters(20, 1500)
    vectors[::2] = vectors[0]
    ids = np.random.default_rng(21).permutation(1500)
    index = FaissIndex(dimension=32, kind=kind, storage=storage, buffer=200)
    index.add_vectors(ids[:1000], vectors[:1000])
    index.add_vectors(ids[1000:], vectors[1000:])
    index.delete(ids[:100])
    assert (index.info.settled, len(index)) == (1500, 1400)
    hits = index.search_vectors(vectors[101::8], top_k=1)
    assert np.mean([one[0].id == i for one, i in zip(hits, ids[101::8], strict=True)]) >= 0.99
    footers = sorted(ids[100::2].tolist())
    assert [hit.id for hit in index.search_vector(vectors[0], top_k=20)] == footers[:20]
    assert [hit.id for hit in index.search_vector(vectors[0], top_k=20, among=footers[7:])] == footers[7:27]


@pytest.mark.parametrize("kind", KINDS)
def test_lists_and_graphs_are_made_again_when_it_is_time(kind: Kind, tmp_path: Path) -> None:
    vectors = clusters(11, 2000)
    index = FaissIndex.open(tmp_path, dimension=32, kind=kind, buffer=100)
    index.add_vectors(range(100), vectors[:100])
    assert (index.info.settled, index.info.recent) == (0, 100)
    index.add_vectors([100], vectors[100:101])
    first = index.info
    assert (first.settled, first.recent) == (101, 0)
    index.add_vectors(range(101, 2000), vectors[101:])
    later = index.info
    assert later.settled == 2000
    if kind == "ivf":
        assert first.nlist == 2
        assert later.nlist == 2000 // 39
    index.delete(range(500))
    index.save()
    assert index.info.settled == 2000
    index.delete([500])
    assert (index.info.settled, len(index)) == (2000, 1499)
    index.save()
    assert (index.info.settled, len(index)) == (1499, 1499)
    assert index.search_vector(vectors[1200], top_k=1)[0].id == 1200
    assert {hit.id for query in vectors[:50] for hit in index.search_vector(query, top_k=10)} & set(range(501)) == set()
    index.delete(range(1500))
    index.delete(range(1950))
    index.save()
    assert (index.info.settled, index.info.recent, len(index)) == (0, 50, 50)
    index.delete(range(2000))
    assert len(index) == 0
    assert index.search_vector(vectors[0], top_k=5) == []


Step = tuple[str, list[int], int]
STEPS: st.SearchStrategy[list[Step]] = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "add", "delete", "save", "reopen", "compact", "forget"]),
        st.lists(st.one_of(st.integers(-5, 40), st.sampled_from([-(2**63), 2**63 - 1])), max_size=25),
        st.integers(0, 10_000),
    ),
    max_size=25,
)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20)
@given(steps=STEPS, buffer=st.integers(1, 20))
def test_any_history_gives_the_dictionary(
    kind: Kind, steps: list[Step], buffer: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Few vectors in few lists, all of which are looked into: every kind finds all."""
    folder = tmp_path_factory.mktemp("index")
    options: dict[str, Any] = {"kind": kind, "dimension": D, "buffer": buffer, "nprobe": 99, "ef_search": 99}
    index = FaissIndex.open(folder, **options)
    model: dict[int, np.ndarray] = {}
    saved, mark = dict(model), 0
    for name, ids, seed in steps:
        if name == "add":
            vectors = grid(seed, len(ids))
            index.add_vectors(ids, vectors)
            model.update(zip(ids, vectors, strict=True))
        elif name == "delete":
            index.delete(ids)
            model = {one: vector for one, vector in model.items() if one not in ids}
        elif name == "compact":
            index.compact()
        elif name == "save":
            mark += 1
            index.save(mark=mark)
            saved = dict(model)
        else:
            if name == "reopen":
                index.save(mark=mark)
                saved = dict(model)
            index.close()
            index, model = FaissIndex.open(folder), dict(saved)
            assert index.mark == mark
        assert len(index) == sum(vector.any() for vector in model.values())
        query = grid(seed + 1, 1)[0]
        assert index.search_vector(query, top_k=3) == expected(model, query, 3)
        assert index.search_vector(query, top_k=99, among=ids) == expected(model, query, 99, ids)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_opened_again_is_the_same(kind: Kind, storage: Storage, tmp_path: Path) -> None:
    index = FaissIndex.open(tmp_path / "x", kind=kind, storage=storage, dimension=32, buffer=300)
    index.add_vectors(range(1000), clusters(12, 1000))
    index.save(mark=5)
    index.add_vectors(range(990, 1100), clusters(13, 110))
    index.delete(range(500, 520))
    index.save(mark=6)
    queries = clusters(14, 20)
    with FaissIndex.open(tmp_path / "x") as again:
        assert again.info == index.info
        assert (again.mark, len(again)) == (6, 1080)
        assert again.search_vectors(queries, top_k=20) == index.search_vectors(queries, top_k=20)
        again.add_vectors(range(2000, 2500), clusters(15, 500))  # a mapped index grows by a copy of its file
        assert again.info.settled == (1580 if kind == "flat" else 1610)
        again.save(mark=7)
        with FaissIndex.open(tmp_path / "x") as third:
            assert third.search_vectors(queries, top_k=20) == again.search_vectors(queries, top_k=20)


def test_a_save_writes_what_is_new(tmp_path: Path) -> None:
    """One document more leaves the files of the others as they are; tails are merged in powers."""
    index = FaissIndex.open(tmp_path, dimension=32, kind="hnsw", buffer=200)
    index.add_vectors(range(1000), clusters(16, 1000))
    index.save(mark=1)
    base = {one.name: one.stat().st_mtime_ns for one in tmp_path.iterdir() if one.name.startswith(("base", "ids"))}
    assert len(base) == 2
    tails = []
    for one in range(60):
        index.add_vectors([2000 + one], clusters(one, 1))
        index.save(mark=2 + one)
        tails.append(sum(file.name.startswith("tail") for file in tmp_path.iterdir()))
    assert {
        one.name: one.stat().st_mtime_ns for one in tmp_path.iterdir() if one.name.startswith(("base", "ids"))
    } == base
    assert max(tails) <= 6
    assert len(FaissIndex.open(tmp_path)) == 1060


def test_readers_keep_what_they_opened(tmp_path: Path) -> None:
    index = FaissIndex.open(tmp_path, dimension=32, buffer=100)
    vectors = clusters(17, 2000)
    index.add_vectors(range(500), vectors[:500])
    index.save(mark=1)
    reader = FaissIndex.open(tmp_path)
    before = reader.search_vectors(vectors[:50], top_k=5)
    index.add_vectors(range(2000), vectors[::-1])
    index.save(mark=2)
    assert reader.search_vectors(vectors[:50], top_k=5) == before
    assert (reader.mark, len(reader)) == (1, 500)
    reader.add_vectors([1], vectors[:1])
    with pytest.raises(FolderBusy, match="another process"):
        reader.save(mark=9)
    assert FaissIndex.open(tmp_path).mark == 2


def test_texts() -> None:
    index = FaissIndex(encoder=letters)
    index.add([3, 1, 2], ["bad cabbage", "", "a feed bag"])
    assert len(index) == 2  # a text that says nothing is not found
    assert [hit.id for hit in index.search("cc", top_k=5)] == [3, 2]
    assert index.search("", top_k=5) == []
    assert index.search_many(["gg", "", "c"], top_k=1) == [
        index.search("gg", top_k=1), [], index.search("c", top_k=1)
    ]  # fmt: skip
    index.add([2], [" "])
    assert [hit.id for hit in index.search("gg", top_k=5)] == [3]
    assert index.search_many([], top_k=3) == []
    index.add([], [])
    index.delete([])


def test_the_last_of_equal_ids_counts() -> None:
    index = FaissIndex(encoder=letters)
    index.add([4, 4, 5], ["a", "b", "c"])
    assert len(index) == 2
    assert [hit.id for hit in index.search("b", top_k=1)] == [4]
    assert index.search("a", top_k=2) == [Hit(4, 0.0), Hit(5, 0.0)]


def test_empty() -> None:
    index = FaissIndex(dimension=D)
    assert index.search_vector(np.ones(D), top_k=3) == []
    assert index.search_vectors(np.empty((0, D)), top_k=3) == []
    index.delete([1])
    index.compact()
    index.add_vectors([1], np.ones((1, D)))
    assert index.search_vector(np.ones(D), top_k=0) == []
    assert FaissIndex(encoder=letters).search("a", top_k=3) == []


def test_options_that_contradict_the_folder(tmp_path: Path) -> None:
    one, other = FunctionEncoder(letters, name="one"), FunctionEncoder(letters, name="other")
    with FaissIndex.open(tmp_path, encoder=one, kind="hnsw", m=8) as index:
        index.add([1], ["a"])
        index.save(mark=1)
    for options, words in [
        ({"encoder": other}, r"encoder 'one'.*'other'"),
        ({"encoder": one, "kind": "ivf"}, r"kind 'hnsw'.*'ivf'"),
        ({"encoder": one, "storage": "int8"}, r"storage 'fp32'.*'int8'"),
        ({"encoder": one, "m": 9}, r"m 8.*9"),
        ({"dimension": 3}, r"dimension 8.*3"),
    ]:
        with pytest.raises(InputError, match=words) as caught:
            FaissIndex.open(tmp_path, **options)
        assert "another folder" in str(caught.value)
    with FaissIndex.open(tmp_path, encoder=one, ef_search=7) as index:
        assert index.search("a", top_k=1) == [Hit(1, 1.0)]
    with FaissIndex.open(tmp_path, dimension=8) as index:  # vectors only
        index.add_vectors([2], np.eye(8)[1:2])
        index.save(mark=2)
        with pytest.raises(InputError, match="no encoder"):
            index.search("a", top_k=1)
    with FaissIndex.open(tmp_path, encoder=one) as index:
        assert [hit.id for hit in index.search("b", top_k=1)] == [2]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "tree"}, "kind is 'tree'"),
        ({"storage": "int4"}, "storage is 'int4'"),
        ({"m": 1}, "m is 1"),
        ({"nprobe": 0}, "nprobe is 0"),
        ({"dimension": -1}, "dimension is -1"),
    ],
)
def test_options_that_are_none(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        FaissIndex(**{"encoder": letters, **options})


def test_input_that_is_none() -> None:
    index = FaissIndex(dimension=D)
    index.add_vectors([1], np.ones((1, D)))
    wrong: list[tuple[Sequence[Any], Any, str]] = [
        ([1, 2], np.ones((1, D)), "2 ids and 1"),
        ([1], np.ones((1, 3)), "3 numbers, expected 8"),
        ([1], np.ones(D)[None, None], "shape"),
        ([1.5], np.ones((1, D)), "whole numbers"),
        (["a"], np.ones((1, D)), "whole numbers"),
        ([1], np.full((1, D), np.nan), "NaN"),
        ([1], [["x"] * D], "numbers"),
    ]
    for ids, vectors, words in wrong:
        with pytest.raises(InputError, match=words):
            index.add_vectors(ids, vectors)
    with pytest.raises(InputError, match="top_k is -1"):
        index.search_vector(np.ones(D), top_k=-1)
    with pytest.raises(InputError, match="expected 8"):
        index.search_vector(np.ones(9), top_k=1)
    with pytest.raises(InputError, match="in memory"):
        index.save(mark=1)
    with pytest.raises(InputError, match="no list of texts"):
        FaissIndex(encoder=letters).add([1], "a")
    assert index.search_vector(np.ones(D), top_k=9) == expected({1: np.ones(D)}, np.ones(D), 9)


def test_an_encoder_that_changes_its_dimension() -> None:
    index = FaissIndex(encoder=FunctionEncoder(lambda texts: [[1.0] * len(text) for text in texts], name="odd"))
    index.add([1], ["abc"])
    with pytest.raises(InputError, match="'odd' gave vectors of 4 numbers, expected 3"):
        index.add([2], ["abcd"])
    assert len(index) == 1


def test_a_change_that_fails_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    index = FaissIndex(dimension=D, buffer=10)
    model = dict(enumerate(grid(30, 10)))
    index.add_vectors(list(model), np.array(list(model.values())))
    before = index.info

    def full(*_: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("resift.retrieval.faiss_base.build", full)
        with pytest.raises(MemoryError):
            index.add_vectors(range(3, 30), np.ones((27, D)))
    assert index.info == before
    query = grid(31, 1)[0]
    assert index.search_vector(query, top_k=9) == expected(model, query, 9)
    index.delete([3, 4])
    assert len(index) == before.documents - sum(bool(model[one].any()) for one in (3, 4))


def test_in_memory_then_in_a_folder(tmp_path: Path) -> None:
    index = FaissIndex(encoder=letters)
    index.add([1], ["abc"])
    index.save(mark=3, folder=tmp_path / "new")
    index.add([2], ["bcd"])
    index.save()
    with FaissIndex.open(tmp_path / "new", encoder=letters) as again:
        assert (len(again), again.mark) == (2, 3)
    with pytest.raises(InputError, match="is kept in"):
        index.save(folder=tmp_path / "other")
    with pytest.raises(InputError, match="has an index already"):
        FaissIndex(encoder=letters).save(folder=tmp_path / "new")


def test_closed(tmp_path: Path) -> None:
    with FaissIndex.open(tmp_path, dimension=D) as index:
        index.add_vectors([1], np.ones((1, D)))
    for call in (
        lambda: len(index),
        lambda: index.save(mark=1),
        lambda: index.search_vector(np.ones(D), top_k=1),
        lambda: index.add_vectors([1], np.ones((1, D))),
    ):
        with pytest.raises(EngineClosed):
            call()
    index.close()
    assert len(FaissIndex.open(tmp_path)) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_searches_see_all_of_a_change_or_nothing(kind: Kind) -> None:
    """While one thread replaces all documents again and again, others always find each of them."""
    vectors = clusters(18, 600)
    index = FaissIndex(dimension=32, kind=kind, buffer=50, nprobe=1000, ef_search=1000)
    index.add_vectors(range(600), vectors)
    done = threading.Event()

    def write() -> None:
        for turn in range(15):
            index.add_vectors(range(turn * 40, turn * 40 + 40), vectors[turn * 40 : turn * 40 + 40])
        done.set()

    def read(seed: int) -> bool:
        random, good = np.random.default_rng(seed), True
        while not done.is_set():
            one = int(random.integers(0, 600))
            good &= [hit.id for hit in index.search_vector(vectors[one], top_k=1, among=[one])] == [one]
        return good

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read, seed) for seed in range(3)]
        pool.submit(write).result()
        assert all(reader.result() for reader in readers)
    assert len(index) == 600


_WRITER = """
import sys
import numpy as np
from resift.retrieval import FaissIndex

index = FaissIndex.open(sys.argv[1])
step = index.mark
while True:
    random = np.random.default_rng(step + 1)
    index.add_vectors(np.arange(step * 7, step * 7 + 14), random.standard_normal((14, 8)))
    index.delete([step * 7 + 3])
    step += 1
    index.save(mark=step)
    print(step, flush=True)
"""


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_writer_leaves_its_last_save(kind: Kind, tmp_path: Path) -> None:
    """Whenever it dies: the folder opens, holds what was acknowledged, and is what its mark says."""
    FaissIndex.open(tmp_path, dimension=8, kind=kind, buffer=30).close()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    for turn in range(2):
        with subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment
        ) as process:
            assert process.stdout is not None
            said = 0
            for line in process.stdout:
                said = int(line)
                if said >= 9 * (turn + 1) + turn:
                    process.send_signal(signal.SIGKILL)
                    break
            said = max([said, *map(int, process.stdout)])
        model: dict[int, np.ndarray] = {}
        with FaissIndex.open(tmp_path) as index:
            assert index.mark >= said
            for step in range(index.mark):
                vectors = as_unit(np.random.default_rng(step + 1).standard_normal((14, 8)), dimension=8, source="test")
                model.update(zip(range(step * 7, step * 7 + 14), vectors, strict=True))
                model.pop(step * 7 + 3)
            assert len(index) == len(model)
            for one in list(model)[::5]:
                assert index.search_vector(model[one], top_k=1, among=[one]) == expected(model, model[one], 1, [one])


def test_without_faiss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtra, match=r"resift\[faiss\]"):
        FaissIndex(dimension=3)
