"""RAG in LlamaIndex: FAISS finds, resift keeps the best nodes, the language model reads only those.

Needs pip install 'resift[llama-index,faiss]' llama-index-vector-stores-faiss. LlamaIndex' own mock embedding and mock
language model stand in for yours: the embedding knows nothing, so the right order is resift's doing.
"""

import faiss
from llama_index.core import Document, MockEmbedding, StorageContext, VectorStoreIndex
from llama_index.core.llms import MockLLM
from llama_index.vector_stores.faiss import FaissVectorStore

from resift.integrations.llama_index import ResiftRerank

DOCUMENTS = [
    Document(text="The bridge was finished in 1932 and repainted in 1998.", metadata={"title": "Bridge"}),
    Document(text="The ferry runs every hour from six in the morning.", metadata={"title": "Ferry"}),
    Document(text="The museum shows ships, ropes and old maps.", metadata={"title": "Museum"}),
    Document(text="A day ticket for the ferry costs four coins.", metadata={"title": "Prices"}),
]
QUESTION = "How often does the ferry run?"

storage = StorageContext.from_defaults(vector_store=FaissVectorStore(faiss_index=faiss.IndexFlatIP(64)))
embedding = MockEmbedding(embed_dim=64)
index = VectorStoreIndex.from_documents(DOCUMENTS, storage_context=storage, embed_model=embedding)

# ResiftRerank(model="BAAI/bge-reranker-v2-m3") is better; ResiftRerank(url="http://...") asks `resift serve`.
with ResiftRerank(top_n=1, keep_retrieval_score=True) as reranker:
    engine = index.as_query_engine(llm=MockLLM(), similarity_top_k=50, node_postprocessors=[reranker])
    answer = engine.query(QUESTION)

for node in answer.source_nodes:
    print(f"{node.score:.3f}  was {node.metadata['retrieval_score']:.3f}  {node.text}")
print(f"the model was asked: {answer}")
