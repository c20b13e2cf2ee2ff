"""Which files make up a model: what a folder must hold, and what is worth downloading."""

import re
from collections.abc import Iterable
from pathlib import Path

from resift.errors import ModelLayoutError, UnsupportedModel
from resift.loading.weights import CONVERT, INDEX, PICKLES, SINGLE, weight_files

CONFIG = "config.json"
TOKENIZERS = (
    ("tokenizer.json",),
    ("tokenizer.safetensors",),
    ("sentencepiece.bpe.model",),
    ("vocab.json", "merges.txt"),
    ("vocab.txt",),
)
"""The sets of files that a tokenizer can be read from, the first that is complete being used."""
NEEDED = f"{CONFIG}, tokenizer.json and {SINGLE}"

_WANTED = re.compile(
    r"config\.json|config_sentence_transformers\.json|tokenizer\.json|tokenizer_config\.json"
    r"|tokenizer\.safetensors|quantization\.json|sentencepiece\.bpe\.model|vocab\.txt|vocab\.json|merges\.txt"
    r"|matching\.safetensors|embedder\.safetensors"
    r"|model\.safetensors|model\.safetensors\.index\.json|model-\d+-of-\d+\.safetensors"
    r"|README\.md|LICENSE[\w.]*"
)
_WEIGHTS = re.compile(r"model(-\d+-of-\d+)?\.safetensors")
_SHARDED = re.compile(r"model-.*|.*\.index\.json")


def wanted(names: Iterable[str]) -> list[str]:
    """Return those of a repository's files that resift reads, and its model card and licence.

    Files in sub-folders (other formats, other precisions) are left where they are; so are shards when there is a
    single file of weights.
    """
    found = [name for name in names if _WANTED.fullmatch(name)]
    if SINGLE in found:
        found = [name for name in found if not _SHARDED.fullmatch(name)]
    return sorted(found)


def is_weights(name: str) -> bool:
    """Tell whether `name` is a file of the network's weights."""
    return _WEIGHTS.fullmatch(name) is not None


def missing(names: Iterable[str]) -> list[str]:
    """Return what a model with the files `names` still lacks. Empty when it is complete, shards aside."""
    present = set(names)
    lacks = [] if CONFIG in present else [CONFIG]
    if not any(present.issuperset(files) for files in TOKENIZERS):
        lacks.append(TOKENIZERS[0][0])
    if SINGLE not in present and INDEX not in present:
        lacks.append(SINGLE)
    return lacks


def check_complete(model: str, names: Iterable[str]) -> None:
    """Check that the repository `model` with the files `names` can be run.

    Raises UnsupportedModel when a file is not there at all or the weights are there only as a pickle.
    """
    present = set(names)
    lacks = missing(present)
    pickles = [name for name in PICKLES if name in present]
    if lacks == [SINGLE] and pickles:
        raise UnsupportedModel(f"{model} has its weights only as {pickles[0]}, a pickle", hint=CONVERT)
    if lacks:
        raise UnsupportedModel(f"{model} lacks {', '.join(lacks)}", hint=f"resift needs {NEEDED}")


def is_complete(folder: Path) -> bool:
    """Tell whether `folder` holds every file that its model needs, all shards included."""
    if missing(path.name for path in folder.iterdir()):
        return False
    try:
        weight_files(folder)
    except ModelLayoutError:
        return False
    return True
