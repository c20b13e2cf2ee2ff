"""Documents with fields: a template makes their text, and the caller's own objects come back untouched."""

from resift import Reranker

PRODUCTS = [
    {
        "sku": "A-100",
        "title_en": "Insulated steel bottle",
        "title_zh": "不锈钢保温瓶",
        "desc_en": "Keeps drinks hot for twelve hours and cold for a day.",
        "price": 24.5,
    },
    {
        "sku": "A-200",
        "title_en": "Glass water carafe",
        "title_zh": "玻璃凉水壶",
        "desc_en": "For the table; not for hot drinks.",
        "price": 18.0,
    },
    {
        "sku": "B-300",
        "title_en": "Camping stove",
        "title_zh": "户外炉具",
        "desc_en": None,  # a missing field is left out, with its line
        "price": 39.0,
    },
]
TEMPLATE = "Title: {title_en}\nDescription: {desc_en}\nPrice: {price}"

with Reranker(template=TEMPLATE) as reranker:
    for query in ("something that keeps tea warm on a hike", "冬天带热水出门用的瓶子"):
        print(query)
        for place, found in enumerate(reranker.rank(query, PRODUCTS, top_k=2), start=1):
            assert found.document is PRODUCTS[found.index]
            print(f"  {place}. {found.score:7.4f}  {found.document['sku']}  {found.document['title_zh']}")
