"""Configs of real models, and configs that lie."""

from pathlib import Path

import pytest

from resift.errors import ModelLayoutError, UnsupportedModel
from resift.loading.spec import read_config, read_spec, runnable_family
from resift.types import ModelSpec

BGE = {
    "architectures": ["XLMRobertaForSequenceClassification"],
    "model_type": "xlm-roberta",
    "bos_token_id": 0,
    "eos_token_id": 2,
    "pad_token_id": 1,
    "hidden_act": "gelu",
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "vocab_size": 250002,
    "max_position_embeddings": 8194,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
    "position_embedding_type": "absolute",
    "id2label": {"0": "LABEL_0"},
    "torch_dtype": "float32",
}
"""What counts of the config of BAAI/bge-reranker-v2-m3."""
MINILM = {
    "architectures": ["BertForSequenceClassification"],
    "model_type": "bert",
    "gradient_checkpointing": False,
    "hidden_act": "gelu",
    "hidden_size": 384,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
    "vocab_size": 30522,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
    "id2label": {"0": "LABEL_0"},
}
"""What counts of the config of cross-encoder/ms-marco-MiniLM-L-6-v2."""


def without(config: dict[str, object], *names: str) -> dict[str, object]:
    return {name: value for name, value in config.items() if name not in names}


def spec_of(config: dict[str, object], *, cls_id: int = 0, sep_id: int = 2) -> ModelSpec:
    return read_spec(config, cls_id=cls_id, sep_id=sep_id)


def test_bge_reranker() -> None:
    spec = spec_of(BGE)
    assert spec == ModelSpec(
        family="xlm-roberta",
        layers=24,
        hidden=1024,
        heads=16,
        ffn=4096,
        vocab=250002,
        positions=8194,
        position_offset=2,
        types=1,
        norm_eps=1e-5,
        activation="gelu",
        cls_id=0,
        sep_id=2,
        separators=2,
        document_type=0,
    )
    assert spec.max_length == 8192


def test_minilm() -> None:
    spec = spec_of(MINILM, cls_id=101, sep_id=102)
    assert (spec.family, spec.position_offset, spec.max_length) == ("bert", 0, 512)
    assert (spec.separators, spec.types, spec.document_type) == (1, 2, 1)
    assert (spec.cls_id, spec.sep_id) == (101, 102)


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"model_type": "bert"}, "family", "xlm-roberta"),  # architectures decides
        ({"architectures": None}, "family", "xlm-roberta"),  # model_type, where there is none
        ({"architectures": ["Own", "RobertaForSequenceClassification"]}, "family", "roberta"),
        ({"hidden_act": "gelu_new"}, "activation", "gelu_tanh"),
        ({"hidden_act": "gelu_pytorch_tanh"}, "activation", "gelu_tanh"),
        ({"hidden_act": "relu"}, "activation", "relu"),
        ({"pad_token_id": 3}, "position_offset", 4),
        ({"is_decoder": False, "quantization_config": None}, "layers", 24),
        ({"position_embedding_type": None}, "layers", 24),
        ({"num_labels": 1, "id2label": None}, "layers", 24),
        ({"layer_norm_eps": 0}, "norm_eps", 0.0),
        ({"bos_token_id": None, "eos_token_id": None}, "cls_id", 0),
        ({"added by someone": {"x": 1}}, "layers", 24),
    ],
)
def test_variants(changes: dict[str, object], field: str, value: object) -> None:
    assert getattr(spec_of(BGE | changes), field) == value


def test_bert_with_one_token_type() -> None:
    assert spec_of(MINILM | {"type_vocab_size": 1}).document_type == 0


@pytest.mark.parametrize("name", ["hidden_act", "layer_norm_eps", "pad_token_id", "bos_token_id", "id2label"])
def test_what_transformers_has_a_default_for_may_be_missing(name: str) -> None:
    assert spec_of(without(BGE, name)).hidden == 1024


