"""Hours of scoring survive a crash: lines are written as they are made, and a second call goes on behind them."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from resift.errors import InputError
from resift.training.examples import Example, to_line

Make = Callable[[int], Iterator[Example]]
"""From the first example that is wanted to what is made of it and of those behind it."""


def write_made(
    file: Path,
    examples: Sequence[Example],
    make: Make,
    *,
    made_by: Mapping[str, object],
    tell: Callable[[int, int], None] | None = None,
) -> int:
    """Write what `make` makes of the examples, one line for each, and return how many were there from before.

    Until all are there they are in `file` + `.part`, whose first line says what they are `made_by`. A call with the
    same examples and settings goes on with it.

    Raises InputError when `file` exists, or the part is of other settings or examples.
    """
    if file.exists():
        raise InputError(f"{file} exists already", hint="name another file, or remove it first")
    part = file.with_name(f"{file.name}.part")
    header = json.dumps(made_by, sort_keys=True, ensure_ascii=False)
    kept = _kept(part, header, examples) if part.exists() else []
    with part.open("w", encoding="utf-8") as stream:
        stream.write(header + "\n")
        stream.writelines(kept)
        for done, example in enumerate(make(len(kept)), start=len(kept) + 1):
            stream.write(to_line(example))
            stream.flush()
            if tell is not None:
                tell(done, len(examples))
    lines = part.read_text(encoding="utf-8").split("\n", 1)[1]
    part.write_text(lines, encoding="utf-8")
    part.rename(file)
    return len(kept)


def _kept(part: Path, header: str, examples: Sequence[Example]) -> list[str]:
    """Return the lines that are whole and belong to the first examples."""
    first, *lines = part.read_text(encoding="utf-8").split("\n")
    if first != header:
        raise InputError(
            f"{part} was begun with other settings: {first}", hint="run the same command again, or remove that file"
        )
    whole = [line + "\n" for line in lines[:-1]]  # the last one is empty, or was cut short
    asked = [json.loads(line)["query"] for line in whole]
    if asked != [example.query for example in examples[: len(whole)]]:
        raise InputError(f"{part} was begun with other data", hint="remove that file, or name another one to write")
    return whole
