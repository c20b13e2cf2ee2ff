"""Stage 8: questions with the texts that answer them and the texts that BM25 confuses with those.

Writes `lists.npz`: ids and offsets of all texts (queries too), and one row per question: query, candidates [n, 40]
(-1 pads), positives (the first so many candidates), kind, language of the candidates, held_out, gold (a real
question). Kinds: 0 passage, 1 sentence (positive: any sentence of the right passage), 2 heading, 3 cross-lingual
passage, 4 cross-lingual sentences.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import zlib
from collections import defaultdict
from pathlib import Path

import corpus
import numpy as np
from build_pairs import MAIN
from numpy.typing import NDArray
from scipy import sparse
from tokenizers import Tokenizer

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
from resift.text.grams import GramTable

PASSAGE, SENTENCE, HEADING, CROSS, CROSS_SENTENCE = range(5)
WIDTH = 40
SENTENCE_END = re.compile(r"(?<=[。！？!?।؟])\s*|(?<=[.])\s+(?=\S)|\n+")
HELD_OUT_BUCKETS = 280  # questions of articles in these buckets (of 1000) are for the prior, not for the vectors
CAPS = {"jaquad": 7000, "medquad": 2500, "csl": 1200}


def sentences(text: str, language: str) -> list[str]:
    """Cut a passage into sentences; short ones stay with the one before."""
    pieces = text.replace("\n", " ").split(" ") if language == "th" else [p for p in SENTENCE_END.split(text) if p]
    least = 18 if language in ("zh", "ja", "zh-hant", "ko") else 40
    joint = " " if language == "th" or least == 40 else ""
    found: list[str] = []
    for piece in pieces:
        if found and (len(found[-1]) < least or len(piece) < least // 2):
            found[-1] += joint + piece
        else:
            found.append(piece)
    return [f.strip() for f in found if f.strip()]


class Pool:
    """The texts of one language that candidates come from."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.owner: list[int] = []
        self._seen: dict[str, int] = {}

    def add(self, text: str, owner: int) -> int:
        """Return the text's number in the pool; `owner` marks texts that may answer the same question."""
        if text not in self._seen:
            self._seen[text] = len(self.texts)
            self.texts.append(text)
            self.owner.append(owner)
        return self._seen[text]


class Index:
    """BM25 over a pool."""

    def __init__(self, cut: GramTable, tokens: list[NDArray[np.int64]]) -> None:
        """Build the weights [grams, texts]."""
        self._cut = cut
        grams = [np.unique(cut(t).coarse, return_counts=True) for t in tokens]
        self._keys, column = np.unique(np.concatenate([k for k, _ in grams]), return_inverse=True)
        count = np.concatenate([c for _, c in grams]).astype(np.float32)
        row = np.repeat(np.arange(len(grams)), [len(k) for k, _ in grams])
        length = np.bincount(row, count, len(grams))
        df = np.bincount(column)
        idf = np.log1p((len(grams) - df + 0.5) / (df + 0.5))
        weight = idf[column] * count * 1.9 / (count + 0.9 * (0.6 + 0.4 * length[row] / length.mean()))
        shape = (len(self._keys), len(grams))
        self._weight = sparse.csr_matrix((weight.astype(np.float32), (column, row)), shape=shape)

    def top(self, queries: list[NDArray[np.int64]], count: int) -> NDArray[np.int64]:
        """Return the best texts of each query [queries, count]."""
        best = []
        for at in range(0, len(queries), 256):
            rows, columns = [], []
            for i, query in enumerate(queries[at : at + 256]):
                keys = self._cut(query).coarse
                where = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
                where = where[self._keys[where] == keys]
                rows += [i] * len(where)
                columns += where.tolist()
            chunk = len(queries[at : at + 256])
            ones = np.ones(len(rows), np.float32)
            asked = sparse.csr_matrix((ones, (rows, columns)), shape=(chunk, len(self._keys)))
            scores = (asked @ self._weight).toarray()
            top = np.argpartition(-scores, min(count, scores.shape[1] - 1), axis=1)[:, :count]
            order = np.argsort(-np.take_along_axis(scores, top, 1), axis=1, kind="stable")
            best.append(np.take_along_axis(top, order, 1))
        return np.concatenate(best)


