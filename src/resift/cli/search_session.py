"""Questions at a terminal, one after the other: the prompt is there at once, models are loaded meanwhile and once."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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
  :blend 0.7       the reranker's share in the order, the rest is the first stage's; its usual one: :blend
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
        self._asking = asking
        self._model = asking.rerank
        self._look = look
        self._console = console
        self._last: SearchResult | None = None
        self._typed = ""
        """The conditions as they were typed."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="resift-open")
        self._opening = self._thread.submit(open_pipeline)

    def run(self, read: Reader) -> int:
        """Read and answer lines until there is no more; then the pipeline is closed."""
        output.note("Ask, or :help. Ctrl-D ends.")
        try:
            while (line := _line(read)) is not None:
                if line in (":quit", ":q", ":exit"):
                    break
                self._answer(line)
        finally:
            if not self._opening.cancel() and self._opening.exception() is None:
                self._opening.result().close()
            self._thread.shutdown()
        return 0

    def _pipeline(self) -> Pipeline:
        """Wait until it is open; raises what opening it raises."""
        if not self._opening.done():
            output.note("loading ...")
        try:
            return self._opening.result()
        except ResiftError as error:
            raise _CannotOpen from error

    def _answer(self, line: str) -> None:
        """Answer a line; whatever is wrong with it is said, and the next may come."""
        try:
            if line.startswith(":"):
                self._command(line)
            elif line:
                self._search(line)
        except _CannotOpen as error:
            assert error.__cause__ is not None
            raise error.__cause__ from None
        except ResiftError as error:
            output.report(error.message, hint=error.hint)
        except KeyboardInterrupt:
            output.note("interrupted")

    def _search(self, query: str) -> None:
        pipeline = self._pipeline()
        pipeline.refresh()  # somebody else may write
        (result,) = self._asking.ask(pipeline, [query])
        self._last = result
        show_result(result, self._console, self._look)
        output.note(stages_line(result))

    def _command(self, line: str) -> None:
        name, _, rest = line[1:].strip().partition(" ")
        command = _COMMANDS.get(name)
        if command is None:
            raise InputError(f"there is no command :{name}", hint=":help lists them; a query does not begin with ':'")
        before = self._state()
        command(self, rest.strip())
        if self._state() != before:
            output.note(output.printable(self._state()))

    def _help(self, _: str) -> None:
        output.note(HELP)

    def _count(self, text: str) -> None:
        self._asking = replace(self._asking, top_k=_whole(text, "k"))

    def _depth(self, text: str) -> None:
        self._asking = replace(self._asking, depth=_whole(text, "depth"))

    def _recall(self, text: str) -> None:
        self._asking = replace(self._asking, recall=_whole(text, "recall"))

    def _where(self, text: str) -> None:
        self._asking = replace(self._asking, where=read_conditions(_conditions(text)))
        self._typed = text

    def _rerank(self, text: str) -> None:
        on = _switch(text, "rerank")
        if on and not self._model:
            raise InputError("there is no model: the search was begun with --no-rerank", hint="begin it without")
        self._asking = replace(self._asking, rerank=on)

    def _blend(self, text: str) -> None:
        try:
            share = float(text) if text else None
        except ValueError:
            share = -1.0
        if share is not None and not 0 <= share <= 1:
            raise InputError(f":blend was given {text!r}, expected a number from 0 to 1", hint=":blend 0.7")
        self._asking = replace(self._asking, blend=share)

    def _explain(self, text: str) -> None:
        on = _switch(text, "explain")
        self._asking = replace(self._asking, explain=_EXPLAINED if on else 0)
        self._look = replace(self._look, why=on)

    def _full(self, text: str) -> None:
        self._look = replace(self._look, full=_switch(text, "full"))

    def _show(self, text: str) -> None:
        self._look = replace(self._look, fields=[one.strip() for one in text.split(",") if one.strip()])

    def _info(self, _: str) -> None:
        from resift.cli.index_info import info_lines

        for line in info_lines(self._pipeline().info):
            output.note(line)
        output.note(f"asked       {self._state()}")

    def _state(self) -> str:
        asked = self._asking
        rerank = f"the best {asked.depth} reranked" if asked.rerank else "not reranked"
        said = [f"{asked.top_k} passages", f"recall {asked.recall}", rerank]
        said += [] if asked.blend is None else [f"blend {asked.blend:g}"]
        said += [] if asked.where is None else [f"where {self._typed or asked.where}"]
        said += ["explained"] if self._look.why else []
        said += ["whole"] if self._look.full else []
        said += [f"with {', '.join(self._look.fields)}"] if self._look.fields else []
        return ", ".join(said)

    def _open(self, text: str) -> None:
        place = _whole(text, "open")
        if self._last is None or place > len(self._last):
            raise InputError(f"there is no passage {place} in the last answer")
        hit = self._last[place - 1]
        from resift.pipeline.searching import joined

        pipeline = self._pipeline()
        document = pipeline.get(hit.document)
        if document is None:
            raise InputError(f"the document {hit.document!r} was deleted meanwhile")
        around = [one for one in document.passages if abs(one.place - hit.passage.place) <= _NEIGHBOURS]
        output.write(output.printable(f"{hit.id}  {hit.source}"))
        output.write(output.printable_lines(joined(around, overlap=pipeline.info.chunking.overlap)))


_COMMANDS: dict[str, Callable[[Session, str], None]] = {
    "help": Session._help,
    "h": Session._help,
    "?": Session._help,
    "k": Session._count,
    "depth": Session._depth,
    "recall": Session._recall,
    "where": Session._where,
    "rerank": Session._rerank,
    "blend": Session._blend,
    "explain": Session._explain,
    "full": Session._full,
    "show": Session._show,
    "open": Session._open,
    "info": Session._info,
}


class _CannotOpen(Exception):
    """What opening the pipeline raised: it ends the session, where other errors do not."""


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


def _conditions(text: str) -> list[str]:
    """Return the conditions of a line: spaces part them, but around signs and in quotation marks."""
    if text.startswith("{"):
        return [text]
    return re.findall(r'(?:"[^"]*"|\S)+', re.sub(r"\s*(<=|>=|!=|=|<|>|,)\s*", r"\1", text))


def _whole(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise InputError(f":{name} was given {text!r}, expected a number from 1", hint=f":{name} 5")
    return int(text)


def _switch(text: str, name: str) -> bool:
    if text.lower() not in ("on", "off", ""):
        raise InputError(f":{name} was given {text!r}, expected on or off")
    return text.lower() != "off"
