"""From config.json to ModelSpec. What a model is, its config says: never its name or its folder's."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from resift.errors import ModelLayoutError, UnsupportedModel
from resift.types import Activation, Family, ModelSpec

_ARCHITECTURES: Mapping[str, Family] = {
    "XLMRobertaForSequenceClassification": "xlm-roberta",
    "RobertaForSequenceClassification": "roberta",
    "BertForSequenceClassification": "bert",
}
_MODEL_TYPES: Mapping[str, Family] = {"xlm-roberta": "xlm-roberta", "roberta": "roberta", "bert": "bert"}
_ACTIVATIONS: Mapping[str, Activation] = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "relu": "relu",
}


@dataclass(frozen=True, slots=True)
class FamilyRules:
    """What a family does that its config does not spell out.

    Attributes:
        positions_follow_padding: position ids begin at pad_token_id + 1 (fairseq) instead of 0.
        separators: separators between query and document.
        pair_types: the document has token type 1, where the model has more than one.
        cls_key, sep_key: the config's names of the first and the separating token, where it has any.
    """

    positions_follow_padding: bool
    separators: int
    pair_types: bool
    cls_key: str | None
    sep_key: str | None


_FAIRSEQ = FamilyRules(
    positions_follow_padding=True, separators=2, pair_types=False, cls_key="bos_token_id", sep_key="eos_token_id"
)
RULES: Mapping[Family, FamilyRules] = {
    "xlm-roberta": _FAIRSEQ,
    "roberta": _FAIRSEQ,
    "bert": FamilyRules(positions_follow_padding=False, separators=1, pair_types=True, cls_key=None, sep_key=None),
}

_SIZES = {
    "num_hidden_layers": (1, 1024),
    "hidden_size": (1, 1 << 16),
    "num_attention_heads": (1, 1 << 12),
    "intermediate_size": (1, 1 << 20),
    "vocab_size": (1, 1 << 24),
    "max_position_embeddings": (1, 1 << 24),
    "type_vocab_size": (1, 1 << 10),
}
"""The integers that every config has, and what they may be: far more than any model, far less than any harm."""

_MUST_BE = {
    "is_decoder": False,
    "add_cross_attention": False,
    "position_embedding_type": "absolute",
    "quantization_config": None,
}
"""Settings of which resift runs one value, which is also the value when they are absent."""


def read_config(file: Path) -> dict[str, object]:
    """Parse config.json. Raises ModelLayoutError when it is missing or not a JSON object."""
    if not file.is_file():
        raise ModelLayoutError(
            f"{file.parent} has no {file.name}",
            hint="a model folder holds config.json, model.safetensors and tokenizer.json",
        )
    try:
        config = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ModelLayoutError(f"{file} is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise ModelLayoutError(f"{file} is a JSON {type(config).__name__}, not an object")
    return config


def family_of(config: Mapping[str, object]) -> Family:
    """Return the family that a config describes.

    `architectures` decides; `model_type` where there is none. Raises UnsupportedModel for any other model.
    """
    architectures = config.get("architectures")
    model_type = config.get("model_type")
    if architectures is None:
        if isinstance(model_type, str) and model_type in _MODEL_TYPES:
            return _MODEL_TYPES[model_type]
        raise UnsupportedModel(f"the model's type is {model_type!r}", hint=f"resift runs {', '.join(_MODEL_TYPES)}")
    if not isinstance(architectures, list) or not all(isinstance(name, str) for name in architectures):
        raise ModelLayoutError(f"config.json: architectures is {architectures!r}, not a list of names")
    for name in architectures:
        if name in _ARCHITECTURES:
            return _ARCHITECTURES[name]
    raise UnsupportedModel(
        f"the model's architecture is {', '.join(architectures) or 'empty'}",
        hint=f"resift runs {', '.join(_ARCHITECTURES)}",
    )


def runnable_family(file: Path) -> Family:
    """Return the family of the config.json at `file`, after a look at the settings that decide if resift runs it.

    For a choice before the weights are there; `read_spec` checks everything. Raises like `read_spec`.
    """
    config = read_config(file)
    family = family_of(config)
    _check_settings(config)
    return family


def read_spec(config: Mapping[str, object], *, cls_id: int, sep_id: int) -> ModelSpec:
    """Return the spec that a config describes.

    `cls_id` and `sep_id` are the tokenizer's; where the config names them too, both must agree.
    Raises ModelLayoutError for values that are missing, of the wrong type or contradict each other, and
    UnsupportedModel for a model that resift does not run.
    """
    family = family_of(config)
    rules = RULES[family]
    _check_settings(config)
    sizes = {name: _integer(config, name, low=low, high=high) for name, (low, high) in _SIZES.items()}
    hidden, heads = sizes["hidden_size"], sizes["num_attention_heads"]
    if hidden % heads:
        raise ModelLayoutError(f"config.json: hidden_size {hidden} is not a multiple of num_attention_heads {heads}")
    spec = ModelSpec(
        family=family,
        layers=sizes["num_hidden_layers"],
        hidden=hidden,
        heads=heads,
        ffn=sizes["intermediate_size"],
        vocab=sizes["vocab_size"],
        positions=sizes["max_position_embeddings"],
        position_offset=_position_offset(config, rules, sizes["vocab_size"]),
        types=sizes["type_vocab_size"],
        norm_eps=_norm_eps(config),
        activation=_activation(config),
        cls_id=cls_id,
        sep_id=sep_id,
        separators=rules.separators,
        document_type=1 if rules.pair_types and sizes["type_vocab_size"] > 1 else 0,
    )
    _check_special_ids(config, rules, spec)
    if spec.max_length < spec.special_tokens + 2:
        raise ModelLayoutError(
            f"config.json: max_position_embeddings {spec.positions} leaves {spec.max_length} tokens, which is "
            f"too short for a pair"
        )
    return spec


def _check_settings(config: Mapping[str, object]) -> None:
    """Refuse what would be computed wrongly: decoders, relative positions, several labels, quantised weights."""
    for name, value in _MUST_BE.items():
        if config.get(name, value) != value and config[name] is not None:
            raise UnsupportedModel(f"config.json: {name} is {config[name]!r}; resift runs models with {value!r} only")
    if config.get("pruned_heads"):
        raise UnsupportedModel("config.json: pruned_heads is not empty; resift runs unpruned models only")
    labels = _labels(config)
    if labels is not None and labels != 1:
        raise UnsupportedModel(
            f"config.json: the model has {labels!r} labels; a reranker has 1",
            hint="a classifier or an NLI model gives no relevance score",
        )


def _labels(config: Mapping[str, object]) -> object:
    """Return the number of labels; None where the config leaves it to the tensors' shapes."""
    if config.get("num_labels") is not None:
        return config["num_labels"]
    id2label = config.get("id2label")
    if id2label is None:
        return None
    if not isinstance(id2label, Mapping):
        raise ModelLayoutError(f"config.json: id2label is {id2label!r}, not an object")
    return len(id2label)


