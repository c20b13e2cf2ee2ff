"""What runs on a `Reranker` runs on a client, and gives the same: order, bits, objects, errors."""

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from resift import Client, PairScore, RankedDocument, Reranker, Windows
from resift.errors import InputError, PairError
from tests.calibrations import save_calibration
from tests.client.callers import Awaited, callers
from tests.client.fake import FakeServer
from tests.client.running import running

pytestmark = pytest.mark.timeout(120)

TEXTS = ["kettle", "red kettle with a lid", "", "水壶", "kettle", "a\ud800b", "🫖 tea", "long " * 300]
FIELDS = [{"title": "Kettle", "price": 24.5}, {"title": "Mug", "price": None}, MappingProxyType({"title": "Pot"})]


@pytest.fixture(scope="module")
def calibration(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("calibration") / "calibration.json"
    with Reranker(checkpoint, truncation="longest_first", max_length=64) as reranker:
        save_calibration(reranker, file)
    return file


@pytest.fixture(scope="module")
def reranker(checkpoint: Path, calibration: Path) -> Iterator[Reranker]:
    with Reranker(checkpoint, truncation="longest_first", max_length=64, calibration=calibration) as reranker:
        yield reranker


@pytest.fixture(scope="module")
def address(checkpoint: Path, calibration: Path) -> Iterator[str]:
    with running(checkpoint, calibration=calibration) as url:
        yield url


@pytest.fixture(params=["Client", "AsyncClient", "Client of a server", "AsyncClient of a server"])
def caller(request: pytest.FixtureRequest, reranker: Reranker) -> Iterator[Any]:
    kind, _, real = request.param.partition(" ")
    if real and kind == "Client":
        with Client(request.getfixturevalue("address")) as client:
            yield client
    elif real:
        yield Awaited(request.getfixturevalue("address"))
    else:
        yield callers(FakeServer(reranker))[kind]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scores": "sigmoid"},
        {"scores": "calibrated"},
        {"scores": "calibrated", "group": "de"},
        {"truncation": "flag", "max_length": 32},
        {"windows": Windows(size=16, overlap=4)},
        {"windows": Windows(size=16, overlap=4, aggregate="top_k_mean", top_k=2), "scores": "sigmoid"},
    ],
    ids=str,
)
def test_the_same_records(reranker: Reranker, caller: Any, options: dict[str, Any]) -> None:
    local, served = reranker.with_options(**options), caller.with_options(**options)
    pairs = [(query, text) for query in ("kettle", "茶") for text in TEXTS]
    assert served.rank("kettle", TEXTS) == local.rank("kettle", TEXTS)
    assert served.rank("kettle", TEXTS, top_k=3) == local.rank("kettle", TEXTS, top_k=3)
    many = (["kettle", "茶"], [TEXTS, TEXTS[:2]])
    assert served.rank_many(*many) == local.rank_many(*many)
    assert served.score_details(pairs) == local.score_details(pairs)
    mine, its = local.score(pairs), served.score(pairs)
    assert its.dtype == mine.dtype == np.float32
    assert its.tobytes() == mine.tobytes()


@pytest.mark.parametrize("options", [{}, {"template": "Title: {title}\nPrice: {price}"}], ids=str)
def test_the_same_for_documents_with_fields(reranker: Reranker, caller: Any, options: dict[str, Any]) -> None:
    local, served = reranker.with_options(**options), caller.with_options(**options)
    mine, its = local.rank("kettle", FIELDS), served.rank("kettle", FIELDS)
    assert its == mine
    assert all(one.document is FIELDS[one.index] for one in its)
    assert served.rank_many(["kettle"], [FIELDS], top_k=2) == local.rank_many(["kettle"], [FIELDS], top_k=2)


@pytest.mark.parametrize("documents", [[], iter([]), ()], ids=["list", "iterator", "tuple"])
def test_nothing_gives_nothing(caller: Any, documents: Any) -> None:
    assert caller.rank("q", documents) == []
    assert caller.rank("q", ["a"], top_k=0) == []
    assert caller.rank_many(["q"], [[]]) == [[]]
    assert caller.rank_many([], []) == []
    assert caller.score([]).shape == (0,)
    assert caller.score_details([]) == []


WRONG = {
    "a text for the documents": lambda it: it.rank("q", "a text"),
    "a mapping for the documents": lambda it: it.rank("q", {"a": "b"}),
    "no query": lambda it: it.rank(None, ["a"]),
    "a number for a document": lambda it: it.rank("q", ["a", 3]),
    "top_k below 0": lambda it: it.rank("q", ["a"], top_k=-1),
    "one pair": lambda it: it.score(["q", "d"]),
    "three texts": lambda it: it.score([("q", "d", "e")]),
    "too few lists": lambda it: it.rank_many(["q", "r"], [["a"]]),
    "an unknown policy": lambda it: it.with_options(truncation="middle").rank("q", ["a"]),
    "no length": lambda it: it.with_options(max_length=0).rank("q", ["a"]),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_the_same_mistakes_raise_the_same(reranker: Reranker, caller: Any, wrong: Any) -> None:
    with pytest.raises(InputError) as local:
        wrong(reranker)
    with pytest.raises(InputError) as served:
        wrong(caller)
    assert str(served.value) == str(local.value)
    assert isinstance(served.value, PairError) == isinstance(local.value, PairError)


def test_no_scale_but_these(reranker: Reranker, caller: Any) -> None:
    for it in (reranker, caller):
        with pytest.raises(InputError, match="scores is 'percent', expected one of raw, sigmoid, calibrated"):
            it.with_options(scores="percent").rank("q", ["a"])


def test_raw_scores_come_with_calibrated_ones(reranker: Reranker, caller: Any) -> None:
    ranking = caller.with_options(scores="calibrated").rank("kettle", TEXTS)
    assert ranking.raw == [one.score for one in reranker.rank("kettle", TEXTS)]
    assert ranking.info.calibration == reranker.with_options(scores="calibrated").info.calibration
    (many,) = caller.with_options(scores="calibrated").rank_many(["kettle"], [TEXTS], top_k=3)
    assert many.raw == ranking.raw[:3]
    assert caller.rank("kettle", TEXTS).raw == []


@pytest.mark.parametrize("document", ["", "One. Two is here! Three? Four."])
@pytest.mark.parametrize("scores", ["raw", "sigmoid"])
def test_the_same_explanation(reranker: Reranker, caller: Any, document: str, scores: str) -> None:
    local, served = reranker.with_options(scores=scores), caller.with_options(scores=scores)
    assert served.explain("two", document) == local.explain("two", document)


def test_a_generator_is_read_once(reranker: Reranker, caller: Any) -> None:
    assert caller.rank("kettle", (text for text in TEXTS)) == reranker.rank("kettle", TEXTS)
    pairs = [("kettle", text) for text in TEXTS]
    assert caller.score(pair for pair in pairs).tolist() == reranker.score(pairs).tolist()


def test_records_are_those_of_the_package(caller: Any) -> None:
    ranking = caller.rank("kettle", TEXTS)
    assert isinstance(ranking, list)
    assert all(type(one) is RankedDocument for one in ranking)
    assert all(type(one) is PairScore for one in caller.score_details([("kettle", "pot")]))
