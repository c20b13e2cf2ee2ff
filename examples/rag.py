"""Answers from your own files: folder -> passages -> search and rerank -> prompt -> language model (a stub here)."""

import tempfile
from pathlib import Path

from resift import Pipeline
from resift.documents import read_documents
from resift.pipeline import SearchResult

LIBRARY = Path(__file__).parent / "library"  # Markdown, text and JSON Lines in five languages
QUESTIONS = [
    "自习室里可以吃东西吗？",
    "Wie lange dauert eine Fernleihe?",
    "متى تغلق المكتبة يوم السبت؟",
    "Where is the zoo?",
]
LOWEST = -3.0  # of the raw score; resift calibrate finds the right one on your questions

PROMPT = "Answer from the sources alone and name them like [1].\n\n{sources}\n\nQuestion: {question}"


def prompt(question: str, found: SearchResult) -> str:
    sources = [f"[{n}] {hit.source}: {hit.full_text}" for n, hit in enumerate(found, start=1)]
    return PROMPT.format(sources="\n\n".join(sources), question=question)


def language_model(text: str) -> str:  # your model's call goes here
    return f"(a model reads {len(text)} characters with {text.count(chr(10) + '[')} sources)"


with tempfile.TemporaryDirectory() as folder, Pipeline.create(Path(folder) / "index") as pipeline:
    changes = pipeline.add(read_documents(LIBRARY))
    print(f"{changes.added} documents, {changes.passages} passages")
    for question in QUESTIONS:
        found = pipeline.search(question, top_k=3, threshold=LOWEST)
        print(f"\n{question}\n  sources: {', '.join(f'{hit.id} ({hit.score:.1f})' for hit in found) or 'none'}")
        print(f"  {language_model(prompt(question, found))}" if found else "  Nothing in our pages answers that.")
