"""Queries in one language, documents in others: no translation, no language setting."""

from resift import Reranker

DOCUMENTS = [
    "Store potatoes in a dark, cool place, or they will sprout.",
    "保存面包最好用布袋，放进冰箱反而容易变硬。",
    "Der Zug nach Wien fährt um acht Uhr von Gleis drei.",
    "Для входа в музей нужен паспорт или студенческий билет.",
    "يمكن دفع ثمن التذكرة بالبطاقة أو نقداً.",
]
QUERIES = ["how to keep potatoes from sprouting", "怎么保存土豆", "когда идёт поезд в Вену", "¿dónde guardo el pan?"]

with Reranker() as reranker:
    rankings = reranker.rank_many(QUERIES, [DOCUMENTS] * len(QUERIES), top_k=2)
    for query, ranking in zip(QUERIES, rankings, strict=True):
        print(query)
        for found in ranking:
            print(f"  {found.score:8.4f}  {found.document}")