class Miner:
    """Collects texts and lists, language after language."""

    def __init__(self, tokenizer: Tokenizer, seed: int) -> None:
        self.tokenizer, self.cut = tokenizer, GramTable(tokenizer)
        self.rng = random.Random(seed)
        self.ids: list[NDArray[np.uint16]] = []
        self.rows: list[tuple[list[int], int, int, int, int]] = []  # query and candidates, positives, kind, ...
        self.gold = 0  # the first so many rows are real questions

    def encode(self, texts: list[str], limit: int) -> list[NDArray[np.int64]]:
        """Tokenise without special tokens."""
        encodings = self.tokenizer.encode_batch(texts, add_special_tokens=False)
        return [np.array(e.ids[:limit], np.int64) for e in encodings]

    def store(self, tokens: list[NDArray[np.int64]]) -> int:
        """Keep texts, return the number of the first."""
        first = len(self.ids)
        self.ids += [t.astype(np.uint16) for t in tokens]
        return first

    def mine(self, pool: Pool, asked: list[tuple[str, str, list[int], int, int]], language: str, limit: int) -> None:
        """Add a list per question (query, the same query in the pool's language, positives, kind, bucket)."""
        if len(pool.texts) < 30 or not asked:
            return
        texts = self.encode(pool.texts, limit)
        first = self.store(texts)
        index = Index(self.cut, texts)
        owner = np.array(pool.owner)
        query_first = self.store(self.encode([a[0] for a in asked], 64))
        tops = index.top(self.encode([a[1] for a in asked], 64), WIDTH + 8)
        for number, ((_, _, positives, kind, bucket), top) in enumerate(zip(asked, tops, strict=True)):
            mine = {int(owner[p]) for p in positives}
            # All of the first, none drawn: a sample would teach that what BM25 ranks high is a negative.
            negatives = [int(t) for t in top if int(owner[t]) not in mine]
            chosen = positives[:7] + negatives[: WIDTH - min(len(positives), 7)]
            row = [query_first + number, *(first + c for c in chosen)]
            code = MAIN.index(language) if language in MAIN else len(MAIN)
            self.rows.append((row, min(len(positives), 7), kind, code, bucket))
        print(language, len(pool.texts), "texts", len(asked), "questions", flush=True)

    def save(self, path: Path) -> None:
        """Write everything."""
        lists = np.full((len(self.rows), WIDTH), -1, np.int32)
        for i, (row, *_) in enumerate(self.rows):
            lists[i, : len(row) - 1] = row[1:]
        lengths = [len(t) for t in self.ids]
        np.savez(
            path,
            ids=np.concatenate(self.ids),
            offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            query=np.array([row[0] for row, *_ in self.rows], np.int32),
            candidates=lists,
            positives=np.array([r[1] for r in self.rows], np.int8),
            kind=np.array([r[2] for r in self.rows], np.int8),
            language=np.array([r[3] for r in self.rows], np.int8),
            held_out=np.array([r[4] < 80 for r in self.rows], np.bool_),
            bucket=np.array([r[4] for r in self.rows], np.int16),
            gold=np.arange(len(self.rows)) < self.gold,
        )


