"""Our CrossEncoder against recorded answers of sentence-transformers', and against itself where installed."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resift import CrossEncoder
from tests.golden.recipe import fingerprint, write_model

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "cross_encoder.json").read_text(encoding="utf-8"))
CASES = [(family, name) for family, recorded in GOLDEN["families"].items() for name in recorded["cases"]]
TOLERANCE = 1e-4  # float32 over three layers, sums in another order


def model(folder: Path, family: str, name: str) -> tuple[Path, dict[str, Any]]:
    recorded = GOLDEN["families"][family]
    case = recorded["cases"][name]
    write_model(folder, family, **case["config"])
    assert fingerprint(folder) == recorded["model"], "the generated model changed: run tests.golden.make_cross_encoder"
    return folder, case


@pytest.mark.parametrize(
    ("family", "name", "backend"),
    [*((*case, "native") for case in CASES), *((family, "max_length 64", "reference") for family, _ in CASES[::5])],
)
def test_scores_and_ranking(family: str, name: str, backend: str, tmp_path: Path) -> None:
    folder, case = model(tmp_path, family, name)
    with CrossEncoder(folder, backend=backend, **case["made"]) as encoder:
        scores = encoder.predict(GOLDEN["pairs"])
        single = encoder.predict(GOLDEN["pairs"][0])
        ranking = encoder.rank(GOLDEN["query"], GOLDEN["documents"], top_k=5, return_documents=True)
    np.testing.assert_allclose(scores, case["scores"], rtol=0, atol=TOLERANCE)
    assert np.shape(single) == ()
    assert single == pytest.approx(case["single"], abs=TOLERANCE)
    assert [entry["corpus_id"] for entry in ranking] == [entry["corpus_id"] for entry in case["ranking"]]
    assert [entry["text"] for entry in ranking] == [entry["text"] for entry in case["ranking"]]
    expected = [entry["score"] for entry in case["ranking"]]
    np.testing.assert_allclose([entry["score"] for entry in ranking], expected, rtol=0, atol=TOLERANCE)


def test_the_cases_reach_the_limits() -> None:
    cases = GOLDEN["families"]["xlm-roberta"]["cases"]
    default = np.array(cases["default"]["scores"])
    assert (np.abs(default - cases["max_length 32"]["scores"]) > 1e-3).sum() >= 4
    assert default.min() >= 0 and default.max() <= 1 < max(cases["identity in the config"]["scores"])


@pytest.mark.parity
@pytest.mark.parametrize("family", ["xlm-roberta", "bert"])
def test_live(family: str, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    theirs = pytest.importorskip("sentence_transformers")
    if int(transformers.__version__.split(".")[0]) > 4:
        pytest.skip("transformers 5 replaces the normaliser of the generated tokenizer")
    folder, _ = model(tmp_path, family, "default")
    expected = theirs.CrossEncoder(str(folder), device="cpu", max_length=48).predict(GOLDEN["pairs"])
    with CrossEncoder(folder, max_length=48) as encoder:
        np.testing.assert_allclose(encoder.predict(GOLDEN["pairs"]), expected, rtol=0, atol=TOLERANCE)
