"""Generated checkpoints: the exact files of a Hugging Face reranker, with seeded random weights.

`make_checkpoint` writes a small one for tests. `python -m tests.checkpoints FOLDER --full` writes one of the size of
BAAI/bge-reranker-v2-m3 for measurements; tensors are written one by one, so memory stays small.

The weights come from the raw output of PCG64, whose stream numpy guarantees (its distributions it does not), through
exact float operations: the same seed gives the same bytes on every numpy and machine.
"""

import argparse
import json
import math
import shutil
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from tests.vocabularies import write_tokenizer

Family = Literal["xlm-roberta", "roberta", "bert"]
DType = Literal["f32", "f16", "bf16"]
_PIECE = 1 << 21
"""Values made at once."""
_BYTES = {"f32": 4, "f16": 2, "bf16": 2}


@dataclass(frozen=True)
class Shape:
    """The sizes of a generated model; the defaults are those of most tests."""

    family: Family = "xlm-roberta"
    layers: int = 2
    hidden: int = 32
    heads: int = 4
    ffn: int = 64
    vocab: int = 400
    positions: int = 130
    types: int = 1
    activation: str = "gelu"


FULL = Shape(layers=24, hidden=1024, heads=16, ffn=4096, vocab=250002, positions=8194)
"""BAAI/bge-reranker-v2-m3."""


def make_checkpoint(
    folder: Path,
    family: Family = "xlm-roberta",
    *,
    layers: int = 2,
    hidden: int = 32,
    heads: int = 4,
    ffn: int = 64,
    vocab: int = 400,
    positions: int = 130,
    types: int | None = None,
    activation: str = "gelu",
    dtype: DType = "f32",
    shards: int = 1,
    seed: int = 0,
) -> Path:
    """Write config.json, tokenizer.json and model.safetensors (or `shards` of them) to `folder` and return it."""
    types = types if types is not None else 2 if family == "bert" else 1
    shape = Shape(family, layers, hidden, heads, ffn, vocab, positions, types, activation)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", config(shape, dtype))
    write_tokenizer(folder / "tokenizer.json", family, vocab)
    write_weights(folder, shape, dtype=dtype, shards=shards, seed=seed)
    return folder


