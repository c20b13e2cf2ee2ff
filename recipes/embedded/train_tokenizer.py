"""Stage 1: a unigram vocabulary with byte fallback, on a sample evened out over languages."""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from pathlib import Path

import corpus
import sentencepiece
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# Characters a language may give to the sample; a language that is not named gives at most DEFAULT.
BUDGET = {"en": 5e6, "zh": 3.5e6, "zh-hant": 1.5e6, "ja": 3e6, "ko": 2e6, "de": 3e6, "fr": 3e6, "es": 3e6,
          "ru": 3e6, "vi": 2e6, "ar": 3e6, "hi": 2e6, "th": 2e6, "tr": 2e6, "el": 2e6, "pt": 2e6, "it": 2e6,
          "id": 1e6, "fa": 1e6, "bn": 1e6, "sw": 0.6e6, "pl": 1e6, "nl": 1e6, "uk": 1e6, "fi": 0.7e6}  # fmt: skip
DEFAULT = 0.03e6
REPEATS = 3  # a language with less text than its budget is read again, at most this often


def sample(folder: Path, seed: int) -> list[str]:
    """Return lines of text, each language cut to its budget, in a fixed random order."""
    by_language: dict[str, list[str]] = defaultdict(list)
    for row in corpus.gold(folder):
        by_language[row.language].append(row.passage)
        for language, question in row.questions:
            by_language[language].append(question)
    for name in corpus.names(folder, "docs_") + corpus.names(folder, "wiki_"):
        for document in corpus.documents(folder, name):
            for language, (title, sections) in document.versions.items():
                # A few sections of many documents: more topics for the same characters.
                by_language[language].append(title)
                by_language[language] += [text[:1500] for _, text in sections[:4]]
    for _, sentences in corpus.parallel(folder):
        for language, sentence in sentences.items():
            by_language[language].append(sentence)
    rng = random.Random(seed)
    lines: list[str] = []
    for language, texts in sorted(by_language.items()):
        rng.shuffle(texts)
        left = BUDGET.get(language, DEFAULT)
        for text in texts * (REPEATS if language in BUDGET else 1):
            if left <= 0:
                break
            for line in text.split("\n"):
                if left > 0 and line.strip():
                    lines.append(line.strip()[:1000])
                    left -= len(line)
    rng.shuffle(lines)
    return lines


def train(lines: list[str], model: Path, size: int, threads: int) -> None:
    """Train the unigram pieces with sentencepiece and leave MODEL.model."""
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_prefix=str(model),
        model_type="unigram",
        vocab_size=size,
        character_coverage=0.9997,
        byte_fallback=True,
        normalization_rule_name="identity",
        max_sentence_length=4000,
        max_sentencepiece_length=16,
        seed_sentencepiece_size=400_000,
        num_threads=threads,
        pad_id=0, unk_id=1, bos_id=2, eos_id=3,
        pad_piece="[PAD]", unk_piece="[UNK]", bos_piece="[CLS]", eos_piece="[SEP]",
        control_symbols=["[MASK]"],
        train_extremely_large_corpus=False,
    )  # fmt: skip


def convert(model: Path) -> Tokenizer:
    """Return the same pieces as a `tokenizers` pipeline with the pair template."""
    processor = sentencepiece.SentencePieceProcessor(model_file=f"{model}.model")
    pieces = [(processor.id_to_piece(i), processor.get_score(i)) for i in range(processor.get_piece_size())]
    assert [piece for piece, _ in pieces[:5]] == SPECIAL, pieces[:5]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=1, byte_fallback=True))
    tokenizer.normalizer = NORMALIZER
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return tokenizer


NORMALIZER = normalizers.Sequence(
    [normalizers.NFKC(), normalizers.Lowercase(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
)


def main() -> None:
    """Sample, train, convert, save `tokenizer.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", type=int, default=28_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    lines = [NORMALIZER.normalize_str(line) for line in sample(arguments.data, arguments.seed)]
    print(f"{len(lines)} lines, {sum(map(len, lines))} characters", flush=True)
    train(lines, arguments.out / "pieces", arguments.size, arguments.threads)
    tokenizer = convert(arguments.out / "pieces")
    tokenizer.save(str(arguments.out / "tokenizer.json"), pretty=False)
    print(tokenizer.get_vocab_size(), tokenizer.encode("如何提高深度学习模型的泛化能力", "Dropout").tokens)


if __name__ == "__main__":
    main()
