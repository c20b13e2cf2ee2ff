"""Compare the native engine in float32 with transformers in float32: the same random weights, the same pairs, one run.

    python benchmarks/native_fp32.py [--threads N] [--rounds N] [--out benchmarks/results/native_fp32.json]

Transformers gets the whole batch padded, as a user calls it. The two take turns within each round. Wall time depends on
what else the machine does, so CPU time stands beside it, and the record says how much of the machine others took.
"""

import argparse
import json
import os
import platform
import statistics
import time
from pathlib import Path

import numpy as np
import torch
import transformers

from resift import _native
from resift.engine.backends.native import NativeBackend
from resift.types import ModelSpec, PackedBatch

VOCAB = 2000
RAGGED = np.random.default_rng(0).integers(20, 181, 100).tolist()
CASES = {
    "large, 4 layers, 16 x 128 tokens": ({"layers": 4, "hidden": 1024, "heads": 16, "ffn": 4096}, [128] * 16),
    "large, 4 layers, 1 x 128 tokens": ({"layers": 4, "hidden": 1024, "heads": 16, "ffn": 4096}, [128]),
    "4 x 256, 100 x 100 tokens": ({"layers": 4, "hidden": 256, "heads": 4, "ffn": 1024}, [100] * 100),
    "4 x 256, 100 x 20..180 tokens": ({"layers": 4, "hidden": 256, "heads": 4, "ffn": 1024}, RAGGED),
    "6 x 384, 100 x 100 tokens": ({"layers": 6, "hidden": 384, "heads": 12, "ffn": 1536}, [100] * 100),
}


def build(shape):
    """Return a random XLM-RoBERTa, and the same weights under the engine's names."""
    torch.manual_seed(0)
    config = transformers.XLMRobertaConfig(
        vocab_size=VOCAB, hidden_size=shape["hidden"], num_hidden_layers=shape["layers"], num_labels=1,
        num_attention_heads=shape["heads"], intermediate_size=shape["ffn"], max_position_embeddings=514,
        type_vocab_size=1, layer_norm_eps=1e-5,
    )  # fmt: skip
    model = transformers.XLMRobertaForSequenceClassification(config).eval()
    state = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    names = {
        "embeddings.norm": "roberta.embeddings.LayerNorm",
        "head.dense": "classifier.dense",
        "head.output": "classifier.out_proj",
    }
    for i in range(shape["layers"]):
        ours, theirs = f"layers.{i}", f"roberta.encoder.layer.{i}"
        names |= {f"{ours}.attention.{p}": f"{theirs}.attention.self.{p}" for p in ("query", "key", "value")}
        names |= {
            f"{ours}.attention.output": f"{theirs}.attention.output.dense",
            f"{ours}.attention.norm": f"{theirs}.attention.output.LayerNorm",
            f"{ours}.ffn.up": f"{theirs}.intermediate.dense",
            f"{ours}.ffn.down": f"{theirs}.output.dense",
            f"{ours}.ffn.norm": f"{theirs}.output.LayerNorm",
        }
    tensors = {f"{ours}.{p}": state[f"{theirs}.{p}"] for ours, theirs in names.items() for p in ("weight", "bias")}
    for table, name in (("word", "word"), ("position", "position"), ("type", "token_type")):
        tensors[f"embeddings.{table}"] = state[f"roberta.embeddings.{name}_embeddings.weight"]
    spec = ModelSpec(
        family="xlm-roberta", vocab=VOCAB, positions=514, position_offset=2, types=1, norm_eps=1e-5,
        activation="gelu", cls_id=0, sep_id=2, separators=2, document_type=0, **shape,
    )  # fmt: skip
    return model, spec, tensors


def operations(shape, lengths):
    """Count what the engine computes: the last layer's query and output for one token."""
    h, f, full = shape["hidden"], shape["ffn"], shape["layers"] - 1
    tokens, pairs = sum(lengths), len(lengths)
    layer = tokens * 2 * (4 * h * h + 2 * h * f) + sum(4 * n * n * h for n in lengths)
    last = tokens * 4 * h * h + sum(4 * n * h for n in lengths) + pairs * 2 * (2 * h * h + 2 * h * f)
    return full * layer + last + pairs * 2 * h * h


