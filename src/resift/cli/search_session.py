"""Questions at a terminal, one after the other: the prompt is there at once, models are loaded meanwhile and once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from resift.cli import output
from resift.cli.conditions import read_conditions
from resift.cli.search_asking import Asking
from resift.cli.search_view import Look, show_result, stages_line
from resift.errors import InputError, ResiftError

if TYPE_CHECKING:
    from rich.console import Console

    from resift.pipeline import Pipeline, SearchResult

Reader: TypeAlias = Callable[[str], str]
"""Shows a prompt and returns a line, as `input` does: EOFError at the end, KeyboardInterrupt for Ctrl-C."""

HELP = """\
Ask anything; a line that begins with a colon is a command.
  :k 5             show 5 passages
  :where lang=zh   only documents of which this is true; several: :where lang=zh price<100; none: :where
  :depth 100       rerank so many; :recall 200 asks each store for so many; :rerank off | on
  :explain on      which stage found a passage, and which sentence carried the score; :explain off
  :full on | off   whole passages
  :show price,id   fields of the documents; none: :show
  :open 2          the whole second passage of the last answer, with its neighbours
  :info            what is in the index, and how it is asked
  :help, :quit     also: Ctrl-D"""
_EXPLAINED = 3
_NEIGHBOURS = 2


def talk(open_pipeline: Callable[[], Pipeline], asking: Asking, look: Look, *, no_color: bool = False) -> int:
    """Answer until the end of the input; returns the exit code. Raises what opening the folder raises."""
    with contextlib.suppress(ImportError):  # Windows has none: its own line editing does
        import readline  # noqa: F401

    return Session(open_pipeline, asking, look, console=output.console(no_color=no_color)).run(input)


class Session:
    """A pipeline that is being opened, and how it is asked."""

    def __init__(self, open_pipeline: Callable[[], Pipeline], asking: Asking, look: Look, *, console: Console) -> None:
        self._open = open_pipeline
        self._asking = asking
        self._look = look
        self._console = console
        self._last: SearchResult | None = None

    def run(self, read: Reader) -> int:
        """Read and answer lines until there is no more."""
        output.note("Ask, or :help. Ctrl-D ends.")
        with ThreadPoolExecutor(1, thread_name_prefix="resift-open") as thread:
            opening = thread.submit(self._open)
            try:
                while (line := _line(read)) is not None:
                    if line in (":quit", ":q", ":exit"):
                        break
                    self._answer(line, opening)
            finally:
                if not opening.cancel() and opening.exception() is None:
                    opening.result().close()
        return 0

    def _answer(self, line: str, opening: Future[Pipeline]) -> None:
        """Answer a line; whatever is wrong with it is said, and the next may come."""
        if not line:
            return
        if not opening.done():
            output.note("loading ...")
        pipeline = opening.result()  # what cannot be opened ends the session
        try:
            if line.startswith(":"):
                self._command(line, pipeline)
            else:
                self._search(line, pipeline)
        except ResiftError as error:
            output.report(error.message, hint=error.hint)
        except KeyboardInterrupt:
            output.note("interrupted")

    def _search(self, query: str, pipeline: Pipeline) -> None:
        pipeline.refresh()  # somebody else may write
        (result,) = self._asking.ask(pipeline, [query])
        self._last = result
        show_result(result, self._console, self._look)
        output.note(stages_line(result))

    def _command(self, line: str, pipeline: Pipeline) -> None:
        name, _, rest = line[1:].strip().partition(" ")
        rest = rest.strip()
        if name in ("help", "h", "?"):
            output.note(HELP)
        elif name == "info":
            self._info(pipeline)
        elif name == "open":
            self._show_passage(pipeline, _whole(rest, "open"))
        elif name in ("k", "depth", "recall"):
            field = "top_k" if name == "k" else name
            self._asking = replace(self._asking, **{field: _whole(rest, name)})
        elif name == "where":
            self._asking = replace(self._asking, where=read_conditions(rest.split()))
        elif name == "rerank":
            self._asking = replace(self._asking, rerank=_switch(rest, name))
        elif name == "explain":
            on = _switch(rest, name)
            self._asking = replace(self._asking, explain=_EXPLAINED if on else 0)
            self._look = replace(self._look, why=on)
        elif name == "full":
            self._look = replace(self._look, full=_switch(rest, name))
        elif name == "show":
            self._look = replace(self._look, fields=[one.strip() for one in rest.split(",") if one.strip()])
        else:
            raise InputError(f"there is no command :{name}", hint=":help lists them; a query does not begin with ':'")

    def _info(self, pipeline: Pipeline) -> None:
        from resift.cli.index import info_lines

        for line in info_lines(pipeline.info):
            output.note(line)
        asked = self._asking
        rerank = f"the best {asked.depth} reranked" if asked.rerank else "not reranked"
        where = "" if asked.where is None else f", where {asked.where}"
        output.note(f"asked       {asked.top_k} passages, recall {asked.recall}, {rerank}{where}")

    def _show_passage(self, pipeline: Pipeline, place: int) -> None:
        if self._last is None or place > len(self._last):
            raise InputError(f"there is no passage {place} in the last answer")
        hit = self._last[place - 1]
        document = pipeline.get(hit.document)
        if document is None:
            raise InputError(f"the document {hit.document!r} was deleted meanwhile")
        at = hit.passage.place
        around = [one for one in document.passages if abs(one.place - at) <= _NEIGHBOURS]
        output.write(output.printable(f"{hit.id}  {hit.source}"))
        for one in around:
            output.write("")
            output.write(output.printable_lines(one.text))


def _line(read: Reader) -> str | None:
    """Return the next line; None at the end. Ctrl-C throws the line away."""
    while True:
        try:
            return read("> ").strip()
        except KeyboardInterrupt:
            output.note("")
        except EOFError:
            output.note("")
            return None


def _whole(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise InputError(f":{name} was given {text!r}, expected a number from 1", hint=f":{name} 5")
    return int(text)


def _switch(text: str, name: str) -> bool:
    if text.lower() not in ("on", "off", ""):
        raise InputError(f":{name} was given {text!r}, expected on or off")
    return text.lower() != "off"
