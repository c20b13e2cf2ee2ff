"""RAG in LangChain: Milvus finds, resift puts the best on top, the language model reads only that.

Needs pip install 'resift[langchain,milvus]' langchain-classic langchain-milvus. Embedding and language model are
stand-ins without a download: the embedding knows nothing, so the order is resift's, and the model repeats its prompt.
"""

from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from langchain_milvus import Milvus

from resift.integrations.langchain import ResiftRerank

DOCUMENTS = [
    Document("The bridge was finished in 1932 and repainted in 1998.", metadata={"title": "Bridge"}),
    Document("The ferry runs every hour from six in the morning.", metadata={"title": "Ferry"}),
    Document("The museum shows ships, ropes and old maps.", metadata={"title": "Museum"}),
    Document("A day ticket for the ferry costs four coins.", metadata={"title": "Prices"}),
]
QUESTION = "How often does the ferry run?"

milvus = {"uri": "./rag_milvus.db"}  # a folder of Milvus Lite; "http://localhost:19530" is a server
store = Milvus(DeterministicFakeEmbedding(size=64), connection_args=milvus, auto_id=True, drop_old=True)
store.add_documents(DOCUMENTS)

# ResiftRerank(model="BAAI/bge-reranker-v2-m3") is better; ResiftRerank(url="http://...") asks `resift serve`.
reranker = ResiftRerank(top_n=2, fields=["title"])
retriever = ContextualCompressionRetriever(
    base_compressor=reranker, base_retriever=store.as_retriever(search_kwargs={"k": 50})
)
for found in retriever.invoke(QUESTION):
    print(f"{found.metadata['relevance_score']:.3f}  {found.page_content}")

context = retriever | (lambda found: "\n".join(document.page_content for document in found[:1]))
prompt = ChatPromptTemplate.from_template("{question} {context}")
model = RunnableLambda(lambda asked: f"the model was asked: {asked.to_messages()[0].content}")
print(({"context": context, "question": RunnablePassthrough()} | prompt | model).invoke(QUESTION))
reranker.close()
