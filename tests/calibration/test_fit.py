"""The whole fit on simulated searches whose truth is known, the file, and the reports."""

import json
import math
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from resift.calibration.fit import Labelled, fit
from resift.calibration.maps import Isotonic, Platt, logistic
from resift.calibration.page import as_html
from resift.calibration.records import Calibration
from resift.calibration.report import as_text
from resift.errors import InputError, ResiftWarning
from tests.calibration.searches import CONDITIONS, search, together


@pytest.fixture(scope="module")
def grouped() -> Calibration:
    parts = [
        search(group="de"),
        search(group="zh", slope=1.4, intercept=1, seed=1),
        search(group="th", queries=10, seed=2),
    ]
    return fit(together(parts), CONDITIONS)[0]


def test_the_truth_is_found_and_beats_the_sigmoid() -> None:
    calibration, report = fit(search(queries=400), CONDITIONS)
    curve = calibration.shared.curve
    assert isinstance(curve, Platt)
    assert curve.slope == pytest.approx(0.8, abs=0.06) and curve.intercept == pytest.approx(-1.5, abs=0.15)
    assert report.gain.low > 0 and report.after.ece.value < report.before.ece.low
    assert report.after.brier.value < report.before.brier.value
    assert not report.warnings
    assert list(report.curves) == ["platt", "isotonic"]


