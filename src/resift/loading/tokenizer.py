"""From a folder to its tokenizer: tokenizer.json, the faster form of `resift quantize`, or older files converted."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

from resift.errors import ModelLayoutError, ResiftError
from resift.loading.pieces import PIECES, read_pieces
from resift.loading.sentencepiece import read_sentencepiece, xlm_roberta_tokenizer
from resift.types import Family, ModelSpec

T = TypeVar("T")

TOKENIZER = "tokenizer.json"
SENTENCEPIECE = "sentencepiece.bpe.model"
WORDPIECE = "vocab.txt"
BPE = ("vocab.json", "merges.txt")
SETTINGS = "tokenizer_config.json"

_PROBE = "".join(map(chr, range(0x20, 0x250)))
"""A text that shows whether a tokenizer works at all: damage may show only when it is used."""

_FAIRSEQ = {"cls_token": "<s>", "sep_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask>"}
_BERT = {"cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]", "pad_token": "[PAD]", "mask_token": "[MASK]"}
_NAMES: Mapping[Family, Mapping[str, str]] = {"xlm-roberta": _FAIRSEQ, "roberta": _FAIRSEQ, "bert": _BERT}


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """The ids of the tokens that frame a pair, and of the one for what the vocabulary lacks."""

    cls_id: int
    sep_id: int
    unknown_id: int | None


def read_tokenizer(folder: Path, family: Family) -> tuple[Tokenizer, SpecialTokens]:
    """Read the tokenizer of the model in `folder`, without truncation and padding.

    Raises ModelLayoutError when there is none, it is corrupt, or it lacks the family's special tokens.
    """
    settings = _settings(folder)
    names = _special_names(family, settings)
    tokenizer = _read(folder, settings, names)
    # Once and here: these two change the tokenizer in place, which would fail while another thread encodes with it.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    cls_id, sep_id = tokenizer.token_to_id(names["cls_token"]), tokenizer.token_to_id(names["sep_token"])
    if cls_id is None or sep_id is None:
        raise ModelLayoutError(
            f"{folder}: the tokenizer lacks {names['cls_token']} or {names['sep_token']}, which frame a pair"
        )
    return tokenizer, SpecialTokens(cls_id, sep_id, tokenizer.token_to_id(names["unk_token"]))


def check_tokenizer(tokenizer: Tokenizer, spec: ModelSpec) -> None:
    """Check the tokenizer against the model: its ids are rows of the table, its pairs are framed as the family's are.

    Raises ModelLayoutError.
    """
    highest = _highest_id(tokenizer)
    if highest >= spec.vocab:
        raise ModelLayoutError(f"the tokenizer has the token id {highest}, but the model's vocabulary is {spec.vocab}")
    pair = _guarded("the tokenizer fails on a plain text", lambda: tokenizer.encode(_PROBE, _PROBE))
    frame = [token for token, special in zip(pair.ids, pair.special_tokens_mask, strict=True) if special]
    expected = [spec.cls_id, *[spec.sep_id] * (spec.separators + 1)]
    if frame and frame != expected:  # a tokenizer without post-processor frames nothing and contradicts nothing
        raise ModelLayoutError(
            f"the tokenizer frames a pair with the ids {frame}, a {spec.family} model with {expected}"
        )


def _highest_id(tokenizer: Tokenizer) -> int:
    """Return the highest token id. A unigram model's ids have no gaps, and its 250002 would take 0.4 s to list."""
    added = max(tokenizer.get_added_tokens_decoder(), default=-1)
    if isinstance(tokenizer.model, models.Unigram):
        return max(added, tokenizer.get_vocab_size(with_added_tokens=False) - 1)
    return max(added, max(tokenizer.get_vocab(with_added_tokens=False).values(), default=-1))


