"""What a reranker learns from: queries with documents that answer them and documents that do not.

A line of JSON is FlagEmbedding's, with two optional lists of a teacher's scores:

    {"query": ..., "pos": [...], "neg": [...], "pos_scores": [...], "neg_scores": [...]}

A document is a text, or an object that a template turns into one. What `resift eval` reads (folders with judgements,
lines with positive and negative, documents and labels) is read too.
"""

import json
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from resift.errors import TemplateError
from resift.evaluation.datasets import read_dataset
from resift.evaluation.reading import ending, problem, read_json_lines
from resift.evaluation.records import Dataset
from resift.text.template import Template, document_text, scrub

_LISTED = 3
_MOST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Example:
    """A query with what answers it and what does not.

    Attributes:
        query: what is asked.
        positives, negatives: texts.
        positive_scores, negative_scores: raw scores of a teacher, one for each text; None for none.
        source: where it is from, for messages: `file.jsonl, line 12`.
    """

    query: str
    positives: tuple[str, ...]
    negatives: tuple[str, ...] = ()
    positive_scores: tuple[float, ...] | None = None
    negative_scores: tuple[float, ...] | None = None
    source: str = ""

    @property
    def scored(self) -> bool:
        """Whether a teacher has scored every text."""
        return self.positive_scores is not None and self.negative_scores is not None


@dataclass(slots=True)
class Findings:
    """What was wrong with the data and put right, by kind: how often, and where first."""

    places: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, what: str, source: str) -> None:
        """Count one."""
        self.places[what].append(source)

    def merge(self, other: "Findings") -> None:
        """Take over what another one counted."""
        for what, places in other.places.items():
            self.places[what] += places

    def lines(self) -> list[str]:
        """Return a line for each kind, for people."""
        return [
            f"{what}: {len(places)} ({'; '.join(place for place in places[:_LISTED] if place)}"
            f"{'; ...' if len(places) > _LISTED else ''})"
            for what, places in self.places.items()
        ]

    def counts(self) -> dict[str, int]:
        """Return how often each kind was found."""
        return {what: len(places) for what, places in self.places.items()}


