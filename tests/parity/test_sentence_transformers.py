"""Our adapter against sentence-transformers itself, on a tiny model that is made here."""

from pathlib import Path

import numpy as np
import pytest

from resift.retrieval import FaissIndex, SentenceTransformerEncoder, as_encoder
from tests.checkpoints import make_checkpoint

pytestmark = [
    pytest.mark.parity,
    # Of their dependencies, on the way: none of them is ours to mend.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]
sentence_transformers = pytest.importorskip("sentence_transformers")

TEXTS = ["The cat sleeps on the sofa.", "银行利率上调", "ねこが ソファで ねている", "Процентная ставка выросла"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT with mean pooling and prompts of its own."""
    root = tmp_path_factory.mktemp("model")
    make_checkpoint(root / "bert", "bert")
    models = getattr(sentence_transformers, "models", None) or pytest.importorskip("sentence_transformers.models")
    network = models.Transformer(str(root / "bert"))
    pooling = models.Pooling(network.get_word_embedding_dimension())
    model = sentence_transformers.SentenceTransformer(
        modules=[network, pooling], device="cpu", prompts={"query": "ask: ", "document": "tell: "}
    )
    model.save(str(root / "tiny"))
    return root / "tiny"


def test_the_same_vectors(folder: Path) -> None:
    model = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
    encoder = as_encoder(f"sentence-transformers:{folder}")
    assert encoder.name == "sentence-transformers:tiny"
    for ours, theirs in [
        (encoder.encode_queries(TEXTS), model.encode_query(TEXTS, normalize_embeddings=True)),
        (encoder.encode_documents(TEXTS), model.encode_document(TEXTS, normalize_embeddings=True)),
    ]:
        assert np.allclose(ours, theirs, atol=1e-6)
    assert not np.allclose(encoder.encode_queries(TEXTS), encoder.encode_documents(TEXTS), atol=1e-3)
    assert encoder.dimension == model.encode(["a"]).shape[1]


def test_prefixes_of_ours(folder: Path) -> None:
    model = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
    encoder = SentenceTransformerEncoder(folder, query_prefix="query: ", dimensions=4)
    wanted = model.encode(["query: " + text for text in TEXTS], prompt="")[:, :4]
    assert np.allclose(encoder.encode_queries(TEXTS), wanted / np.linalg.norm(wanted, axis=1, keepdims=True), atol=1e-6)


def test_in_an_index(folder: Path, tmp_path: Path) -> None:
    with FaissIndex.open(tmp_path, encoder=f"sentence-transformers:{folder}?query_prefix=&document_prefix=") as index:
        index.add(range(2), TEXTS[:2])
        assert [hits[0].id for hits in index.search_many(TEXTS[:2], top_k=1)] == [0, 1]
