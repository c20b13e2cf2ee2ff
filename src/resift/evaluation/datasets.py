"""From what a user names to a dataset: a folder, a file, or a name in a catalogue."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from resift.errors import InputError
from resift.evaluation.folders import read_documents, read_folder, read_queries
from resift.evaluation.judged import read_judged
from resift.evaluation.reading import ending
from resift.evaluation.records import Dataset
from resift.evaluation.remote import PREFIXES, read_remote
from resift.evaluation.squad import read_squad
from resift.evaluation.trec import read_qrels

_CODES = (
    "af am ar az be bg bn ca cs da de el en es et eu fa fi fr gl gu he hi hr hu hy id is it ja ka kk km kn ko ky lo lt "
    "lv mk ml mn mr ms my ne nl no pa pl ps pt ro ru si sk sl so sq sr sv sw ta te th tl tr uk ur uz vi yo zh zu"
)
_NAMES = {
    "arabic": "ar", "bengali": "bn", "english": "en", "finnish": "fi", "indonesian": "id", "japanese": "ja",
    "korean": "ko", "russian": "ru", "swahili": "sw", "telugu": "te", "thai": "th", "chinese": "zh",
}  # fmt: skip


def read_dataset(
    source: str | Path,
    *,
    split: str | None = None,
    language: str | None = None,
    corpus: Sequence[Path] = (),
    only: Collection[str] | None = None,
) -> Dataset:
    """Return the dataset that a folder, a file or a name in a catalogue holds.

    Args:
        source: a folder (see `folders`), a `.jsonl` or `.parquet` file of queries with their documents (see `judged`),
            a `.json` file of questions and answers (see `squad`), `irds:NAME` or `hf:NAME`.
        split: which judgements of a folder; None for the first of test, dev, validation, train.
        language: of the queries; None for what the data or its name says (`-zh`, `xquad.zh.json`).
        corpus: the documents' files, where they are not in the folder.
        only: ids of the documents to keep.

    Raises:
        InputError: with the file and the line that cannot be used.
    """
    name = str(source)
    if name.startswith(PREFIXES):
        return read_remote(name, split=split, language=language)
    path = Path(source)
    said = language if language is not None else guess_language(path)
    if path.is_dir():
        return read_folder(path, split=split, corpus=corpus, only=only, language=said)
    if not path.exists():
        raise InputError(f"{path}: no such folder or file", hint="or name it in a catalogue: irds:NAME, hf:NAME")
    if ending(path) == ".json":
        return read_squad(path, language=said)
    if ending(path) in {".jsonl", ".ndjson", ".parquet"}:
        return read_judged(path, language=said)
    raise InputError(f"{path}: the ending is none of .json, .jsonl, .parquet", hint="or give a folder")


def read_files(
    *,
    queries: Path,
    corpus: Sequence[Path],
    qrels: Path,
    language: str | None = None,
    only: Collection[str] | None = None,
) -> Dataset:
    """Return the dataset of files that are named one by one: TREC's way."""
    return Dataset(
        name=queries.resolve().parent.name,
        queries=read_queries(queries, language=language),
        documents=read_documents(corpus, only=only),
        qrels=read_qrels(qrels),
    )


def guess_language(path: Path) -> str | None:
    """Return the language that a name ends in: `zh` of `xquadr-sentence-zh` or `xquad.zh.json`; None for none.

    Two of them, as in `xquad-cross-zh-en`, are query and documents: `zh-en`.
    """
    words = re.split(r"[-._ ]", re.sub(r"\.(jsonl|json|parquet)(\.gz|\.xz|\.bz2)?$", "", path.name.lower()))
    last = _NAMES.get(words[-1], words[-1])
    codes = _CODES.split()
    if last not in codes:
        return None
    return f"{words[-2]}-{last}" if len(words) > 2 and words[-2] in codes else last
