"""Build `src/resift/quantize/languages.safetensors`: which pieces of XLM-RoBERTa's vocabulary a language uses.

    python recipes/languages/build.py TEXTS TOKENIZER

TEXTS is a folder of .jsonl.xz files whose lines hold texts by language: {"x": {language: texts}}, where texts are a
text or nested lists of texts, or {"l": language, "p": text}. TOKENIZER is XLM-RoBERTa's tokenizer.json.

Only languages that share their script with others need a list; the other ones keep all pieces of their script.
"""

import argparse
import json
import lzma
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from resift.quantize.languages import FILE, SCRIPTS, fingerprint, to_array
from resift.quantize.writer import write_arrays

SHARED = {"LATIN", "CYRILLIC", "ARABIC", "DEVANAGARI", "CJK"}
PER_FILE = 3_000_000
"""Characters of a language that are read from one file: no source decides alone."""
IN_ALL = 8_000_000
OFTEN = 4_000_000
"""Characters from which on a piece must occur twice: single ones are names and slips."""
LEAST = 900_000
"""Characters below which a language has no list."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path)
    parser.add_argument("tokenizer", type=Path)
    options = parser.parse_args()
    tokenizer = Tokenizer.from_file(str(options.tokenizer))
    tokenizer.no_truncation()
    pieces = [piece for piece, _ in json.loads(options.tokenizer.read_bytes())["model"]["vocab"]]
    languages = {code for code, scripts in SCRIPTS.items() if SHARED.intersection(scripts)}
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    read: Counter[str] = Counter()
    for file in sorted(options.texts.glob("*.jsonl.xz")):
        count_file(file, tokenizer, languages, counts, read)
    arrays = {"vocabulary": np.frombuffer(fingerprint(pieces), dtype=np.uint8)}
    for code in sorted(counts):
        if read[code] >= LEAST:
            times = 2 if read[code] >= OFTEN else 1
            ids = sorted(piece for piece, count in counts[code].items() if count >= times)
            arrays[code] = to_array(ids, len(pieces))
            print(code, read[code], len(ids), len(arrays[code]), flush=True)
    write_arrays(FILE, arrays)


def count_file(
    file: Path, tokenizer: Tokenizer, languages: set[str], counts: dict[str, Counter[int]], read: Counter[str]
) -> None:
    """Add the pieces of one file's texts."""
    here: Counter[str] = Counter()
    for code, text in texts(file):
        if code in languages and here[code] < PER_FILE and read[code] < IN_ALL:
            here[code] += len(text)
            read[code] += len(text)
            counts[code].update(tokenizer.encode(text, add_special_tokens=False).ids)


def texts(file: Path) -> Iterator[tuple[str, str]]:
    """Yield (language, text)."""
    with lzma.open(file, "rt", encoding="utf-8") as stream:
        for line in stream:
            record = json.loads(line)
            for code, nested in record.get("x", {}).items():
                yield from ((code, text) for text in leaves(nested))
            if isinstance(record.get("p"), str):
                yield record["l"], record["p"]


def leaves(nested: object) -> Iterator[str]:
    """Yield the texts in nested lists."""
    if isinstance(nested, str):
        yield nested
    elif isinstance(nested, list):
        for item in nested:
            yield from leaves(item)


if __name__ == "__main__":
    main()
