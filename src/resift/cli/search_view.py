"""What was found, for people: passages with the words of the query marked, and what each stage took."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from resift.cli import output
from resift.cli.highlights import ending, excerpt, matches
from resift.text.sentences import Span, sentences

if TYPE_CHECKING:
    from resift.explanation import Explanation
    from resift.pipeline.records import FoundPassage, SearchResult

_LINES = 3
"""Lines of a passage that are shown."""
_INDENT = 4
_HEADING = re.compile(r"^([^\n]{0,50}\w)\s*\n\s*", re.MULTILINE)
"""A short line that ends in a word: a heading or an item, which is to be told from the sentence behind it."""
_CJK = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef"
_BETWEEN = re.compile(f"(?<=[{_CJK}]) (?=[{_CJK}])")
"""What is left of a line break in Chinese and Japanese, where the terminal's line would break again."""
_MARKED = "bold yellow"


@dataclass(frozen=True, slots=True)
class Look:
    """How results are shown.

    Attributes:
        full: whole passages in place of the sentences with the query's words.
        why: where each stage placed a passage, and what its sentences did where that was asked for.
        fields: metadata to show, by name.
    """

    full: bool = False
    why: bool = False
    fields: Sequence[str] = ()


def show_result(result: SearchResult, console: Console, look: Look) -> None:
    """Write the passages that were found, best first."""
    if not result.hits:
        none_meets = any(stage.name == "where" and stage.found == 0 for stage in result.stages)
        console.print(Text("nothing found" + (": no document meets the conditions" if none_meets else ""), "dim"))
    last = result.hits[0].stage if result.hits else ""
    for place, hit in enumerate(result.hits, start=1):
        for line in _head(place, hit, last, console.width):
            console.print(line)
        if fields := _fields(hit, look.fields):
            _print(console, Text(fields, "cyan"))
        _print(console, _body(hit, result.query, console, look))
        if look.why:
            _print(console, Text(hit.why, "dim"))
            if hit.explanation is not None:
                _print(console, _explained(hit.explanation))


def stages_line(result: SearchResult) -> str:
    """Return what each stage took, and how many passages it handed on."""
    return ", ".join(f"{one.name} {_duration(one.seconds)} ({one.found})" for one in result.stages)


def _head(place: int, hit: FoundPassage, last: str, width: int) -> list[Text]:
    """Return what stands above a passage: place, score, title, headings and id, on two lines where one is too short."""
    stage = "" if hit.stage == last else f" ({hit.stage})"
    path = " > ".join(hit.passage.headings)
    title = hit.title if hit.title is not None and hit.title not in hit.passage.headings else None
    name = " · ".join(part for part in (title, path) if part)
    page = "" if hit.passage.page is None else f", page {hit.passage.page}"
    shown = Text(f"{place:>2}. ", "bold")
    shown.append(f"{_score(hit)}{stage}  ", "dim")
    where = Text(output.printable(f"{hit.id}{page}"), "dim cyan")
    shown.append(output.printable(name, limit=300), "bold")
    if name and shown.cell_len + where.cell_len + 2 > width:
        shown.truncate(width, overflow="ellipsis")
        return [shown, Text(" " * _INDENT).append_text(where)]
    return [shown.append("  " if name else "").append_text(where)]


def _score(hit: FoundPassage) -> str:
    """Return the score that made the order; where that is a blend, the reranker's own before it.

    The blend is 1 for the best passage of a query, however bad: it must not look like the score.
    """
    if (blended := hit.scores.get("blend")) is not None:
        return f"{hit.stage} {hit.score:.3f}, blend {blended:.2f}"
    return f"{hit.score:.4f}" if hit.stage == "fusion" else f"{hit.score:.3f}"  # those of ranks are small


def _fields(hit: FoundPassage, names: Sequence[str]) -> str:
    known = [f"{name}: {hit.fields[name]}" for name in names if hit.fields.get(name) not in (None, "")]
    return output.printable(" · ".join(known), limit=400)


def _body(hit: FoundPassage, query: str, console: Console, look: Look) -> Text:
    """Return the passage, or the part of it with the sentence that carried the score, or with the query's words."""
    text = hit.text if hit.context is None else hit.context
    best = _best_place(text, hit.explanation)
    if look.full or hit.context is not None:
        shown = Text(output.printable_lines(text))
    else:
        room = _characters(text, max((console.width - _INDENT) * _LINES, 40))
        start, end = _part(text, query, room, best)
        line = _BETWEEN.sub("", output.printable(_HEADING.sub(_after_heading, text[start:end].strip())))
        shown = Text(("…" if start > 0 else "") + line + ("…" if end < len(text) else ""))
    for first, last in matches(shown.plain, query):
        shown.stylize(_MARKED, first, last)
    if best is not None:
        sentence = output.printable(text[best[0] : best[1]])
        place = shown.plain.find(sentence)
        if place >= 0:
            shown.stylize("underline", place, place + len(sentence))
    return shown


def _after_heading(found: re.Match[str]) -> str:
    """Return the heading with a dot behind it; spaces beside Chinese would break the line."""
    return f"{found[1]}·" if cell_len(found[1][-1]) == 2 else f"{found[1]} · "


def _part(text: str, query: str, room: int, best: Span | None) -> Span:
    if best is None or len(text) <= room:
        return excerpt(text, query, limit=room)
    start, end = best
    spare = max(room - (end - start), 0)
    begin = max(0, min(start - spare // 2, len(text) - room))
    begin = next((a for a, _ in sentences(text) if begin <= a <= start), start)
    return begin, ending(text, begin, begin + room)


def _best_place(text: str, explanation: Explanation | None) -> Span | None:
    """Return where the sentence that carried the score is in the passage; None where it is a heading or unknown."""
    if explanation is None or explanation.best is None:
        return None
    sentence = explanation.sentences[explanation.best].text.strip()
    place = text.find(sentence)
    return (place, place + len(sentence)) if place >= 0 and sentence else None


def _characters(text: str, room: int) -> int:
    """Return how many characters fill so many columns: those of Chinese take two."""
    sample = text[:1000]
    return max(1, int(room * len(sample) / max(cell_len(sample), 1)))


def _explained(found: Explanation) -> Text:
    """Return the sentence that carried the score, and how much of it."""
    if found.best is None:
        return Text("no sentence to explain", "dim")
    best = found.sentences[found.best]
    shown = Text("best sentence ", "dim")
    shown.append(f"{best.contribution:+.3f}  ", "green" if best.contribution > 0 else "red")
    shown.append(output.printable(best.text, limit=100), "dim")
    return shown


def _print(console: Console, text: Text) -> None:
    for line in text.wrap(console, max(console.width - _INDENT, 20)):
        line.rstrip()
        console.print(Text(" " * _INDENT if line.plain else "") + line)


def _duration(seconds: float) -> str:
    milliseconds = seconds * 1000
    return (
        f"{seconds:.2f} s"
        if seconds >= 1
        else f"{milliseconds:.0f} ms"
        if milliseconds >= 10
        else f"{milliseconds:.1f} ms"
    )