def normalise(text: str) -> str:
    """Return what makes two texts the same: letters and digits, compatibility forms folded, spaces and case aside."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = "".join(letter if unicodedata.category(letter)[0] in "LMN" else " " for letter in folded).split()
    return " ".join(words) if words else folded.strip()


def read_examples(source: str | Path, *, template: str | None = None) -> tuple[list[Example], Findings]:
    """Return the examples of a file or a folder, checked, and what `check` found.

    Raises InputError with the file and the line that cannot be used.
    """
    path = Path(source)
    form = Template(template) if template is not None else None
    if path.is_file() and ending(path) in {".jsonl", ".ndjson"} and _is_ours(path):
        findings = Findings()
        found = [_example(path, number, row, form, findings) for number, row in read_json_lines(path)]
        checked, more = check(found)
        findings.merge(more)
        return checked, findings
    return check(from_dataset(read_dataset(source)))


def from_dataset(dataset: Dataset) -> list[Example]:
    """Return the examples of judged queries: what is relevant, and what is judged as not, or a candidate unjudged."""
    examples = []
    for key, query in dataset.queries.items():
        grades = dataset.qrels.get(key, {})
        known = {document: grade for document, grade in grades.items() if document in dataset.documents}
        candidates = dataset.first_stage.get(key, ()) if dataset.first_stage is not None else ()
        others = [document for document, grade in known.items() if grade <= 0]
        others += [document for document in candidates if document not in grades and document in dataset.documents]
        examples.append(
            Example(
                query=query.text,
                positives=tuple(dataset.documents[document] for document, grade in known.items() if grade > 0),
                negatives=tuple(dataset.documents[document] for document in others),
                source=f"{dataset.name}, query {key}",
            )
        )
    return examples


def check(examples: Iterable[Example]) -> tuple[list[Example], Findings]:
    """Return the examples that can be learned from, cleaned, and what was wrong with the others.

    Left out: empty texts, equal documents of one list, equal lines, documents that are positive for the same query
    (there or on another line) from its negatives, queries without a positive. Texts are equal as `normalise` says.
    """
    findings = Findings()
    given = list(examples)
    positive: dict[str, set[str]] = defaultdict(set)
    for example in given:
        positive[normalise(example.query)].update(map(normalise, example.positives))
    seen: set[tuple[str, frozenset[str], frozenset[str]]] = set()
    kept = []
    for example in given:
        if not example.query.strip():
            findings.add("lines left out, the query is empty", example.source)
            continue
        clean = _clean(example, positive[normalise(example.query)], findings)
        if not clean.positives:
            findings.add("lines left out, no positive document", example.source)
            continue
        same = (
            normalise(clean.query),
            frozenset(map(normalise, clean.positives)),
            frozenset(map(normalise, clean.negatives)),
        )
        if same in seen:
            findings.add("lines left out, the same stands further up", example.source)
            continue
        seen.add(same)
        kept.append(clean)
    return kept, findings


def with_negatives(examples: Iterable[Example], findings: Findings) -> list[Example]:
    """Return the examples that have a negative; the others are counted."""
    kept = []
    for example in examples:
        if example.negatives:
            kept.append(example)
        else:
            findings.add("lines left out, no negative document (resift train mine finds some)", example.source)
    return kept


def write_examples(file: Path, examples: Iterable[Example]) -> int:
    """Write examples as lines of JSON and return how many."""
    lines = [to_line(example) for example in examples]
    file.write_text("".join(lines), encoding="utf-8")
    return len(lines)


def to_line(example: Example) -> str:
    """Return an example as a line of JSON."""
    row: dict[str, object] = {"query": example.query, "pos": example.positives, "neg": example.negatives}
    if example.positive_scores is not None:
        row["pos_scores"] = example.positive_scores
    if example.negative_scores is not None:
        row["neg_scores"] = example.negative_scores
    return json.dumps(row, ensure_ascii=False) + "\n"


def _is_ours(file: Path) -> bool:
    """Whether the first line has `pos`, and is not one of the formats of `resift eval`."""
    return next(("pos" in row for _, row in read_json_lines(file)), True)


def _example(file: Path, number: int, row: Mapping[str, Any], template: Template | None, findings: Findings) -> Example:
    if not isinstance(row.get("query"), str):
        raise problem(file, number, "the field 'query' is not a text")
    source = f"{file.name}, line {number}"
    if row.get("prompt"):
        findings.add("prompts that are not read: cross-encoders score the query as it is", source)
    positives, negatives = (_texts(file, number, row, name, template) for name in ("pos", "neg"))
    return Example(
        query=scrub(row["query"]),
        positives=positives,
        negatives=negatives,
        positive_scores=_scores(file, number, row, "pos_scores", len(positives)),
        negative_scores=_scores(file, number, row, "neg_scores", len(negatives)),
        source=source,
    )


def _texts(file: Path, number: int, row: Mapping[str, Any], name: str, template: Template | None) -> tuple[str, ...]:
    value = row.get(name, [])
    if not isinstance(value, list) or not all(isinstance(item, str | dict) for item in value):
        raise problem(
            file,
            number,
            f"the field {name!r} is {_shown(value)}, not a list of texts or objects",
            hint='expected {"query": ..., "pos": [...], "neg": [...]}',
        )
    try:
        return tuple(document_text(item, template) for item in value)
    except TemplateError as error:
        raise problem(file, number, error.message, hint=error.hint) from error


def _scores(file: Path, number: int, row: Mapping[str, Any], name: str, count: int) -> tuple[float, ...] | None:
    value = row.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or any(
        isinstance(item, bool) or not isinstance(item, int | float) for item in value
    ):
        raise problem(file, number, f"the field {name!r} is {_shown(value)}, not a list of numbers")
    if len(value) != count:
        raise problem(file, number, f"the field {name!r} has {len(value)} scores for {count} documents")
    scores = tuple(float(item) for item in value)
    if not all(abs(score) < 1e30 for score in scores):  # NaN is not below anything either
        raise problem(file, number, f"the field {name!r} has a score that is not a finite number")
    return scores


def _clean(example: Example, positive: set[str], findings: Findings) -> Example:
    """Return the example without empty and equal documents, and without positives among its negatives."""
    keep = [
        _distinct(example.positives, set(), example.source, findings),
        _distinct(example.negatives, positive, example.source, findings),
    ]
    good, bad = keep
    return replace(
        example,
        positives=tuple(example.positives[place] for place in good),
        negatives=tuple(example.negatives[place] for place in bad),
        positive_scores=_chosen(example.positive_scores, good),
        negative_scores=_chosen(example.negative_scores, bad),
    )


def _distinct(texts: Sequence[str], positive: set[str], source: str, findings: Findings) -> list[int]:
    seen: set[str] = set()
    places = []
    for place, text in enumerate(texts):
        key = normalise(text)
        if not key:
            findings.add("documents left out, empty", source)
        elif key in positive:
            findings.add("negatives left out, positive for the same query", source)
        elif key in seen:
            findings.add("documents left out, twice in one list", source)
        else:
            seen.add(key)
            places.append(place)
    return places


def _chosen(scores: tuple[float, ...] | None, places: Iterable[int]) -> tuple[float, ...] | None:
    return None if scores is None else tuple(scores[place] for place in places)


def _shown(value: object) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 3] + '...'}"


def texts_of(examples: Iterable[Example]) -> Iterator[str]:
    """Yield every document of the examples, equal ones once."""
    seen: set[str] = set()
    for example in examples:
        for text in (*example.positives, *example.negatives):
            if text not in seen:
                seen.add(text)
                yield text
