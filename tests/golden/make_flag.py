"""Record what FlagEmbedding's FlagReranker answers: `python -m tests.golden.make_flag`.

Needs FlagEmbedding 1.4 with transformers 4 (4.57 was used). With transformers 5 FlagEmbedding turns token ids back
into text and tokenises that again, which gives other ids for cut texts and for texts that the tokenizer normalises.
"""

import json
import tempfile
from importlib import metadata
from pathlib import Path

from FlagEmbedding import FlagReranker
from FlagEmbedding.inference.reranker.encoder_only import base

from tests.golden.recipe import fingerprint, pair_texts, write_model

FILE = Path(__file__).with_name("flag.json")
# name -> (arguments of the constructor, arguments of the call, whether token ids are kept)
CASES: dict[str, tuple[dict[str, object], dict[str, object], bool]] = {
    "default": ({}, {}, False),
    "normalize": ({"normalize": True}, {}, False),
    "normalize in the call": ({}, {"normalize": True}, False),
    "max_length 64": ({"max_length": 64}, {}, True),
    "max_length 32 in the call": ({}, {"max_length": 32}, True),
    "query_max_length 8": ({"max_length": 64, "query_max_length": 8}, {}, True),
    "query_max_length stays when the call shortens": ({"query_max_length": 20}, {"max_length": 40}, True),
    "query_max_length in the call": ({"max_length": 64}, {"query_max_length": 5}, True),
    "batches of 2": ({"batch_size": 2}, {}, False),
    "query instruction": ({"max_length": 64, "query_instruction_for_rerank": "Find the answer: "}, {}, True),
    "both instructions": (
        {
            "max_length": 64,
            "query_instruction_for_rerank": "Instruct: rank",
            "query_instruction_format": "{}\\nQuery: {}",
            "passage_instruction_for_rerank": "Text",
            "passage_instruction_format": "<{}> {}",
        },
        {},
        True,
    ),
}


def main() -> None:
    """Write flag.json."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = write_model(Path(temporary), "xlm-roberta")
        content = {
            "made_with": {name: metadata.version(name) for name in ("FlagEmbedding", "transformers", "torch")},
            "model": fingerprint(folder),
            "pairs": pair_texts(),
            "cases": {name: record(folder, *case) for name, case in CASES.items()},
        }
    FILE.write_text(dumps(content), encoding="utf-8")
    print(f"{FILE}: {len(content['cases'])} cases")


def record(folder: Path, made: dict[str, object], called: dict[str, object], keep_ids: bool) -> dict[str, object]:
    """Return the scores of all pairs, how many tokens each has, and the ids where they are kept."""
    reranker = FlagReranker(str(folder), devices="cpu", **made)
    seen: list[list[int]] = []
    prepare = base.prepare_for_model_compat

    def prepare_and_note(*positional: object, **named: object) -> object:
        item = prepare(*positional, **named)
        seen.append(list(item["input_ids"]))
        return item

    base.prepare_for_model_compat = prepare_and_note
    try:
        scores = reranker.compute_score(pair_texts(), **called)
    finally:
        base.prepare_for_model_compat = prepare
    ids = {"ids": seen} if keep_ids else {}
    return {"made": made, "called": called, "scores": scores, "tokens": [len(item) for item in seen], **ids}


def dumps(content: dict[str, object]) -> str:
    """Return JSON with one line a list of numbers."""
    lines = []
    for name, value in content.items():
        if name != "cases":
            lines.append(f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}")
            continue
        cases = [f"  {json.dumps(case)}: {json.dumps(recorded)}" for case, recorded in value.items()]
        lines.append('"cases": {\n' + ",\n".join(cases) + "\n}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    main()
