"""Does reranking help here? Questions to a small made-up tea shop, in three languages, before and after."""

from pathlib import Path

from resift import Reranker
from resift.evaluation import as_html, as_text, evaluate, read_dataset

# corpus.jsonl, queries.jsonl, qrels.tsv and, from the shop's word search, candidates.tsv
data = read_dataset(Path(__file__).with_name("tea_shop"))

with Reranker(threads=1) as reranker:
    report = evaluate(data, {"built-in": reranker}, depths=[3, 6, 12], rounds=2000)

print(as_text(report))
Path("report.html").write_text(as_html(report), encoding="utf-8")
