"""Stage 2: texts as token ids, and the pairs of them that say the same or answer one another.

Writes `texts.npz`: ids (all texts, one after another), offsets, language (index into `languages`), and `pairs`, rows of
(first text, second text, kind): 0 translation, 1 heading and section, 2 question and passage.
"""

from __future__ import annotations

import argparse
import itertools
import random
from pathlib import Path

import corpus
import numpy as np
from tokenizers import Tokenizer

TRANSLATION, HEADING, QUESTION = 0, 1, 2
# The languages that the model is meant for first; the others take part with fewer pairs.
MAIN = ["zh", "en", "ar", "ru", "ja", "es", "de", "hi", "th", "vi", "tr", "ko", "fr", "el", "pt", "it", "zh-hant"]
MORE = ["id", "fa", "bn", "pl", "nl", "uk", "fi", "sw", "ur", "sv", "cs", "ro", "hu", "ms", "ta", "te", "ha", "yor"]


class Texts:
    """Texts collected once each, in the order of their first use."""

    def __init__(self) -> None:
        self.index: dict[tuple[str, str], int] = {}
        self.pairs: set[tuple[int, int, int]] = set()

    def add(self, language: str, text: str) -> int:
        """Return the text's number."""
        return self.index.setdefault((language, text), len(self.index))

    def pair(self, first: tuple[str, str], second: tuple[str, str], kind: int) -> None:
        """Add a pair of (language, text)."""
        if len(first[1]) > 1 and len(second[1]) > 1:
            self.pairs.add((self.add(*first), self.add(*second), kind))


def add_parallel(texts: Texts, folder: Path, rng: random.Random) -> None:
    """Pair a sentence's translations: every main language with a few others."""
    for _, sentences in corpus.parallel(folder):
        main = [x for x in MAIN if x in sentences]
        more = [x for x in MORE if x in sentences]
        couples = list(itertools.combinations(main, 2))
        if len(couples) > 40:
            with_english = [c for c in couples if "en" in c]
            couples = with_english + rng.sample([c for c in couples if "en" not in c], 24)
        couples += [(x, rng.choice(main)) for x in more if main]
        for a, b in couples:
            texts.pair((a, sentences[a]), (b, sentences[b]), TRANSLATION)


def lines_of(text: str) -> list[str]:
    """Split a section into its lines."""
    return [line.strip(" -*>") for line in text.split("\n") if line.strip(" -*>")]


def add_documents(texts: Texts, folder: Path, name: str, rng: random.Random) -> None:
    """Pair aligned lines of a document's versions, and headings with their sections."""
    wanted = set(MAIN + MORE)
    for document in corpus.documents(folder, name):
        versions = {x: v for x, v in document.versions.items() if x in wanted}
        couples = list(itertools.combinations(sorted(versions, key=(MAIN + MORE).index), 2))
        for a, b in rng.sample(couples, min(len(couples), 14)):
            one, two = versions[a][1], versions[b][1]
            texts.pair((a, versions[a][0]), (b, versions[b][0]), TRANSLATION)
            if len(one) != len(two):
                continue
            for (head_a, text_a), (head_b, text_b) in zip(one, two, strict=True):
                texts.pair((a, head_a), (b, head_b), TRANSLATION)
                lines_a, lines_b = lines_of(text_a), lines_of(text_b)
                if len(lines_a) == len(lines_b):
                    both = [(x, y) for x, y in zip(lines_a, lines_b, strict=True) if x != y]
                    for x, y in rng.sample(both, min(len(both), 4)):
                        texts.pair((a, x[:500]), (b, y[:500]), TRANSLATION)
        for language, (title, sections) in versions.items():
            kept = [(h, t) for h, t in sections if len(t) >= 60]
            for heading, text in rng.sample(kept, min(len(kept), 2)):
                query = title if heading in ("", title) else f"{title} {heading}"
                texts.pair((language, query), (language, text[:700]), HEADING)


def add_gold(texts: Texts, folder: Path) -> None:
    """Pair questions with their passages, in one language and across two."""
    for row in corpus.gold(folder):
        for language, question in row.questions:
            texts.pair((language, question), (row.language, row.passage[:1200]), QUESTION)


def main() -> None:
    """Collect the pairs, tokenise every text once, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--max-tokens", type=int, default=192)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    texts = Texts()
    add_parallel(texts, arguments.data, rng)
    for name in corpus.names(arguments.data, "docs_") + corpus.names(arguments.data, "wiki_"):
        add_documents(texts, arguments.data, name, rng)
        print(name, len(texts.index), len(texts.pairs), flush=True)
    add_gold(texts, arguments.data)
    tokenizer = Tokenizer.from_file(str(arguments.tokenizer))
    languages = sorted({language for language, _ in texts.index})
    keys = list(texts.index)
    ids, lengths = [], []
    for at in range(0, len(keys), 20_000):
        for encoding in tokenizer.encode_batch([t for _, t in keys[at : at + 20_000]], add_special_tokens=False):
            ids.append(np.array(encoding.ids[: arguments.max_tokens], np.uint16))
            lengths.append(len(ids[-1]))
    pairs = np.array(sorted(texts.pairs), np.int32)
    np.random.default_rng(arguments.seed).shuffle(pairs)
    np.savez(
        arguments.out,
        ids=np.concatenate(ids),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        language=np.array([languages.index(x) for x, _ in keys], np.int16),
        languages=np.array(languages),
        pairs=pairs,
    )
    print(f"{len(keys)} texts, {sum(lengths)} tokens, pairs by kind {np.bincount(pairs[:, 2])}")


if __name__ == "__main__":
    main()
