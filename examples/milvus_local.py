"""Milvus Lite finds, resift ranks: a database in a folder, no server, no network, any language.

Needs pip install 'resift[milvus]'. With MilvusIndex.open("http://localhost:19530") the same runs on a server.
"""

import numpy as np

from resift import Reranker
from resift.retrieval import MilvusIndex

TEXTS = [
    "To boil an egg, put it into boiling water for seven minutes.",
    "An egg is laid by a hen about once a day.",
    "Boil the potatoes for twenty minutes, then peel them.",
    "煮鸡蛋：水开后放入鸡蛋，煮七分钟。",
    "母鸡大约每天下一个蛋。",
    "土豆煮二十分钟，然后去皮。",
]
LANGUAGES = ["en", "en", "en", "zh", "zh", "zh"]

# The encoder is resift's own; "sentence-transformers:BAAI/bge-m3" or "http://.../v1/embeddings#MODEL" are better.
with MilvusIndex.open("eggs.db", fields={"lang": str}) as index, Reranker(scores="sigmoid") as reranker:
    index.add(np.arange(len(TEXTS)), TEXTS, metadata=[{"lang": language} for language in LANGUAGES])
    index.save(mark=1)
    print(f"{len(index)} documents")
    for query, condition in [("how long do I boil an egg", None), ("鸡蛋要煮多久", "lang == 'zh'")]:
        hits = index.search(query, top_k=50, filter=condition)
        documents = index.texts([hit.id for hit in hits])
        print(query)
        for best in reranker.rank(query, documents, top_k=2):
            hit = hits[best.index]
            print(f"  {best.score:.3f}  was {best.index + 1} ({hit.score:.3f})  {best.document}")
