from tests.clients.conftest import QUERY, TEXTS


def nodes():
    from llama_index.core.schema import NodeWithScore, TextNode

    return [NodeWithScore(node=TextNode(text=text, id_=str(i)), score=0.5) for i, text in enumerate(TEXTS)]


def found(ranked) -> list[tuple[int, float]]:
    return [(int(item.node.node_id), item.score) for item in ranked]


def test_cohere(url: str, expected: list[tuple[int, float]]) -> None:
    from llama_index.postprocessor.cohere_rerank import CohereRerank

    reranker = CohereRerank(api_key="key", base_url=url, top_n=2, model="rerank-v3.5", max_retries=1)
    assert found(reranker.postprocess_nodes(nodes(), query_str=QUERY)) == expected[:2]


def test_jina(url: str, expected: list[tuple[int, float]]) -> None:
    from llama_index.postprocessor.jinaai_rerank import JinaRerank

    reranker = JinaRerank(api_key="key", base_url=f"{url}/v1", top_n=3)
    assert found(reranker.postprocess_nodes(nodes(), query_str=QUERY)) == expected[:3]


def test_tei(url: str, expected: list[tuple[int, float]]) -> None:
    from llama_index.postprocessor.tei_rerank import TextEmbeddingInference

    reranker = TextEmbeddingInference(base_url=url, top_n=4)
    assert found(reranker.postprocess_nodes(nodes(), query_str=QUERY)) == expected
    reranker.keep_retrieval_score = True
    best = reranker.postprocess_nodes(nodes(), query_str=QUERY)[0]
    assert best.node.metadata["retrieval_score"] == 0.5
