import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resift import CrossEncoder
from resift.compat.settings import Settings, read_settings
from resift.errors import InputError, PairError, ResiftWarning
from tests.checkpoints import make_checkpoint, write_json

PAIRS = [("how to train a model", "Dropout helps."), ("weather", "It rains."), ("", "text")]


def torch_module(name: str) -> Any:
    """Something that looks like torch's activation modules, without torch."""
    return type(name, (), {"__module__": "torch.nn.modules.activation", "__call__": lambda *_: 1 / 0})()


@pytest.fixture
def encoder(checkpoint: Path) -> CrossEncoder:
    return CrossEncoder(checkpoint)


def test_predict_gives_sigmoids_in_order(encoder: CrossEncoder) -> None:
    scores = encoder.predict(PAIRS)
    assert isinstance(scores, np.ndarray) and scores.dtype == np.float32 and scores.shape == (3,)
    assert ((scores > 0) & (scores < 1)).all()
    assert scores.tolist() == [encoder.predict([pair])[0] for pair in PAIRS]
    assert encoder.predict([list(pair) for pair in PAIRS], 2).tolist() == scores.tolist()


def test_one_pair_gives_a_scalar(encoder: CrossEncoder) -> None:
    score = encoder.predict(PAIRS[0])
    assert np.shape(score) == ()
    assert score == encoder.predict([PAIRS[0]])[0]
    assert encoder.predict([]).shape == (0,)


def test_activations(checkpoint: Path, encoder: CrossEncoder) -> None:
    raw = encoder.predict(PAIRS, activation_fn=lambda logits: logits)
    np.testing.assert_allclose(encoder.predict(PAIRS), 1 / (1 + np.exp(-raw)), rtol=1e-6)
    assert encoder.predict(PAIRS, activation_fn=torch_module("Identity")).tolist() == raw.tolist()
    identity = CrossEncoder(checkpoint, activation_fn=torch_module("Identity"))
    assert identity.predict(PAIRS).tolist() == raw.tolist()
    assert identity.predict(PAIRS, activation_fn=torch_module("Sigmoid")).tolist() == encoder.predict(PAIRS).tolist()
    with pytest.raises(InputError, match="Tanh"):
        encoder.predict(PAIRS, activation_fn=torch_module("Tanh"))


def test_other_forms_of_the_result(encoder: CrossEncoder) -> None:
    scores = encoder.predict(PAIRS)
    as_list = encoder.predict(PAIRS, convert_to_numpy=False)
    assert isinstance(as_list, list) and as_list == scores.tolist()
    assert encoder.predict(PAIRS, apply_softmax=True).tolist() == scores.tolist()
    with pytest.raises(InputError, match="torch"):
        encoder.predict(PAIRS, convert_to_tensor=True)


def test_rank(encoder: CrossEncoder) -> None:
    documents = [document for _, document in PAIRS]
    ranking = encoder.rank("weather", documents)
    scores = encoder.predict([("weather", document) for document in documents])
    assert [entry["corpus_id"] for entry in ranking] == np.argsort(-scores).tolist()
    assert [entry["score"] for entry in ranking] == sorted(scores.tolist(), reverse=True)
    assert all(set(entry) == {"corpus_id", "score"} for entry in ranking)
    best = encoder.rank("weather", iter(documents), top_k=1, return_documents=True)
    assert best == [{**ranking[0], "text": documents[int(ranking[0]["corpus_id"])]}]
    assert encoder.rank("weather", []) == []


def test_equal_documents_keep_their_order(encoder: CrossEncoder) -> None:
    assert [entry["corpus_id"] for entry in encoder.rank("weather", ["same", "same", "same"])] == [0, 1, 2]


@pytest.mark.parametrize("pairs", [[PAIRS[0], ("a",)], [PAIRS[0], "text"], [PAIRS[0], ("a", None)], [PAIRS[0], 3]])
def test_wrong_shapes_are_named(encoder: CrossEncoder, pairs: Any) -> None:
    with pytest.raises(PairError, match="item 1"):
        encoder.predict(pairs)


@pytest.mark.parametrize(
    ("asked", "told"),
    [({"device": "cuda"}, "cuda"), ({"backend": "onnx"}, "onnx"), ({"trust_remote_code": True}, "no code")],
)
def test_what_is_not_here_is_told_and_it_scores(checkpoint: Path, asked: dict[str, Any], told: str) -> None:
    with pytest.warns(ResiftWarning, match=told) as notices:
        encoder = CrossEncoder(checkpoint, **asked)
    assert len(notices) == 1
    assert notices[0].filename == __file__
    assert encoder.predict(PAIRS).tolist() == CrossEncoder(checkpoint).predict(PAIRS).tolist()


def test_labels(checkpoint: Path) -> None:
    CrossEncoder(checkpoint, num_labels=1)
    with pytest.raises(InputError, match="num_labels"):
        CrossEncoder(checkpoint, num_labels=3)


def test_misspelt_arguments_raise(checkpoint: Path, encoder: CrossEncoder) -> None:
    with pytest.raises(TypeError, match="maxlength"):
        CrossEncoder(checkpoint, maxlength=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="batchsize"):
        encoder.predict(PAIRS, batchsize=1)  # type: ignore[call-arg]


@pytest.mark.parametrize(("stored", "expected"), [(40, 40), (10**30, 128), (None, 128)])
def test_the_length_limit_is_the_tokenizers(tmp_path: Path, stored: int | None, expected: int) -> None:
    folder = make_checkpoint(tmp_path)
    if stored is not None:
        write_json(folder / "tokenizer_config.json", {"model_max_length": stored})
    long = [("query", "word " * 1000)]
    limited = CrossEncoder(folder, max_length=expected)
    assert CrossEncoder(folder).predict(long).tolist() == limited.predict(long).tolist()
    assert CrossEncoder(folder, max_length=20).predict(long).tolist() != limited.predict(long).tolist()


def test_an_activation_that_nobody_knows_is_told(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path)
    expected = CrossEncoder(folder).predict(PAIRS)
    write_json(folder / "config_sentence_transformers.json", {"activation_fn": "somewhere.Tanh"})
    with pytest.warns(ResiftWarning, match=r"somewhere\.Tanh"):
        encoder = CrossEncoder(folder)
    assert encoder.predict(PAIRS).tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("config.json", {}, None),
        ("config.json", {"sentence_transformers": {"activation_fn": "a.Identity"}}, "a.Identity"),
        ("config.json", {"sbert_ce_default_activation_function": "a.Identity"}, "a.Identity"),
        ("config.json", {"sentence_transformers": {"activation_fn": None}}, None),
        ("config_sentence_transformers.json", {"activation_fn": "b.Sigmoid"}, "b.Sigmoid"),
    ],
)
def test_where_an_activation_is_named(
    tmp_path: Path, file: str, content: dict[str, object], expected: str | None
) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / file).write_text(json.dumps(content))
    assert read_settings(tmp_path) == Settings(max_length=None, activation=expected)
