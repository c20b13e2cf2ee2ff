"""From a question to the right passage: documents in several languages, searched, filtered and explained."""

from pathlib import Path

from resift import Pipeline

NOTES = [
    {"id": "tea/green", "title": "Green tea", "text": "Steep green tea at 80 degrees for two minutes.", "lang": "en"},
    {"id": "tea/black", "title": "Black tea", "text": "Black tea takes boiling water and four minutes.", "lang": "en"},
    {"id": "茶/绿茶", "title": "绿茶", "text": "绿茶用八十度的水冲泡两分钟，水太热会发苦。", "lang": "zh"},
    {"id": "Tee/Lager", "title": "Lagerung", "text": "Tee bleibt in einer dunklen, dichten Dose frisch.", "lang": "de"},
    {"id": "お茶/急須", "title": "急須", "text": "急須は使ったあと、水だけで洗ってよく乾かします。", "lang": "ja"},
]
FOLDER = Path("tea-notes")

with Pipeline.create(FOLDER) as pipeline:
    print(pipeline.add(NOTES))

# Later, or in another process: the folder is all there is.
with Pipeline(FOLDER) as pipeline:
    print(pipeline.add([*NOTES, {"id": "tea/white", "text": "White tea is picked before its buds open."}]))
    for query in (
        "how hot should the water for green tea be",
        "绿茶的水温",
        "Wie bewahre ich Tee auf?",
        "急須の洗い方",
    ):
        result = pipeline.search(query, top_k=2)
        print(query)
        for place, hit in enumerate(result, start=1):
            print(f"  {place}. {hit.id}: {hit.text}  ({hit.why})")

    best = pipeline.search("green tea 绿茶", where={"lang": ["zh", "ja"]}, explain=1)[0]
    print(best.id, [round(sentence.contribution, 2) for sentence in best.explanation.sentences])
    print({stage.name: f"{stage.seconds * 1000:.1f} ms" for stage in result.stages})
    pipeline.delete(["tea/white"])
    print(len(pipeline), "documents")