def _integer(config: Mapping[str, object], name: str, *, low: int, high: int, default: int | None = None) -> int:
    value = config.get(name, default)
    if type(value) is not int:
        what = "is missing" if name not in config else f"is {value!r}, not an integer"
        raise ModelLayoutError(f"config.json: {name} {what}")
    if not low <= value <= high:
        raise ModelLayoutError(f"config.json: {name} is {value}, outside of {low}..{high}")
    return value


def _norm_eps(config: Mapping[str, object]) -> float:
    value = config.get("layer_norm_eps", 1e-12)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise ModelLayoutError(f"config.json: layer_norm_eps is {value!r}, not a number from 0 to 1")
    return float(value)


def _activation(config: Mapping[str, object]) -> Activation:
    name = config.get("hidden_act", "gelu")
    if not isinstance(name, str) or name not in _ACTIVATIONS:
        raise UnsupportedModel(f"config.json: hidden_act is {name!r}; resift runs {', '.join(_ACTIVATIONS)}")
    return _ACTIVATIONS[name]


def _position_offset(config: Mapping[str, object], rules: FamilyRules, vocab: int) -> int:
    if not rules.positions_follow_padding:
        return 0
    return _integer(config, "pad_token_id", low=0, high=vocab - 1, default=1) + 1


def _check_special_ids(config: Mapping[str, object], rules: FamilyRules, spec: ModelSpec) -> None:
    for key, mine in ((rules.cls_key, spec.cls_id), (rules.sep_key, spec.sep_id)):
        theirs = None if key is None else config.get(key)
        if theirs is not None and theirs != mine:
            raise ModelLayoutError(f"config.json: {key} is {theirs!r}, but the tokenizer's token has the id {mine}")
        if mine >= spec.vocab:
            raise ModelLayoutError(f"the tokenizer's token id {mine} is outside of the vocabulary of {spec.vocab}")
