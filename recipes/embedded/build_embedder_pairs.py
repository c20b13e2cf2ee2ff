"""Stage 6: the pairs that the embedder is trained on: more of everything than `build_pairs.py` takes, in six kinds.

Writes `embedder_texts.npz`: ids, offsets, language, languages as `build_pairs.py` does, `pairs` (first text, second
text, kind) with the kinds of KINDS, and `bucket`: for a question the bucket (0 to 999) of its article, else -1. Buckets
below `mine.HELD_OUT_BUCKETS` are not trained on: the prior and the choice between variants need new questions.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import re
from pathlib import Path

import corpus
import numpy as np
from build_pairs import MAIN, MORE, Texts, lines_of
from mine import bucket_of
from tokenizers import Tokenizer

KINDS = ("translation", "heading", "question", "cloze", "lexicon", "cross-heading")
TRANSLATION, HEADING, QUESTION, CLOZE, LEXICON, CROSS_HEADING = range(6)
# Languages with little text: everything aligned with English and Chinese is taken.
RARE = {"ar", "hi", "th", "el", "tr", "ru", "ko", "vi", "it", "id", "fa", "bn", "ur", "pl", "uk", "zh-hant"}
SENTENCE = re.compile(r"(?<=[.!?。！？؟।])\s*")


def add_parallel(texts: Texts, folder: Path, rng: random.Random) -> None:
    """Pair a sentence's translations: each language with English and Chinese, and some others."""
    wanted = MAIN + MORE
    for _, sentences in corpus.parallel(folder):
        found = [x for x in wanted if x in sentences]
        couples = list(itertools.combinations(found, 2))
        if len(couples) > 60:
            pivots = [c for c in couples if "en" in c or "zh" in c]
            couples = pivots + rng.sample([c for c in couples if c not in pivots], 30)
        for a, b in couples:
            texts.pair((a, sentences[a]), (b, sentences[b]), TRANSLATION)


def add_versions(texts: Texts, versions: dict[str, tuple[str, list[tuple[str, str]]]], rng: random.Random) -> None:
    """Pair what stands in the same place of two languages' versions, where their sections are alike in number."""
    couples = list(itertools.combinations(sorted(versions, key=(MAIN + MORE).index), 2))
    rare = [c for c in couples if ("en" in c or "zh" in c) and RARE & set(c)]
    others = [c for c in couples if c not in rare]
    for a, b in rare + rng.sample(others, min(len(others), 10)):
        one, two = versions[a][1], versions[b][1]
        texts.pair((a, versions[a][0]), (b, versions[b][0]), TRANSLATION)
        if len(one) != len(two):
            continue
        most = 24 if (a, b) in rare else 5
        for (head_a, text_a), (head_b, text_b) in zip(one, two, strict=True):
            texts.pair((a, head_a), (b, head_b), TRANSLATION)
            lines_a, lines_b = lines_of(text_a), lines_of(text_b)
            if len(lines_a) == len(lines_b):
                both = [(x, y) for x, y in zip(lines_a, lines_b, strict=True) if x != y]
                for x, y in rng.sample(both, min(len(both), most)):
                    texts.pair((a, x[:500]), (b, y[:500]), TRANSLATION)
            elif min(len(text_a), len(text_b)) > 40 and rng.random() < 0.5:
                texts.pair((a, text_a[:600]), (b, text_b[:600]), TRANSLATION)
        at = rng.randrange(len(one)) if one else 0
        if one and len(two[at][1]) > 60:
            query = f"{versions[a][0]} {one[at][0]}" if one[at][0] else versions[a][0]
            texts.pair((a, query), (b, two[at][1][:700]), CROSS_HEADING)


def add_documents(texts: Texts, folder: Path, name: str, rng: random.Random) -> None:
    """Pair versions, headings with sections, titles with beginnings, sentences with what stands around them."""
    wanted = set(MAIN + MORE)
    for document in corpus.documents(folder, name):
        versions = {x: v for x, v in document.versions.items() if x in wanted}
        add_versions(texts, versions, rng)
        for language, (title, sections) in versions.items():
            kept = [(h, t) for h, t in sections if len(t) >= 60]
            for heading, text in rng.sample(kept, min(len(kept), 3)):
                query = title if heading in ("", title) else f"{title} {heading}"
                texts.pair((language, query), (language, text[:700]), HEADING)
            long = [t for _, t in kept if len(t) >= 160]
            for text in rng.sample(long, min(len(long), 2)):
                sentences = [s for s in SENTENCE.split(text[:900]) if len(s) > 20]
                if len(sentences) > 2:
                    one = rng.choice(sentences)
                    rest = text[:900] if rng.random() < 0.1 else text[:900].replace(one, " ")
                    texts.pair((language, one), (language, rest), CLOZE)


def add_lexicon(texts: Texts, path: Path, rng: random.Random) -> None:
    """Pair words: one language's term with another's terms."""
    for line in path.open(encoding="utf-8"):
        terms = json.loads(line)["x"]
        couples = list(itertools.combinations(terms, 2))
        for a, b in rng.sample(couples, min(len(couples), 60)):
            for one in terms[a][:2]:
                for other in terms[b][:3]:
                    texts.pair((a, one), (b, other), LEXICON)


def add_gold(texts: Texts, folder: Path) -> dict[int, int]:
    """Pair questions with their passages; returns the bucket of each question's text."""
    buckets = {}
    for row in corpus.gold(folder):
        for language, question in row.questions:
            texts.pair((language, question), (row.language, row.passage[:1200]), QUESTION)
            buckets[texts.add(language, question)] = bucket_of(row.title or row.passage)
    return buckets


def main() -> None:
    """Collect the pairs, tokenise every text once, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--lexicon", type=Path, help="what build_lexicon.py wrote")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--max-tokens", type=int, default=192)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng, texts = random.Random(arguments.seed), Texts()
    buckets = add_gold(texts, arguments.data)
    add_parallel(texts, arguments.data, rng)
    if arguments.lexicon:
        add_lexicon(texts, arguments.lexicon, rng)
    for name in corpus.names(arguments.data, "docs_") + corpus.names(arguments.data, "wiki_"):
        add_documents(texts, arguments.data, name, rng)
        print(name, len(texts.index), len(texts.pairs), flush=True)
    tokenizer = Tokenizer.from_file(str(arguments.tokenizer))
    languages = sorted({language for language, _ in texts.index})
    keys = list(texts.index)
    ids = []
    for at in range(0, len(keys), 20_000):
        some = tokenizer.encode_batch_fast([t for _, t in keys[at : at + 20_000]], add_special_tokens=False)
        ids += [np.array(encoding.ids[: arguments.max_tokens], np.uint16) for encoding in some]
    pairs = np.array(sorted(texts.pairs), np.int32)
    np.random.default_rng(arguments.seed).shuffle(pairs)
    asked = pairs[:, 2] == QUESTION
    bucket = np.full(len(pairs), -1, np.int16)
    bucket[asked] = [buckets[int(first)] for first in pairs[asked, 0]]
    np.savez(
        arguments.out,
        ids=np.concatenate(ids),
        offsets=np.concatenate([[0], np.cumsum([len(i) for i in ids])]).astype(np.int64),
        language=np.array([languages.index(x) for x, _ in keys], np.int16),
        languages=np.array(languages),
        pairs=pairs,
        bucket=bucket,
    )
    counts = dict(zip(KINDS, np.bincount(pairs[:, 2], minlength=len(KINDS)).tolist(), strict=True))
    print(f"{len(keys)} texts, {sum(map(len, ids))} tokens, pairs {counts}")


if __name__ == "__main__":
    main()
