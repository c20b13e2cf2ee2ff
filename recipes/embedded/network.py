"""The network: a small BERT whose token types carry the match features, and whose logit is added to the prior.

Its parameters have the names of Hugging Face's `BertForSequenceClassification`; only the last layer differs in what it
computes, not in the result: the logit needs the first token alone, so the other tokens are keys and values there.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention
from transformers import BertConfig

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
from resift.text.matching import TYPES


def bert_config(
    *, vocabulary: int, layers: int = 4, hidden: int = 256, heads: int = 8, ffn: int = 1024, positions: int = 512
) -> BertConfig:
    """Return the configuration for the given sizes."""
    return BertConfig(
        vocab_size=vocabulary,
        num_hidden_layers=layers,
        hidden_size=hidden,
        num_attention_heads=heads,
        intermediate_size=ffn,
        max_position_embeddings=positions,
        type_vocab_size=TYPES,
        hidden_act="gelu",
        layer_norm_eps=1e-12,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        position_embedding_type="absolute",
        pad_token_id=0,
        cls_token_id=2,
        sep_token_id=3,
        id2label={0: "LABEL_0"},
        label2id={"LABEL_0": 0},
    )


class Embeddings(nn.Module):
    """Word, position and type embeddings."""

    def __init__(self, c: BertConfig) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(c.vocab_size, c.hidden_size)
        self.position_embeddings = nn.Embedding(c.max_position_embeddings, c.hidden_size)
        self.token_type_embeddings = nn.Embedding(c.type_vocab_size, c.hidden_size)
        self.LayerNorm = nn.LayerNorm(c.hidden_size, c.layer_norm_eps)

    def forward(self, ids: Tensor, types: Tensor) -> Tensor:
        """Return [batch, tokens, hidden]."""
        place = self.position_embeddings.weight[: ids.shape[1]]
        total: Tensor = self.LayerNorm(self.word_embeddings(ids) + place + self.token_type_embeddings(types))
        return total


class Output(nn.Module):
    """A projection, its residual and its norm."""

    def __init__(self, c: BertConfig, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, c.hidden_size)
        self.LayerNorm = nn.LayerNorm(c.hidden_size, c.layer_norm_eps)

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        """Return norm(dense(x) + residual)."""
        out: Tensor = self.LayerNorm(self.dense(x) + residual)
        return out


class Layer(nn.Module):
    """One encoder layer; `rows` limits the tokens that it is computed for."""

    def __init__(self, c: BertConfig) -> None:
        super().__init__()
        self.heads = c.num_attention_heads
        projections = {k: nn.Linear(c.hidden_size, c.hidden_size) for k in ("query", "key", "value")}
        self.attention = nn.ModuleDict({"self": nn.ModuleDict(projections), "output": Output(c, c.hidden_size)})
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(c.hidden_size, c.intermediate_size)})
        self.output = Output(c, c.intermediate_size)

    def forward(self, x: Tensor, mask: Tensor, rows: int | None) -> Tensor:
        """Return [batch, rows, hidden]."""
        ours = x if rows is None else x[:, :rows]
        part = self.attention["self"]
        q, k, v = (
            part[name](y).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for name, y in (("query", ours), ("key", x), ("value", x))
        )
        mixed = scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)
        ours = self.attention["output"](mixed, ours)
        out: Tensor = self.output(gelu(self.intermediate["dense"](ours)), ours)
        return out


class Network(nn.Module):
    """The cross-encoder; a fresh one gives logit 0, so that training starts from the prior."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.bert = nn.ModuleDict(
            {
                "embeddings": Embeddings(config),
                "encoder": nn.ModuleDict(
                    {"layer": nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))}
                ),
                "pooler": nn.ModuleDict({"dense": nn.Linear(config.hidden_size, config.hidden_size)}),
            }
        )
        self.classifier = nn.Linear(config.hidden_size, 1)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02 if config.hidden_size >= 512 else 0.03)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
        nn.init.zeros_(self.classifier.weight)

    def forward(self, ids: Tensor, types: Tensor, lengths: Tensor) -> Tensor:
        """Return logits [batch] of padded ids and types [batch, tokens]."""
        mask = (torch.arange(ids.shape[1], device=ids.device) < lengths[:, None])[:, None, None, :]
        x = self.bert["embeddings"](ids, types)
        layers = self.bert["encoder"]["layer"]
        for number, layer in enumerate(layers):
            x = layer(x, mask, 1 if number == len(layers) - 1 else None)
        logits: Tensor = self.classifier(torch.tanh(self.bert["pooler"]["dense"](x[:, 0]))).squeeze(1)
        return logits
