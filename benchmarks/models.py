"""Generated models of real sizes. Their weights are random: speed and agreement can be measured, quality cannot."""

import argparse
from dataclasses import replace
from pathlib import Path

from tests.checkpoints import FULL, Shape, make_checkpoint, write_json

SMALL = Shape(layers=6, hidden=384, heads=12, ffn=1536, vocab=32000, positions=514)
SIZES = {"small": SMALL, "full": FULL}
_DESCRIPTIONS = {
    "small": "6 layers of 384, the shape of a MiniLM cross-encoder",
    "full": "the exact layout of BAAI/bge-reranker-v2-m3",
}


def prepare(size: str, root: Path, *, layers: int | None = None, tokenizer: Path | None = None) -> tuple[Path, str]:
    """Write a model of `size` under `root`, unless it is there, and return its folder and what it is.

    Args:
        size: `small`, `full`, or the folder of a model, which is taken as it is.
        root: where generated models are kept.
        layers: fewer layers than the size has.
        tokenizer: a tokenizer.json to use in place of the generated one; its vocabulary must fit the size.
    """
    if size not in SIZES:
        return Path(size), f"the model in {Path(size).name}"
    shape = SIZES[size] if layers is None else replace(SIZES[size], layers=layers)
    kind = "generated" if tokenizer is None else "given"
    folder = root / f"{size}-{shape.layers}-layers-{kind}-tokenizer"
    if not (folder / "complete").exists():
        _write(folder, shape, tokenizer)
        (folder / "complete").touch()
    cut = "" if layers is None else f", {layers} of {SIZES[size].layers} layers"
    return folder, f"{_DESCRIPTIONS[size]}{cut}; seeded random weights, fp32; {kind} tokenizer"


def _write(folder: Path, shape: Shape, tokenizer: Path | None) -> None:
    make_checkpoint(
        folder,
        shape.family,
        layers=shape.layers,
        hidden=shape.hidden,
        heads=shape.heads,
        ffn=shape.ffn,
        vocab=shape.vocab,
        positions=shape.positions,
    )
    if tokenizer is not None:
        (folder / "tokenizer.json").write_bytes(tokenizer.read_bytes())
    names = {"bos": "<s>", "eos": "</s>", "cls": "<s>", "sep": "</s>", "pad": "<pad>", "unk": "<unk>", "mask": "<mask>"}
    settings = {f"{name}_token": token for name, token in names.items()}
    write_json(
        folder / "tokenizer_config.json", settings | {"tokenizer_class": "XLMRobertaTokenizer", "model_max_length": 512}
    )


def main() -> None:
    """Write a model from the command line."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("size", choices=SIZES)
    parser.add_argument("root", type=Path)
    parser.add_argument("--layers", type=int)
    parser.add_argument("--tokenizer", type=Path)
    options = parser.parse_args()
    print(*prepare(options.size, options.root, layers=options.layers, tokenizer=options.tokenizer), sep="\n")


if __name__ == "__main__":
    main()
