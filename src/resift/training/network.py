"""The network in torch, made of a checkpoint as resift reads it and given back under the same names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
)

from resift.errors import MissingExtra
from resift.loading.checkpoint import Checkpoint
from resift.loading.layouts import tensor_names
from resift.loading.quantised import to_float32
from resift.training.prior import has_prior
from resift.types import Family, Float32, ModelSpec, TokenSequence

_CLASSES: Mapping[Family, tuple[Any, Any]] = {
    "bert": (BertConfig, BertForSequenceClassification),
    "roberta": (RobertaConfig, RobertaForSequenceClassification),
    "xlm-roberta": (XLMRobertaConfig, XLMRobertaForSequenceClassification),
}
_KEPT = (
    "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act",
    "max_position_embeddings", "type_vocab_size", "layer_norm_eps", "pad_token_id", "bos_token_id", "eos_token_id",
    "hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout",
)  # fmt: skip
"""What of a config.json shapes the network; anything else is about files or tasks."""
_SPEED = 30.0
"""Steps of the optimiser are about as large as the learning rate, for a weight; a scale has further to go."""
_LINEARS = (
    r".*encoder\.layer\.\d+\.(attention\.self\.(query|key|value)|(attention\.)?output\.dense|intermediate\.dense)"
)
_HEADS: Mapping[Family, list[str]] = {
    "bert": ["pooler", "classifier"],
    "roberta": ["classifier"],
    "xlm-roberta": ["classifier"],
}


class Network(nn.Module):
    """The model that is trained: logits of token sequences, their prior added, as resift computes them.

    Where there is a prior, its scale is trained along: without that the network spends itself on making it less sure.
    """

    def __init__(self, spec: ModelSpec, body: Any, *, scale: Any = None) -> None:
        super().__init__()
        self.spec = spec
        self.body = body
        self.scale = scale
        """The logarithm of the prior's scale, over `_SPEED`; None for models without a prior."""

    @property
    def prior_scale(self) -> float | None:
        """What the prior is multiplied by."""
        return None if self.scale is None else float((self.scale.detach() * _SPEED).exp())

    def forward(self, slices: Sequence[Mapping[str, Tensor]], order: Tensor, prior: Tensor) -> Tensor:
        """Return float32 logits [pairs].

        Args:
            slices: padded `ids`, `mask` and `types` [rows, tokens], together all pairs, sorted by length.
            order: the place of every pair in them, int64 [pairs].
            prior: what is added, float32 [pairs].
        """
        parts = []
        for part in slices:
            ids = part["ids"]
            # Given, because transformers counts the tokens that are not padding, and a text may hold that token.
            places = torch.arange(ids.shape[1], device=ids.device) + self.spec.position_offset
            made = self.body(
                input_ids=ids,
                attention_mask=part["mask"],
                token_type_ids=part["types"],
                position_ids=places[None].expand_as(ids),
            )
            parts.append(made.logits[:, 0].float())
        if self.scale is not None:
            prior = prior * (self.scale * _SPEED).exp()
        logits: Tensor = torch.cat(parts)[order] + prior
        return logits


def build(checkpoint: Checkpoint) -> Network:
    """Return the network with the checkpoint's weights in float32."""
    spec = checkpoint.spec
    config_class, model_class = _CLASSES[spec.family]
    config = config_class(
        **{name: checkpoint.config[name] for name in _KEPT if name in checkpoint.config}, num_labels=1
    )
    with torch.device("meta"):
        body = model_class(config)
    names = tensor_names(spec)
    state = {names[ours]: torch.from_numpy(np.array(to_float32(v))) for ours, v in checkpoint.tensors.items()}
    body = body.to_empty(device="cpu")
    found = body.load_state_dict(state, strict=False)
    buffers = dict(body.named_buffers())
    wrong = [*(name for name in found.missing_keys if name not in buffers), *found.unexpected_keys]
    if wrong:
        raise RuntimeError(f"transformers names the tensors of a {spec.family} model otherwise: {', '.join(wrong)}")
    _fill_buffers(body)
    return Network(spec, body, scale=nn.Parameter(torch.zeros(())) if has_prior(checkpoint.config) else None)


