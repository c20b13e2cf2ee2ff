"""A service whose scores can be checked by eye: the part of the query's words that a document has."""

import asyncio
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from resift.errors import TemplateError
from resift.server.errors import Unprocessable
from resift.server.records import LOWEST, ModelCard, Outcome, Scored, Timings, Work
from resift.text.template import Template, document_text
from resift.types import ScoreInfo, Window

INFO = ScoreInfo(
    model="acme/reranker-small",
    revision="5f0c1a2",
    device="cpu",
    backend="fake",
    precision="fp32",
    kernel=None,
    scores="sigmoid",
    truncation="longest_first",
    max_length=512,
)
CARDS = (
    ModelCard(name="small", info=INFO, max_length=512, created=1700000000),
    ModelCard(name="large", info=INFO, max_length=8192, created=1700000001),
)


@dataclass
class FakeService:
    """Scores by words. A document with more words than `max_length` is cut, or answered in windows of 4."""

    models: Sequence[ModelCard] = CARDS
    ready: bool = True
    works: list[Work] = field(default_factory=list)
    raises: Exception | None = None
    partial: bool = False
    waits: asyncio.Event | None = None
    cancelled: bool = False

    async def run(self, work: Work) -> Outcome:
        self.works.append(work)
        if self.waits is not None:
            try:
                await self.waits.wait()
            except asyncio.CancelledError:
                self.cancelled = True
                raise
        if self.raises is not None:
            raise self.raises
        if not all(isinstance(query, str) for query, _ in work.pairs):
            raise Unprocessable("the query is not a text")
        found = [self._scored(i, work, query, document) for i, (query, document) in enumerate(work.pairs)]
        unscored = [item.error is not None or item.pending for item in found]
        order = sorted(range(len(found)), key=lambda i: (unscored[i], -found[i].score, i))
        timings = Timings(total=0.0125, tokenization=0.001, queue=0.002, inference=0.0095)
        characters = sum(len(d) for _, d in work.pairs if isinstance(d, str))
        tokens = sum(item.tokens for item in found)
        return Outcome(found, order, self.partial, INFO, tokens, characters, timings)

    async def read_to(self, work: Work) -> list[int]:
        limit = work.max_length or 512
        texts = [document_text(document, None) for _, document in work.pairs]
        words = [[found.end() for found in re.finditer(r"\S+", text)] for text in texts]
        return [
            ends[limit - 1] if work.windows is None and len(ends) > limit else len(text)
            for text, ends in zip(texts, words, strict=True)
        ]

    def _scored(self, place: int, work: Work, query: object, document: object) -> Scored:
        lowest = LOWEST[work.scores]
        if not isinstance(document, str | Mapping):
            if work.strict:
                raise Unprocessable(f"the document of item {place} is no text")
            return Scored(lowest, error=f"document {place} is no text")
        if self.partial and place > 0:
            return Scored(lowest, pending=True)
        template = Template(work.template) if work.template else None
        try:
            words = document_text(document, template).lower().split()
        except TemplateError as error:
            return Scored(lowest, error=str(error))
        cut = work.windows is None and len(words) > (work.max_length or 512)
        if cut and (work.strict or work.fail_if_cut):
            raise Unprocessable(f"document {place} has {len(words)} words, {work.max_length or 512} fit")
        read = words[: work.max_length] if cut else words
        asked = str(query).lower().split()
        part = np.float32(sum(word in read for word in asked) / max(1, len(asked)))
        score = float(part) if work.scores == "sigmoid" else float(np.float32(8 * part - 4))
        window = Window(0, math.ceil(len(words) / 4), 0, 9, score) if work.windows and len(words) > 4 else None
        return Scored(score, tokens=len(asked) + len(read) + 4, truncated=cut, window=window)
