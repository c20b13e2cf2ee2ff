"""Encoders by name, functions as encoders, and sentence-transformers where it is installed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resift.errors import InputError, ResiftError
from resift.loading.source import EMBEDDED_FOLDER
from resift.retrieval import FunctionEncoder, HttpEncoder, SentenceTransformerEncoder, as_encoder
from resift.retrieval.encoding import Prompts, known_prompts, read_options


def shape(texts: list[str]) -> list[list[float]]:
    return [[float(len(text)), float(text.count(" ")), 1.0] for text in texts]


def test_a_function() -> None:
    asked: list[list[str]] = []

    def function(texts: list[str]) -> Any:
        asked.append(texts)
        return shape(texts)

    encoder = FunctionEncoder(function, name="shape", batch_size=2, query_prefix="q: ", document_prefix="d: ")
    vectors = encoder.encode_documents(["茶", "", "green tea", " \n", "x"])
    assert asked == [["d: 茶", "d: green tea"], ["d: x"]]
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), [1, 0, 1, 0, 1])
    assert np.allclose(vectors[0] * 1 / vectors[0][2], [4, 1, 1])
    assert not np.allclose(encoder.encode_queries(["green"]), encoder.encode_documents(["greens"]))
    assert asked[2:] == [["q: green"], ["d: greens"]]
    assert (encoder.name, encoder.dimension) == ("shape 'q: ' 'd: '", 3)
    assert encoder.encode_queries([]).shape == (0, 3)
    assert len(asked) == 4


def test_a_dimension_is_found_when_it_is_asked_for() -> None:
    assert FunctionEncoder(shape).dimension == 3
    assert FunctionEncoder(shape).encode_queries(["", " "]).tolist() == [[0, 0, 0], [0, 0, 0]]


def test_queries_may_have_a_function_of_their_own() -> None:
    encoder = FunctionEncoder(shape, query_function=lambda texts: -np.array(shape(texts)))
    assert np.array_equal(encoder.encode_queries(["a b"]), -encoder.encode_documents(["a b"]))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([[1.0, 2.0]], "1 vectors for 2 texts"),
        ([1.0, 2.0], "shape"),
        ([[1.0], [float("nan")]], "NaN or infinity in vector 1"),
        ([["a"], ["b"]], "no matrix"),
    ],
)
def test_a_function_that_gives_no_vectors(given: Any, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        FunctionEncoder(lambda _: given, name="mine").encode_documents(["a", "b"])
    assert "mine" in str(caught.value)


def test_texts_that_are_none() -> None:
    with pytest.raises(InputError, match="list of texts"):
        FunctionEncoder(shape).encode_documents("tea")
    with pytest.raises(InputError, match="batch_size is 0"):
        FunctionEncoder(shape, batch_size=0)


def test_as_encoder_of_objects() -> None:
    encoder = as_encoder(shape)
    assert isinstance(encoder, FunctionEncoder)
    assert encoder.name == "function:shape"
    assert as_encoder(encoder) is encoder
    with pytest.raises(InputError, match="encoder is int, expected 'resift'"):
        as_encoder(5)  # type: ignore[arg-type]


@pytest.mark.skipif(not (EMBEDDED_FOLDER / "embedder.safetensors").is_file(), reason="this checkout has no encoder")
def test_as_encoder_of_the_embedded_one() -> None:
    one, other, third = as_encoder(None), as_encoder("resift"), as_encoder(EMBEDDED_FOLDER)
    assert one.name == other.name == third.name
    assert np.array_equal(one.encode_queries(["银行利率"]), third.encode_queries(["银行利率"]))


def test_as_encoder_of_names() -> None:
    encoder = as_encoder("http://localhost:9/v1/embeddings#BAAI/bge-m3?dimensions=256")
    assert isinstance(encoder, HttpEncoder)
    assert encoder.name == "http:BAAI/bge-m3@256"
    encoder.close()


def test_an_api_key_goes_to_servers_only(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = []

    class Listening(HttpEncoder):
        def __init__(self, url: str, *, api_key: str | None) -> None:
            keys.append(api_key)

    monkeypatch.setattr("resift.retrieval.http_encoder.HttpEncoder", Listening)
    as_encoder("http://localhost:9/embed", api_key="secret")
    assert keys == ["secret"]
    assert as_encoder(shape, api_key="secret").name == "function:shape"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("bge-m3", "expected 'resift', the folder"),
        ("http://localhost:9", "ends in"),
        ("sentence-transformers:x?pooling=mean", "pooling=mean"),
        ("http://localhost:9/embed#?dimensions=many", "dimensions=many"),
    ],
)
def test_names_that_are_none(spec: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        as_encoder(spec)


def test_folders_that_hold_no_encoder(tmp_path: Path) -> None:
    with pytest.raises(ResiftError, match="holds no"):
        as_encoder(tmp_path)
    (tmp_path / "modules.json").write_text("[]")
    with pytest.raises(InputError, match=f"name it sentence-transformers:{tmp_path}"):
        as_encoder(tmp_path)


def test_options_of_a_name() -> None:
    assert read_options("a/b") == ("a/b", {})
    assert read_options("m?query_prefix=query:%20&document_prefix=&dimensions=8") == (
        "m",
        {"query_prefix": "query: ", "document_prefix": "", "dimensions": 8},
    )


@pytest.mark.parametrize(
    ("model", "prompts"),
    [
        ("intfloat/multilingual-e5-small", Prompts("query: ", "passage: ")),
        ("/models/e5-base-v2/", Prompts("query: ", "passage: ")),
        ("intfloat/multilingual-e5-large-instruct", Prompts()),
        ("BAAI/bge-m3", Prompts()),
        ("BAAI/bge-small-zh-v1.5", Prompts("为这个句子生成表示以用于检索相关文章：")),
        ("BAAI/bge-reranker-base", Prompts()),
        ("nomic-ai/nomic-embed-text-v1.5", Prompts("search_query: ", "search_document: ")),
        ("text-embedding-3-small", Prompts()),
    ],
)
def test_prefixes_of_known_models(model: str, prompts: Prompts) -> None:
    assert known_prompts(model) == prompts


def test_without_sentence_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sentence_transformers", None)
    with pytest.raises(InputError, match="pip install sentence-transformers"):
        as_encoder("sentence-transformers:intfloat/multilingual-e5-small")


class Recording:
    """What a SentenceTransformer looks like to us."""

    def __init__(self, prompts: dict[str, str]) -> None:
        self.prompts = prompts
        self.model_card_data = type("Card", (), {"base_model": "somebody/e5-small"})
        self.calls: list[tuple[str, list[str], Any]] = []

    def _vectors(self, kind: str, texts: list[str], prompt: str | None = None) -> np.ndarray:
        self.calls.append((kind, texts, prompt))
        return np.array(shape(texts))

    def encode(
        self, texts: list[str], *, prompt: str, batch_size: int, show_progress_bar: bool, convert_to_numpy: bool
    ) -> Any:
        return self._vectors("encode", texts, prompt)

    def encode_query(
        self, texts: list[str], *, batch_size: int, show_progress_bar: bool, convert_to_numpy: bool
    ) -> Any:
        return self._vectors("query", texts)

    def encode_document(
        self, texts: list[str], *, batch_size: int, show_progress_bar: bool, convert_to_numpy: bool
    ) -> Any:
        return self._vectors("document", texts)


def test_prompts_of_the_model_come_first() -> None:
    model = Recording({"query": "Q ", "document": ""})
    encoder = as_encoder(model)  # type: ignore[arg-type]
    assert isinstance(encoder, SentenceTransformerEncoder)
    encoder.encode_queries(["a"])
    encoder.encode_documents(["b"])
    assert model.calls == [("query", ["a"], None), ("document", ["b"], None)]
    assert encoder.name == "sentence-transformers:somebody/e5-small"


def test_prefixes_of_the_card_and_of_the_caller() -> None:
    for options, expected in [
        ({}, ("query: a", "passage: b")),
        ({"query_prefix": "ask "}, ("ask a", "b")),
        ({"query_prefix": "", "document_prefix": ""}, ("a", "b")),
    ]:
        model = Recording({})
        encoder = SentenceTransformerEncoder(model, dimensions=2, **options)
        assert encoder.encode_queries(["a"]).shape == (1, 2)
        encoder.encode_documents(["b"])
        assert [texts[0] for _, texts, _ in model.calls] == list(expected)
