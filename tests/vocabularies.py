"""Small tokenizers of the right kind for generated checkpoints: fixed, not trained, so that ids never change.

Each knows a few words of several languages, all ASCII characters and some of other scripts, and is filled up with
tokens that no text contains.
"""

from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

_TEXT = (
    "the how to deep learning model models query document score rank search weather city river network train dropout "
    "frame work compare improve answer question text language price title description wo der und la el de que"
)
WORDS = _TEXT.split()
SUFFIXES = ("s", "ing", "ed", "er", "ion", "ation", "al", "ly", "en", "os")
ASCII = [chr(code) for code in range(33, 127)]
LETTERS = list("如何提高深度学习模型的泛化能力比较框架天气城市河流なにのはか気кампогдузвёнеالمدينةطقس")
SPECIALS = ["<s>", "<pad>", "</s>", "<unk>"]


def write_tokenizer(file: Path, family: str, vocab: int) -> None:
    """Write the tokenizer.json of a `family` with exactly `vocab` token ids."""
    make = {"xlm-roberta": unigram, "roberta": byte_level, "bert": wordpiece}[family]
    make(vocab).save(str(file))


def unigram(vocab: int) -> Tokenizer:
    """Return a tokenizer like XLM-RoBERTa's."""
    words = ["▁" + word for word in WORDS]
    pieces = ["▁", *ASCII, *dict.fromkeys(LETTERS), *words, *SUFFIXES[1:]]
    scores = {piece: -(4.0 if piece in words else 8.0) - i / 64 for i, piece in enumerate(pieces)}
    names = [*SPECIALS, *_filled(pieces, vocab - len(SPECIALS) - 1), "<mask>"]
    tokenizer = Tokenizer(models.Unigram([(name, scores.get(name, 0.0)) for name in names], unk_id=3))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")]
    )
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    return _fairseq(tokenizer)


def byte_level(vocab: int) -> Tokenizer:
    """Return a tokenizer like RoBERTa's."""
    names = [*SPECIALS, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    merges: list[tuple[str, str]] = []
    for word in WORDS:
        left = "Ġ"
        for letter in word:
            if left + letter not in names and len(names) < vocab - 1:
                names.append(left + letter)
                merges.append((left, letter))
            left += letter
    names = [*_filled(names, vocab - 1), "<mask>"]
    tokenizer = Tokenizer(models.BPE({name: i for i, name in enumerate(names)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer = _fairseq(tokenizer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return tokenizer


def wordpiece(vocab: int) -> Tokenizer:
    """Return a tokenizer like BERT's."""
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [letter for letter in dict.fromkeys([*ASCII, *LETTERS]) if letter == letter.lower()]
    inner = ["##" + letter for letter in letters if letter.isalpha()]
    pieces = dict.fromkeys([*letters, *inner, *WORDS, *("##" + suffix for suffix in SUFFIXES)])
    names = [*specials, *_filled(list(pieces), vocab - len(specials))]
    tokenizer = Tokenizer(models.WordPiece({name: i for i, name in enumerate(names)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(specials)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def _fairseq(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in SPECIALS])
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False, special=True)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer


def _filled(pieces: list[str], size: int) -> list[str]:
    """Cut or extend `pieces` to `size`."""
    return [*pieces, *(f"<unused{i}>" for i in range(max(size - len(pieces), 0)))][:size]
