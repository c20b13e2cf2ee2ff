"""Our FlagReranker against recorded answers of FlagEmbedding's, and against FlagEmbedding itself where installed."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resift import FlagReranker
from resift.loading.checkpoint import load_checkpoint
from resift.loading.source import locate
from resift.text.encode import PairEncoder
from resift.text.truncation import Limits
from tests.golden.recipe import MAX_LENGTH, fingerprint, write_model

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "flag.json").read_text(encoding="utf-8"))
CASES: dict[str, dict[str, Any]] = GOLDEN["cases"]
WITH_IDS = [name for name, case in CASES.items() if "ids" in case]
TOLERANCE = 1e-4  # float32 over three layers, sums in another order


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_model(tmp_path_factory.mktemp("flag"), "xlm-roberta")
    assert fingerprint(folder) == GOLDEN["model"], "the generated model changed: run tests.golden.make_flag again"
    return folder


@pytest.mark.parametrize(("name", "backend"), [*((name, "native") for name in CASES), ("max_length 64", "reference")])
def test_scores(name: str, backend: str, folder: Path) -> None:
    case = CASES[name]
    with FlagReranker(folder, backend=backend, **case["made"]) as reranker:
        scores = reranker.compute_score(GOLDEN["pairs"], **case["called"])
    np.testing.assert_allclose(scores, case["scores"], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", WITH_IDS)
def test_token_ids(name: str, folder: Path) -> None:
    case = CASES[name]
    options = case["made"] | case["called"]
    limit = options.get("max_length", MAX_LENGTH)
    limits = Limits(limit, options.get("query_max_length", limit * 3 // 4), "flag")
    checkpoint = load_checkpoint(locate(folder))
    encoder = PairEncoder(checkpoint.tokenizer, checkpoint.spec, limits=limits)
    with FlagReranker(folder, backend="reference", **case["made"]) as reranker:
        texts = [reranker._instructed(pair) for pair in GOLDEN["pairs"]]
    for i, pair in enumerate(encoder.encode(texts)):
        (sequence,) = pair.sequences
        assert sequence.ids.tolist() == case["ids"][i], f"pair {i}"


def test_the_cases_reach_every_limit() -> None:
    """A golden file that never truncates would prove nothing about truncation."""
    assert max(CASES["default"]["tokens"]) == MAX_LENGTH
    assert CASES["max_length 64"]["tokens"].count(64) >= 4
    assert CASES["query_max_length 8"]["ids"] != CASES["max_length 64"]["ids"]
    assert np.ptp(CASES["default"]["scores"]) > 1


@pytest.mark.parity
def test_live(folder: Path) -> None:
    transformers = pytest.importorskip("transformers")
    flag_embedding = pytest.importorskip("FlagEmbedding")
    if int(transformers.__version__.split(".")[0]) > 4:
        pytest.skip("with transformers 5 FlagEmbedding tokenises decoded text: other ids")
    theirs = flag_embedding.FlagReranker(str(folder), devices="cpu", max_length=128)
    with FlagReranker(folder, max_length=128) as ours:
        expected = theirs.compute_score(GOLDEN["pairs"])
        np.testing.assert_allclose(ours.compute_score(GOLDEN["pairs"]), expected, rtol=0, atol=TOLERANCE)
