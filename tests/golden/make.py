"""Write logits.json: what transformers makes of the checkpoints and texts in cases.py.

Run it where torch and transformers are installed (the extra `parity`), from the repository's root:
    python -m tests.golden.make
"""

import json
import tempfile
from pathlib import Path

import torch
import transformers

from tests.checkpoints import make_checkpoint
from tests.golden.cases import CHECKPOINTS, PAIRS


def golden(folder: Path) -> dict[str, object]:
    """Return ids, types and logits of all pairs, each pair computed alone."""
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    # Subtle: as lists. Given two single texts, transformers takes an empty document for none at all.
    encoded = tokenizer(*map(list, zip(*PAIRS, strict=True)), return_token_type_ids=True)
    logits = []
    for ids, types in zip(encoded["input_ids"], encoded["token_type_ids"], strict=True):
        inputs = {"input_ids": torch.tensor([ids]), "token_type_ids": torch.tensor([types])}
        with torch.inference_mode():
            logits.append(round(float(model(**inputs).logits[0, 0]), 6))
    return {"ids": encoded["input_ids"], "types": encoded["token_type_ids"], "logits": logits}


def main() -> None:
    """Write the file."""
    results = {}
    for name, settings in CHECKPOINTS.items():
        with tempfile.TemporaryDirectory() as folder:
            results[name] = golden(make_checkpoint(Path(folder), **settings))
    made = {"torch": torch.__version__, "transformers": transformers.__version__}
    lines = ",\n".join(
        f"{json.dumps(name)}: {json.dumps(value, separators=(',', ':'))}" for name, value in results.items()
    )
    text = f'{{"made with": {json.dumps(made)},\n"checkpoints": {{\n{lines}\n}}}}\n'
    (Path(__file__).parent / "logits.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
