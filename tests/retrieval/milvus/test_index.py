"""On real Milvus Lite."""

import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resift.errors import FolderBusy, InputError
from resift.retrieval.milvus import MilvusIndex, making
from resift.retrieval.milvus import collection as reading
from resift.retrieval.milvus import index as writing
from resift.retrieval.protocols import Hit, Store
from tests.retrieval.milvus.conftest import Grams

TEXTS = [
    "Green tea is picked in spring.",
    "Black coffee keeps you awake.",
    "绿茶在春天采摘。",
    "コーヒーは朝に飲む。",
    "الشاي الأخضر مفيد",
    "Зелёный чай собирают весной.",
    "🍵 matcha 🍵",
]


def says(encoder: Grams, text: str) -> bool:
    return bool(encoder.encode_documents([text]).any())


def brute_force(encoder: Grams, texts: dict[int, str], query: str, top_k: int) -> list[tuple[int, float]]:
    [asked] = encoder.encode_queries([query])
    ids = sorted(one for one, text in texts.items() if says(encoder, text))
    scores = encoder.encode_documents([texts[one] for one in ids]) @ asked if ids else []
    return sorted(zip(ids, map(float, scores), strict=True), key=lambda row: (-row[1], row[0]))[:top_k]


def same(hits: Sequence[Hit], expected: Sequence[tuple[int, float]]) -> bool:
    """Whether scores agree to 1e-6, and ids where the scores tell them apart."""
    scores = [score for _, score in expected]
    assert [hit.score for hit in hits] == pytest.approx(scores, abs=1e-6)
    apart = [
        min((abs(one - other) for other in scores[:at] + scores[at + 1 :]), default=1) > 2e-6
        for at, one in enumerate(scores)
    ]
    last = len(scores) - 1
    pairs = zip(hits, expected, apart, strict=True)
    return all(hit.id == one for at, (hit, (one, _), clear) in enumerate(pairs) if clear and at != last)


def numbers(*ids: int) -> np.ndarray:
    return np.array(ids, np.int64)


@pytest.fixture
def filled(index: MilvusIndex) -> MilvusIndex:
    index.add(np.arange(len(TEXTS)), TEXTS)
    return index


def test_it_is_a_store(index: MilvusIndex) -> None:
    store: Store = index
    assert len(store) == store.mark == 0
    assert store.search("tea", top_k=3) == []
    assert store.search_many([], top_k=3) == []
    store.add(numbers(), [])
    store.delete(numbers())
    store.save(mark=1)
    assert (len(store), store.mark) == (0, 1)


