"""Milvus finds, resift ranks. Needs pymilvus and the two servers of docker-compose.yml.

The first stage is Milvus' own full-text search, so that no embedding model is needed; with vectors it is the same.
"""

import os

from pymilvus import DataType, Function, FunctionType, MilvusClient

from resift import Client

TEXTS = [
    "To boil an egg, put it into boiling water for seven minutes.",
    "An egg is laid by a hen about once a day.",
    "Boil the potatoes for twenty minutes, then peel them.",
    "The egg trade was a boom of the boiling summer of 1846.",
]
QUERY = "how long do I boil an egg"

milvus = MilvusClient(os.environ.get("MILVUS_URL", "http://127.0.0.1:19530"))
schema = MilvusClient.create_schema(auto_id=True)
schema.add_field("id", DataType.INT64, is_primary=True)
schema.add_field("text", DataType.VARCHAR, max_length=2000, enable_analyzer=True)
schema.add_field("words", DataType.SPARSE_FLOAT_VECTOR)
schema.add_function(
    Function("bm25", FunctionType.BM25, input_field_names=["text"], output_field_names=["words"]),
)
index = milvus.prepare_index_params()
index.add_index("words", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
milvus.drop_collection("resift_example")
milvus.create_collection("resift_example", schema=schema, index_params=index, consistency_level="Strong")
milvus.insert("resift_example", [{"text": text} for text in TEXTS])

found = milvus.search("resift_example", [QUERY], anns_field="words", limit=50, output_fields=["text"])[0]
documents = [hit["entity"] for hit in found]
with Client(os.environ.get("RESIFT_URL", "http://127.0.0.1:8000"), scores="sigmoid") as client:
    for hit in client.rank(QUERY, documents, top_k=3):
        print(f"{hit.score:.3f}  was {hit.index + 1}  {hit.document['text']}")
