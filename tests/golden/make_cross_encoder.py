"""Record what sentence-transformers' CrossEncoder answers: `python -m tests.golden.make_cross_encoder`.

Recorded with transformers 4 (4.57), which reads a tokenizer.json as it is; transformers 5 puts a normaliser of its
own in the place of ours for XLM-RoBERTa.
"""

import json
import tempfile
from importlib import metadata
from pathlib import Path

from sentence_transformers import CrossEncoder

from tests.golden.recipe import PAIRS, fingerprint, pair_texts, write_model

FILE = Path(__file__).with_name("cross_encoder.json")
FAMILIES = ("xlm-roberta", "bert")
IDENTITY = "torch.nn.modules.linear.Identity"
# name -> (what config.json says beside the model, arguments of the constructor)
CASES: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "default": ({}, {}),
    "max_length 64": ({}, {"max_length": 64}),
    "max_length 32": ({}, {"max_length": 32}),
    "identity in the config": ({"sentence_transformers": {"activation_fn": IDENTITY, "version": "4.0.1"}}, {}),
    "identity in an old config": ({"sbert_ce_default_activation_function": IDENTITY}, {}),
}
QUERY = "how to train a deep learning model"
DOCUMENTS = [document for _, document in PAIRS[:9]]


def main() -> None:
    """Write cross_encoder.json."""
    content: dict[str, object] = {
        "made_with": {name: metadata.version(name) for name in ("sentence-transformers", "transformers", "torch")},
        "pairs": pair_texts(),
        "query": QUERY,
        "documents": DOCUMENTS,
        "families": {family: _family(family) for family in FAMILIES},
    }
    lines = [f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in content.items()]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(FILE)


def _family(family: str) -> dict[str, object]:
    cases = {}
    with tempfile.TemporaryDirectory() as temporary:
        for name, (config, made) in CASES.items():
            folder = write_model(Path(temporary) / name.replace(" ", "-"), family, **config)
            model = CrossEncoder(str(folder), device="cpu", **made)
            cases[name] = {
                "config": config,
                "made": made,
                "scores": model.predict(pair_texts()).tolist(),
                "single": float(model.predict(PAIRS[0])),
                "ranking": [
                    entry | {"score": float(entry["score"])}
                    for entry in model.rank(QUERY, DOCUMENTS, top_k=5, return_documents=True)
                ],
            }
        return {"model": fingerprint(folder), "cases": cases}


if __name__ == "__main__":
    main()
