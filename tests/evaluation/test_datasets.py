"""Every layout as its makers write it, and what is wrong with it by file and line."""

import gzip
import json
import lzma
from pathlib import Path
from types import SimpleNamespace

import pytest

from resift.errors import InputError, MissingExtra
from resift.evaluation import read_dataset, read_files
from resift.evaluation.datasets import guess_language
from resift.evaluation.judged import AS_GIVEN, SHUFFLED
from resift.evaluation.remote import from_ir_datasets, read_remote


def lines(file: Path, *rows: object) -> Path:
    """Write rows as JSON lines, or as they are when they are texts; compressed as the name says."""
    file.parent.mkdir(parents=True, exist_ok=True)
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    opener = {".gz": gzip.open, ".xz": lzma.open}.get(file.suffix, open)
    with opener(file, "wt") as stream:  # type: ignore[operator]
        stream.write(text)
    return file


def test_beir(tmp_path: Path) -> None:
    folder = tmp_path / "scifact"
    lines(folder / "corpus.jsonl.gz", {"_id": "1", "title": "A", "text": "b"}, {"_id": "2", "title": "", "text": "c"})
    lines(folder / "queries.jsonl", {"_id": "t", "text": "in test"}, {"_id": "n", "text": "in train"})
    lines(folder / "qrels" / "test.tsv", "query-id\tcorpus-id\tscore", "t\t1\t2")
    lines(folder / "qrels" / "train.tsv", "query-id\tcorpus-id\tscore", "n\t2\t1")
    found = read_dataset(folder)
    assert (found.name, found.documents, found.qrels) == ("scifact", {"1": "A b", "2": "c"}, {"t": {"1": 2}})
    assert [query.text for query in found.queries.values()] == ["in test"]
    assert found.first_stage is None
    assert read_dataset(folder, split="train").qrels == {"n": {"2": 1}}
    assert read_dataset(folder, only={"2"}).documents == {"2": "c"}
    with pytest.raises(InputError, match=r"no file for the split dev; there is test\.tsv, train\.tsv"):
        read_dataset(folder, split="dev")


def test_plain_folder_with_candidates_languages_and_clusters(tmp_path: Path) -> None:
    folder = tmp_path / "set-zh"
    lines(folder / "corpus.jsonl.xz", {"id": 1, "text": "a"}, {"id": 2, "text": "b"})
    lines(folder / "queries.jsonl", {"id": "q", "text": "x"}, {"id": "r", "text": "y", "language": "ja", "cluster": 7})
    lines(folder / "qrels.tsv", "q\t1\t1")
    lines(folder / "candidates.tsv", "q\t2 1")
    found = read_dataset(folder)
    assert found.first_stage == {"q": ["2", "1"]}
    assert [(query.language, query.cluster) for query in found.queries.values()] == [("zh", None), ("ja", "7")]
    assert set(found.queries) == {"q", "r"}  # r has no judgement: it is for the plan to count it


def test_miracl_with_its_corpus_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "miracl-v1.0-sw"
    lines(folder / "topics" / "topics.miracl-v1.0-sw-dev.tsv", "4\tswali")
    lines(folder / "topics" / "topics.miracl-v1.0-sw-train.tsv", "5\tlingine")
    lines(folder / "qrels" / "qrels.miracl-v1.0-sw-dev.tsv", "4 Q0 7#1 1", "4 Q0 8#0 0")
    docs = tmp_path / "miracl-corpus-v1.0-sw"
    lines(docs / "docs-0.jsonl.gz", {"docid": "7#1", "title": "T", "text": "x"})
    lines(docs / "docs-1.jsonl.gz", {"docid": "8#0", "title": "U", "text": "y"})
    lines(tmp_path / "miracl-corpus-v1.0-yo" / "docs-0.jsonl.gz", {"docid": "other", "text": "z"})
    found = read_dataset(folder)
    assert found.documents == {"7#1": "T x", "8#0": "U y"}
    assert found.qrels == {"4": {"7#1": 1, "8#0": 0}}
    assert [(query.text, query.language) for query in found.queries.values()] == [("swali", "sw")]


def test_mr_tydi(tmp_path: Path) -> None:
    folder = tmp_path / "mrtydi-v1.1-finnish"
    lines(folder / "topic.tsv", "1\tkaikki")
    lines(folder / "topic.test.tsv", "1\tkysymys")
    lines(folder / "qrels.test.txt", "1 Q0 3#0 1")
    lines(folder / "qrels.txt", "1 Q0 3#0 1")
    lines(folder / "collection" / "docs.jsonl.gz", {"id": "3#0", "contents": "Otsikko\n\nteksti"})
    found = read_dataset(folder)
    assert found.documents == {"3#0": "Otsikko\n\nteksti"}
    assert [(query.text, query.language) for query in found.queries.values()] == [("kysymys", "fi")]