@pytest.mark.parametrize("metric", ["IP", "COSINE"])
def test_it_finds_what_brute_force_finds(metric: str, encoder: Grams, tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    texts = {
        int(one): "".join(random.choice(list("abcdefgh水茶 "), 12)) for one in random.integers(-(2**62), 2**62, 700)
    }
    queries = ["abc dea", "水茶", *list(texts.values())[:8]]
    with MilvusIndex.open(tmp_path / "store", encoder=encoder, metric=metric) as index:
        index.add(np.array(list(texts)), list(texts.values()))
        for saved in (False, True):  # in Milvus Lite's memory, and in its files
            if saved:
                index.save(mark=1)
            for query, hits in zip(queries, index.search_many(queries, top_k=20), strict=True):
                assert same(hits, brute_force(encoder, texts, query, 20))
                assert same(index.search(query, top_k=20), brute_force(encoder, texts, query, 20))
                among = {one: texts[one] for one in list(texts)[::3]}
                assert same(
                    index.search(query, top_k=20, among=np.array([*among, 5])), brute_force(encoder, among, query, 20)
                )


def test_every_language_is_found_and_comes_back(filled: MilvusIndex) -> None:
    for place, text in enumerate(TEXTS):
        assert filled.search(text, top_k=1)[0].id == place
    assert filled.texts(np.arange(len(TEXTS) + 1)) == [*TEXTS, None]
    assert filled.texts(numbers(2, 0, 2)) == [TEXTS[2], TEXTS[0], TEXTS[2]]


def test_a_query_that_says_nothing_finds_nothing(filled: MilvusIndex) -> None:
    assert filled.search("", top_k=3) == []
    assert [len(hits) for hits in filled.search_many(["", "tea", "", "чай"], top_k=2)] == [0, 2, 0, 2]


def test_a_document_that_says_nothing_is_not_kept(filled: MilvusIndex) -> None:
    filled.add(numbers(50, 3, 51), ["", "x", "tea"])
    assert len(filled) == len(TEXTS)
    assert filled.texts(numbers(50, 3, 51)) == [None, None, "tea"]
    filled.add(numbers(60), ["-"])
    assert len(filled) == len(TEXTS)


def test_top_k(filled: MilvusIndex) -> None:
    assert filled.search("tea", top_k=0) == []
    assert len(filled.search("tea", top_k=100)) == len(TEXTS) == len(filled)
    for wrong in (-1, 16_385):
        with pytest.raises(InputError, match="16,384"):
            filled.search("tea", top_k=wrong)


def test_of_equal_scores_the_lower_id_comes_first(index: MilvusIndex) -> None:
    """Also where there are more of them than are asked for beyond top_k."""
    ids = np.random.default_rng(0).permutation(300)
    index.add(ids, ["tea"] * 300)
    index.add(numbers(1000), ["tea and coffee"])
    assert [hit.id for hit in index.search("tea", top_k=5)] == [0, 1, 2, 3, 4]
    assert [hit.id for hit in index.search("tea", top_k=5, among=np.arange(7, 900))] == [7, 8, 9, 10, 11]


def test_replacing_and_deleting(filled: MilvusIndex) -> None:
    filled.add(numbers(1, 9, 9), ["weather", "first", "the last one counts"])
    assert len(filled) == len(TEXTS) + 1
    assert filled.texts(numbers(1, 9)) == ["weather", "the last one counts"]
    assert filled.search("weather", top_k=1)[0].id == 1
    filled.delete(numbers(0, 1, 77))
    assert len(filled) == len(TEXTS) - 1
    assert {0, 1}.isdisjoint(hit.id for hit in filled.search("tea weather", top_k=100))
    filled.add(numbers(0), ["back again"])
    assert filled.texts(numbers(0, 1)) == ["back again", None]


def test_many_scattered_ids_are_looked_for_in_pieces(
    index: MilvusIndex, encoder: Grams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PIECE", 20)
    monkeypatch.setattr(reading, "WIDE", 30)
    texts = {place: f"{place * 7919 % 1000:03} {place}" for place in range(300)}
    index.add(np.array(list(texts)), list(texts.values()))
    for among in (range(0, 300, 2), range(1, 120, 3), [*range(0, 300, 7), *range(250, 290)]):
        kept = {one: texts[one] for one in among}
        queries = ["00", "123 4", "99 1"]
        found = index.search_many(queries, top_k=3, among=np.array(among))
        for query, hits in zip(queries, found, strict=True):
            assert same(hits, brute_force(encoder, kept, query, 3))


operations = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(st.tuples(st.integers(0, 9), st.text("abc茶 ", max_size=8)), max_size=6)),
        st.tuples(st.just("delete"), st.lists(st.integers(0, 12), max_size=4)),
        st.tuples(st.just("save"), st.integers(0, 2**40)),
        st.tuples(st.just("reopen"), st.none()),
    ),
    max_size=10,
)


@given(operations)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_sequence_of_changes_leaves_what_a_dictionary_has(
    encoder: Grams, tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[str, object]]
) -> None:
    folder = tmp_path_factory.mktemp("store") / "lite"
    index = MilvusIndex.open(folder, encoder=encoder)
    kept: dict[int, str] = {}
    mark = 0
    try:
        for kind, what in changes:
            if kind == "add":
                index.add(np.array([one for one, _ in what], np.int64), [text for _, text in what])
                kept.update(what)
                kept = {one: text for one, text in kept.items() if says(encoder, text)}
            elif kind == "delete":
                index.delete(np.array(what, np.int64))
                kept = {one: text for one, text in kept.items() if one not in what}
            elif kind == "save":
                index.save(mark=what)
                mark = what
            else:
                index.close()
                index = MilvusIndex.open(folder, encoder=encoder)
            assert index.mark == mark
            assert len(index) == len(kept)
            assert index.texts(np.arange(13)) == [kept.get(one) for one in range(13)]
            assert same(index.search("ab茶", top_k=20), brute_force(encoder, kept, "ab茶", 20))
    finally:
        index.close()


WRITER = """
import sys
import numpy as np
from resift.retrieval.milvus import MilvusIndex
from tests.retrieval.milvus.conftest import Grams

index = MilvusIndex.open(sys.argv[1], encoder=Grams())
index.add(np.arange(100), [f"text {place}" for place in range(100)])
index.save(mark=1)
index.delete(np.arange(10))
index.add(np.arange(90, 130), [f"later {place}" for place in range(90, 130)])
print("written", flush=True)
sys.stdin.read()
"""


