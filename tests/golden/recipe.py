"""What the oracles of the drop-in classes and our tests have in common: generated models and pairs of texts."""

import hashlib
import json
from pathlib import Path

from tests.checkpoints import Family, make_checkpoint, write_json

TOKENIZER_CLASSES = {"xlm-roberta": "XLMRobertaTokenizer", "bert": "BertTokenizer"}
_FAIRSEQ = {"bos": "<s>", "eos": "</s>", "cls": "<s>", "sep": "</s>", "pad": "<pad>", "unk": "<unk>", "mask": "<mask>"}
_BERT = {"cls": "[CLS]", "sep": "[SEP]", "pad": "[PAD]", "unk": "[UNK]", "mask": "[MASK]"}
MAX_LENGTH = 512

_LONG_QUERY = "how to improve the ranking of long documents in a search for deep learning models " * 30
_LONG = "The river runs from the mountains to the sea, and the city lies where it meets the plain. " * 60
_LONG_ZH = "如何提高深度学习模型的泛化能力，比较不同的框架。" * 80
PAIRS: list[tuple[str, str]] = [
    ("how to train a deep learning model", "Dropout and weight decay improve how a network generalises."),
    ("如何提高深度学习模型的泛化能力", "Dropout 和 BatchNorm 是常用的正则化方法。"),
    ("如何提高深度学习模型的泛化能力", "深度学习框架的比较：速度、文档和社区。"),
    ("weather in the city", "طقس المدينة اليوم مشمس مع رياح خفيفة."),
    ("погода в городе", "Сегодня в городе дождь."),
    ("川はどこにありますか", "その川は町の北にあります。"),
    ("¿dónde está el río?", "El río pasa al sur de la ciudad."),
    ("wo ist der Fluss", "Der Fluss fließt durch die Stadt."),
    ("rank", "score"),
    ("", "a document without a query"),
    ("a query without a document", ""),
    ("", ""),
    ("   ", "\t\n "),
    ("  spaces   around ", "  two  spaces\n\nand\tlines  "),
    ("emoji 🙂 and ﬁ ligature ①", "ｆｕｌｌ ｗｉｄｔｈ, café, naïve, Ǆ"),
    ("<s> special </s> tokens", "in the <mask> text <unk> </s></s>"),
    (_LONG_QUERY, "a short answer"),
    ("short", _LONG),
    ("如何提高", _LONG_ZH),
    (_LONG_QUERY, _LONG),
    ("without spaces", "abcdefghij" * 300),
    ("price 19.99 €", "Title: Kettle\nDescription: boils water\nPrice: 19.99"),
]


def write_model(folder: Path, family: Family, **extra: object) -> Path:
    """Write the generated model that an oracle's values belong to; `extra` goes into config.json."""
    make_checkpoint(
        folder, family, layers=3, hidden=64, heads=4, ffn=128, positions=MAX_LENGTH + (0 if family == "bert" else 2)
    )
    names = _BERT if family == "bert" else _FAIRSEQ
    settings = {f"{name}_token": token for name, token in names.items()}
    settings |= {"tokenizer_class": TOKENIZER_CLASSES[family], "model_max_length": MAX_LENGTH}
    write_json(folder / "tokenizer_config.json", settings)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    write_json(folder / "config.json", config | extra)
    return folder


def fingerprint(folder: Path) -> str:
    """Return what identifies the model's weights and tokenizer."""
    digest = hashlib.sha256()
    for name in ("model.safetensors", "tokenizer.json"):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


def pair_texts(pairs: list[tuple[str, str]] | None = None) -> list[list[str]]:
    """Return pairs as JSON holds them."""
    return [list(pair) for pair in (PAIRS if pairs is None else pairs)]
