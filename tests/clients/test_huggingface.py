from tests.clients.conftest import QUERY, TEXTS


def test_text_classification_scores_a_pair(url: str, expected: list[tuple[int, float]]) -> None:
    """The hub's client has no rerank task; a pair through `text_classification` is what Endpoints offer for it."""
    from huggingface_hub import InferenceClient

    client = InferenceClient(model=f"{url}/predict")
    [label] = client.text_classification([[QUERY, TEXTS[1]]])
    assert (label.label, label.score) == ("LABEL_0", dict(expected)[1])
