"""The shortest use: put documents in order for a query."""

from resift import Reranker

documents = ["Sunlight warms the sea.", "Mix one egg with flour for pasta dough.", "茶要用八十度的水泡。"]
for best in Reranker().rank("how do I make fresh noodles", documents):
    print(f"{best.score:7.4f}  {best.document}")
