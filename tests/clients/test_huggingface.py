from tests.clients.conftest import QUERY, TEXTS


def test_text_classification_scores_a_pair(url: str, expected: list[tuple[int, float]]) -> None:
    """The hub's client has no rerank task; a pair through `text_classification` is what Endpoints offer for it."""
    from huggingface_hub import InferenceClient

    client = InferenceClient(model=f"{url}/predict")
    [label] = client.text_classification([[QUERY, TEXTS[1]]])
    assert (label.label, label.score) == ("LABEL_0", dict(expected)[1])


def test_sentence_similarity_scores_texts(url: str, expected: list[tuple[int, float]]) -> None:
    from huggingface_hub import InferenceClient

    scores = InferenceClient(model=f"{url}/similarity").sentence_similarity(QUERY, TEXTS)
    assert scores == [score for _, score in sorted(expected)]
