"""A report as one HTML file that needs nothing beside it: no script, no font, no picture from elsewhere."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from resift.evaluation.plots import Bar, Series, bars, lines
from resift.evaluation.report import ALPHA, FIRST_STAGE, Report, p_text, verdict, warnings
from resift.evaluation.tables import against_first, shown_time

_STYLE = Path(__file__).with_name("page.css")
_COLOURS = 5


def as_html(report: Report) -> str:
    """Return the whole page."""
    data = report["dataset"]
    parts = [*_head(report), *_table(report), *_plots(report)]
    for change in report["changes"]:
        parts += _changes(report, change)
    parts += _methods(report)
    title = escape(f"Does reranking help? {data['name']}")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{_STYLE.read_text(encoding='utf-8')}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def _head(report: Report) -> Iterator[str]:
    data = report["dataset"]
    questions = "" if data["questions"] == data["measured"] else f" of {data['questions']} questions"
    yield f"<h1>Does reranking help?</h1><p class='soft'>{escape(data['name'])}</p>"
    yield (
        f"<p>{data['measured']} queries{questions}, {data['documents']} documents; for each query the first stage "
        f"({escape(report['first_stage'])}) gave {data['candidates']:.0f} candidates on average.</p>"
    )
    yield "<div class='verdict'>" + "".join(f"<p>{escape(line)}</p>" for line in verdict(report)) + "</div>"
    heard = [*warnings(report), *data["notes"]]
    if heard:
        yield "<div class='verdict warn'>" + "".join(f"<p>{escape(line)}</p>" for line in heard) + "</div>"


def _table(report: Report) -> Iterator[str]:
    metrics = report["metrics"]
    compared = against_first(report)
    head = ["", *metrics, "ms, median", "ms, 95%", "change", "95% interval", "p (Holm)", "helped", "hurt"]
    yield "<h2>All rankings</h2><div class='scroll'><table><thead><tr>"
    yield "".join(f"<th>{escape(cell)}</th>" for cell in head) + "</tr></thead><tbody>"
    for row in report["rows"]:
        one = compared.get(row["name"])
        cells = [escape(row["name"]), *(f"{row['means'][metric]:.4f}" for metric in metrics)]
        cells += [shown_time(row.get("milliseconds_p50")), shown_time(row.get("milliseconds_p95"))]
        yield "<tr>" + "".join(f"<td>{cell}</td>" for cell in [*cells, *_compared(one)]) + "</tr>"
    for ceiling in report["ceiling"]:
        cells = [f"best order, top {ceiling['depth']}", *(f"{ceiling['means'][metric]:.4f}" for metric in metrics)]
        cells += ["", "", "", f"recall {ceiling['recall']:.4f}", "", "", ""]
        yield "<tr class='ceiling'>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
    yield f"</tbody></table></div><p class='soft'>Change: of {escape(report['primary'])} over the first stage.</p>"
    between = [one for one in report["comparisons"] if one["against"] != FIRST_STAGE]
    if between:
        yield "<h3>Between models</h3><div class='scroll'><table><tbody>"
        for one in between:
            name = f"<td>{escape(one['row'])} against {escape(one['against'])}</td>"
            yield "<tr>" + name + "".join(f"<td>{cell}</td>" for cell in _compared(one)[:3]) + "</tr>"
        yield "</tbody></table></div>"


def _compared(one: Mapping[str, Any] | None) -> list[str]:
    if one is None:
        return [""] * 5
    low, high = one["interval"]
    kind = "" if one["p_holm"] >= ALPHA else "good" if one["difference"] > 0 else "bad"
    size = f"<span class='{kind}'>{one['difference']:+.4f}</span>"
    return [size, f"{low:+.4f} to {high:+.4f}", escape(p_text(dict(one))), str(one["helped"]), str(one["hurt"])]


def _plots(report: Report) -> Iterator[str]:
    numbers = {model: 1 + i % _COLOURS for i, model in enumerate(report["models"])}
    yield (
        f"<h2>Pictures</h2><p class='soft'>{escape(report['primary'])}. Whiskers are 95% intervals; in the first two "
        "pictures those of the change, drawn from the first stage: a model differs where they miss its line.</p>"
    )
    yield _legend({FIRST_STAGE: 0, **numbers, "best order": -1})
    yield "<div class='plots'>"
    yield _figure("How deep to rerank", _depth_plot(report, numbers))
    timed = _time_plot(report, numbers)
    if timed:
        yield _figure("Quality against waiting: each point is a depth", timed)
    yield "</div>"
    for by in dict.fromkeys(group["by"] for group in report["groups"]):
        yield f"<h3>By {escape(by)}</h3>"
        yield _figure("Whiskers: each value by itself", _group_plot(report, by, numbers))
        yield from _group_table(report, by)


def _depth_plot(report: Report, numbers: Mapping[str, int]) -> str:
    primary, depths = report["primary"], report["depths"]
    level = report["rows"][0]["means"][primary]
    compared = against_first(report)
    flat = Series(FIRST_STAGE, [(depth, level) for depth in depths], 0)
    best = [(ceiling["depth"], ceiling["means"][primary]) for ceiling in report["ceiling"]]
    models = [
        Series(
            model,
            [(row["depth"], row["means"][primary]) for row in _rows(report, model)],
            number,
            [_around(level, compared[row["name"]]) for row in _rows(report, model)],
        )
        for model, number in numbers.items()
    ]
    return lines([Series("best order", best, -1), flat, *models], x="candidates reranked", y=primary)


def _around(level: float, one: Mapping[str, Any]) -> tuple[float, float]:
    """Return the interval of the change, drawn from the first stage's level."""
    low, high = one["interval"]
    return level + low, level + high