def test_c_mteb_reranking_is_shuffled_and_the_same_each_time(tmp_path: Path) -> None:
    row = {"query": "问", "positive": ["好", "也好"], "negative": [f"差{i}" for i in range(30)] + ["好"]}
    found = read_dataset(lines(tmp_path / "T2-zh.jsonl", row))
    assert found.first_stage_name == SHUFFLED
    assert found.first_stage is not None
    texts = [found.documents[key] for key in found.first_stage["q1"]]
    assert sorted(texts) == sorted({"好", "也好", *(f"差{i}" for i in range(30))})
    assert texts[:2] != ["好", "也好"]
    assert {found.documents[key] for key, grade in found.qrels["q1"].items() if grade} == {"好", "也好"}
    assert read_dataset(tmp_path / "T2-zh.jsonl").first_stage == found.first_stage
    reverse = {**row, "negative": row["negative"][::-1]}
    other = read_dataset(lines(tmp_path / "R-zh.jsonl", reverse))
    assert other.first_stage is not None
    assert [other.documents[key] for key in other.first_stage["q1"]] == texts


def test_parquet_is_the_same_as_lines(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [
        {"query": "a", "positive": ["x"], "negative": ["y", "z"]},
        {"query": "b", "positive": ["y"], "negative": []},
    ]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "set.parquet")
    one, other = read_dataset(tmp_path / "set.parquet"), read_dataset(lines(tmp_path / "set.jsonl", *rows))
    assert one == other
    lines(tmp_path / "bad.parquet", "not parquet")
    with pytest.raises(InputError, match=r"bad\.parquet: not a Parquet file"):
        read_dataset(tmp_path / "bad.parquet")


def test_lists_and_pairs_of_a_user_keep_their_order(tmp_path: Path) -> None:
    lists = lines(tmp_path / "l.jsonl", {"query": "a", "documents": ["x", "y", "z"], "labels": [0, 2, 1]})
    pairs = lines(
        tmp_path / "p.jsonl",
        *(
            {"query": "a", "document": document, "label": label}
            for document, label in zip("xyz", [0, 2, 1.0], strict=True)
        ),
    )
    one, other = read_dataset(lists), read_dataset(pairs)
    assert one.first_stage == other.first_stage == {"q1": ["d1", "d2", "d3"]}
    assert one.qrels == other.qrels == {"q1": {"d1": 0, "d2": 2, "d3": 1}}
    assert one.first_stage_name == AS_GIVEN


def test_xquad_and_its_sentences(tmp_path: Path) -> None:
    context = "Eins steht hier. Zwei steht dort."
    questions = [
        {"id": "u", "question": "eins?", "answers": [{"answer_start": 0, "text": "Eins"}]},
        {"id": "v", "question": "zwei?", "answers": [{"answer_start": 17, "text": "Zwei"}]},
        {"id": "w", "question": "drei?", "answers": []},
    ]
    paragraph = {"context": context, "qas": questions}
    whole = read_dataset(lines(tmp_path / "xquad.de.json", {"data": [{"title": "T", "paragraphs": [paragraph]}]}))
    assert whole.documents == {"d1": context}
    assert whole.qrels == {"u": {"d1": 1}, "v": {"d1": 1}, "w": {}}
    assert {query.language for query in whole.queries.values()} == {"de"}
    split = {**paragraph, "sentence_breaks": [[0, 16], [17, 33]]}
    cut = read_dataset(lines(tmp_path / "r.de.json", {"data": [{"paragraphs": [split]}]}))
    assert list(cut.documents.values()) == ["Eins steht hier.", "Zwei steht dort."]
    assert cut.qrels == {"u": {"d1": 1}, "v": {"d2": 1}, "w": {}}


def test_an_answer_at_the_seam_of_two_sentences_is_in_the_second(tmp_path: Path) -> None:
    question = {"id": "u", "question": "?", "answers": [{"answer_start": 5, "text": "乙"}]}
    paragraph = {"context": "甲在这里。乙在那里。", "qas": [question], "sentence_breaks": [[0, 5], [5, 10]]}
    found = read_dataset(lines(tmp_path / "r.zh.json", {"data": [{"paragraphs": [paragraph]}]}))
    assert found.qrels == {"u": {"d2": 1}}


