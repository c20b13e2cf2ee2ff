"""The peers, and what their modules have in common.

Each module has `load(job, ...)`, which returns a `Loaded`. It may have `prepare(job, ...)`, which converts the model
once, in a process of its own, before anything is measured, and `peak(job, loaded, seconds, ...)`. To add a peer, write
its module and a row below.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from resift.bench import isa

Pairs: TypeAlias = list[tuple[str, str]]
Score: TypeAlias = Callable[[Pairs], np.ndarray]
Precision: TypeAlias = Literal["fp32", "bf16", "int8"]


@dataclass(frozen=True)
class Job:
    """What a peer is asked to run.

    Attributes:
        folder: of the model; for peers that convert it, one of links to its files where they may write.
        threads: cores.
        max_length: tokens of the longest sequence.
    """

    folder: Path
    threads: int
    max_length: int


@dataclass(frozen=True)
class Loaded:
    """A model that is ready.

    Attributes:
        score: from pairs to raw logits.
        kernel: says, once pairs were scored, which code path the library chose; None where it does not tell.
    """

    score: Score
    kernel: Callable[[], str | None] = lambda: None


@dataclass(frozen=True)
class Peer:
    """One way of scoring.

    Attributes:
        module: its module in this package.
        imports: what must be importable.
        packages: whose versions are recorded.
        precision: of its matrix products.
        options: further arguments of `load`.
        knobs: the environment variables that hold it to an instruction set; none: it cannot be held.
        convert: whether it needs a folder to write to.
    """

    module: str
    imports: tuple[str, ...]
    packages: tuple[str, ...]
    precision: Precision = "fp32"
    options: Mapping[str, Any] = field(default_factory=dict)
    knobs: tuple[str, ...] = ()
    convert: bool = False


OURS = "resift"
"""What the names of our own rows begin with."""
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16", "int8")

_TORCH = ("torch", "transformers")
_FLAG = ("FlagEmbedding", *_TORCH)
_SENTENCE = ("sentence-transformers", *_TORCH)
_OPENVINO = ("openvino", "tokenizers")


def _ours(precision: Precision) -> Peer:
    packages = ("resift", "tokenizers", "numpy")
    return Peer("resift_native", ("resift",), packages, precision, {"precision": precision}, (isa.RESIFT,))


def _transformers(precision: Precision, **options: object) -> Peer:
    return Peer("transformers_sorted", _TORCH, _TORCH, precision, {"precision": precision, **options}, isa.TORCH)


def _openvino_knobs(precision: Precision) -> tuple[str, ...]:
    """OpenVINO's own runtime model names `gemm_mlas` for fp32 products: that code looks at the processor alone."""
    return () if precision == "fp32" else isa.OPENVINO


def _openvino(precision: Precision, hint: str) -> Peer:
    imports = (*_OPENVINO, "nncf") if precision == "int8" else _OPENVINO
    options = {"precision": precision, "hint": hint}
    packages = ("openvino", "nncf", "torch") if precision == "int8" else ("openvino", "torch")
    return Peer("openvino_sorted", imports, packages, precision, options, _openvino_knobs(precision), convert=True)


def _onnxruntime(precision: Precision, *, fused: bool) -> Peer:
    options = {"precision": precision, "fused": fused}
    packages = ("onnxruntime", "onnx", "torch")
    return Peer("onnxruntime_sorted", ("onnxruntime", "tokenizers"), packages, precision, options, convert=True)


def _sentence_onnx(precision: Precision) -> Peer:
    imports = ("sentence_transformers", "optimum.onnxruntime")
    packages = (*_SENTENCE, "optimum-onnx", "onnxruntime")
    return Peer("sentence_onnx", imports, packages, precision, {"precision": precision}, convert=True)


def _sentence_openvino(precision: Precision) -> Peer:
    imports = ("sentence_transformers", "optimum.intel", *(("nncf",) if precision == "int8" else ()))
    packages = (*_SENTENCE, "optimum-intel", "openvino")
    options = {"precision": precision}
    return Peer("sentence_openvino", imports, packages, precision, options, _openvino_knobs(precision), convert=True)


PEERS: dict[str, Peer] = {
    **{f"{OURS}-{precision}": _ours(precision) for precision in PRECISIONS},
    "transformers-eager": _transformers("fp32", attention="eager"),
    "transformers-sdpa": _transformers("fp32", attention="sdpa"),
    "transformers-bf16": _transformers("bf16", attention="sdpa"),
    "torch-dynamic-int8": _transformers("int8", attention="sdpa"),
    "flagembedding": Peer("flagembedding", ("FlagEmbedding",), _FLAG, knobs=isa.TORCH),
    "flagembedding-16": Peer("flagembedding", ("FlagEmbedding",), _FLAG, options={"batch_size": 16}, knobs=isa.TORCH),
    "sentence-transformers": Peer("sentence_torch", ("sentence_transformers",), _SENTENCE, knobs=isa.TORCH),
    "sentence-transformers-onnx": _sentence_onnx("fp32"),
    "sentence-transformers-onnx-int8": _sentence_onnx("int8"),
    "sentence-transformers-openvino": _sentence_openvino("fp32"),
    "sentence-transformers-openvino-int8": _sentence_openvino("int8"),
    "fastembed": Peer("fastembed_onnx", ("fastembed",), ("fastembed", "onnxruntime"), convert=True),
    "onnxruntime": _onnxruntime("fp32", fused=False),
    "onnxruntime-fused": _onnxruntime("fp32", fused=True),
    "onnxruntime-int8": _onnxruntime("int8", fused=True),
    "openvino": _openvino("fp32", "LATENCY"),
    "openvino-streams": _openvino("fp32", "THROUGHPUT"),
    "openvino-bf16": _openvino("bf16", "LATENCY"),
    "openvino-bf16-streams": _openvino("bf16", "THROUGHPUT"),
    "openvino-int8": _openvino("int8", "LATENCY"),
    "openvino-int8-streams": _openvino("int8", "THROUGHPUT"),
}
"""Names, as the command line and the JSON have them."""

ORACLES = ("transformers-sdpa", "transformers-eager", f"{OURS}-fp32")
"""Whose scores the others are compared with: the first that ran."""
