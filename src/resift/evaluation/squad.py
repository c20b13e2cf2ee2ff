"""Question answering sets in the JSON of SQuAD (XQuAD, MLQA, JaQuAD, CMRC ...) as search for the passage that answers.

Each paragraph is a document and its questions ask for it. Where paragraphs come with `sentence_breaks`, as in XQuAD-R
and MLQA-R (LAReQA, Roy et al. 2020), sentences are the documents and the one in which the answer begins is relevant.
Equal passages are one document. There are no candidates: take a run, or `bm25`.
"""

from pathlib import Path
from typing import Any

from resift.evaluation.reading import bare_name, problem, read_json
from resift.evaluation.records import Dataset, Query


def read_squad(file: Path, *, language: str | None = None) -> Dataset:
    """Return the dataset of a SQuAD-style file; raises InputError that names the paragraph or question at fault."""
    value = read_json(file)
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        raise problem(file, None, "expected SQuAD's JSON: {'data': [{'paragraphs': [{'context', 'qas'}]}]}")
    keys: dict[str, str] = {}
    queries: dict[str, Query] = {}
    qrels: dict[str, dict[str, int]] = {}
    number = 0
    for article in value["data"]:
        for paragraph in article.get("paragraphs", []):
            number += 1
            context, questions = paragraph.get("context"), paragraph.get("qas")
            if not isinstance(context, str) or not isinstance(questions, list):
                raise problem(file, None, f"paragraph {number} has no context or no qas")
            spans = _spans(paragraph, context)
            documents = [keys.setdefault(context[a:b], f"d{len(keys) + 1}") for a, b in spans]
            for question in questions:
                key, text = question.get("id"), question.get("question")
                if not isinstance(key, str) or not isinstance(text, str):
                    raise problem(file, None, f"a question of paragraph {number} has no id or no text")
                if key in queries:
                    raise problem(file, None, f"question {key!r} stands there twice")
                queries[key] = Query(id=key, text=text, language=language)
                qrels[key] = dict.fromkeys(_answering(question, spans, documents), 1)
    if not queries:
        raise problem(file, None, "no questions")
    return Dataset(
        name=bare_name(file), queries=queries, documents={key: text for text, key in keys.items()}, qrels=qrels
    )


def _spans(paragraph: dict[str, Any], context: str) -> list[tuple[int, int]]:
    breaks = paragraph.get("sentence_breaks")
    return [(int(a), int(b)) for a, b in breaks] if breaks else [(0, len(context))]


def _answering(question: dict[str, Any], spans: list[tuple[int, int]], documents: list[str]) -> list[str]:
    """Return the documents in which an answer begins; none for a question without an answer (SQuAD 2)."""
    starts = [answer.get("answer_start", -1) for answer in question.get("answers", [])]
    return [
        document
        for document, (begin, end) in zip(documents, spans, strict=True)
        if any(begin <= start < end for start in starts)
    ]