def _read(folder: Path, settings: Mapping[str, object], names: Mapping[str, str]) -> Tokenizer:
    if (file := folder / PIECES).is_file():
        return _guarded(f"{file} is not a tokenizer", lambda: read_pieces(file))
    if (file := folder / TOKENIZER).is_file():
        return _guarded(f"{file} is not a tokenizer", lambda: Tokenizer.from_buffer(file.read_bytes()))
    if (file := folder / SENTENCEPIECE).is_file():
        return _guarded(f"{file} is not a tokenizer", lambda: xlm_roberta_tokenizer(read_sentencepiece(file)))
    if all((folder / name).is_file() for name in BPE):
        return _guarded(f"{folder / BPE[0]} is not a tokenizer", lambda: _byte_level(folder, settings, names))
    if (file := folder / WORDPIECE).is_file():
        return _guarded(f"{file} is not a tokenizer", lambda: _wordpiece(file, settings, names))
    raise ModelLayoutError(
        f"{folder} has no tokenizer: none of {TOKENIZER}, {PIECES}, {SENTENCEPIECE}, {' with '.join(BPE)}, {WORDPIECE}",
        hint="copy all of the model's files to the folder",
    )


def _guarded(failure: str, call: Callable[[], T]) -> T:
    """Call into the Rust library; whatever it finds wrong with the files comes out as a ModelLayoutError."""
    try:
        return call()
    except ResiftError:
        raise
    # The library raises plain `Exception`, and `PanicException`, which is not even one, for files that fool its parser.
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise ModelLayoutError(f"{failure}: {error}", hint="download the tokenizer's files again") from error


def _wordpiece(file: Path, settings: Mapping[str, object], names: Mapping[str, str]) -> Tokenizer:
    """BERT's tokenizer from its vocabulary: one token a line, the line's number is the id (Devlin et al. 2018)."""
    # Not splitlines(): the vocabulary itself holds characters that Python takes for line ends.
    lines = file.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    vocab = {line.removesuffix("\r"): number for number, line in enumerate(lines)}
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token=names["unk_token"], max_input_chars_per_word=100))
    strip_accents = settings.get("strip_accents")
    tokenizer.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=settings.get("tokenize_chinese_chars") is not False,
        strip_accents=strip_accents if isinstance(strip_accents, bool) else None,
        lowercase=settings.get("do_lower_case") is not False,
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens([name for name in names.values() if name in vocab])
    cls, sep = names["cls_token"], names["sep_token"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{cls} $A {sep}",
        pair=f"{cls} $A {sep} $B:1 {sep}:1",
        special_tokens=[(cls, vocab[cls]), (sep, vocab[sep])],
    )
    return tokenizer


def _byte_level(folder: Path, settings: Mapping[str, object], names: Mapping[str, str]) -> Tokenizer:
    """RoBERTa's tokenizer: byte-level BPE from vocab.json and merges.txt (Radford et al. 2019)."""
    vocab = json.loads((folder / BPE[0]).read_bytes())
    lines = (folder / BPE[1]).read_text(encoding="utf-8").split("\n")
    merges = [(left, right) for left, right in (line.split(" ") for line in lines if line and line[:8] != "#version")]
    tokenizer = Tokenizer(models.BPE(vocab, merges))
    prefix = settings.get("add_prefix_space") is True
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    special = [name for name in names.values() if name in vocab]
    tokenizer.add_special_tokens(
        [AddedToken(name, lstrip=name == names["mask_token"], normalized=False, special=True) for name in special]
    )
    cls, sep = names["cls_token"], names["sep_token"]
    tokenizer.post_processor = processors.RobertaProcessing(
        (sep, vocab[sep]), (cls, vocab[cls]), trim_offsets=True, add_prefix_space=prefix
    )
    return tokenizer


def _settings(folder: Path) -> Mapping[str, object]:
    file = folder / SETTINGS
    if not file.is_file():
        return {}
    try:
        settings = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ModelLayoutError(f"{file} is not JSON: {error}") from error
    if not isinstance(settings, dict):
        raise ModelLayoutError(f"{file} is a JSON {type(settings).__name__}, not an object")
    return settings


def _special_names(family: Family, settings: Mapping[str, object]) -> dict[str, str]:
    """Return the family's special tokens; the settings may name others, as texts or as objects with a content."""
    names = dict(_NAMES[family])
    for key in names:
        value = settings.get(key)
        content = value.get("content") if isinstance(value, Mapping) else value
        if isinstance(content, str):
            names[key] = content
    return names
