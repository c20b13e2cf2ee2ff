"""Folders in the layouts of BEIR, MIRACL and Mr.TyDi, and those with a candidates file beside them.

| Layout | Files |
|---|---|
| BEIR | `corpus.jsonl` {_id, title, text}, `queries.jsonl` {_id, text}, `qrels/SPLIT.tsv` |
| plain | the same with `id` and one `qrels.tsv`, and maybe `candidates.tsv` (query, tab, documents between spaces) |
| MIRACL | `topics/topics.*-SPLIT.tsv`, `qrels/qrels.*-SPLIT.tsv`, and `docs*.jsonl` {docid, title, text} |
| Mr.TyDi | `topic.SPLIT.tsv`, `qrels.SPLIT.txt`, `collection/docs.jsonl` {id, contents} |

Any file may end in .gz, .xz or .bz2. MIRACL keeps its documents in a repository of their own: put its `docs*` files
into the folder, into one called `miracl-corpus-*` beside it, or name them with `corpus`.
"""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from resift.errors import InputError
from resift.evaluation.reading import bare_name, find, problem, read_json_lines, read_lines, text_field
from resift.evaluation.records import Dataset, Query
from resift.evaluation.trec import read_qrels, read_run

SPLITS = ("test", "dev", "validation", "train")
"""Which of several splits is taken when none is named: the first of these that is there."""


def read_folder(
    folder: Path,
    *,
    split: str | None = None,
    corpus: Sequence[Path] = (),
    only: Collection[str] | None = None,
    language: str | None = None,
) -> Dataset:
    """Return the dataset of a folder in any of the layouts.

    Args:
        folder: see the table above.
        split: which judgements; None for the first of `SPLITS` that is there.
        corpus: files of documents, when they are elsewhere.
        only: ids of the documents to keep, for a corpus that is larger than memory; None for all.
        language: of its queries, where they do not say.
    """
    queries_file, qrels_file = _queries_and_qrels(folder, split)
    qrels = read_qrels(qrels_file)
    queries = read_queries(queries_file, language=language)
    documents = read_documents(corpus or _corpus_files(folder), only=only)
    candidates = find(folder, "candidates.tsv", "candidates.trec", "candidates.run")
    kept = {key: query for key, query in queries.items() if key in qrels} if _is_split(qrels_file) else queries
    return Dataset(
        name=folder.resolve().name,
        queries=kept,
        documents=documents,
        qrels=qrels,
        first_stage=read_run(candidates) if candidates is not None else None,
        notes=() if split is None and not _is_split(qrels_file) else (f"judgements: {qrels_file.name}",),
    )


def read_queries(file: Path, *, language: str | None = None) -> dict[str, Query]:
    """Return the queries of a file: JSON Lines with id and text, or id, tab, text."""
    queries: dict[str, Query] = {}
    if ".jsonl" in file.suffixes:
        rows: Iterable[tuple[int, Query]] = ((n, _query(file, n, row, language)) for n, row in read_json_lines(file))
    else:
        rows = ((number, _tab_query(file, number, line, language)) for number, line in read_lines(file))
    for number, query in rows:
        if query.id in queries:
            raise problem(file, number, f"query {query.id!r} stands further up already")
        queries[query.id] = query
    if not queries:
        raise problem(file, None, "no queries")
    return queries


def _query(file: Path, number: int, row: dict[str, object], language: str | None) -> Query:
    said = row.get("language", row.get("lang", language))
    cluster = row.get("cluster")
    return Query(
        id=text_field(file, number, row, "_id", "id", "query_id", "qid"),
        text=text_field(file, number, row, "text", "query"),
        language=said if isinstance(said, str) else None,
        cluster=str(cluster) if cluster is not None else None,
    )


def _tab_query(file: Path, number: int, line: str, language: str | None) -> Query:
    key, tab, text = line.partition("\t")
    if not tab or not text.strip():
        raise problem(file, number, "expected an id, a tab and the query's text")
    return Query(id=key.strip(), text=text.strip(), language=language)


def read_documents(files: Sequence[Path], *, only: Collection[str] | None = None) -> dict[str, str]:
    """Return the documents of JSON Lines or tab-separated (id, text) files; a title stands before its text."""
    documents: dict[str, str] = {}
    for file in files:
        for number, key, text in _documents(file):
            if only is not None and key not in only:
                continue
            if key in documents:
                raise problem(file, number, f"document {key!r} is there already")
            documents[key] = text
    return documents


def _documents(file: Path) -> Iterable[tuple[int, str, str]]:
    if ".jsonl" not in file.suffixes:
        for number, line in read_lines(file):
            key, tab, text = line.partition("\t")
            if not tab:
                raise problem(file, number, "expected an id, a tab and the document's text")
            yield number, key, text
        return
    for number, row in read_json_lines(file):
        text = text_field(file, number, row, "text", "contents", "body")
        title = row.get("title")
        whole = f"{title} {text}" if isinstance(title, str) and title.strip() else text
        yield number, text_field(file, number, row, "_id", "id", "docid", "doc_id"), whole


def _queries_and_qrels(folder: Path, split: str | None) -> tuple[Path, Path]:
    queries = find(folder, "queries.jsonl", "queries.tsv")
    if queries is not None:
        flat = find(folder, "qrels.tsv", "qrels.txt", "qrels.trec")
        if flat is not None and split is None:
            return queries, flat
        return queries, _split_file(folder / "qrels", split)
    if (folder / "topics").is_dir():
        return _split_file(folder / "topics", split), _split_file(folder / "qrels", split)
    if any(folder.glob("topic.*")):
        chosen = _split_file(folder, split, prefix="topic.")
        return chosen, _split_file(folder, bare_name(chosen).removeprefix("topic."), prefix="qrels.")
    raise InputError(
        f"{folder}: no queries.jsonl, topics/ or topic.*.tsv",
        hint="the guide docs/guides/evaluate.md shows the layouts; or name the files: --queries --corpus --qrels",
    )


def _split_file(folder: Path, split: str | None, *, prefix: str = "") -> Path:
    """Return the folder's file of a split: its name is the split, or ends in `-SPLIT`."""
    files = {file: bare_name(file) for file in sorted(folder.glob(f"{prefix}*")) if file.is_file()}
    for wanted in SPLITS if split is None else (split,):
        for file, name in files.items():
            if name.removeprefix(prefix) == wanted or name.endswith(f"-{wanted}"):
                return file
    there = ", ".join(file.name for file in files) or "nothing"
    raise InputError(f"{folder}: no file for the split {split or ' or '.join(SPLITS)}; there is {there}")


def _is_split(qrels: Path) -> bool:
    """Whether judgements are of one split, so that queries without any belong to the others."""
    return bare_name(qrels) != "qrels"


def _corpus_files(folder: Path) -> list[Path]:
    found = find(folder, "corpus.jsonl", "corpus.tsv", "collection/docs.jsonl", "collection.tsv")
    if found is not None:
        return [found]
    places = [folder, *sorted(folder.parent.glob("miracl-corpus-*"))]
    language = folder.resolve().name.rsplit("-", 1)[-1]
    for place in places:
        if place == folder or place.name.endswith(f"-{language}"):
            files = sorted(file for file in place.glob("docs*.jsonl*") if file.is_file())
            if files:
                return files
    raise InputError(f"{folder}: no corpus.jsonl, collection/ or docs*.jsonl", hint="name the documents with --corpus")
