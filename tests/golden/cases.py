"""The checkpoints and texts behind logits.json."""

CHECKPOINTS: dict[str, dict[str, object]] = {
    "xlm-roberta": {"family": "xlm-roberta", "seed": 1},
    "roberta": {"family": "roberta", "seed": 2},
    "bert": {"family": "bert", "seed": 3},
    "xlm-roberta-f16-shards": {"family": "xlm-roberta", "dtype": "f16", "shards": 3, "seed": 4},
    "bert-bf16-gelu-new": {"family": "bert", "dtype": "bf16", "activation": "gelu_new", "seed": 5},
    "roberta-relu-deep": {"family": "roberta", "activation": "relu", "layers": 4, "hidden": 48, "heads": 3, "seed": 6},
}
PAIRS = [
    ("how to improve a deep learning model", "Dropout: train the network with some of it left out."),
    ("how to improve a deep learning model", "A deep learning framework compared to another framework."),
    ("如何提高深度学习模型的泛化能力", "比较深度学习框架"),
    ("как улучшить модель", "погода в городе"),
    ("天気は？", "なにか😀"),
    ("a", ""),
    ("", ""),
    ("what  is\tthis\n", "rank " * 20),
]
