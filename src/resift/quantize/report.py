"""quantization.json: what was done to a model and how its scores changed, for people and for `resift models`."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from resift.quantize.verify import Comparison, Tolerance
from resift.types import Precision

REPORT = "quantization.json"
VERSION = 1


@dataclass(frozen=True, slots=True)
class LinearError:
    """A linear and the error of its int8 outputs, relative to their size, on real inputs."""

    name: str
    error: float


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way to store the model that was tried, and what came of it.

    Attributes:
        what: in words.
        comparison: with full precision.
        failures: what is beyond the tolerance; empty when it holds.
    """

    what: str
    comparison: Comparison
    failures: list[str]


@dataclass(frozen=True, slots=True)
class Report:
    """What `resift quantize` did.

    Attributes:
        model, revision: the original.
        precision: of the folder.
        embeddings: form of each embedding table.
        kept_in_bf16: linears that int8 would have hurt.
        vocabulary, original_vocabulary: token ids in the folder, and in the original.
        languages: what the vocabulary was cut to, if it was.
        texts: `built-in` or `given`: what it was verified on.
        backend, kernel: what computed the quantised scores.
        tolerance: what was allowed.
        passed: the last attempt is within it.
        attempts: in their order; the folder holds the last.
        worst_linears: where int8 loses most, the worst first.
        bytes: size of the folder, this file apart.
    """

    model: str
    revision: str | None
    precision: Precision
    embeddings: dict[str, str]
    kept_in_bf16: list[str]
    vocabulary: int
    original_vocabulary: int
    languages: list[str] | None
    texts: str
    backend: str
    kernel: str | None
    tolerance: Tolerance
    passed: bool
    attempts: list[Attempt]
    worst_linears: list[LinearError]
    bytes: int

    @property
    def comparison(self) -> Comparison:
        """How the folder compares with full precision."""
        return self.attempts[-1].comparison

    def to_dict(self) -> dict[str, object]:
        """Return what quantization.json holds."""
        return {"version": VERSION, **asdict(self)}


def write_report(folder: Path, report: Report) -> None:
    """Write quantization.json."""
    text = json.dumps(report.to_dict(), indent=2, ensure_ascii=False)
    (folder / REPORT).write_text(text + "\n", encoding="utf-8")


def folder_bytes(folder: Path) -> int:
    """Return the size of the files in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def summary(comparison: Comparison) -> str:
    """Say in one line how a quantised model compares."""
    parts = [
        _part("Spearman", comparison.spearman, 4),
        _part("top-10 overlap", comparison.overlap, 3),
        f"largest change {comparison.largest_change:.3f} (spread of the scores {comparison.spread:.3f})",
    ]
    if comparison.ndcg is not None:
        parts.append(f"nDCG@10 {comparison.ndcg[0]:.4f} -> {comparison.ndcg[1]:.4f}")
    return ", ".join(part for part in parts if part)


def worst_line(linears: Sequence[LinearError], count: int = 5) -> str:
    """Name the linears where int8 loses most."""
    return ", ".join(f"{linear.name} {linear.error:.1%}" for linear in linears[:count])


def _part(name: str, value: float | None, digits: int) -> str:
    return "" if value is None else f"{name} {value:.{digits}f}"
