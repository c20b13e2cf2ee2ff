"""Search in a catalogue: rows -> text by a template, filters on fields, rerank, and what changed since yesterday."""

import tempfile
from pathlib import Path

from resift import Pipeline
from resift.documents import Columns, read_documents
from resift.text.template import Template

CATALOGUE = Path(__file__).parent / "outdoor.csv"
COLUMNS = Columns(id="sku", title="title", template=Template("{title}\n{brand}, {category}\n{description}"))
SEARCHES = [
    ("light tent for two people", {"price": {"lt": 500}}),
    ("能装热水的瓶子", None),
    ("running shoes for rain", {"category": "shoes", "waterproof": "yes"}),
    ("sleeping bag that may get damp", {"not": {"brand": "Costa"}}),
]

with tempfile.TemporaryDirectory() as folder, Pipeline.create(Path(folder) / "shop", columns=COLUMNS) as shop:
    print(shop.add(read_documents(CATALOGUE, columns=COLUMNS)).added, "products")
    for query, where in SEARCHES:
        print(f"\n{query}  {where or ''}")
        for hit in shop.search(query, where=where, top_k=3, per_document=1):
            print(f"  {hit.score:6.2f}  {hit.fields['price']:>7}  {hit.document}  {hit.title}   [{hit.why}]")

    tomorrow = Path(folder) / "outdoor.csv"  # a price falls, a product is sold out: only these are indexed again
    lines = CATALOGUE.read_text(encoding="utf-8").replace(",119.00,", ",89.00,").splitlines(keepends=True)
    tomorrow.write_text("".join(line for line in lines if not line.startswith("B-204")), encoding="utf-8")
    changes = shop.sync(read_documents(tomorrow, columns=COLUMNS))
    print(f"\nnext day: {changes.replaced} replaced, {changes.deleted} deleted, {changes.unchanged} as they were")
