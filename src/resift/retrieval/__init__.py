"""First-stage retrieval: what finds the candidates that a reranker puts in order.

Names are imported when they are first used (PEP 562), so that BM25 needs no FAISS.
"""