def measure(runs, rounds):
    """Return wall and CPU seconds of every run, in turns; and the share of the machine that other processes took."""
    for run in runs.values():
        run()
    times = {name: {"wall": [], "cpu": []} for name in runs}
    before, own = busy_seconds(), time.process_time()
    start = time.perf_counter()
    for _ in range(rounds):
        for name, run in runs.items():
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            times[name]["wall"].append(time.perf_counter() - wall)
            times[name]["cpu"].append(time.process_time() - cpu)
    elapsed = (time.perf_counter() - start) * (os.cpu_count() or 1)
    others = busy_seconds() - before - (time.process_time() - own)
    medians = {name: {kind: statistics.median(values) for kind, values in t.items()} for name, t in times.items()}
    return medians, max(0.0, others / elapsed)


def busy_seconds():
    user, nice, system = map(int, Path("/proc/stat").read_text().split()[1:4])
    return (user + nice + system) / os.sysconf("SC_CLK_TCK")


def compare(shape, lengths, *, threads, rounds):
    model, spec, tensors = build(shape)
    rng = np.random.default_rng(1)
    offsets = np.cumsum([0, *lengths]).astype(np.int64)
    batch = PackedBatch(rng.integers(5, VOCAB, int(offsets[-1])).astype(np.int32), offsets)
    padded, mask = (torch.full((len(lengths), max(lengths)), fill) for fill in (1, 0))
    for i, length in enumerate(lengths):
        padded[i, :length] = torch.from_numpy(batch.ids[offsets[i] : offsets[i + 1]])
        mask[i, :length] = 1
    backend = NativeBackend(spec, tensors, threads=threads)

    def theirs():
        with torch.inference_mode():
            return model(input_ids=padded, attention_mask=mask).logits[:, 0].numpy()

    difference = float(np.abs(theirs() - backend.forward(batch)).max())
    medians, others = measure({"transformers": theirs, "native": lambda: backend.forward(batch)}, rounds)
    ours = medians["native"]
    return {
        "seconds": medians,
        "wall_ratio": medians["transformers"]["wall"] / ours["wall"],
        "cpu_ratio": medians["transformers"]["cpu"] / ours["cpu"],
        "native_gflops_per_cpu_second": operations(shape, lengths) / ours["cpu"] / 1e9,
        "largest_logit_difference": difference,
        "machine_share_of_others": others,
    }


def environment(threads):
    info = Path("/proc/cpuinfo").read_text()
    model = next((line.split(":")[1].strip() for line in info.splitlines() if line.startswith("model name")), "unknown")
    return {
        "cpu": model, "cpus": os.cpu_count(), "threads": threads, "kernel": _native.available_kernels()[0],
        "system": platform.system(), "python": platform.python_version(), "numpy": np.__version__,
        "torch": torch.__version__, "transformers": transformers.__version__,
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=_native.default_threads())
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    record = {"environment": environment(options.threads), "cases": {}}
    print(f"{'case':34} {'wall ratio':>10} {'cpu ratio':>10} {'GFLOP/s':>8} {'others':>7}")
    for name, (shape, lengths) in CASES.items():
        result = compare(shape, lengths, threads=options.threads, rounds=options.rounds)
        record["cases"][name] = result
        print(
            f"{name:34} {result['wall_ratio']:10.2f} {result['cpu_ratio']:10.2f} "
            f"{result['native_gflops_per_cpu_second']:8.0f} {result['machine_share_of_others']:7.0%}"
        )
    record["clean"] = all(case["machine_share_of_others"] < 0.02 for case in record["cases"].values())
    if not record["clean"]:
        print("not a clean run: other processes took CPU time")
    if options.out is not None:
        options.out.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
