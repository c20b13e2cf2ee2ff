"""Stage 11: the model's folder: config, weights, match tables, token vectors (the embedder's too), tokenizer.

Without `--network` the residual is that of a fresh network, 0: a valid model that scores with the prior alone.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from network import Network, bert_config
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file
from tokenizers import Tokenizer
from train_prior import tables

from resift.text.matching import VERSION


def main() -> None:
    """Write the folder and check that it loads and scores as before."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--idf", type=Path, required=True)
    parser.add_argument("--vectors", type=Path, required=True)
    parser.add_argument("--prior", type=Path, required=True)
    parser.add_argument("--network", type=Path, help="checkpoint of train_network.py")
    parser.add_argument("--layers", type=int, default=4, help="of a fresh network")
    parser.add_argument("--scale", type=float, default=1.0, help="of all logits; changes no order")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer.from_file(str(arguments.tokenizer))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.save(str(arguments.out / "tokenizer.json"), pretty=False)

    prior = {f"prior.{k}": v.astype(np.float32) for k, v in np.load(arguments.prior).items()}
    for name in ("prior.skip", "prior.w2"):
        prior[name] = prior[name] * np.float32(arguments.scale)
    if arguments.network:
        checkpoint = torch.load(arguments.network, map_location="cpu", weights_only=True)
        config, state = bert_config(**checkpoint["sizes"]), checkpoint["model"]
        for name in ("prior.skip", "prior.w2"):
            prior[name] = prior[name] * np.float32(checkpoint["prior_scale"])
    else:
        config = bert_config(vocabulary=tokenizer.get_vocab_size(), layers=arguments.layers)
        state = Network(config).state_dict()
    arrays = tables(arguments.idf, arguments.vectors) | prior
    shared = {name: arrays.pop(name) for name in ("vectors", "scales")}
    save_arrays(shared, arguments.out / "embedder.safetensors")
    save_arrays(arrays, arguments.out / "matching.safetensors")
    for name in ("classifier.weight", "classifier.bias"):
        state[name] = state[name] * arguments.scale
    state = {k: v.to(torch.float16).contiguous() for k, v in state.items() if "position_ids" not in k}
    save_file(state, arguments.out / "model.safetensors", metadata={"format": "pt"})
    written = config.to_dict() | {
        "architectures": ["BertForSequenceClassification"],
        "resift": {"matching": {"version": VERSION, "file": "matching.safetensors", "vectors": "embedder.safetensors"}},
    }
    for key in ("transformers_version", "_name_or_path", "dtype", "torch_dtype"):
        written.pop(key, None)
    (arguments.out / "config.json").write_text(json.dumps(written, indent=2, sort_keys=True) + "\n")
    for path in sorted(arguments.out.iterdir()):
        print(f"{path.stat().st_size:>10} {path.name}")


if __name__ == "__main__":
    main()