SIZES = [
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "vocab_size",
    "max_position_embeddings",
    "type_vocab_size",
]


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("value", [None, "8", 8.0, True, [8], {}, 0, -8, 10**30])
def test_sizes_that_are_none(name: str, value: object) -> None:
    with pytest.raises(ModelLayoutError, match=rf"config\.json: {name} is"):
        spec_of(BGE | {name: value})


@pytest.mark.parametrize("name", SIZES)
def test_sizes_that_are_missing(name: str) -> None:
    with pytest.raises(ModelLayoutError, match=f"{name} is missing"):
        spec_of(without(BGE, name))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"architectures": "XLMRobertaForSequenceClassification"}, "not a list of names"),
        ({"architectures": [1]}, "not a list of names"),
        ({"num_attention_heads": 7}, "1024 is not a multiple of num_attention_heads 7"),
        ({"max_position_embeddings": 4}, "too short for a pair"),
        ({"max_position_embeddings": 1}, "too short for a pair"),
        ({"pad_token_id": -1}, "pad_token_id is -1, outside of 0..250001"),
        ({"pad_token_id": 250002}, "outside of"),
        ({"pad_token_id": "1"}, "not an integer"),
        ({"layer_norm_eps": "1e-5"}, "layer_norm_eps"),
        ({"layer_norm_eps": float("nan")}, "layer_norm_eps"),
        ({"layer_norm_eps": -1e-5}, "layer_norm_eps"),
        ({"layer_norm_eps": None}, "layer_norm_eps"),
        ({"bos_token_id": 7}, "bos_token_id is 7, but the tokenizer's token has the id 0"),
        ({"eos_token_id": "2"}, "eos_token_id is '2'"),
        ({"vocab_size": 2}, "outside of the vocabulary of 2"),
        ({"id2label": ["LABEL_0"]}, "id2label"),
    ],
)
def test_a_config_that_lies(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(ModelLayoutError, match=reason):
        spec_of(BGE | changes)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"architectures": ["XLMRobertaModel"]}, "architecture is XLMRobertaModel"),
        ({"architectures": []}, "architecture is empty"),
        ({"architectures": ["GemmaForCausalLM"]}, "resift runs XLMRobertaForSequenceClassification"),
        ({"architectures": None, "model_type": "t5"}, "type is 't5'"),
        ({"architectures": None, "model_type": ["bert"]}, "type is"),
        ({"hidden_act": "silu"}, "hidden_act is 'silu'"),
        ({"hidden_act": ["gelu"]}, "hidden_act"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type is 'relative_key'"),
        ({"is_decoder": True}, "is_decoder is True"),
        ({"add_cross_attention": True}, "add_cross_attention"),
        ({"quantization_config": {"bits": 4}}, "quantization_config"),
        ({"pruned_heads": {"0": [1]}}, "pruned_heads"),
        ({"id2label": {"0": "no", "1": "yes"}}, "has 2 labels"),
        ({"num_labels": 3}, "has 3 labels"),
        ({"num_labels": "1"}, "has '1' labels"),
    ],
)
def test_a_model_of_another_kind(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(UnsupportedModel, match=reason):
        spec_of(BGE | changes)


def test_the_family_is_known_before_the_rest_is_read(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"architectures": ["BertForSequenceClassification"]}')
    assert runnable_family(file) == "bert"
    file.write_text('{"architectures": ["BertForSequenceClassification"], "id2label": {"0": "a", "1": "b"}}')
    with pytest.raises(UnsupportedModel, match="2 labels"):
        runnable_family(file)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff\xff\xff", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "is a JSON list, not an object"),
        (b"null", "is a JSON NoneType, not an object"),
    ],
)
def test_a_config_that_is_none(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ModelLayoutError, match=reason):
        read_config(tmp_path / "config.json")


def test_no_config(tmp_path: Path) -> None:
    with pytest.raises(ModelLayoutError, match=r"has no config\.json"):
        read_config(tmp_path / "config.json")
