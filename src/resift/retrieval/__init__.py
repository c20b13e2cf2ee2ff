"""First-stage retrieval: what finds the candidates that a reranker puts in order."""
