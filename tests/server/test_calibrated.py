"""Calibrated scores of a server: those of `Reranker`, bit for bit, and a clear answer where there are none."""

import asyncio
import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from resift.calibration import Calibration
from resift.errors import InputError
from resift.loading.checkpoint import load_text_side
from resift.loading.source import locate
from resift.reranker import Reranker
from resift.server.calibrated import find_calibration, settled
from resift.server.errors import Unprocessable
from resift.server.models import ServedModel
from resift.server.records import Outcome, Work
from resift.server.service import open_service
from resift.server.settings import ModelSettings, Settings
from resift.types import PairScore, Windows
from tests.calibrations import make_calibration, save_calibration
from tests.server.engines import TIMEOUT

PAIRS = [("kettle", text) for text in ("a red kettle", "水壶", "", "kettle", "long " * 200, "غلاية", "กาต้มน้ำ")]
WAYS: list[dict[str, Any]] = [
    {},
    {"truncation": "longest_first", "max_length": 40},
    {"max_length": 64, "query_max_length": 20},
    {"windows": Windows(size=20, overlap=5, aggregate="mean")},
]


def details(outcome: Outcome) -> list[PairScore]:
    return [PairScore(item.score, item.truncated, item.window) for item in outcome.scored]


def serve(settings: Settings, *works: Work) -> list[Outcome]:
    """Return the outcomes of a service on a real engine process."""

    async def run() -> list[Outcome]:
        async with asyncio.timeout(TIMEOUT), await asyncio.to_thread(open_service, settings) as service:
            return [await service.run(work) for work in works]

    return asyncio.run(run())


def served(folder: Path, calibration: Calibration | None, **options: Any) -> ServedModel:
    settings = settled(ModelSettings(name="tiny", model=str(folder), **options), calibration)
    text = load_text_side(locate(folder))
    return ServedModel(settings, text, backend=("native", "fp32", "avx2"), calibration=calibration)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_the_same_scores_with_nothing_but_the_file(checkpoint: Path, tmp_path: Path, way: dict[str, Any]) -> None:
    """What the settings do not say is the calibration's: no option has to be written twice."""
    file = tmp_path / "calibration.json"
    with Reranker(checkpoint, **way) as fitted:
        save_calibration(fitted, file)
    settings = Settings(models=(ModelSettings(name="tiny", model=str(checkpoint), calibration=file),), threads=1)
    works = [Work(pairs=PAIRS, scores="calibrated", group=group) for group in (None, "de", "zh", "shared")]
    raw, *found = serve(settings, Work(pairs=PAIRS, scores="raw"), *works)
    with Reranker(checkpoint, calibration=file, **way) as reranker:
        assert details(raw) == reranker.score_details(PAIRS)
        for work, outcome in zip(works, found, strict=True):
            view = reranker.with_options(scores="calibrated", group=work.group)
            assert details(outcome) == view.score_details(PAIRS)
            assert outcome.info == view.info
            assert list(outcome.order) == [hit.index for hit in reranker.rank("kettle", [text for _, text in PAIRS])]
            assert [item.raw for item in outcome.scored] == reranker.score(PAIRS).tolist()
            assert all(item.cached for item in outcome.scored)  # raw scores are kept, whatever they become


@pytest.mark.parametrize("options", [{"scores": "calibrated"}, {"scores": "calibrated", "group": "de"}], ids=str)
def test_the_scale_of_dialects_is_a_setting(checkpoint: Path, options: dict[str, Any]) -> None:
    with Reranker(checkpoint) as reranker:
        calibration = make_calibration(reranker)
    card = served(checkpoint, calibration, **options).card
    assert card.info.scores == "calibrated"
    assert card.info.calibration == calibration.named(options.get("group"))
    plain = served(checkpoint, calibration).card
    assert (plain.info.scores, plain.info.calibration) == ("sigmoid", None)
    for one in (card, plain):
        assert one.calibration is not None
        assert (one.calibration.name, list(one.calibration.groups)) == (calibration.name, ["de", "zh"])
    assert served(checkpoint, None).card.calibration is None


