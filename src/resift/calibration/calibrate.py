"""Score labelled pairs with a model and fit a calibration to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from resift.calibration.conditions import Conditions
from resift.calibration.fit import Labelled, Method, fit
from resift.calibration.page import as_html
from resift.calibration.records import Calibration
from resift.calibration.report import Report, as_text
from resift.errors import InputError
from resift.types import Document, Float32, Scale


class Scorer(Protocol):
    """What of a `Reranker` is used."""

    @property
    def conditions(self) -> Conditions:
        """What its scores depend on."""

    def with_options(self, *, scores: Scale | None = None) -> Self:
        """Return a view with other options."""

    def score(self, pairs: Sequence[tuple[str, Document]]) -> Float32:
        """Return the score of each pair."""


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A calibration and what it is worth on held-out queries."""

    calibration: Calibration
    report: Report

    @property
    def text(self) -> str:
        """The report for a terminal."""
        return as_text(self.report)

    def save_html(self, path: str | Path) -> None:
        """Write the report as one HTML page."""
        try:
            Path(path).write_text(as_html(self.report), encoding="utf-8")
        except OSError as error:
            raise InputError(f"{path}: {error.strerror or error}") from error


def calibrate(
    reranker: Scorer,
    pairs: Sequence[tuple[str, Document]],
    labels: Sequence[int | bool],
    *,
    groups: Sequence[str | None] | None = None,
    clusters: Sequence[str] | None = None,
    method: Method = "auto",
    seed: int = 0,
) -> Calibrated:
    """Score labelled pairs and fit a calibration to the raw scores.

    Args:
        reranker: set up as it will be used: precision, truncation and windows are part of the calibration.
        pairs: queries and documents as they come out of your search, relevant and irrelevant ones.
        labels: 1 for relevant, 0 for not.
        groups: a name for each pair, such as its language: where there are pairs enough, a group gets its own curve.
        clusters: names of queries that belong together, such as translations of one question; None: equal texts.
        method: `platt`, `isotonic`, or the better one.
        seed: of the folds and of the bootstrap.

    Raises InputError when there are too few pairs, pairs of one label, or scores that do not rise with relevance.
    """
    if len(pairs) != len(labels):
        raise InputError(f"{len(pairs)} pairs and {len(labels)} labels: expected one label a pair")
    scores = reranker.with_options(scores="raw").score(pairs)
    names = [query for query, _ in pairs] if clusters is None else clusters
    return Calibrated(*fit(Labelled.of(scores, labels, names, groups), reranker.conditions, method=method, seed=seed))
