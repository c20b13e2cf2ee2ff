"""Dense recall with FAISS beside BM25, both lists fused, the best reranked. The index is kept in a folder."""

import tempfile

from resift import Reranker
from resift.retrieval import BM25, FaissIndex, rrf

TEXTS = [
    "To descale a kettle, boil water with two spoons of citric acid and leave it for an hour.",
    "A kettle that whistles too early has a worn seal.",
    "Wasserkocher entkalken: Zitronensäure mit Wasser aufkochen, eine Stunde stehen lassen.",
    "烧水壶除垢：放入柠檬酸和水煮开，静置一小时后倒掉。",
    "Green tea tastes bitter when the water is hotter than eighty degrees.",
    "Лимонная кислота растворяет накипь в чайнике.",
    "The citric acid cycle is a series of reactions in every living cell.",
]
QUERY = "how to remove limescale from a kettle"

with tempfile.TemporaryDirectory() as folder:
    with FaissIndex.open(folder) as dense:  # vectors of the embedded model; encoder= takes any other
        dense.add(range(len(TEXTS)), TEXTS)
        dense.save(mark=1)

    words = BM25(TEXTS)
    with FaissIndex.open(folder) as dense:
        lists = [words.search(QUERY, top_k=5), dense.search(QUERY, top_k=5)]
    found = rrf(lists, weights=[2, 1], top_k=6)  # small encoders see less than words do: give BM25 more weight
    for hit in found:
        by_words, by_vectors = hit.shares
        print(f"BM25 {by_words.place or '-'}  FAISS {by_vectors.place or '-'}  {TEXTS[hit.id]}")

print()
for best in Reranker(scores="sigmoid").rank(QUERY, [TEXTS[hit.id] for hit in found], top_k=4):
    print(f"{best.score:.3f}  {best.document}")