def distractors(folder: Path, rng: random.Random, count: int) -> dict[str, list[str]]:
    """Return sections of documents, by language, to mix among the passages."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in [*corpus.names(folder, "wiki_"), "docs_mdn", "docs_fastapi", "docs_security101"]:
        for document in corpus.documents(folder, name):
            for language, (_, sections) in document.versions.items():
                kept = [text for _, text in sections if len(text) > 150]
                found[language] += [rng.choice(kept)[:900]] if kept else []
    return {language: rng.sample(texts, min(count, len(texts))) for language, texts in found.items()}


def bucket_of(title: str) -> int:
    """Return the bucket of an article, 0 to 999: whole articles are held out."""
    return zlib.crc32(title.encode()) % 1000


def read_gold(folder: Path) -> dict[str, list[corpus.Gold]]:
    """Return the passages with questions by language, of large sources a part."""
    rows: dict[str, list[corpus.Gold]] = defaultdict(list)
    used: dict[str, int] = defaultdict(int)
    for row in corpus.gold(folder):
        used[row.source] += len(row.questions)
        if used[row.source] <= CAPS.get(row.source, 10**9):
            rows[row.language].append(row)
    return rows


def gold_lists(miner: Miner, folder: Path) -> None:
    """Mine for the real questions: passages, sentences, and across languages, among all there is in the language."""
    others = distractors(folder, miner.rng, 1500)
    for language, golds in sorted(read_gold(folder).items()):
        mine_gold(miner, golds, language, others.get(language, []))


def narrow_lists(miner: Miner, folder: Path, articles: int) -> None:
    """Mine as candidates of a search are: few articles, on a topic each, none that the vectors have seen."""
    for language, golds in sorted(read_gold(folder).items()):
        of_article: dict[str, list[corpus.Gold]] = defaultdict(list)
        for row in golds:
            if bucket_of(row.title or row.passage) < HELD_OUT_BUCKETS:
                of_article[row.title or row.passage].append(row)
        # Neighbours in the source are of one kind; held-out articles stay among themselves.
        for held_out in (True, False):
            names = [name for name in of_article if (bucket_of(name) < 80) == held_out]
            for at in range(0, len(names), articles):
                some = [row for name in names[at : at + articles] for row in of_article[name]]
                mine_gold(miner, some, language, [])


def mine_gold(miner: Miner, golds: list[corpus.Gold], language: str, others: list[str]) -> None:
    """Mine for the questions of some passages, among those and the texts of `others`."""
    passages, parts = Pool(), Pool()
    by_passage, by_sentence = [], []
    for owner, row in enumerate(golds):
        target = passages.add(row.passage, owner)
        cut = [parts.add(s, owner) for s in sentences(row.passage, language)]
        bucket = bucket_of(row.title or row.passage)
        own = {q for x, q in row.questions if x == language}
        in_language = next(iter(own), None)
        for x, question in row.questions:
            kind = PASSAGE if x == language else CROSS
            same = question if x == language else in_language or question
            by_passage.append((question, same, [target], kind, bucket))
            if row.source != "csl" and cut and (kind == PASSAGE or miner.rng.random() < 0.5):
                kind = SENTENCE if kind == PASSAGE else CROSS_SENTENCE
                by_sentence.append((question, same, cut, kind, bucket))
    for n, text in enumerate(others):
        passages.add(text, -1 - n)
        for sentence in sentences(text, language)[:3]:
            parts.add(sentence, -1 - n)
    miner.mine(passages, by_passage, language, 256)
    miner.mine(parts, by_sentence, language, 96)


def heading_lists(miner: Miner, folder: Path, per_language: int) -> None:
    """Mine for headings: the section below it, in the same language or another."""
    pools: dict[str, Pool] = defaultdict(Pool)
    asked: dict[str, list[tuple[str, str, list[int], int, int]]] = defaultdict(list)
    for name in corpus.names(folder, "docs_") + corpus.names(folder, "wiki_"):
        for number, document in enumerate(corpus.documents(folder, name)):
            versions = {x: v for x, v in document.versions.items() if x in MAIN}
            # Documentation first, then a part of each encyclopedia: the pools stay small enough to search.
            if (name.startswith("wiki_") and number % 12) or (name == "docs_mdn" and number % 2):
                continue
            for language, (title, sections) in versions.items():
                fit = [i for i, (_, text) in enumerate(sections) if len(text) > 80]
                if not fit:
                    continue
                at = miner.rng.choice(fit)
                heading, text = sections[at]
                same = title if heading in ("", title) else f"{title} {heading}"
                target = pools[language].add(text[:900], number)
                query, kind = same, HEADING
                other = miner.rng.choice(sorted(versions))
                theirs = versions[other][1]
                if other != language and len(theirs) == len(sections):
                    foreign = theirs[at][0]
                    query = (
                        versions[other][0] if foreign in ("", versions[other][0]) else f"{versions[other][0]} {foreign}"
                    )
                    kind = CROSS
                bucket = bucket_of(f"{name}{number}")
                asked[language].append((query, same, [target], kind, bucket))
    for language, questions in sorted(asked.items()):
        cross = [q for q in questions if q[3] == CROSS]
        plain = [q for q in questions if q[3] == HEADING]
        kept = miner.rng.sample(cross, min(len(cross), per_language))
        kept += miner.rng.sample(plain, min(len(plain), per_language))
        miner.mine(pools[language], kept, language, 192)


def sentence_lists(miner: Miner, folder: Path, per_language: int) -> None:
    """Mine for parallel sentences: find a passage of three by one of its sentences, said in another language."""
    runs: dict[str, list[dict[str, str]]] = defaultdict(list)
    for source, found in corpus.parallel(folder):
        if source != "tatoeba":
            runs[source].append({x: t for x, t in found.items() if x in MAIN})
    for language in MAIN:
        pool, asked = Pool(), []
        for source, rows in runs.items():
            for at in range(0, len(rows) - 2, 3):
                group = rows[at : at + 3]
                if not all(language in g and len(g) > 1 for g in group):
                    continue
                target = pool.add(" ".join(g[language] for g in group), at)
                for one in miner.rng.sample(group, 2):
                    other = miner.rng.choice([x for x in one if x != language])
                    bucket = bucket_of(f"{source}{at}")
                    asked.append((one[other], one[language], [target], CROSS_SENTENCE, bucket))
        miner.mine(pool, miner.rng.sample(asked, min(len(asked), per_language)), language, 192)


def main() -> None:
    """Mine all three sources and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--narrow", type=int, default=0, help="lists from pools of so many articles, for the prior")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    miner = Miner(Tokenizer.from_file(str(arguments.tokenizer)), arguments.seed)
    if arguments.narrow:
        narrow_lists(miner, arguments.data, arguments.narrow)
        miner.gold = len(miner.rows)
    else:
        gold_lists(miner, arguments.data)
        miner.gold = len(miner.rows)
        heading_lists(miner, arguments.data, 1500)
        sentence_lists(miner, arguments.data, 1500)
    miner.save(arguments.out)
    print(len(miner.rows), "lists of kinds", np.bincount([r[2] for r in miner.rows]))


if __name__ == "__main__":
    main()
