"""A drop-in for FlagEmbedding's FlagReranker: same calls, no torch. Only the import line changes."""

import warnings

from resift import FlagReranker, ResiftWarning

with warnings.catch_warnings():
    warnings.simplefilter("ignore", ResiftWarning)  # use_fp16 needs a GPU: without one the CPU scores instead
    reranker = FlagReranker(use_fp16=True)  # FlagReranker("BAAI/bge-reranker-v2-m3", use_fp16=True)

# One pair gives a number.
score = reranker.compute_score(["什么是向量数据库？", "向量数据库保存嵌入向量，并按相似度查找最近的邻居。"])
print(f"one pair: {score:.4f}")

# A list of pairs gives a list, in the same order.
pairs = [
    ["how tall is a giraffe", "An adult giraffe is about five metres tall."],
    ["how tall is a giraffe", "The zoo opens at nine and closes at six."],
]
print("raw:       ", [f"{value:.4f}" for value in reranker.compute_score(pairs)])

# normalize=True maps raw scores to 0..1 with a sigmoid; the order is the same.
print("normalized:", [f"{value:.4f}" for value in reranker.compute_score(pairs, normalize=True)])