def test_a_file_beside_the_model(checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(checkpoint, folder)
    auto = ModelSettings(name="tiny", model=str(folder), calibration=Path("auto"))
    assert find_calibration(auto, folder) is None
    before = served(folder, None).policy(Work(pairs=())).keys.query("q").document("d")
    with Reranker(folder) as reranker:
        made = save_calibration(reranker, folder / "calibration.json")
    found = find_calibration(auto, folder)
    assert found == made
    own = served(folder, found, truncation=None).policy(Work(pairs=(), truncation="longest_first"))
    assert own.keys.query("q").document("d") == before  # a cache on disk stays what it is
    assert find_calibration(replace(auto, calibration=None), folder) is None


def test_settings_without_a_calibration(checkpoint: Path, tmp_path: Path) -> None:
    wanted = ModelSettings(name="tiny", model=str(checkpoint), scores="calibrated")
    with pytest.raises(InputError, match="'tiny' is to give calibrated scores, and no calibration is named"):
        find_calibration(wanted, checkpoint)
    with pytest.raises(InputError, match=r"there is no calibration\.json beside the model"):
        find_calibration(replace(wanted, calibration=Path("auto")), checkpoint)
    with pytest.raises(InputError, match="No such file"):
        find_calibration(replace(wanted, calibration=tmp_path / "none.json"), checkpoint)


def test_settings_that_contradict_it(checkpoint: Path, checkpoints: dict[str, Path]) -> None:
    with Reranker(checkpoint, max_length=100) as reranker:
        calibration = make_calibration(reranker)
    with pytest.raises(InputError, match="max_length 100 and not 64; query_max_length 75 and not 48") as raised:
        served(checkpoint, calibration, max_length=64)
    assert "'tiny'" in str(raised.value) and "leave these settings out" in str(raised.value)
    with pytest.raises(InputError, match="truncation 'flag' and not 'longest_first'"):
        served(checkpoint, calibration, truncation="longest_first")
    with pytest.raises(InputError, match="fitted for the model"):
        served(checkpoints["bert"], calibration)
    int8 = replace(calibration, conditions=replace(calibration.conditions, precision="int8"))
    assert settled(ModelSettings(), int8).precision == "int8"
    with pytest.raises(InputError, match="precision 'int8' and not 'fp32'"):
        served(checkpoint, int8)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_length": 64}, "max_length 128 and not 64"),
        ({"truncation": "longest_first"}, "truncation 'flag' and not 'longest_first'"),
        ({"windows": Windows(size=9, overlap=2)}, "windows None and not"),
        ({"document_tokens": 5}, "documents cut to 5 tokens"),
        ({"query_tokens": 5}, "queries cut to 5 tokens"),
    ],
)
def test_requests_that_it_does_not_hold_for(checkpoint: Path, options: dict[str, Any], said: str) -> None:
    with Reranker(checkpoint) as reranker:
        model = served(checkpoint, make_calibration(reranker))
    with pytest.raises(Unprocessable, match=said) as raised:
        model.policy(Work(pairs=(), scores="calibrated", **options))
    assert raised.value.hint is not None and "sigmoid" in raised.value.hint
    model.policy(Work(pairs=(), scores="sigmoid", **options))
    harmless = Work(pairs=(), scores="calibrated", max_length=128, document_tokens=4096, template="{a}")
    assert model.policy(harmless).info.calibration is not None


def test_a_model_without_one_says_so(checkpoint: Path) -> None:
    with pytest.raises(Unprocessable, match="the model 'tiny' has no calibrated scores") as raised:
        served(checkpoint, None).policy(Work(pairs=(), scores="calibrated"))
    assert "--calibration" in str(raised.value.hint)


def test_an_unknown_group_has_the_shared_curve(checkpoint: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Reranker(checkpoint) as reranker:
        calibration = make_calibration(reranker)
    model = served(checkpoint, calibration)
    with caplog.at_level(logging.WARNING):
        for group in ("fi", "sw", "x" * 10_000):
            policy = model.policy(Work(pairs=(), scores="calibrated", group=group))
            assert policy.curve == calibration.shared.curve
            assert policy.info.calibration == calibration.name  # and not that of a group which is not there
    (line,) = [record.getMessage() for record in caplog.records]
    assert "'fi'" in line and "de, zh" in line
