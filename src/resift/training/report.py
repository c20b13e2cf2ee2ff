"""What a run did: one dictionary, which is training.json, and in words."""

import json
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, TypeAlias

Report: TypeAlias = dict[str, Any]
"""What is written to training.json: docs/guides/fine-tuning.md explains it."""

FORMAT = 1
REPORT = "training.json"
CARD = "README.md"
ALPHA = 0.05
_PACKAGES = ("torch", "transformers", "accelerate", "peft", "numpy", "tokenizers")


def write_report(folder: Path, report: Mapping[str, Any]) -> None:
    """Write the report as JSON, and as the model's card."""
    (folder / REPORT).write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / CARD).write_text(card(report), encoding="utf-8")


def describe(report: Mapping[str, Any]) -> list[str]:
    """Return what a run did, in lines for people."""
    held = report["held_out"]
    first = f"first stage {held['first']:.4f}, " if held["first"] is not None else ""
    return [
        *(f"warning: {line}" for line in report["warnings"]),
        f"{held['metric']} on {held['name']}, {held['queries']} queries: {first}before {held['before']:.4f}, "
        f"after {held['after']:.4f}, best possible {held['ceiling']:.4f}",
        verdict(report),
    ]


def verdict(report: Mapping[str, Any]) -> str:
    """Say in a sentence what training did on the held-out queries."""
    held = report["held_out"]
    found = held["comparison"]
    low, high = found["interval"]
    size = f"{held['metric']} {found['difference']:+.4f} (95% interval {low:+.4f} to {high:+.4f}, {_p(found['p'])})"
    if found["p"] < ALPHA:
        return (
            f"training {'helped' if found['difference'] > 0 else 'hurt'} on {held['queries']} held-out queries: {size}"
        )
    shown = f"; they can show one of {found['detectable']:.4f} or more" if found["detectable"] is not None else ""
    return f"no difference shown on {held['queries']} held-out queries: {size}{shown}"


def card(report: Mapping[str, Any]) -> str:
    """Return the model card."""
    model, held, data, chosen, trained = (report[k] for k in ("model", "held_out", "data", "chosen", "training"))
    base = f"{model['name']}" + (f" ({model['revision']})" if model["revision"] else "")
    first = f"| {held['first_stage']} | {held['first']:.4f} |\n" if held["first"] is not None else ""
    settings = ", ".join(f"{name} {value}" for name, value in chosen.items())
    warnings = "".join(f"- {line}\n" for line in report["warnings"])
    return f"""---
library_name: resift
pipeline_tag: text-ranking
---
# {report["name"]}

A reranker, fine-tuned with `resift train` {report["resift"]} from {base}.
The licence is that of the original model, and of the data where it says so.

Use it with the lengths that it was trained with:
`Reranker("{report["name"]}", max_length={chosen["max_length"]}, truncation="{chosen["truncation"]}")`.

## Held-out queries
{verdict(report)}.

| Order of the candidates | mean {held["metric"]} |
|---|---|
{first}| original model | {held["before"]:.4f} |
| this model | {held["after"]:.4f} |
| best possible | {held["ceiling"]:.4f} |

{held["queries"]} queries of {held["name"]}, {held["candidates"]:.1f} candidates each ({held["first_stage"]}).
{_counts(held)} p: paired randomisation test, two-sided; the interval is a bootstrap over queries.

## Training
{data["queries"]} queries, {data["positives"]} positive and {data["negatives"]} negative documents.
Loss {report["settings"]["loss"]}; {settings}. {trained["steps"]} steps in {trained["seconds"]:.0f} s,
the weights of step {trained["best_step"]} (best on {report["dev"]["queries"]} dev queries). All of it: `training.json`.
{chr(10) + "## To know" + chr(10) + warnings if warnings else ""}"""


def _counts(held: Mapping[str, Any]) -> str:
    found = held["comparison"]
    return f"Better {found['helped']}, worse {found['hurt']}, as before {found['unchanged']}."


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def versions() -> dict[str, str]:
    """Return the versions of what computes."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