def _time_plot(report: Report, numbers: Mapping[str, int]) -> str:
    primary = report["primary"]
    level = report["rows"][0]["means"][primary]
    compared = against_first(report)
    series = []
    for model, number in numbers.items():
        rows = [row for row in _rows(report, model) if row["milliseconds_p50"]]
        points = [(row["milliseconds_p50"], row["means"][primary]) for row in rows]
        if points:
            bounds = [_around(level, compared[row["name"]]) for row in rows]
            series.append(Series(model, points, number, bounds, [str(row["depth"]) for row in rows]))
    if not series:
        return ""
    times = [point[0] for one in series for point in one.points]
    flat = Series(FIRST_STAGE, [(min(times), level), (max(times), level)], 0)
    return lines([flat, *series], x="milliseconds for one query (median)", y=primary, log_x=True)


def _group_plot(report: Report, by: str, numbers: Mapping[str, int]) -> str:
    colours = {f"{model}, top {report['depths'][-1]}": number for model, number in numbers.items()} | {FIRST_STAGE: 0}
    items = [
        Bar(
            f"{group['name']} ({group['queries']})",
            row["mean"],
            row["interval"][0],
            row["interval"][1],
            colours[row["name"]],
        )
        for group in report["groups"]
        if group["by"] == by
        for row in group["rows"]
    ]
    return bars(items, y=report["primary"])


def _group_table(report: Report, by: str) -> Iterator[str]:
    yield "<div class='scroll'><table><thead><tr><th></th><th>row</th><th>change</th><th>95% interval</th>"
    yield "<th>p (Holm)</th><th>helped</th><th>hurt</th></tr></thead><tbody>"
    for group in (group for group in report["groups"] if group["by"] == by):
        for one in group["comparisons"]:
            cells = [escape(group["name"]), escape(one["row"]), *_compared(one)]
            yield "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
    yield "</tbody></table></div>"


def _changes(report: Report, change: Mapping[str, Any]) -> Iterator[str]:
    one = against_first(report)[change["row"]]
    total = report["dataset"]["measured"]
    up, down = one["helped"] / total, one["hurt"] / total
    yield f"<h2>Where it hurts and where it helps: {escape(change['row'])}</h2>"
    yield f"<p>{up:.0%} of the queries helped, {down:.0%} hurt, {1 - up - down:.0%} unchanged.</p>"
    yield f"<div class='share'><span class='up' style='width:{up:.2%}'></span>"
    yield f"<span style='flex:1'></span><span class='down' style='width:{down:.2%}'></span></div>"
    for title, found in (("Hurt most", change["worst"]), ("Helped most", change["best"])):
        yield f"<h3>{title}</h3>"
        yield from (_query(report["primary"], row) for row in found)
        if not found:
            yield "<p class='soft'>None.</p>"


def _query(metric: str, row: Mapping[str, Any]) -> str:
    kind = "good" if row["after"] > row["before"] else "bad"
    ranks = f", rank {row['rank_before']} → {row['rank_after']}" if row["relevant"] is not None else ""
    judged = "not judged" if row["first_grade"] is None else f"grade {row['first_grade']}"
    told = [(f"Relevant{ranks}", row["relevant_text"])] if row["relevant"] is not None else []
    if row["first"] != row["relevant"]:
        told.append((f"First now ({judged})", row["first_text"]))
    body = "".join(f"<dt>{escape(name)}</dt><dd dir='auto'>{escape(str(text))}</dd>" for name, text in told)
    return (
        f"<details><summary><span dir='auto'>{escape(row['text'])}</span> "
        f"<small>{escape(metric)} {row['before']:.3f} → <span class='{kind}'>{row['after']:.3f}</span>{ranks}</small>"
        f"</summary><dl>{body}</dl></details>"
    )


def _methods(report: Report) -> Iterator[str]:
    yield "<h2>How this was measured</h2><ul class='method'>"
    yield "".join(f"<li>{escape(text)}</li>" for text in report["methods"]) + "</ul>"
    environment = {**report.get("environment", {}), **{f"model {k}": v for k, v in report.get("systems", {}).items()}}
    if environment:
        yield "<h2>What it ran on</h2><div class='scroll'><table><tbody>"
        for name, value in environment.items():
            if value is None:
                continue
            yield f"<tr><td>{escape(name.replace('_', ' '))}</td><td class='words'>{_shown(value)}</td></tr>"
        yield "</tbody></table></div>"


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return escape(", ".join(f"{key} {part}" for key, part in value.items() if part is not None))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return escape(", ".join(map(str, value)))
    return escape(str(value))


def _rows(report: Report, model: str) -> list[dict[str, Any]]:
    return [row for row in report["rows"] if row["model"] == model]


def _figure(caption: str, drawing: str) -> str:
    said = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f"<figure>{said}{drawing}</figure>"


def _legend(numbers: Mapping[str, int]) -> str:
    items = []
    for name, number in numbers.items():
        kind = f"s{number}" if number >= 0 else "best"
        shape = (
            '<circle class="mark {0}" cx="7" cy="7" r="5"/>',
            '<rect class="mark {0}" x="2" y="2" width="10" height="10"/>',
            '<path class="mark {0}" d="M7 1l6 11h-12z"/>',
        )[number % 3 if number >= 0 else 0].format(kind)
        items.append(f'<li><svg viewBox="0 0 14 14" aria-hidden="true">{shape}</svg>{escape(name)}</li>')
    return f"<ul class='legend'>{''.join(items)}</ul>"
