"""transformers in fp32, batches of 16 sorted by length."""

from pathlib import Path

import numpy as np

from benchmarks.peers import Score
from benchmarks.peers.batches import by_length


def load(folder: Path, threads: int, *, attention: str) -> Score:
    import torch
    from transformers import AutoModelForSequenceClassification

    torch.set_num_threads(threads)
    model = AutoModelForSequenceClassification.from_pretrained(
        folder, dtype=torch.float32, attn_implementation=attention
    ).eval()

    @torch.inference_mode()
    def run(ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        return model(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)).logits.numpy()

    return by_length(folder, run, pad_id=model.config.pad_token_id)
