"""Many questions at once from asyncio: one reranker, safe from all tasks, and each score is as if it were alone."""

import asyncio

from resift import Reranker

QUESTIONS = {
    "when was the bridge built": ["The bridge was finished in 1932.", "The ferry runs every hour."],
    "桥是什么时候建成的": ["大桥于一九三二年建成通车。", "渡轮每小时一班。"],
    "wie oft fährt die Fähre": ["Die Brücke wurde 1932 fertig.", "Die Fähre fährt jede Stunde."],
}


async def main() -> None:
    with Reranker() as reranker:
        rankings = await asyncio.gather(*(reranker.arank(query, texts) for query, texts in QUESTIONS.items()))
        for query, ranking in zip(QUESTIONS, rankings, strict=True):
            print(f"{query}: {ranking[0].document} ({ranking[0].score:.4f})")
            alone = reranker.rank(query, QUESTIONS[query])
            assert [one.score for one in alone] == [one.score for one in ranking]


asyncio.run(main())
