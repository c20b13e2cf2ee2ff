"""The peers: each module has `load(folder, threads, ...)`, which returns a function from pairs to raw logits.

A module may also have `prepare(folder)`, which converts the model once, in a process of its own, before anything is
measured. To add a peer, write its module and a row below.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

Pairs: TypeAlias = list[tuple[str, str]]
Score: TypeAlias = Callable[[Pairs], np.ndarray]

MAX_LENGTH = 512


@dataclass(frozen=True)
class Peer:
    """One way of scoring.

    Attributes:
        module: its module in this package.
        imports: what must be importable.
        packages: whose versions are recorded.
        options: further arguments of `load`.
    """

    module: str
    imports: tuple[str, ...]
    packages: tuple[str, ...]
    options: Mapping[str, object] = field(default_factory=dict)


_TORCH = ("torch", "transformers")
_SENTENCE = ("sentence-transformers", *_TORCH)

PEERS: dict[str, Peer] = {
    "resift": Peer("resift_native", ("resift",), ("resift", "tokenizers", "numpy")),
    "transformers-eager": Peer("transformers_sorted", _TORCH, _TORCH, {"attention": "eager"}),
    "transformers-sdpa": Peer("transformers_sorted", _TORCH, _TORCH, {"attention": "sdpa"}),
    "flagembedding": Peer("flagembedding", ("FlagEmbedding",), ("FlagEmbedding", *_TORCH)),
    "flagembedding-16": Peer("flagembedding", ("FlagEmbedding",), ("FlagEmbedding", *_TORCH), {"batch_size": 16}),
    "sentence-transformers": Peer("sentence_torch", ("sentence_transformers",), _SENTENCE),
    "sentence-transformers-onnx": Peer(
        "sentence_onnx", ("sentence_transformers", "optimum.onnxruntime"), (*_SENTENCE, "optimum-onnx", "onnxruntime")
    ),
    "sentence-transformers-openvino": Peer(
        "sentence_openvino", ("sentence_transformers", "optimum.intel"), (*_SENTENCE, "optimum-intel", "openvino")
    ),
    "onnxruntime": Peer("onnxruntime_sorted", ("onnxruntime", "tokenizers"), ("onnxruntime", "onnx", "torch")),
    "openvino": Peer("openvino_sorted", ("openvino", "tokenizers"), ("openvino", "torch")),
}
"""Names, as the command line and the JSON have them. All run in fp32."""

ORACLES = ("transformers-sdpa", "transformers-eager")
"""Whose scores the others are compared with: the first that ran."""
