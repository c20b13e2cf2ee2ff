"""Which sentence of a document carried its score: leave one sentence out and score again."""
