"""RAG in Haystack: BM25 finds, resift ranks, the language model reads only the best; the pipeline is saved and loaded.

Needs pip install 'resift[haystack]'. Haystack's mock generator stands in for a language model: it repeats its prompt.
"""

from haystack import Document, Pipeline
from haystack.components.builders import PromptBuilder
from haystack.components.generators.chat import MockChatGenerator
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
from haystack.document_stores.in_memory import InMemoryDocumentStore

from resift.integrations.haystack import ResiftRanker

DOCUMENTS = [
    Document(content="The bridge was finished in 1932; the ferry did not run that day.", meta={"title": "Bridge"}),
    Document(content="The ferry runs every hour from six in the morning.", meta={"title": "Ferry"}),
    Document(content="How often does one see ships, ropes and maps? In the museum.", meta={"title": "Museum"}),
    Document(content="A day ticket for the ferry costs four coins.", meta={"title": "Prices"}),
]
QUESTION = "How often does the ferry run?"

store = InMemoryDocumentStore()
store.write_documents(DOCUMENTS)
pipeline = Pipeline()
pipeline.add_component("retriever", InMemoryBM25Retriever(store, top_k=50))
# ResiftRanker("BAAI/bge-reranker-v2-m3") is better; ResiftRanker(url="http://...") asks `resift serve`.
pipeline.add_component("ranker", ResiftRanker(top_k=2, meta_fields_to_embed=["title"]))
pipeline.add_component("prompt", PromptBuilder("{{ question }} {{ documents[0].content }}", required_variables="*"))
pipeline.add_component("model", MockChatGenerator())
pipeline.connect("retriever.documents", "ranker.documents")
pipeline.connect("ranker.documents", "prompt.documents")
pipeline.connect("prompt", "model")

pipeline = Pipeline.loads(pipeline.dumps(), allowed_modules=["resift.integrations.haystack"])  # as YAML, and back
question = {"retriever": {"query": QUESTION}, "ranker": {"query": QUESTION}, "prompt": {"question": QUESTION}}
answer = pipeline.run(question, include_outputs_from={"ranker"})
for found in answer["ranker"]["documents"]:
    print(f"{found.score:.3f}  {found.content}")
print(f"the model was asked: {answer['model']['replies'][0].text}")
pipeline.close()
