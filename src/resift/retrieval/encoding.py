"""What all encoders of texts share: empty texts, prefixes, length 1, and the prefixes that known models want."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import numpy as np

from resift.errors import InputError
from resift.retrieval.vectors import as_texts, as_unit
from resift.types import Float32


@dataclass(frozen=True, slots=True)
class Prompts:
    """What stands before each text, as the model was trained to see it."""

    query: str = ""
    document: str = ""


_KNOWN = (
    (r"e5-(small|base|large)(-v2|-unsupervised)?", Prompts("query: ", "passage: ")),
    (r"bge-(small|base|large)-en(-v1\.5)?", Prompts("Represent this sentence for searching relevant passages: ")),
    (r"bge-(small|base|large)-zh(-v1\.5)?", Prompts("为这个句子生成表示以用于检索相关文章：")),
    (r"mxbai-embed-large-v1", Prompts("Represent this sentence for searching relevant passages: ")),
    (r"nomic-embed-text-v1(\.5)?|nomic-embed-text-v2-moe", Prompts("search_query: ", "search_document: ")),
    (
        r"qwen3-embedding-[\d.]+b",
        Prompts("Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"),
    ),
)
"""Names of models and the prefixes on their cards (intfloat, BAAI, mixedbread.ai, nomic.ai, Qwen), August 2025."""


def known_prompts(model: str) -> Prompts:
    """Return the prefixes that a model's card asks for, by its name; none for a model that is not known."""
    last = model.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1].lower()
    return next((prompts for name, prompts in _KNOWN if re.fullmatch(f"(multilingual-)?({name})", last)), Prompts())


def chosen_prompts(query: str | None, document: str | None, otherwise: Prompts) -> Prompts:
    """Return the caller's prefixes; where he named neither, the others."""
    if query is None and document is None:
        return otherwise
    return Prompts("" if query is None else query, "" if document is None else document)


def read_options(text: str) -> tuple[str, dict[str, Any]]:
    """Split `NAME?option=value&...`; raises InputError for an option that nobody knows."""
    name, _, tail = text.partition("?")
    options: dict[str, Any] = dict(parse_qsl(tail, keep_blank_values=True))
    for option, value in options.items():
        if option == "dimensions" and value.isdecimal():
            options[option] = int(value)
        elif option not in ("query_prefix", "document_prefix"):
            raise InputError(
                f"the encoder {name!r} has the option {option}={value}",
                hint="expected query_prefix=, document_prefix= or dimensions=NUMBER",
            )
    return name, options


class TextEncoder(ABC):
    """An encoder on top of anything that gives vectors of texts.

    A text of nothing but space is not sent on: its row is zeros. The vectors of the others are checked and brought to
    length 1.
    """

    def __init__(self, name: str, prompts: Prompts, dimension: int | None) -> None:
        self._base_name = name
        self._prompts = prompts
        self._dimension = dimension

    @property
    def name(self) -> str:
        """What the vectors depend on: the model and its prefixes."""
        prompts = self._prompts
        return self._base_name if prompts == Prompts() else f"{self._base_name} {prompts.query!r} {prompts.document!r}"

    @property
    def dimension(self) -> int:
        """Numbers in a vector. Until it is known, this encodes a word."""
        if self._dimension is None:
            self.encode_documents(["resift"])
        assert self._dimension is not None  # encoding sets it, or raises
        return self._dimension

    @property
    def prompts(self) -> Prompts:
        """What is put before queries and documents."""
        return self._prompts

    def encode_queries(self, texts: Sequence[str]) -> Float32:
        """Return float32 [n, dimension], of length 1; rows of zeros for empty texts."""
        return self._encode(texts, self._prompts.query, queries=True)

    def encode_documents(self, texts: Sequence[str]) -> Float32:
        """Return float32 [n, dimension], of length 1; rows of zeros for empty texts."""
        return self._encode(texts, self._prompts.document, queries=False)

    @abstractmethod
    def _vectors(self, texts: list[str], *, queries: bool) -> Any:
        """Return the vectors of texts, prefixes included; there is at least one text."""

    def _encode(self, texts: Sequence[str], prefix: str, *, queries: bool) -> Float32:
        found = as_texts(texts, "texts")
        places = [place for place, text in enumerate(found) if text.strip()]
        if not places:
            return np.zeros((len(found), self.dimension), np.float32)
        given = self._vectors([prefix + found[place] for place in places], queries=queries)
        units = as_unit(given, dimension=self._dimension, source=f"the encoder '{self.name}'")
        if len(units) != len(places):
            raise InputError(f"the encoder '{self.name}' gave {len(units)} vectors for {len(places)} texts")
        self._dimension = units.shape[1]
        vectors = np.zeros((len(found), units.shape[1]), np.float32)
        vectors[places] = units
        return vectors
