"""The same model in the formats of onnxruntime and OpenVINO, where sentence-transformers looks for them too."""

from pathlib import Path

ONNX = "onnx/model.onnx"
OPENVINO = "openvino/openvino_model.xml"


def onnx(folder: Path) -> None:
    """Write the model as ONNX, once."""
    import torch

    target = folder / ONNX
    if target.exists():
        return
    target.parent.mkdir(exist_ok=True)
    model, example = _model(folder)
    axes = {0: "batch", 1: "tokens"}
    torch.onnx.export(
        model,
        (example,),
        target,
        input_names=["input_ids", "attention_mask"],
        output_names=["logits"],
        dynamic_axes={"input_ids": axes, "attention_mask": axes, "logits": {0: "batch"}},
        opset_version=18,
        dynamo=False,
    )


def openvino(folder: Path) -> None:
    """Write the model as OpenVINO's format in fp32, once."""
    import openvino as ov

    target = folder / OPENVINO
    if target.exists():
        return
    target.parent.mkdir(exist_ok=True)
    model, example = _model(folder)
    converted = ov.convert_model(
        model, example_input=example, input=[("input_ids", [-1, -1]), ("attention_mask", [-1, -1])]
    )
    converted.output(0).get_tensor().set_names({"logits"})  # optimum looks outputs up by their names
    ov.save_model(converted, target, compress_to_fp16=False)


def _model(folder: Path) -> tuple[object, dict[str, object]]:
    import torch
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="sdpa"
    ).eval()
    model.config.return_dict = False
    ids = torch.full((2, 9), 5)
    return model, {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
