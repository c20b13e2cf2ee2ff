"""The demo on a terminal: for each query what BM25 and what the reranker made of the same documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from resift.cli import output
from resift.cli.demo_run import PRODUCT_TEMPLATE, RECALLED, Outcome, Results
from resift.types import ScoreInfo

SHOWN = 3
"""Rows of each ranking; the right document and BM25's first one are shown wherever they are."""

_SECTIONS = {
    "plain": (
        "Everyday questions to one corpus of twelve languages",
        f"BM25 recalls {RECALLED} candidates, the model reads each one with the query and puts them in order.",
    ),
    "search": (
        "Questions that are hard for word matching",
        "Another document has more of the query's words than the one that answers it.",
    ),
    "cross": (
        "Across languages",
        "Query and documents share no words, BM25 cannot find them: the model gets all documents of that language.",
    ),
    "products": (
        "Products: documents with fields",
        "Each product is a mapping; a template makes its text: " + repr(PRODUCT_TEMPLATE)[1:-1],
    ),
}


_COLUMNS = {"    BM25": 9, "   resift": 10, "moved": 5}
"""Heading and width of the columns before the text."""


@dataclass(frozen=True, slots=True)
class _Marks:
    up: str = "▲"
    down: str = "▼"
    same: str = "="
    right: str = "★"
    good: str = "✔"
    bad: str = "✘"
    none: str = "–"
    to: str = "→"


_ASCII = _Marks(up="+", down="-", right="*", good="ok", bad="no", none="-", to="to")


def show_results(results: Results, info: ScoreInfo, *, loading: float, console: Console) -> None:
    """Write all of the demo."""
    marks = _Marks() if console.encoding.lower().startswith("utf") else _ASCII
    for kind, (title, explanation) in _SECTIONS.items():
        outcomes = [one for one in results.outcomes if one.case.kind == kind]
        if outcomes:
            _show_heading(console, title, explanation)
        for number, outcome in enumerate(outcomes):
            _show_outcome(console, outcome, marks, header=number == 0)
    _show_checks(console, results, marks)
    _show_summary(console, results)
    _show_mistakes(console, results.outcomes, marks)
    _show_costs(console, results, info, loading)


def _show_heading(console: Console, title: str, explanation: str) -> None:
    console.print()
    console.rule(Text(title, style="bold"), align="left", style="dim")
    console.print(Text(explanation, style="dim"))


def _show_outcome(console: Console, outcome: Outcome, marks: _Marks, *, header: bool) -> None:
    case = outcome.case
    languages = case.lang if case.documents is None else f"{case.lang}{marks.to}{case.documents}"
    verdict = (marks.good, "bold green") if outcome.right_after else (marks.bad, "bold red")
    console.print()
    console.print(Text.assemble(verdict, " ", (languages, "cyan"), " ", (case.query, "bold")))
    table = Table(box=None, pad_edge=False, show_header=header, header_style="dim", padding=(0, 1, 0, 0))
    for heading, width in _COLUMNS.items():
        table.add_column(heading, width=width, no_wrap=True)
    # Subtle: without a width of its own the text, which is not wrapped, would push the numbers out of the table.
    room = max(console.width - sum(_COLUMNS.values()) - len(_COLUMNS), 12)
    table.add_column(f"{marks.right} labelled as right", width=room, no_wrap=True, overflow="ellipsis")
    for row in _rows(outcome, marks):
        table.add_row(*row)
    console.print(table)


def _rows(outcome: Outcome, marks: _Marks) -> Iterable[tuple[Text, Text, Text, Text]]:
    for after, ranked in enumerate(outcome.ranked, start=1):
        candidate = outcome.candidates[ranked.index]
        right = candidate.id in outcome.case.answers
        if after > SHOWN and not right and candidate.place != 1:
            continue
        score = marks.none if candidate.score is None else f"{candidate.score:.2f}"
        place = "" if candidate.place is None else f"{candidate.place:2}. "
        style = "green" if right else ""
        text = Text.assemble(f"{marks.right if right else ' '} ", output.printable(_shown(ranked.document), limit=160))
        text.stylize(style)
        yield (
            Text(f"{place:4}{score:>5}", style if style else "dim"),
            Text(f"{after:2}. {ranked.score:6.2f}", style),
            _move(candidate.place, after, marks),
            text,
        )


