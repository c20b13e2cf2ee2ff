"""From a question to the right passage: recall, fusion, rerank, over one folder."""
