"""Read the training text: gold questions, documents in sections, parallel sentences."""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

# Two names for one language in the sources, and the one used here.
ALIASES = {
    "zh-cn": "zh", "zh-hans": "zh", "zh-CN": "zh", "zh-Hans": "zh", "zho-CN": "zh", "cn": "zh",
    "zh-tw": "zh-hant", "zh-TW": "zh-hant", "zh-Hant": "zh-hant", "zh-hk": "zh-hant", "zh-HK": "zh-hant",
    "pt-br": "pt", "pt-BR": "pt", "pt-PT": "pt", "en-us": "en", "en-US": "en", "eng-GB": "en", "eng-IN": "en",
    "eng-US": "en", "es-MX": "es", "es-ES": "es", "fra-CA": "fr", "fr-CA": "fr", "tw": "zh-hant",
}  # fmt: skip


class Gold(NamedTuple):
    """A passage and the questions that it answers, each with its language."""

    source: str
    language: str
    title: str
    passage: str
    questions: list[tuple[str, str]]  # (language, question)


class Document(NamedTuple):
    """One document in one or more languages: language -> (title, [(heading, text), ...])."""

    source: str
    versions: dict[str, tuple[str, list[tuple[str, str]]]]


def canonical(language: str) -> str:
    """Return the one name used here for a language."""
    return ALIASES.get(language, language)


def read_jsonl(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    """Yield the records of `name.jsonl`, or of `name.jsonl.xz` where only that is there."""
    plain = folder / f"{name}.jsonl"
    if plain.exists():
        with plain.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)
    else:
        with lzma.open(folder / f"{name}.jsonl.xz", "rt", encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def names(folder: Path, prefix: str) -> list[str]:
    """Return the names of the files that begin with `prefix`, sorted, without their endings."""
    return sorted({path.name.split(".")[0] for path in folder.glob(f"{prefix}*.jsonl*")})


def gold(folder: Path) -> Iterator[Gold]:
    """Yield the passages with real questions."""
    for row in read_jsonl(folder, "gold_qa"):
        if "qx" in row:
            questions = [(canonical(lang), q) for lang, qs in row["qx"].items() for q in qs]
        else:
            questions = [(canonical(row["ql"]), q) for q in row["q"]]
        yield Gold(row["s"], canonical(row["l"]), row["t"] or "", row["p"], questions)


def documents(folder: Path, name: str) -> Iterator[Document]:
    """Yield the documents of one `docs_*` or `wiki_*` file."""
    for row in read_jsonl(folder, name):
        versions: dict[str, tuple[str, list[tuple[str, str]]]] = {}
        for language, (title, sections) in row["x"].items():
            kept = [(h or "", t) for h, t in sections]
            versions.setdefault(canonical(language), (title or "", kept))
        yield Document(row["s"], versions)


def parallel(folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield (source, {language: sentence}) of the parallel sentences."""
    for row in read_jsonl(folder, "parallel"):
        yield row["s"], {canonical(language): text for language, text in row["x"].items()}
