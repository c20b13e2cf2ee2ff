"""What is in a pipeline's folder, for people and for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from resift.cli import output

if TYPE_CHECKING:
    from resift.pipeline import PipelineInfo


def info_lines(info: PipelineInfo) -> list[str]:
    """Return what is in a folder, for people."""
    columns = info.columns
    fields = {"id": columns.id, "text": columns.text, "title": columns.title}
    named = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    if columns.template is not None:
        named.append(f"template: {columns.template.source!r}")
    lines = [
        f"folder      {info.folder}, {output.size(info.bytes)}",
        f"documents   {info.documents}, in {info.passages} passages"
        + (f"; {info.waste} passages of deleted ones (--compact)" if info.waste else ""),
    ]
    for store in info.stores:
        size = "" if store.bytes is None else f", {output.size(store.bytes)}"
        behind = f", {store.behind} changes behind" if store.behind else ""
        lines.append(f"store       {store.name}: {store.passages} passages{size}{behind}")
    if info.encoder is not None:
        lines.append(f"encoder     {info.encoder}")
    if len(info.stores) > 1:
        weights = "".join(f", {name} {value:g}" for name, value in info.weights.items())
        lines.append(f"fusion      {info.fusion}{weights}")
    lines.append(f"passages    up to {info.chunking.size} characters, {info.chunking.overlap} of them shared")
    if named:
        lines.append(f"rows        {', '.join(named)}")
    return lines


def show_info(info: PipelineInfo, *, as_json: bool) -> None:
    """Write what is in a folder, for people or for programs."""
    if as_json:
        output.write_json(_plain(asdict(info)))
        return
    for line in info_lines(info):
        output.write(output.printable_line(line))


def _plain(value: Any) -> Any:
    """Return a record's values as JSON has them; a template is its text."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return getattr(value, "source", value)
