"""`pipeline.json`: read as it was written, refused when it is something else."""

import json
from pathlib import Path
from typing import Any

import pytest

from resift.documents import Chunking, Columns
from resift.errors import InputError, StoreDamaged
from resift.pipeline.config import FILE, FORMAT, Config, read, write
from resift.text.template import Template


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    config = Config(
        stores={"bm25": {"analyzer": "words"}, "faiss": {"kind": "hnsw"}, "mine": {"given": True}},
        encoder="http://localhost:8080/v1/embeddings#模型",
        chunking=Chunking(size=300, overlap=50),
        columns=Columns(id="sku"),
        fusion="weighted:z-score",
        weights={"faiss": 0.5},
    )
    write(tmp_path, config)
    assert read(tmp_path) == config
    assert [file.name for file in tmp_path.iterdir()] == [FILE]


def test_a_template_is_kept_as_its_text(tmp_path: Path) -> None:
    write(tmp_path, Config(stores={"bm25": {}}, columns=Columns(template=Template("{title}: {price}"))))
    template = read(tmp_path).columns.template
    assert template is not None
    assert template.render({"title": "壶", "price": 3}) == "壶: 3"


def test_two_pipelines_have_two_identities() -> None:
    assert Config(stores={"bm25": {}}).identity != Config(stores={"bm25": {}}).identity


def test_where_stores_are(tmp_path: Path) -> None:
    config = Config(stores={"bm25": {}, "milvus": {"uri": "http://localhost:19530"}, "mine": {"given": True}})
    assert [config.place(tmp_path, name) for name in config.stores] == [tmp_path / "bm25", None, None]
    assert config.dense
    assert not Config(stores={"bm25": {}}).dense


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stores": {}}, "there are no stores"),
        ({"fusion": "best"}, "fusion is 'best'"),
        ({"fusion": "weighted:best"}, "fusion is 'weighted:best'"),
        ({"weights": {"faiss": 1}}, "weights are for faiss"),
        ({"weights": {"bm25": -1}}, "at least 0"),
        ({"weights": {"bm25": float("nan")}}, "at least 0"),
    ],
)
def test_what_it_refuses(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Config(**{"stores": {"bm25": {}}, **changes})


def test_no_pipeline(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no pipeline.*Pipeline.create"):
        read(tmp_path)


def test_a_newer_format(tmp_path: Path) -> None:
    write(tmp_path, Config(stores={"bm25": {}}))
    body = json.loads((tmp_path / FILE).read_text())
    (tmp_path / FILE).write_text(json.dumps({**body, "format": FORMAT + 1, "stores": "of the future"}))
    with pytest.raises(InputError, match=f"has format {FORMAT + 1}, this version of resift reads {FORMAT}"):
        read(tmp_path)


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"format": 1}', '{"format": 1, "stores": 3}', "\x00"])
def test_a_damaged_file(tmp_path: Path, body: str) -> None:
    (tmp_path / FILE).write_text(body)
    with pytest.raises(StoreDamaged, match="backup"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["encoder", "stores", "chunking", "columns", "fusion", "weights", "identity"])
def test_a_missing_field(tmp_path: Path, name: str) -> None:
    write(tmp_path, Config(stores={"bm25": {}}))
    body = json.loads((tmp_path / FILE).read_text())
    del body[name]
    (tmp_path / FILE).write_text(json.dumps(body))
    with pytest.raises(StoreDamaged, match=name):
        read(tmp_path)
