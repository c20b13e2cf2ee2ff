"""A report as one HTML file that needs nothing beside it: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from resift.experiments.plots import Effect, Look, forest, sequence
from resift.experiments.tables import by_arm
from resift.experiments.wording import count, interval_text, p_text, percent, value_text

_STYLE = Path(__file__).with_name("page.css")
_TONES = {"better": "good", "worse": "bad", "harm": "bad", "unguarded": "warn", "open": ""}


def as_html(report: Mapping[str, Any]) -> str:
    """Return the page of an A/B test."""
    parts = [*_head(report), *_effects(report)]
    for arm in report["arms"][1:]:
        parts += _sequence(report, arm["name"])
    parts += [*_table(report), *_users(report), *_quality(report), *_method(report)]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(report['title'])}</title>\n<style>\n{_STYLE.read_text(encoding='utf-8')}</style>\n</head>\n"
        "<body>\n" + "\n".join(parts) + "\n</body>\n</html>\n"
    )


def _head(report: Mapping[str, Any]) -> Iterator[str]:
    verdict = report["verdict"]
    tones = [_TONES[decision] for decision in verdict["decisions"].values()]
    tone = "bad" if verdict["refused"] else next((tone for tone in ("bad", "warn", "good") if tone in tones), "")
    yield f"<h1>{escape(report['title'])}</h1>"
    if report["period"]:
        yield f"<p class='soft'>{report['period'][0]} to {report['period'][1]}, days in UTC</p>"
    lines = "".join(f"<p>{escape(line)}</p>" for line in verdict["lines"])
    yield f"<div class='verdict {tone}'>{lines}</div>"
    tiles = [(arm["name"], count(arm["users"]), "users") for arm in report["arms"]]
    if report["days"]:
        tiles.append(("duration", f"{report['days']:.1f}", "days"))
    tiles.append(
        ("split of users", "wrong" if report["split"]["failed"] else "as meant", f"p {p_text(report['split']['p'])}")
    )
    cells = "".join(
        f"<div class='tile'><span>{escape(name)}</span><b>{escape(value)}</b><span>{escape(unit)}</span></div>"
        for name, value, unit in tiles
    )
    yield f"<div class='tiles'>{cells}</div>"


def _effects(report: Mapping[str, Any]) -> Iterator[str]:
    effects = [*_forest_rows(report, "metrics"), *_forest_rows(report, "guardrails")]
    if not effects:
        return
    level = f"{100 * (1 - report['settings']['alpha']):g}%"
    mark = " The upright mark is the loss that a guardrail accepts." if report["guardrails"] else ""
    yield (
        f"<h2>Lifts</h2><p class='soft'>Treatment over control minus one. The thick bar is the {level} interval for "
        f"one look at a planned end, the thin one the {level} interval that holds for any number of looks.{mark}</p>"
    )
    yield forest(effects)


def _forest_rows(report: Mapping[str, Any], kind: str) -> Iterator[Effect]:
    several = len(report["arms"]) > 2
    for metric in report[kind]:
        for one in metric["comparisons"]:
            narrow = one["once"]["lift_interval"]
            if narrow is None or one["lift"] is None:
                continue
            label = metric["name"] + (f", {one['arm']}" if several else "")
            label += " (guardrail)" if kind == "guardrails" else ""
            yield Effect(
                label, one["lift"], narrow, one["any"]["lift_interval"], _tone(report, metric, one), _margin(metric)
            )


def _margin(metric: Mapping[str, Any]) -> float | None:
    if "margin" not in metric:
        return None
    margin: float = metric["margin"]
    return -margin if metric["higher_is_better"] else margin


def _tone(report: Mapping[str, Any], metric: Mapping[str, Any], one: Mapping[str, Any]) -> str:
    if report["verdict"]["refused"]:
        return ""
    if "margin" in metric:
        return {"kept": "good", "hurt": "bad", "open": ""}[one[report["settings"]["looks"]]["state"]]
    if not one["significant"]:
        return ""
    return "good" if (one["difference"] > 0) == metric["higher_is_better"] else "bad"


def _sequence(report: Mapping[str, Any], arm: str) -> Iterator[str]:
    found = [
        (look, one)
        for look in report["sequence"]
        for one in look["comparisons"]
        if one["arm"] == arm and one["lift"] is not None and one["once"]["lift_interval"] is not None
    ]
    if len(found) < 2:
        return
    primary = report["metrics"][0]["name"]
    several = f": {arm}" if len(report["arms"]) > 2 else ""
    yield f"<h2>{escape(primary)} by day{escape(several)}</h2>"
    decided = next((look["until"] for look, one in found if _outside(one["any"]["lift_interval"])), None)
    if decided is None:
        text = "The wide band, which may be watched every day, held 0 to the end."
    else:
        text = f"The wide band, which may be watched every day, left 0 first on {decided}."
    yield (
        f"<p class='soft'>The lift of all users until then. {text} The narrow band is right on one day that was fixed "
        "in advance: whoever stops when it first leaves 0 is wrong far too often.</p>"
    )
    yield sequence(
        [
            Look(look["until"][5:], one["lift"], one["once"]["lift_interval"], one["any"]["lift_interval"])
            for look, one in found
        ]
    )


def _outside(interval: Sequence[float] | None) -> bool:
    return interval is not None and (interval[0] > 0 or interval[1] < 0)


def _table(report: Mapping[str, Any]) -> Iterator[str]:
    yield "<h2>Figures</h2>"
    head = ["metric", "arm", "value", "lift", "one look", "any looks", "p, one look", "p, any looks"]
    rows = []
    for kind in ("metrics", "guardrails"):
        for metric in report[kind]:
            rows += list(_metric_rows(report, metric))
    yield _html_table(head, rows)
    yield (
        "<p class='soft'>p-values of the metrics are adjusted together (Holm); intervals are not. Those of guardrails "
        "are for a difference from zero, while a guardrail is judged by its interval and margin.</p>"
    )


def _metric_rows(report: Mapping[str, Any], metric: Mapping[str, Any]) -> Iterator[list[str]]:
    saved = metric["cuped"] or 0.0
    less = f"<br><small>CUPED: {100 * saved:.0f}% less variance</small>" if saved >= 0.005 else ""
    name = f"<b>{escape(metric['name'])}</b>{less}"
    if metric["missing"]:
        yield [f"<b>{escape(metric['name'])}</b><br><small>{escape(metric['missing'])}</small>", *[""] * 7]
        return
    control = report["arms"][0]["name"]
    yield [name, escape(control), value_text(metric["arms"][control]["value"], metric), *[""] * 5]
    for one in metric["comparisons"]:
        tone = _tone(report, metric, one)
        lift = "" if one["lift"] is None else percent(one["lift"])
        p = [escape(p_text(one[looks].get("p_holm", one[looks]["p"]))) for looks in ("once", "any")]
        yield [
            _guard_text(report, metric, one, tone),
            escape(one["arm"]), value_text(metric["arms"][one["arm"]]["value"], metric),
            f"<span class='{tone}'>{lift}</span>", interval_text(one["once"]["lift_interval"]),
            interval_text(one["any"]["lift_interval"]), *p,
        ]  # fmt: skip


def _guard_text(report: Mapping[str, Any], metric: Mapping[str, Any], one: Mapping[str, Any], tone: str) -> str:
    if "margin" not in metric:
        return ""
    words = {"kept": "kept", "hurt": "hurt", "open": "not shown to be kept"}
    state = words[one[report["settings"]["looks"]]["state"]]
    return f"guardrail of {100 * metric['margin']:.3g}%: <span class='{tone}'>{state}</span>"


def _users(report: Mapping[str, Any]) -> Iterator[str]:
    split = report["split"]
    everyone = sum(arm["assigned"] for arm in report["arms"]) or 1
    rows = [
        [escape(arm["name"]), count(arm["assigned"]), f"{100 * arm['assigned'] / everyone:.2f}%",
         f"{100 * arm['meant']:.4g}%", count(arm["users"])]
        for arm in report["arms"]
    ]  # fmt: skip
    yield "<h2>Split of users</h2>" + _html_table(["arm", "users", "share", "meant", "analysed"], rows)
    word = "The split is wrong: no figure of this page may be used." if split["failed"] else "The split is as meant."
    yield (
        f"<p class='words {'bad' if split['failed'] else ''}'>{word} Chi-square {split['chi_square']:.2f}, "
        f"p {escape(p_text(split['p']))}; it fails below {split['threshold']:g}.</p>"
    )


def _quality(report: Mapping[str, Any]) -> Iterator[str]:
    yield "<h2>What was left out</h2>"
    if not report["quality"]:
        yield "<p>Nothing: every line of the logs was used.</p>"
        return
    rows = [
        [escape(one["what"]), count(one["number"]), escape(by_arm(one)), escape(one["note"])]
        for one in report["quality"]
    ]
    yield _html_table(["", "number", "by arm", "note"], rows, note=3)


def _method(report: Mapping[str, Any]) -> Iterator[str]:
    settings = report["settings"]
    window = settings["window_days"]
    lines = [
        "The user is the unit: every metric is a sum over users divided by users or by another sum, with the variance "
        "of the delta method, and Welch's test. Intervals of lifts are Fieller's.",
        f"Any number of looks: the normal mixture of Robbins, as in Johari et al. (2022) and Howard et al. (2021), "
        f"narrowest at {count(settings['planned_users'])} users, from {settings['least_users']} users in each arm on.",
        f"The verdict is by the interval for {'any number of looks' if settings['looks'] == 'any' else 'one look'}, "
        f"alpha {settings['alpha']:g}.",
        "A user's values keep growing while the test runs, and later users have had less time."
        if window is None
        else f"Only each user's first {window:g} days count, of users who had them.",
    ]
    if settings["cuped"]:
        lines.append("CUPED: what users did before the experiment was taken out of their values.")
    yield "<h2>Method</h2><ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def _html_table(head: Sequence[str], rows: Sequence[Sequence[str]], note: int | None = None) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(
            f"<{tag}{' class=note' if i == note else ''}>{cell}</{tag}>" for i, cell in enumerate(cells)
        ) + "</tr>"  # fmt: skip

    body = "".join(line(row, "td") for row in rows)
    return f"<div class='scroll'><table><thead>{line(head, 'th')}</thead><tbody>{body}</tbody></table></div>"
