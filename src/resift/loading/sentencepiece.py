"""Read sentencepiece.bpe.model as XLM-RoBERTa uses it, without the packages sentencepiece and protobuf.

The file is a protocol buffer, `ModelProto` of sentencepiece_model.proto (google/sentencepiece); of its fields these
are read: 1 pieces {1 text, 2 score, 3 type}, 2 trainer_spec {3 model_type}, 3 normalizer_spec {2 precompiled_charsmap}.
The wire format is that of the protocol buffers' encoding guide. XLM-RoBERTa comes from fairseq, whose ids differ
from the file's: `<s> <pad> </s> <unk>` come first, in place of the file's `<unk> <s> </s>`, and `<mask>` comes last.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

from resift.errors import ModelLayoutError, UnsupportedModel

_FILE_SPECIALS = ["<unk>", "<s>", "</s>"]
_FAIRSEQ_SPECIALS = ["<s>", "<pad>", "</s>", "<unk>"]
_UNIGRAM = 1
_NORMAL = 1


@dataclass(frozen=True, slots=True)
class SentencePieceModel:
    """What a conversion needs of the file.

    Attributes:
        pieces: texts with their log-probabilities, in the file's order.
        charsmap: the normaliser's compiled table, which `tokenizers` reads as it is.
    """

    pieces: list[tuple[str, float]]
    charsmap: bytes


def read_sentencepiece(file: Path) -> SentencePieceModel:
    """Parse `file`.

    Raises ModelLayoutError when it is not such a file, UnsupportedModel when it is one of another kind.
    """
    pieces: list[tuple[str, float]] = []
    charsmap = b""
    model_type = _UNIGRAM
    try:
        for number, value in _fields(memoryview(file.read_bytes())):
            if number == 1:
                piece = _piece(_message(value), first=len(pieces) < len(_FILE_SPECIALS))
                pieces.append(piece)
            elif number == 2:
                model_type = next(
                    (int(v) for n, v in _fields(_message(value)) if n == 3 and isinstance(v, int)), _UNIGRAM
                )
            elif number == 3:
                charsmap = next((bytes(_message(v)) for n, v in _fields(_message(value)) if n == 2), b"")
    except (OSError, ValueError, IndexError, struct.error) as error:
        raise ModelLayoutError(f"{file} is not a sentencepiece model: {error}", hint="download it again") from error
    if model_type != _UNIGRAM:
        raise UnsupportedModel(f"{file} is not a unigram model", hint="a tokenizer.json in the folder is used instead")
    if [text for text, _ in pieces[:3]] != _FILE_SPECIALS:
        raise ModelLayoutError(f"{file} does not begin with the pieces {' '.join(_FILE_SPECIALS)}")
    return SentencePieceModel(pieces, charsmap)


def xlm_roberta_tokenizer(model: SentencePieceModel) -> Tokenizer:
    """Return the tokenizer that XLM-RoBERTa makes of `model`, with fairseq's ids."""
    vocab = [(text, 0.0) for text in _FAIRSEQ_SPECIALS] + model.pieces[len(_FILE_SPECIALS) :] + [("<mask>", 0.0)]
    tokenizer = Tokenizer(models.Unigram(vocab, unk_id=_FAIRSEQ_SPECIALS.index("<unk>"), byte_fallback=False))
    if model.charsmap:
        tokenizer.normalizer = normalizers.Precompiled(model.charsmap)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")]
    )
    tokenizer.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in _FAIRSEQ_SPECIALS])
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False, special=True)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer


def _piece(message: memoryview, *, first: bool) -> tuple[str, float]:
    text, score, kind = "", 0.0, _NORMAL
    for number, value in _fields(message):
        if number == 1:
            text = str(_message(value), "utf-8")
        elif number == 2:
            (score,) = struct.unpack("<f", _message(value))
        elif number == 3 and isinstance(value, int):
            kind = value
    if kind != _NORMAL and not first:
        raise ValueError(f"the piece {text!r} is of kind {kind}, which XLM-RoBERTa does not have")
    return text, score


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number stands where a message is expected")  # noqa: TRY004 - the file is wrong, not a type
    return value


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield (field number, value): a number for varints, the bytes for everything else."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire == 2:
            length, at = _varint(message, at)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise ValueError(f"unknown wire type {wire} at byte {at}")
        if at + length > len(message):
            raise ValueError(f"field {number} ends after the file")
        yield number, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Return the number that starts at `at` (seven bits a byte, lowest first) and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError(f"a number at byte {at} is longer than 64 bits")
