"""The same model in the formats of onnxruntime and OpenVINO. Each is written once, to a folder of its own."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from resift.bench.peers import Job
from resift.bench.peers.batches import Inputs, config, reads_types

ONNX = "onnx/model.onnx"
ONNX_FUSED = "onnx-fused/model.onnx"
ONNX_INT8 = "onnx-int8/model.onnx"
OPENVINO = "openvino/openvino_model.xml"
OPENVINO_INT8 = "openvino-int8/openvino_model.xml"
_CALIBRATION_LENGTHS = (40, 80, 128, 128, 200, 64, 96, 150, 110, 300)
_ONNX_FILE_LIMIT = 1_900_000_000
"""A protocol buffer holds 2 GB; beyond it weights go into files of their own."""


def onnx(job: Job) -> None:
    """Write the model as ONNX."""
    _once(job, ONNX, lambda target: _export_onnx(job, target, attention="sdpa"))


def onnx_fused(job: Job) -> None:
    """Write it with onnxruntime's own fusions of a transformer's operations."""
    _once(job, ONNX_FUSED, lambda target: _fuse(job, target))


def onnx_int8(job: Job) -> None:
    """Write it fused and with int8 weights, activations quantised as they come (onnxruntime's `quantize_dynamic`)."""
    onnx_fused(job)
    _once(job, ONNX_INT8, lambda target: _quantize_onnx(job.folder / ONNX_FUSED, target, large=_is_large(job)))


def openvino(job: Job) -> None:
    """Write the model as OpenVINO's format in fp32."""
    _once(job, OPENVINO, lambda target: _export_openvino(job, target))


def openvino_int8(job: Job) -> None:
    """Write it quantised by NNCF's post-training quantisation for transformers, calibrated on random tokens."""
    openvino(job)
    _once(job, OPENVINO_INT8, lambda target: _quantize_openvino(job, target))


def _once(job: Job, name: str, write: Callable[[Path], None]) -> None:
    """Write to a folder beside the final one and rename it, so that what is there is whole."""
    final = (job.folder / name).parent
    if final.exists():
        return
    begun = final.with_name(final.name + ".begun")
    shutil.rmtree(begun, ignore_errors=True)
    begun.mkdir()
    write(begun / Path(name).name)
    begun.rename(final)


def _export_onnx(job: Job, target: Path, *, attention: str) -> None:
    import torch

    model, example = _model(job, attention=attention)
    axes = {0: "batch", 1: "tokens"}
    torch.onnx.export(
        model,
        tuple(example.values()),
        str(target),  # a path object would be written in one piece, of 2 GB at most
        input_names=list(example),
        output_names=["logits"],
        dynamic_axes={**dict.fromkeys(example, axes), "logits": {0: "batch"}},
        opset_version=18,
        dynamo=False,
    )


def _fuse(job: Job, target: Path) -> None:
    from onnxruntime.transformers import optimizer
    from onnxruntime.transformers.fusion_options import FusionOptions

    plain = target.with_name("plain.onnx")
    _export_onnx(job, plain, attention="eager")  # the fusion knows the operations of this one
    values = config(job)
    fused = optimizer.optimize_model(
        str(plain),
        model_type="bert",
        num_heads=values["num_attention_heads"],
        hidden_size=values["hidden_size"],
        optimization_options=FusionOptions("bert"),
        opt_level=0,
    )
    for file in target.parent.iterdir():
        file.unlink()
    fused.save_model_to_file(str(target), use_external_data_format=_is_large(job))


def _quantize_onnx(source: Path, target: Path, *, large: bool) -> None:
    import onnx as onnx_format
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        source,
        target,
        per_channel=True,
        weight_type=QuantType.QInt8,
        use_external_data_format=large,
        op_types_to_quantize=["MatMul", "Attention"],
        # Its shape inference does not know the fused operations, so it is told that activations are floats.
        extra_options={"MatMulConstBOnly": True, "DefaultTensorType": onnx_format.TensorProto.FLOAT},
    )


def _is_large(job: Job) -> bool:
    return sum(file.stat().st_size for file in job.folder.glob("*.safetensors")) > _ONNX_FILE_LIMIT


def _export_openvino(job: Job, target: Path) -> None:
    import openvino as ov

    model, example = _model(job, attention="sdpa")
    converted = ov.convert_model(model, example_input=example, input=[(name, [-1, -1]) for name in example])
    converted.output(0).get_tensor().set_names({"logits"})  # optimum looks outputs up by their names
    ov.save_model(converted, target, compress_to_fp16=False)


def _quantize_openvino(job: Job, target: Path) -> None:
    import nncf
    import openvino as ov

    model = ov.Core().read_model(job.folder / OPENVINO)
    data = _calibration(job)
    quantized = nncf.quantize(
        model,
        nncf.Dataset(data),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(data),
        fast_bias_correction=True,
    )
    ov.save_model(quantized, target, compress_to_fp16=False)


def _calibration(job: Job) -> list[Inputs]:
    """Return seeded sequences of random tokens: what the weights of a generated model were made for."""
    random = np.random.RandomState(5)
    vocabulary, with_types = config(job)["vocab_size"], reads_types(job)
    data = []
    for length in _CALIBRATION_LENGTHS:
        ids = random.randint(10, vocabulary - 10, (1, min(length, job.max_length))).astype(np.int64)
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        data.append({**inputs, "token_type_ids": np.zeros_like(ids)} if with_types else inputs)
    return data


def _model(job: Job, *, attention: str) -> tuple[Any, dict[str, Any]]:
    import torch
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(
        job.folder, dtype=torch.float32, attn_implementation=attention
    ).eval()
    model.config.return_dict = False
    ids = torch.full((2, 9), 5)
    example = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    return model, {**example, "token_type_ids": torch.zeros_like(ids)} if reads_types(job) else example
