"""The folder of a run that is not over: what is run, checkpoints and logs; what `resume` goes on from."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from resift.errors import InputError
from resift.training.examples import Example, to_line

CHECKPOINTS = "checkpoints"
LOG = "log.jsonl"
BOARD = "tensorboard"
_RUN = "run.json"


def work_folder(output: Path) -> Path:
    """Return where a run keeps its things until `output` is there."""
    return output.with_name(f"{output.name}.training")


def begin(work: Path, described: Mapping[str, Any]) -> None:
    """Make the folder and write down what is run. Raises InputError when it is there already."""
    if work.exists():
        raise InputError(f"{work} holds an unfinished training", hint="go on with --resume, or remove that folder")
    work.mkdir(parents=True)
    text = json.dumps(described, indent=1, ensure_ascii=False) + "\n"
    (work / _RUN).write_text(text, encoding="utf-8")


def go_on(work: Path, described: Mapping[str, Any]) -> Path | None:
    """Return the last complete checkpoint, None when there is none yet.

    Raises InputError when nothing was begun there, or something else.
    """
    file = work / _RUN
    if not file.is_file():
        raise InputError(f"there is no unfinished training {work}", hint="leave --resume out")
    known = json.loads(file.read_text(encoding="utf-8"))
    other = _differences(known, json.loads(json.dumps(described)))
    if other:
        raise InputError(
            f"{work} was begun with other values of: {', '.join(sorted(other))}",
            hint="resume with the same command, or begin anew in another folder",
        )
    # The state is the last file of a checkpoint that is written.
    complete = [one for one in (work / CHECKPOINTS).glob("checkpoint-*") if (one / "trainer_state.json").is_file()]
    return max(complete, key=lambda one: int(one.name.rpartition("-")[2]), default=None)


def digest(examples: Sequence[Example]) -> str:
    """Return what changes with any text or score of the examples."""
    made = hashlib.sha256()
    for example in examples:
        made.update(to_line(replace(example, source="")).encode("utf-8", "surrogatepass"))
    return made.hexdigest()[:16]


def _differences(known: Any, now: Any, at: str = "") -> list[str]:
    """Return the names of the values that differ."""
    if isinstance(known, dict) and isinstance(now, dict):
        names = sorted(known.keys() | now.keys())
        return [one for name in names for one in _differences(known.get(name), now.get(name), name)]
    return [] if known == now else [at]