def test_files_named_one_by_one(tmp_path: Path) -> None:
    found = read_files(
        queries=lines(tmp_path / "q.tsv", "1\tfrage"),
        corpus=[lines(tmp_path / "a.tsv", "x\teins"), lines(tmp_path / "b.jsonl", {"docid": "y", "text": "zwei"})],
        qrels=lines(tmp_path / "qrels", "1 0 y 1"),
    )
    assert found.documents == {"x": "eins", "y": "zwei"}
    assert found.queries["1"].text == "frage"


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("a.jsonl", ['{"query": "a"', "{}"], r"a\.jsonl, line 1: not JSON"),
        ("a.jsonl", [{"query": "a", "positive": ["x"]}, [1]], r"line 2: expected an object"),
        ("a.jsonl", [{"query": 1, "positive": ["x"]}], r"line 1: the field 'query'"),
        ("a.jsonl", [{"query": "a"}], r"line 1: the field 'document' is not a text or a list.*fields are: query"),
        ("a.jsonl", [{"query": "a", "positive": [1]}], r"line 1: the field 'positive'"),
        ("a.jsonl", [{"query": "a", "documents": ["x"], "labels": []}], r"line 1: 1 documents and 0 labels"),
        ("a.jsonl", [{"query": "a", "document": "x", "label": "yes"}], r"line 1: the label 'yes'"),
        ("a.jsonl", [{"id": 1, "query": "a", "document": "x", "label": 1},
                     {"id": 1, "query": "b", "document": "x", "label": 1}], r"line 2: query '1' has another text"),
        ("a.jsonl", [], r"no queries"),
        ("a.json", [{"version": 1}], r"a\.json: expected SQuAD's JSON"),
        ("a.json", [{"data": [{"paragraphs": [{"context": "x"}]}]}], r"paragraph 1 has no context or no qas"),
        ("a.json", [{"data": []}], r"no questions"),
        ("a.doc", ["x"], r"the ending is none of"),
    ],
)  # fmt: skip
def test_a_bad_file_is_named_with_its_line(name: str, rows: list[object], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read_dataset(lines(tmp_path / name, *rows))


def test_bad_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder or file"):
        read_dataset(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"no queries\.jsonl"):
        read_dataset(tmp_path)
    lines(tmp_path / "queries.jsonl", {"id": "q", "text": "x"}, {"id": "q", "text": "y"})
    lines(tmp_path / "qrels.tsv", "q\td\t1")
    with pytest.raises(InputError, match=r"queries\.jsonl, line 2: query 'q' stands further up"):
        read_dataset(tmp_path)
    lines(tmp_path / "queries.jsonl", {"id": "q", "title": "x"})
    with pytest.raises(InputError, match=r"line 1: no text in the field 'text' or 'query'; the fields are: id, title"):
        read_dataset(tmp_path)
    lines(tmp_path / "queries.jsonl", {"id": "q", "text": "x"})
    with pytest.raises(InputError, match=r"no corpus\.jsonl"):
        read_dataset(tmp_path)
    lines(tmp_path / "corpus.jsonl", {"id": "d", "text": "x"}, {"id": "d", "text": "y"})
    with pytest.raises(InputError, match=r"corpus\.jsonl, line 2: document 'd' is there already"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("xquadr-sentence-zh", "zh"), ("xquad.ar.json", "ar"), ("xquad-cross-zh-en", "zh-en"), ("scifact-train", None),
        ("mrtydi-v1.1-swahili", "sw"), ("miracl-v1.0-fr", "fr"), ("cmrc2018-dev", None), ("T2-zh.jsonl.gz", "zh"),
    ],
)  # fmt: skip
def test_language_of_a_name(name: str, wanted: str | None) -> None:
    assert guess_language(Path("/some/where") / name) == wanted


def ir_dataset(**missing: bool) -> SimpleNamespace:
    """Return what ir_datasets.load gives, in the few attributes of it that are used."""

    def record(**fields: object) -> SimpleNamespace:
        return SimpleNamespace(**fields, default_text=lambda: fields.get("text"))

    has = {
        f"has_{part}": lambda part=part: not missing.get(part) for part in ("docs", "queries", "qrels", "scoreddocs")
    }
    return SimpleNamespace(
        **has,
        queries_lang=lambda: "en",
        docs_iter=lambda: iter([record(doc_id="d", text="D"), record(doc_id="e", text="E")]),
        queries_iter=lambda: iter([record(query_id="q", text="Q")]),
        qrels_iter=lambda: iter([record(query_id="q", doc_id="d", relevance=1)]),
        scoreddocs_iter=lambda: iter(
            [record(query_id="q", doc_id="d", score=1.0), record(query_id="q", doc_id="e", score=2.0)]
        ),
    )


def test_ir_datasets_records_become_ours() -> None:
    found = from_ir_datasets(ir_dataset(), name="x")
    assert (found.documents, found.qrels) == ({"d": "D", "e": "E"}, {"q": {"d": 1}})
    assert found.first_stage == {"q": ["e", "d"]}
    assert found.queries["q"].language == "en"
    assert from_ir_datasets(ir_dataset(scoreddocs=True), name="x").first_stage is None
    with pytest.raises(InputError, match="irds:x has no qrels"):
        from_ir_datasets(ir_dataset(qrels=True), name="x")


def test_catalogues_say_what_they_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    for name in ("irds:beir/scifact/test", "hf:C-MTEB/T2Reranking"):
        with pytest.raises(MissingExtra, match="eval-hub"):
            read_dataset(name)
    with pytest.raises(InputError, match="expected one of irds:NAME, hf:NAME"):
        read_remote("irds:")
