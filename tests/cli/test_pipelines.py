"""Keys of servers come from the environment, and never get into a folder."""

import json
from pathlib import Path

import httpx
import pytest

from resift.cli.pipelines import keyed_encoder, milvus_token
from tests.cli.conftest import RunCli

URL = "http://encoder:1/v1/embeddings#small"
KEY = "secret-key-of-the-encoder"


def answer(_: object, request: httpx.Request) -> httpx.Response:
    if request.headers.get("authorization") != f"Bearer {KEY}":
        return httpx.Response(401, json={"error": {"message": "who are you"}})
    texts = json.loads(request.content)["input"]
    data = [{"index": i, "embedding": [1.0, len(text), text.count("e")]} for i, text in enumerate(texts)]
    return httpx.Response(200, json={"data": data})


def test_an_encoder_with_a_key(run_cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("faiss")
    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", answer)
    folder, rows = tmp_path / "index", tmp_path / "rows.jsonl"
    rows.write_text('{"id": "a", "text": "green tea"}\n{"id": "b", "text": "coffee"}\n')
    command = ("index", str(folder), str(rows), "--stores", "bm25,faiss", "--encoder", URL)
    refused = run_cli(*command)
    assert refused.code != 0 and "who are you" in refused.err
    monkeypatch.setenv("RESIFT_ENCODER_KEY", KEY)
    assert run_cli(*command).code == 0
    found = json.loads(run_cli("search", str(folder), "green tea", "--json", "--stores", "faiss").out)
    assert {hit["document"] for hit in found["hits"]} == {"a", "b"}
    assert run_cli("index", str(folder), "--info").code == 0
    assert not [file for file in folder.rglob("*") if file.is_file() and KEY.encode() in file.read_bytes()]
    monkeypatch.delenv("RESIFT_ENCODER_KEY")
    assert "who are you" in run_cli("search", str(folder), "green tea", "--stores", "faiss").err


def test_what_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESIFT_ENCODER_KEY", KEY)
    monkeypatch.setenv("RESIFT_MILVUS_TOKEN", "t")
    assert keyed_encoder(None) is None and keyed_encoder("resift") is None
    assert milvus_token() == "t"
    monkeypatch.setenv("RESIFT_ENCODER_KEY", "")
    monkeypatch.setenv("RESIFT_MILVUS_TOKEN", "")
    assert keyed_encoder(URL) is None and milvus_token() is None
