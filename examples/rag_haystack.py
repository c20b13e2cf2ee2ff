"""RAG in Haystack: a resift folder over FAISS finds, resift ranks, the language model reads only the best.

Needs pip install 'resift[haystack,faiss]'. The embedding is resift's own; Haystack's mock generator stands in for a
language model: it repeats its prompt. The chain is saved and loaded.
"""

from haystack import Pipeline
from haystack.components.builders import PromptBuilder
from haystack.components.generators.chat import MockChatGenerator

import resift
from resift.integrations.haystack import ResiftRanker, ResiftRetriever

DOCUMENTS = [
    {"title": "Bridge", "text": "The bridge was finished in 1932 and repainted in 1998."},
    {"title": "Ferry", "text": "The ferry runs every hour from six in the morning."},
    {"title": "Museum", "text": "The museum shows ships, ropes and old maps."},
    {"title": "Prices", "text": "A day ticket for the ferry costs four coins."},
]
QUESTION = "How often does the ferry run?"

with resift.Pipeline.create("rag_index", stores=("faiss",)) as index:  # `resift index` does it for files
    index.add(DOCUMENTS)
chain = Pipeline()
chain.add_component("retriever", ResiftRetriever("rag_index", top_k=50, rerank=False))  # or any other retriever
# ResiftRanker("BAAI/bge-reranker-v2-m3") is better; ResiftRanker(url="http://...") asks `resift serve`.
chain.add_component("ranker", ResiftRanker(top_k=2))
chain.add_component("prompt", PromptBuilder("{{ question }} {{ documents[0].content }}", required_variables="*"))
chain.add_component("model", MockChatGenerator())
chain.connect("retriever.documents", "ranker.documents")
chain.connect("ranker.documents", "prompt.documents")
chain.connect("prompt", "model")
chain = Pipeline.loads(chain.dumps(), allowed_modules=["resift.integrations.haystack"])  # as YAML, and back
question = {"retriever": {"query": QUESTION}, "ranker": {"query": QUESTION}, "prompt": {"question": QUESTION}}
answer = chain.run(question, include_outputs_from={"ranker"})
for found in answer["ranker"]["documents"]:
    print(f"{found.score:.3f}  {found.content}")
print(f"the model was asked: {answer['model']['replies'][0].text}")
chain.close()