def test_a_killed_writer_leaves_a_folder_that_opens_and_catches_up(encoder: Grams, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "store")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "written\n"
        with pytest.raises(FolderBusy, match="another process"):
            MilvusIndex.open(tmp_path / "store", encoder=encoder)
        writer.send_signal(signal.SIGKILL)
    with MilvusIndex.open(tmp_path / "store", encoder=encoder) as index:
        assert index.mark == 1
        assert len(index.search("text", top_k=1000)) >= 100
        index.delete(np.arange(10))  # again what came after the mark
        index.add(np.arange(90, 130), [f"later {place}" for place in range(90, 130)])
        assert len(index) == 120
        assert index.texts(numbers(9, 10, 90, 129)) == [None, "text 10", "later 90", "later 129"]
        index.save(mark=2)
    with MilvusIndex.open(tmp_path / "store", encoder=encoder) as index:
        assert (index.mark, len(index)) == (2, 120)


def test_what_contradicts_the_folder_is_refused_by_name(encoder: Grams, tmp_path: Path) -> None:
    made = {"metric": "COSINE", "index": "HNSW", "index_params": {"M": 8}, "texts": False, "fields": {"lang": str}}
    MilvusIndex.open(tmp_path / "store", encoder=encoder, **made).close()
    MilvusIndex.open(tmp_path / "store", encoder=encoder, **made).close()
    MilvusIndex.open(tmp_path / "store", encoder=encoder).close()
    for wrong, words in [
        ({"metric": "IP"}, "'IP'.*'COSINE'"),
        ({"index": "FLAT"}, "'FLAT'.*'HNSW'"),
        ({"index": "HNSW", "index_params": {"M": 9}}, "9.*8"),
        ({"texts": True}, "True.*False"),
        ({"fields": {"lang": int}}, "'int'.*'str'"),
        ({"encoder": Grams(name="others")}, "'others'.*'grams'"),
        ({"encoder": Grams(dimension=32)}, "32.*64"),
    ]:
        with pytest.raises(InputError, match=words):
            MilvusIndex.open(tmp_path / "store", **{"encoder": encoder, **wrong})
    MilvusIndex.open(tmp_path / "store", encoder=encoder).close()  # none of them kept the folder


def test_wishes_that_no_collection_meets(encoder: Grams, tmp_path: Path) -> None:
    for wrong, words in [
        ({"metric": "L2"}, "'L2'"),
        ({"index_params": {"M": 8}}, "index="),
        ({"fields": {"text": str}}, "'text'"),
        ({"fields": {"two words": str}}, "two words"),
        ({"fields": {"tags": list}}, "tags"),
        ({"index": "NONSENSE"}, "NONSENSE"),
        ({"collection": "no-name!"}, "no-name!"),
        ({"token": "root:Milvus"}, "token"),
    ]:
        with pytest.raises(InputError, match=words):
            MilvusIndex.open(tmp_path / "store", encoder=encoder, **wrong)


def test_several_collections_share_a_folder(encoder: Grams, tmp_path: Path) -> None:
    for name in ("one", "two"):
        with MilvusIndex.open(tmp_path / "store", encoder=encoder, collection=name) as index:
            assert len(index) == 0
            index.add(numbers(1), [name])
            index.save(mark=len(name))
    with MilvusIndex.open(tmp_path / "store", encoder=encoder, collection="one") as index:
        assert index.texts(numbers(1)) == ["one"]


