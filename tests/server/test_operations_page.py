"""docs/server-operations.md has every setting and every metric, as they are."""

from pathlib import Path

import numpy as np

from resift.server.configure import OPTIONS, Option
from resift.server.drift import DriftWatch
from resift.server.metrics import Metrics
from resift.server.settings import Limits, ModelSettings, Settings

PAGE = Path(__file__).parents[2] / "docs" / "server-operations.md"


def setting_row(option: Option) -> str:
    default = option.default
    shown = "" if default is None or default == () else f"`{str(default).lower() if option.kind is bool else default}`"
    choices = f" ({', '.join(f'`{choice}`' for choice in option.choices)})" if option.choices else ""
    return f"| `{option.name}` | {shown} | {option.text}{choices} |"


def setting_tables() -> str:
    parts = []
    for owner, title in ((Settings, "The server"), (ModelSettings, "Models"), (Limits, "Limits")):
        rows = [setting_row(option) for option in OPTIONS.values() if option.owner is owner]
        parts.append("\n".join([f"**{title}**", "", "| Name | Default | What |", "|---|---|---|", *rows, ""]))
    return "\n".join(parts)


def metric_rows() -> str:
    metrics = Metrics(DriftWatch(100))
    metrics.watch_engine_memory(lambda: None)
    metrics.score("m", np.zeros(200, np.float32))
    rows = []
    for family in metrics.registry.collect():
        if family.name.startswith("resift_"):
            name = family.name + ("_total" if family.type == "counter" else "")
            rows.append(f"| `{name}` | {family.type} | {family.documentation} |")
    return "\n".join(rows) + "\n"


def test_every_setting_is_on_the_page() -> None:
    assert setting_tables() in PAGE.read_text(encoding="utf-8")


def test_every_metric_is_on_the_page() -> None:
    assert metric_rows() in PAGE.read_text(encoding="utf-8")


if __name__ == "__main__":
    print(setting_tables())
    print(metric_rows())
