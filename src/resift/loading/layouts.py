"""Tensor names: from those of a Hugging Face checkpoint to those of resift, one table per layout.

The names are those of transformers' `XLMRobertaForSequenceClassification`, `RobertaForSequenceClassification` and
`BertForSequenceClassification`.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass

from resift.types import Family, ModelSpec

_EMBEDDINGS = {
    "embeddings.word": "embeddings.word_embeddings.weight",
    "embeddings.position": "embeddings.position_embeddings.weight",
    "embeddings.type": "embeddings.token_type_embeddings.weight",
}
_MODULES = {"embeddings.norm": "embeddings.LayerNorm"}
_LAYER = {
    "attention.query": "attention.self.query",
    "attention.key": "attention.self.key",
    "attention.value": "attention.self.value",
    "attention.output": "attention.output.dense",
    "attention.norm": "attention.output.LayerNorm",
    "ffn.up": "intermediate.dense",
    "ffn.down": "output.dense",
    "ffn.norm": "output.LayerNorm",
}
_OLD_NAMES = {".LayerNorm.weight": ".LayerNorm.gamma", ".LayerNorm.bias": ".LayerNorm.beta"}
"""What checkpoints converted from TensorFlow call a norm's parameters."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How one layout names what all of them hold.

    Attributes:
        encoder: the prefix of the encoder's tensors.
        head: module of resift's head -> module of the checkpoint.
        ignored: prefixes of tensors that checkpoints carry along and a reranker does not use.
    """

    encoder: str
    head: Mapping[str, str]
    ignored: tuple[str, ...]


_ROBERTA = Layout(
    encoder="roberta.",
    head={"head.dense": "classifier.dense", "head.output": "classifier.out_proj"},
    ignored=("roberta.embeddings.position_ids", "roberta.embeddings.token_type_ids", "roberta.pooler.", "lm_head."),
)
_BERT = Layout(
    encoder="bert.",
    head={"head.dense": "bert.pooler.dense", "head.output": "classifier"},
    ignored=("bert.embeddings.position_ids", "bert.embeddings.token_type_ids", "cls."),
)
LAYOUTS: Mapping[Family, Layout] = {"xlm-roberta": _ROBERTA, "roberta": _ROBERTA, "bert": _BERT}


def tensor_names(spec: ModelSpec) -> dict[str, str]:
    """Return canonical name -> name in the checkpoint, for every tensor that a model of `spec` has."""
    layout = LAYOUTS[spec.family]
    modules = {name: layout.encoder + theirs for name, theirs in _MODULES.items()}
    for i in range(spec.layers):
        prefix = f"{layout.encoder}encoder.layer.{i}."
        modules |= {f"layers.{i}.{name}": prefix + theirs for name, theirs in _LAYER.items()}
    modules |= layout.head
    tables = {name: layout.encoder + theirs for name, theirs in _EMBEDDINGS.items()}
    return tables | {
        f"{name}.{part}": f"{theirs}.{part}" for name, theirs in modules.items() for part in ("weight", "bias")
    }


def tensor_shapes(spec: ModelSpec) -> dict[str, tuple[int, ...]]:
    """Return canonical name -> the shape that `spec` asks for, matrices as [outputs, inputs]."""
    hidden, ffn = spec.hidden, spec.ffn
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word": (spec.vocab, hidden),
        "embeddings.position": (spec.positions, hidden),
        "embeddings.type": (spec.types, hidden),
    }
    linears = {"head.dense": (hidden, hidden), "head.output": (1, hidden)}
    norms = ["embeddings.norm"]
    for i in range(spec.layers):
        parts = ("query", "key", "value", "output")
        linears |= {f"layers.{i}.attention.{part}": (hidden, hidden) for part in parts}
        linears |= {f"layers.{i}.ffn.up": (ffn, hidden), f"layers.{i}.ffn.down": (hidden, ffn)}
        norms += [f"layers.{i}.attention.norm", f"layers.{i}.ffn.norm"]
    for name, shape in linears.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    for name in norms:
        shapes |= {f"{name}.weight": (hidden,), f"{name}.bias": (hidden,)}
    return shapes


def stored_name(name: str, present: Container[str]) -> str:
    """Return the name under which `present` holds the checkpoint's tensor `name`: the old one if only that is there."""
    if name not in present:
        for new, old in _OLD_NAMES.items():
            if name.endswith(new) and name.removesuffix(new) + old in present:
                return name.removesuffix(new) + old
    return name


def is_ignored(family: Family, name: str) -> bool:
    """Tell whether the checkpoint's tensor `name` may be there without being used."""
    return name.startswith(LAYOUTS[family].ignored)
