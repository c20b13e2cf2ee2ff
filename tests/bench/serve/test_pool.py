from resift.bench.serve.pool import make_pool
from resift.loading.checkpoint import load_checkpoint
from resift.loading.source import locate


def test_requests_of_a_pool_are_as_long_and_all_different() -> None:
    tokenizer = load_checkpoint(locate(None)).tokenizer
    for documents in (1, 7):
        pool = make_pool(tokenizer, documents=documents, requests=5)
        assert [len(request.documents) for request in pool.requests] == [documents] * 5
        pairs = [pair for request in pool.requests for pair in request.pairs]
        assert len(set(pairs)) == len(pairs) and len({request.query for request in pool.requests}) == 5
        for request in pool.requests:
            assert sum(len(e.ids) for e in tokenizer.encode_batch(request.pairs)) == request.tokens
    again = make_pool(tokenizer, documents=7, requests=5)
    assert again.requests == pool.requests