def _shown(document: object) -> str:
    if isinstance(document, dict):
        return f"{document['title_en']}: {document['desc_en']} ({document['price']})"
    return str(document)


def _move(before: int | None, after: int, marks: _Marks) -> Text:
    if before is None:
        return Text("")
    if before == after:
        return Text(marks.same, "dim")
    if before > after:
        return Text(f"{marks.up}{before - after}", "green")
    return Text(f"{marks.down}{after - before}", "red")


def _show_checks(console: Console, results: Results, marks: _Marks) -> None:
    _show_heading(
        console, "Two checks", "The score of a single pair, and a document that only repeats the query's words."
    )
    console.print()
    console.print(Text.assemble("  ", (results.pair.query, "bold")))
    (score,), (document,) = results.pair.after, results.pair.documents
    _show_check(console, [("", f"{score:.4f}", "", document, "green")], header=True)
    trap = results.trap
    verdict = (marks.good, "bold green") if trap.after[1] > trap.after[0] else (marks.bad, "bold red")
    console.print()
    console.print(Text.assemble(verdict, " ", (trap.query, "bold")))
    _show_check(
        console,
        [
            (f"{trap.before[place]:.2f}", f"{trap.after[place]:.2f}", name, trap.documents[place], style)
            for place, (name, style) in enumerate([("trap", ""), ("answer", "green")])
        ],
        header=False,
    )


def _show_check(console: Console, rows: Sequence[tuple[str, str, str, str, str]], *, header: bool) -> None:
    """Write rows of BM25 score, score, name, document and style."""
    table = Table(box=None, pad_edge=False, show_header=header, header_style="dim", padding=(0, 1, 0, 0))
    for heading, width in (("BM25", 8), ("resift", 8), ("", 6)):
        table.add_column(heading, width=width, no_wrap=True, justify="left" if heading == "" else "right")
    table.add_column(overflow="fold")
    for before, after, name, document, style in rows:
        table.add_row(before, Text(after, style), name, Text(document, style))
    console.print(table)


def _show_summary(console: Console, results: Results) -> None:
    _show_heading(console, "Right document on top", "Most queries are of the hard kind.")
    groups: dict[str, Callable[[Outcome], bool]] = {
        "everyday": lambda one: one.case.kind == "plain",
        **{
            f"hard {lang}": (lambda one, lang=lang: one.case.kind == "search" and one.case.lang == lang)  # type: ignore[misc]
            for lang in dict.fromkeys(one.case.lang for one in results.outcomes)
        },
    }
    groups["across languages"] = lambda one: one.case.kind == "cross"
    groups["products"] = lambda one: one.case.kind == "products"
    groups["all"] = lambda _: True
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
    table.add_column("")
    for heading in ("queries", "BM25", "resift"):
        table.add_column(heading, justify="right")
    for name, belongs in groups.items():
        some = [one for one in results.outcomes if belongs(one)]
        if some:
            before, after = (sum(one.right_before for one in some), sum(one.right_after for one in some))
            table.add_row(name, str(len(some)), str(before), str(after), style="bold" if name == "all" else "")
    console.print(table)


def _show_mistakes(console: Console, outcomes: Sequence[Outcome], marks: _Marks) -> None:
    wrong = [one for one in outcomes if not one.right_after]
    if not wrong:
        return
    _show_heading(console, "What the model gets wrong", "In brackets: the place of the right document.")
    for one in wrong:
        places = [
            place
            for place, ranked in enumerate(one.ranked, start=1)
            if one.candidates[ranked.index].id in one.case.answers
        ]
        where = f"place {places[0]}" if places else "not recalled"
        was = ", BM25 had it right" if one.right_before else ""
        console.print(
            Text.assemble((marks.bad, "red"), f" {one.case.lang} {one.case.query} ", (f"({where}{was})", "dim"))
        )


def _show_costs(console: Console, results: Results, info: ScoreInfo, loading: float) -> None:
    console.print()
    rate = results.pairs / results.seconds if results.seconds else 0.0
    kernel = f", kernel {info.kernel}" if info.kernel else ""
    console.print(
        Text(
            f"Model {info.model} loaded in {loading:.2f} s; {results.pairs} pairs in {results.seconds:.2f} s "
            f"({rate:.0f} a second) with the backend {info.backend}{kernel}, {info.precision} on {info.device}.",
            "dim",
        )
    )