def test_a_curve_of_another_form_is_isotonic() -> None:
    random = np.random.default_rng(0)
    scores = random.uniform(-4, 4, 8000)
    truth = np.where(scores < 0, 0.05, np.where(scores < 2, 0.5, 0.6))
    labelled = Labelled.of(scores, random.random(8000) < truth, [str(i // 10) for i in range(8000)])
    calibration, report = fit(labelled, CONDITIONS)
    assert calibration.method == report.method == "isotonic"
    assert isinstance(calibration.shared.curve, Isotonic)
    np.testing.assert_allclose(calibration.apply([-2, 1, 3]), [0.05, 0.5, 0.6], atol=0.05)
    assert fit(labelled, CONDITIONS, method="platt")[0].method == "platt"


def test_held_out_figures_are_of_queries_that_were_not_fitted_to() -> None:
    """Scores that say nothing but which query it is: a fit that saw the queries would look good."""
    random = np.random.default_rng(1)
    queries = np.repeat(np.arange(100), 12)
    scores = random.normal(size=100)[queries]
    labels = random.random(1200) < np.where(random.random(100) < 0.5, 0.9, 0.1)[queries]
    rate = labels.mean()
    labelled = Labelled.of(scores, labels, [str(query) for query in queries])
    _, report = fit(labelled, CONDITIONS, method="isotonic")
    entropy = -(rate * math.log(rate) + (1 - rate) * math.log(1 - rate))
    assert report.after.log_loss.value > entropy


def test_groups_have_their_own_curve_where_pairs_allow(grouped: Calibration) -> None:
    assert isinstance(grouped.groups["de"].curve, Platt) and isinstance(grouped.groups["zh"].curve, Platt)
    assert grouped.groups["de"].curve.slope == pytest.approx(0.8, abs=0.12)
    assert grouped.groups["zh"].curve.slope == pytest.approx(1.4, abs=0.2)
    assert grouped.groups["th"].curve is None
    assert grouped.apply(1.0, group="th") == grouped.apply(1.0) == grouped.apply(1.0, group="shared")
    each = [grouped.apply(1.0, group=group).item() for group in ("de", "zh", None)]
    assert grouped.apply([1.0, 1.0, 1.0], groups=["de", "zh", None]).tolist() == each
    assert len(set(each)) == 3


def test_groups_that_do_not_differ_share_when_their_own_is_no_better() -> None:
    parts = [search(group="a", queries=25), search(group="b", queries=600, seed=5)]
    calibration, report = fit(together(parts), CONDITIONS)
    for row in report.groups:
        assert row.own == (row.gain is not None and row.gain.value > 0)
        assert row.own == (calibration.groups[row.name].curve is not None)
        assert row.after.log_loss.value <= row.shared.log_loss.value


def test_an_unknown_group_has_the_shared_curve_and_a_warning(grouped: Calibration) -> None:
    with pytest.warns(ResiftWarning, match=r"no group 'xx'.*de, th, zh"):
        assert grouped.apply(0.5, group="xx") == grouped.apply(0.5)
    with pytest.raises(InputError, match="expected one each"):
        grouped.apply([1.0, 2.0], groups=["de"])


def test_cutoffs_by_share(grouped: Calibration) -> None:
    assert grouped.cutoff(0.9) > grouped.cutoff(0.95) > grouped.cutoff(0.99)
    assert grouped.cutoff(0.911) == grouped.cutoff(0.92)
    assert grouped.cutoff(0.9, group="de") != grouped.cutoff(0.9, group="zh")
    with pytest.warns(ResiftWarning, match=r"'th' has too few queries.*19"):
        assert grouped.cutoff(0.95, group="th") == grouped.cutoff(0.95)
    for keep in (0, -1, 1, 0.9999, 90, math.nan):
        with pytest.raises(InputError, match="keep is"):
            grouped.cutoff(keep)


@pytest.mark.parametrize(
    ("queries", "each", "relevant", "message"),
    [
        (100, 4, 19, "19 relevant"),
        (100, 4, 390, "10 irrelevant"),
        (19, 10, 90, "19 queries"),
        (100, 4, 0, "0 relevant"),
    ],
)
def test_too_little_is_refused(queries: int, each: int, relevant: int, message: str) -> None:
    count = queries * each
    labels = np.arange(count) < relevant
    with pytest.raises(InputError, match=f"too little to calibrate on.*{message}"):
        fit(Labelled.of(np.arange(count), labels, [str(i // each) for i in range(count)]), CONDITIONS)


def test_what_makes_a_fit_doubtful_is_said() -> None:
    few = fit(search(queries=30, each=5), CONDITIONS)[1].warnings
    assert len(few) == 1 and few[0].startswith("few labels (30 queries")
    full = search(intercept=2)
    assert any("more pairs are relevant" in one for one in fit(full, CONDITIONS)[1].warnings)
    random = np.random.default_rng(0)
    labels = np.arange(1000) < 300
    scores = random.normal(labels, 1)
    apart = fit(Labelled.of(scores, labels, [str(i // 5) for i in range(1000)]), CONDITIONS)[1].warnings
    assert any("no query has both" in one for one in apart)


def test_wrong_input_is_refused() -> None:
    for scores, labels, queries, message in (
        ([1.0], [0, 1], ["a", "b"], "1 scores, 2 labels"),
        ([math.nan], [1], ["a"], "not a finite"),
        ([1.0], [2], ["a"], "neither 0 nor 1"),
    ):
        with pytest.raises(InputError, match=message):
            Labelled.of(scores, labels, queries)
    with pytest.raises(InputError, match="'shared'"):
        Labelled.of([1.0], [1], ["a"], ["shared"])
    with pytest.raises(InputError, match="method is 'beta'"):
        fit(search(), CONDITIONS, method="beta")  # type: ignore[arg-type]


def test_the_same_pairs_give_the_same_calibration(grouped: Calibration) -> None:
    assert fit(search(), CONDITIONS, seed=3) == fit(search(), CONDITIONS, seed=3)


def test_a_file_holds_all_of_it(grouped: Calibration, tmp_path: Path) -> None:
    for calibration in (grouped, fit(search(queries=150), CONDITIONS, method="isotonic")[0]):
        calibration.save(tmp_path / "calibration.json")
        read = Calibration.load(tmp_path / "calibration.json")
        assert read == calibration and read.name == calibration.name
        assert read.cutoff(0.9) == calibration.cutoff(0.9)
    assert [file.name for file in tmp_path.iterdir()] == ["calibration.json"]
    assert grouped.name != calibration.name
    assert replace(grouped, groups={}).name != grouped.name


def test_a_broken_file_is_named(grouped: Calibration, tmp_path: Path) -> None:
    file = tmp_path / "one.json"
    with pytest.raises(InputError, match=r"one\.json: No such file.*resift calibrate"):
        Calibration.load(file)
    grouped.save(file)
    sound = json.loads(file.read_text())
    for change, message in (
        (lambda data: data.update(format="other/2"), "no calibration of this version"),
        (lambda data: data.pop("conditions"), "'conditions' is missing"),
        (lambda data: data["shared"].update(curve=None), "needs a shared curve"),
        (lambda data: data["shared"]["curve"].update(slope=-1), "slope -1"),
        (lambda data: data["shared"]["keep"].update({"0.9": 1e9}), "have to be numbers that fall"),
        (lambda data: data["shared"]["keep"].update({"0.9": math.nan}), "have to be numbers that fall"),
        (lambda data: data["shared"]["keep"].pop("0.5"), "'0.5' is missing"),
        (lambda data: data.update(groups=[1]), "broken calibration"),
    ):
        data = json.loads(json.dumps(sound))
        change(data)
        file.write_text(json.dumps(data))
        with pytest.raises(InputError, match=message) as raised:
            Calibration.load(file)
        assert "one.json" in str(raised.value)
    file.write_bytes(b"\xff\x00{")
    with pytest.raises(InputError, match=r"one\.json is no calibration"):
        Calibration.load(file)


def test_the_texts_say_what_was_found() -> None:
    parts = [search(group="<de>"), search(group="th", queries=10, seed=2)]
    report = fit(together(parts), CONDITIONS)[1]
    text, page = as_text(report), as_html(report)
    assert "calibrated scores are closer to the truth than sigmoids" in text
    assert f"{report.after.brier.value:.4f} ({report.after.brier.low:.4f} to" in text
    few = next(row for row in report.cutoffs if row.group == "th" and row.keep == 0.95)
    assert few.raw is None and few.queries <= 10
    assert f"nothing can be dropped: {few.queries} queries with a relevant passage, 19 needed" in text
    assert "warning: group 'th' is too small" in text
    assert max(len(line) for line in text.splitlines() if not line.startswith("warning")) <= 110
    assert sum(line.strip(" 01.5").count("o") for line in text.splitlines() if "|" in line or ".." in line) >= 3
    # The page is well formed and loads nothing; a group's name is text.
    assert "&lt;de&gt;" in page and "<de>" not in page and "http" not in page and "<script" not in page
    body = page.removeprefix("<!doctype html>").replace('<meta charset="utf-8">', "")
    tree = ElementTree.fromstring(
        body.replace('<meta name="viewport" content="width=device-width, initial-scale=1">', "")
    )
    drawings = list(tree.iter("svg"))
    assert len(drawings) == 2 + 2
    assert len(list(drawings[1].iter("circle"))) == len(report.after.bins)
    assert f"{report.after.log_loss.value:.4f}" in page


def test_what_is_before_is_the_sigmoid() -> None:
    labelled = search(slope=1, intercept=0)
    _, report = fit(labelled, CONDITIONS)
    p = logistic(labelled.scores)
    assert report.before.brier.value == pytest.approx(float(((p - labelled.relevant) ** 2).mean()))
    assert report.gain.low <= 0  # nothing to gain: scores are calibrated logits already
