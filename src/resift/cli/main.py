"""The `resift` command: parse, dispatch, and turn errors into exit codes.

Exit codes: 0 done; 1 failed; 2 wrong arguments or input; 3 model; 4 device; 5 missing extra; 130 interrupted;
141 the reader of our output went away.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import warnings
from collections.abc import Sequence
from typing import NoReturn

from resift.cli import output
from resift.cli.options import Opener, open_reranker
from resift.errors import ResiftError

COMMANDS = {
    "index": "make a folder of documents that can be searched, or bring it up to date",
    "search": "find passages in such a folder: recall, fusion, rerank; with or without a query on the command line",
    "rank": "put documents in order for a query",
    "score": "score the (query, document) pairs of a file",
    "serve": "answer reranking requests over HTTP, in the shapes that clients know",
    "demo": "rerank a small built-in corpus in many languages, before and after",
    "eval": "find out on judged queries whether reranking helps, and whom it hurts",
    "calibrate": "turn scores into probabilities and cut-offs, fitted to labelled pairs",
    "train": "fine-tune a model on data of your own, measured before and after",
    "quantize": "write a small, fast copy of a model, checked against full precision",
    "pull": "download a model once, to use it offline",
    "models": "list the models that are on this machine",
    "bench": "measure a model on this machine, alone or with its peers",
    "ab": "test online whether reranking helps: assign users, analyse logs, plan, interleave",
    "doctor": "show what resift would use here and why, and test it",
}
"""Every command is the module of this package with its name: `configure(parser)` and `run(args, open_reranker)`."""
_LITERAL = "\0"
"""Marks an argument that follows `--`: see `_parse`."""


class _Parser(argparse.ArgumentParser):
    """An argument parser that ends with our `error:` and `hint:` lines."""

    def parse_known_intermixed_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        """Parse options and texts in any order, but for commands of commands, where argparse cannot."""
        if self._subparsers is not None:
            return self.parse_known_args(args, namespace)  # type: ignore[no-untyped-call]
        return super().parse_known_intermixed_args(args, namespace)

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        """Parse, with the default command before arguments that name none, where there is one."""
        default = self.get_default("default_command")
        if default is not None and args and args[0] not in {*self._commands(), "-h", "--help"}:
            args = [default, *args]
        return super().parse_known_args(args, namespace)

    def _commands(self) -> list[str]:
        """Return the names of the commands of this command."""
        return [name for one in self._actions if isinstance(one, argparse._SubParsersAction) for name in one.choices]

    def error(self, message: str) -> NoReturn:
        output.report(message.replace(repr(_LITERAL)[1:-1], ""), hint=f"{self.prog} --help")
        sys.exit(2)


def build_top_parser() -> argparse.ArgumentParser:
    """Return the parser of `resift` itself: help, version, and the table of commands."""
    width = max(map(len, COMMANDS))
    table = "\n".join(f"  {name:{width}}  {text}" for name, text in COMMANDS.items())
    parser = _Parser(
        prog="resift",
        description="Rerank search results with a cross-encoder: any CPU, any language, offline.",
        epilog=f"commands:\n{table}\n\nresift COMMAND --help explains a command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    parser.add_argument("command", nargs="?", metavar="COMMAND", choices=[*COMMANDS], help="one of the commands below")
    return parser


def build_parser(command: str) -> argparse.ArgumentParser:
    """Return the parser of one command."""
    module = importlib.import_module(f"resift.cli.{command}")
    parser = _Parser(
        prog=f"resift {command}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.configure(parser)
    return parser


def main(argv: Sequence[str] | None = None, *, open_reranker: Opener = open_reranker) -> int:
    """Run one command and return its exit code.

    `open_reranker` makes the reranker from the parsed arguments; tests put another one in its place.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    output.prepare_streams()
    try:
        with warnings.catch_warnings():
            warnings.showwarning = output.show_warning
            code = _dispatch(arguments, open_reranker)
        sys.stdout.flush()
    except ResiftError as error:
        output.report(error.message, hint=error.hint)
        return error.exit_code
    except MemoryError:
        output.report("out of memory", hint="--max-batch-tokens 2048 bounds it, --max-length 512 too")
        return 1
    except KeyboardInterrupt:
        output.note("interrupted")
        return 130
    except BrokenPipeError:
        # The interpreter flushes stdout once more at exit: give it somewhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return code


def _dispatch(arguments: list[str], open_reranker: Opener) -> int:
    if not arguments or arguments[0] not in COMMANDS:
        parser = build_top_parser()
        options = parser.parse_args(arguments)
        if options.version:
            from resift import __version__

            output.write(f"resift {__version__}")
            return 0
        output.write(parser.format_help().rstrip())
        return 0 if not arguments else 2
    command = arguments[0]
    options = _parse(build_parser(command), arguments[1:])
    code: int = importlib.import_module(f"resift.cli.{command}").run(options, open_reranker)
    return code


def _parse(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Parse options and texts in any order: `resift rank "query" --top-k 3 "document"` is what people write.

    Subtle: before Python 3.12 intermixed parsing forgets `--`, so what follows it is marked with a character that no
    argument of a process can hold.
    """
    head, tail = list(arguments), []
    if "--" in head:
        place = head.index("--")
        head, tail = head[:place], [_LITERAL + text for text in head[place + 1 :]]
    options = parser.parse_intermixed_args([*head, *tail])
    for name, value in vars(options).items():
        if isinstance(value, list):
            setattr(options, name, [text.removeprefix(_LITERAL) if isinstance(text, str) else text for text in value])
        elif isinstance(value, str):
            setattr(options, name, value.removeprefix(_LITERAL))
    return options