@pytest.mark.parametrize("kind", ["HNSW", "IVF_FLAT", "AUTOINDEX"])
def test_other_indexes_find_a_text_itself(kind: str, encoder: Grams, tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    texts = ["".join(random.choice(list("abcdefghijkl"), 20)) for _ in range(400)]
    with MilvusIndex.open(tmp_path / "store", encoder=encoder, index=kind, texts=False) as index:
        index.add(np.arange(400), texts)
        index.save(mark=1)
        assert [hits[0].id for hits in index.search_many(texts[:30], top_k=5)] == list(range(30))
        with pytest.raises(InputError, match="texts=True"):
            index.texts(numbers(1))


def test_metadata_and_filters(encoder: Grams, tmp_path: Path) -> None:
    fields = {"lang": str, "price": float, "year": int, "sold": bool}
    rows = [
        {"lang": "zh", "price": 3, "year": 2020, "sold": True},
        {"lang": 'it\'s "q" \\', "price": 4.5},
        {},
        {"lang": "水", "year": -1, "sold": False, "price": None},
    ]
    with MilvusIndex.open(tmp_path / "store", encoder=encoder, fields=fields) as index:
        index.add(np.arange(4), ["tea one", "tea two", "tea three", "tea four"], metadata=rows)

        def ids(filtered: str, among: np.ndarray | None = None) -> list[int]:
            return sorted(hit.id for hit in index.search("tea", top_k=9, filter=filtered, among=among))

        assert ids("lang == 'zh'") == [0]
        assert ids('lang == "it\'s \\"q\\" \\\\"') == [1]
        assert ids("price >= 3 and price < 5") == [0, 1]
        assert ids("year in [-1, 5]") == [3]
        assert ids("sold == true or lang == '水'") == [0, 3]
        assert ids("sold == true or lang == '水'", numbers(1, 3)) == [3]
        assert ids("lang is null") == [2]
        assert index.fetch(numbers(3, 7), fields=["lang", "year"]) == [{"lang": "水", "year": -1}, None]
        index.add(numbers(0), ["tea again"], metadata=[{"year": 1}])
        assert index.fetch(numbers(0), fields=list(fields)) == [{"lang": None, "price": None, "year": 1, "sold": None}]
        index.add(numbers(0), ["tea without"])
        assert index.fetch(numbers(0), fields=["year"]) == [{"year": None}]
        for wrong in ("lang = 3", "colour == 'red'", "((", "price > 'a'"):
            with pytest.raises(InputError, match="store"):
                ids(wrong)
        for metadata, words in [
            ({"colour": "red"}, "colour.*lang"),
            ({"year": "new"}, "'new'"),
            ({"year": True}, "True"),
            ({"lang": 3}, "3"),
        ]:
            with pytest.raises(InputError, match=words):
                index.add(numbers(8), ["tea"], metadata=[metadata])
        with pytest.raises(InputError, match="no field 'colour'"):
            index.fetch(numbers(0), fields=["colour"])
        assert len(index) == 4


def test_what_cannot_be_added(index: MilvusIndex, encoder: Grams) -> None:
    for ids, texts, words in [
        (numbers(1, 2), ["one"], "2 ids and 1 texts"),
        (numbers(1), "one", "no list of texts"),
        (numbers(1), [None], "no list of texts"),
        (numbers(1), ["x" * 65_536], "65,536 bytes"),
        (numbers(1), ["水" * 30_000], "90,000 bytes"),
        (numbers(1), ["\ud800"], "surrogate"),
        (np.array([0.5]), ["one"], "float64"),
        (np.array([[1]]), ["one"], r"\(1, 1\)"),
    ]:
        with pytest.raises(InputError, match=words):
            index.add(ids, texts)
    with pytest.raises(InputError, match="metadata"):
        index.add(numbers(1), ["one"], metadata=[])
    index.add(numbers(1), ["x" * 65_535])
    index.add(numbers(2), ["a\x00b"])
    assert index.texts(numbers(2)) == ["a\x00b"]
    assert len(index) == 2


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_an_encoders_nonsense_is_not_stored(index: MilvusIndex, encoder: Grams, wrong: float) -> None:
    good = Grams.encode_documents
    encoder.encode_documents = lambda texts: good(encoder, texts) + np.float32(wrong)
    with pytest.raises(InputError, match="NaN or infinity"):
        index.add(numbers(1), ["one"])
    encoder.encode_documents = lambda texts: good(encoder, texts)[:, :3]
    with pytest.raises(InputError, match="vectors of 3 numbers, expected 64"):
        index.add(numbers(1), ["one"])
    assert len(index) == 0


def test_large_additions_go_in_batches(index: MilvusIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "BATCH_BYTES", 20_000)
    monkeypatch.setattr(writing, "_DELETES", 70)
    index.add(np.arange(1200), [f"{place} {'long ' * (place % 100 * 10)}" for place in range(1200)])
    assert len(index) == 1200
    index.delete(np.arange(1100))
    assert len(index) == 100


def test_threads_search_while_one_writes(index: MilvusIndex) -> None:
    index.add(np.arange(50), [f"tea {place}" for place in range(50)])
    failures: list[BaseException] = []
    done = threading.Event()

    def search() -> None:
        try:
            while not done.is_set():
                assert len(index.search("tea", top_k=50)) == 50
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for start in range(50, 250, 50):
        index.add(np.arange(start, start + 50), [f"tea {place}" for place in range(start, start + 50)])
        index.save(mark=start)
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(index) == 250


def test_a_closed_index_says_so(index: MilvusIndex) -> None:
    index.close()
    index.close()
    with pytest.raises(InputError, match="closed"):
        index.search("tea", top_k=1)
    with pytest.raises(InputError, match="closed"):
        len(index)