def config(shape: Shape, dtype: DType) -> dict[str, object]:
    """Return what transformers writes to config.json for such a model."""
    bert = shape.family == "bert"
    names = {"xlm-roberta": "XLMRoberta", "roberta": "Roberta", "bert": "Bert"}
    special = {"pad_token_id": 0} if bert else {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
    return {
        "architectures": [f"{names[shape.family]}ForSequenceClassification"],
        "attention_probs_dropout_prob": 0.1,
        **special,
        "classifier_dropout": None,
        "hidden_act": shape.activation,
        "hidden_dropout_prob": 0.1,
        "hidden_size": shape.hidden,
        "id2label": {"0": "LABEL_0"},
        "initializer_range": 0.02,
        "intermediate_size": shape.ffn,
        "label2id": {"LABEL_0": 0},
        "layer_norm_eps": 1e-12 if bert else 1e-5,
        "max_position_embeddings": shape.positions,
        "model_type": shape.family,
        "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers,
        "position_embedding_type": "absolute",
        "torch_dtype": {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}[dtype],
        "type_vocab_size": shape.types,
        "use_cache": True,
        "vocab_size": shape.vocab,
    }


def tensor_shapes(shape: Shape) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of transformers' state dict, written down apart from those in resift.loading."""
    hidden, ffn = shape.hidden, shape.ffn
    prefix = "bert." if shape.family == "bert" else "roberta."
    shapes: dict[str, tuple[int, ...]] = {
        f"{prefix}embeddings.word_embeddings.weight": (shape.vocab, hidden),
        f"{prefix}embeddings.position_embeddings.weight": (shape.positions, hidden),
        f"{prefix}embeddings.token_type_embeddings.weight": (shape.types, hidden),
        **_norm(f"{prefix}embeddings.LayerNorm", hidden),
    }
    for i in range(shape.layers):
        layer = f"{prefix}encoder.layer.{i}."
        for part in ("query", "key", "value"):
            shapes |= _linear(f"{layer}attention.self.{part}", hidden, hidden)
        shapes |= _linear(f"{layer}attention.output.dense", hidden, hidden)
        shapes |= _norm(f"{layer}attention.output.LayerNorm", hidden)
        shapes |= _linear(f"{layer}intermediate.dense", ffn, hidden)
        shapes |= _linear(f"{layer}output.dense", hidden, ffn)
        shapes |= _norm(f"{layer}output.LayerNorm", hidden)
    if shape.family == "bert":
        return shapes | _linear("bert.pooler.dense", hidden, hidden) | _linear("classifier", 1, hidden)
    return shapes | _linear("classifier.dense", hidden, hidden) | _linear("classifier.out_proj", 1, hidden)


def weights(name: str, shape: tuple[int, ...], *, seed: int) -> np.ndarray:
    """Return the float32 values of one tensor, of a scale that makes logits differ from pair to pair."""
    return np.concatenate(list(_values(name, shape, seed=seed))).reshape(shape)


def _values(name: str, shape: tuple[int, ...], *, seed: int) -> Iterator[np.ndarray]:
    """Yield the values of one tensor in flat pieces: uniform around 0, or around 1 for a norm's weight."""
    bits = np.random.PCG64([seed, zlib.crc32(name.encode())])
    centre, scale = _scale(name, shape)
    left = math.prod(shape)
    while left:
        count = min(left, _PIECE)
        words = bits.random_raw((count + 1) // 2).view(np.uint32)[:count]
        unit = (words >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)
        yield unit * np.float32(scale) + np.float32(centre)
        left -= count


def _scale(name: str, shape: tuple[int, ...]) -> tuple[float, float]:
    if "LayerNorm.weight" in name:
        return 1.0, 0.15
    if name.endswith(".bias") or "embeddings" in name:
        return 0.0, 0.05
    last = ".out_proj." in name or name == "classifier.weight"
    gain = 2.5 if ".query." in name or ".key." in name else 5.0 if last else 1.7
    return 0.0, gain / math.sqrt(shape[-1])


def write_weights(folder: Path, shape: Shape, *, dtype: DType = "f32", shards: int = 1, seed: int = 0) -> None:
    """Write the weights as transformers does: model.safetensors, or shards with their index."""
    shapes = tensor_shapes(shape)
    if shards == 1:
        _write_safetensors(folder / "model.safetensors", shapes, dtype=dtype, seed=seed)
        return
    names = list(shapes)
    weight_map: dict[str, str] = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05d}-of-{shards:05d}.safetensors"
        part = names[shard * len(names) // shards : (shard + 1) * len(names) // shards]
        _write_safetensors(folder / file, {name: shapes[name] for name in part}, dtype=dtype, seed=seed)
        weight_map |= dict.fromkeys(part, file)
    total = sum(math.prod(size) for size in shapes.values()) * _BYTES[dtype]
    write_json(folder / "model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": weight_map})


def to_bytes(values: np.ndarray, dtype: DType) -> bytes:
    """Round float32 values to `dtype` (to nearest, ties to even) and return their bytes."""
    if dtype == "bf16":
        bits = values.view(np.uint32)
        return (
            ((bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16))
            .astype("<u2")
            .tobytes()
        )
    return values.astype({"f32": "<f4", "f16": "<f2"}[dtype]).tobytes()


def write_json(file: Path, content: object) -> None:
    """Write `content` as transformers would."""
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_safetensors(file: Path, shapes: dict[str, tuple[int, ...]], *, dtype: DType, seed: int) -> None:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, size in shapes.items():
        end = at + math.prod(size) * _BYTES[dtype]
        header[name] = {"dtype": dtype.upper(), "shape": list(size), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with file.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for name, size in shapes.items():
            for values in _values(name, size, seed=seed):
                stream.write(to_bytes(values, dtype))


def _linear(name: str, outputs: int, inputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _norm(name: str, size: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (size,), f"{name}.bias": (size,)}


def write_full(folder: Path, tokenizer: Path, *, dtype: DType = "f16", seed: int = 0) -> Path:
    """Write a checkpoint of the size of BAAI/bge-reranker-v2-m3, with a copy of the real `tokenizer` file."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", config(FULL, dtype))
    shutil.copyfile(tokenizer, folder / "tokenizer.json")
    write_weights(folder, FULL, dtype=dtype, seed=seed)
    return folder


def main() -> None:
    """Write a checkpoint from the command line."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--full", action="store_true", help="the size of BAAI/bge-reranker-v2-m3")
    parser.add_argument("--tokenizer", type=Path, help="the tokenizer.json to copy (with --full)")
    parser.add_argument("--family", choices=["xlm-roberta", "roberta", "bert"], default="xlm-roberta")
    parser.add_argument("--dtype", choices=["f32", "f16", "bf16"], default="f16")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if not options.full:
        print(make_checkpoint(options.folder, options.family, dtype=options.dtype, seed=options.seed))
    elif options.tokenizer is None:
        parser.error("--full needs --tokenizer: the tokenizer.json of xlm-roberta-base")
    else:
        print(write_full(options.folder, options.tokenizer, dtype=options.dtype, seed=options.seed))


if __name__ == "__main__":
    main()