def add_lora(network: Network, rank: int) -> Network:
    """Return the network with its layers frozen and low-rank updates to train, head and updates alone."""
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise MissingExtra("training with LoRA", extra="train-lora") from error

    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        lora_dropout=0.0,
        target_modules=_LINEARS,
        modules_to_save=_HEADS[network.spec.family],
    )
    return Network(network.spec, get_peft_model(network.body, config), scale=network.scale)


def merge_lora(network: Network) -> Network:
    """Return the plain network that computes the same."""
    return Network(network.spec, network.body.merge_and_unload(), scale=network.scale)


def freeze_embeddings(network: Network) -> None:
    """Leave the embedding tables out of training."""
    for name, parameter in network.named_parameters():
        if ".embeddings." in name and "LayerNorm" not in name:
            parameter.requires_grad_(requires_grad=False)


def checkpoint_activations(network: Network) -> None:
    """Have activations computed twice in place of keeping them."""
    options = {"use_reentrant": False}
    if hasattr(network.body, "activation_checkpointing_enable"):
        network.body.activation_checkpointing_enable(activation_checkpointing_kwargs=options)
    else:  # its name before transformers 5
        network.body.gradient_checkpointing_enable(gradient_checkpointing_kwargs=options)


def to_tensors(network: Network) -> dict[str, Float32]:
    """Return canonical name -> float32 values of a network without LoRA."""
    state = network.body.state_dict()
    return {ours: state[theirs].detach().cpu().float().numpy() for ours, theirs in tensor_names(network.spec).items()}


def round_to_half(network: Network) -> bool:
    """Round every weight to what float16 holds; False, and nothing is changed, when one is too large for it."""
    limit = torch.finfo(torch.float16).max
    with torch.no_grad():
        if any(bool((parameter.abs() > limit).any()) for parameter in network.parameters()):
            return False
        for parameter in network.body.parameters():
            parameter.copy_(parameter.half().float())
    return True


def to_batch(sequences: Sequence[TokenSequence], *, pad_id: int, budget: int) -> dict[str, Any]:
    """Return the arguments of `Network.forward`: slices of at most `budget` padded tokens (or one sequence)."""
    lengths = np.array([len(one.ids) for one in sequences])
    falling = np.argsort(-lengths, kind="stable")
    slices = []
    at = 0
    while at < len(falling):
        rows = falling[at : at + max(1, budget // int(lengths[falling[at]]))]
        slices.append(_pad([sequences[row] for row in rows], pad_id))
        at += len(rows)
    order = np.empty(len(falling), np.int64)
    order[falling] = np.arange(len(falling))
    prior = torch.tensor([one.prior for one in sequences], dtype=torch.float32)
    return {"slices": slices, "order": torch.from_numpy(order), "prior": prior}


def score(network: Network, sequences: Sequence[TokenSequence], *, pad_id: int, budget: int) -> Float32:
    """Return the logits of sequences, float32 [n], as the network stands, without training it."""
    if not sequences:
        return np.zeros(0, np.float32)
    device = next(network.parameters()).device
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        logits = network(**_to_device(to_batch(sequences, pad_id=pad_id, budget=budget), device))
    network.train(was_training)
    return cast("Float32", logits.cpu().numpy())


def _pad(sequences: Sequence[TokenSequence], pad_id: int) -> dict[str, Tensor]:
    longest = max(len(one.ids) for one in sequences)
    ids = np.full((len(sequences), longest), pad_id, np.int64)
    types, mask = np.zeros_like(ids), np.zeros_like(ids)
    for row, one in enumerate(sequences):
        ids[row, : len(one.ids)] = one.ids
        mask[row, : len(one.ids)] = 1
        if one.types is not None:
            types[row, : len(one.ids)] = one.types
    return {"ids": torch.from_numpy(ids), "mask": torch.from_numpy(mask), "types": torch.from_numpy(types)}


def _to_device(value: Any, device: Any) -> Any:
    if isinstance(value, dict):
        return {key: _to_device(item, device) for key, item in value.items()}
    if isinstance(value, list):
        return [_to_device(item, device) for item in value]
    return value.to(device)


def _fill_buffers(body: Any) -> None:
    """Give the buffers, which are no part of a checkpoint and have no values after `to_empty`, theirs."""
    for name, buffer in body.named_buffers():
        if name.endswith("position_ids"):
            buffer.copy_(torch.arange(buffer.shape[-1])[None])
        else:  # token_type_ids
            buffer.zero_()
