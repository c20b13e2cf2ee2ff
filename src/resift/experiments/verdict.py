"""What a report means, in plain words; no verdict where the data cannot carry one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from resift.experiments.wording import count, lift_text, p_text, value_text

_SMALL = 0.01
"""A split may be off by chance; users in two arms above this share are worth a line."""


def conclude(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return `decision`, one for each arm, and the `lines` to read.

    Decisions: "refused" (the split is wrong), "better", "worse", "open" (not shown), "harm" (better, but a guardrail
    is hurt), "unguarded" (better, but a guardrail is not shown to be kept).
    """
    if report["split"]["failed"]:
        return {"decisions": {}, "refused": True, "lines": list(_refusal(report))}
    decisions, lines = {}, []
    primary = report["metrics"][0]
    if primary["missing"]:
        return {"decisions": {}, "refused": True, "lines": [f"No verdict: {primary['name']} was {primary['missing']}."]}
    for one in primary["comparisons"]:
        decision = _decide(report, primary, one)
        decisions[one["arm"]] = decision
        lines += [*_primary(report, primary, one, decision), *_others(report, one["arm"]), *_guards(report, one["arm"])]
        lines.append(_advice(decision, one["arm"]))
    lines += _cautions(report)
    return {"decisions": decisions, "refused": False, "lines": lines}


def _decide(report: Mapping[str, Any], primary: Mapping[str, Any], one: Mapping[str, Any]) -> str:
    if not one["significant"]:
        return "open"
    if (one["difference"] > 0) != primary["higher_is_better"]:
        return "worse"
    states = [
        other[report["settings"]["looks"]]["state"]
        for guard in report["guardrails"]
        for other in guard["comparisons"]
        if other["arm"] == one["arm"]
    ]
    missing = any(guard["missing"] for guard in report["guardrails"])
    return "harm" if "hurt" in states else "unguarded" if "open" in states or missing else "better"


def _refusal(report: Mapping[str, Any]) -> Iterator[str]:
    arms = report["arms"]
    got = ", ".join(f"{arm['name']} {count(arm['assigned'])}" for arm in arms)
    meant = ", ".join(f"{arm['name']} {100 * arm['meant']:.3g}%" for arm in arms)
    p = report["split"]["p"]
    yield (
        f"No verdict: the split of users is wrong (sample ratio mismatch). Users: {got}; meant: {meant}. Chance alone "
        f"does this with probability {p:.1g}, below {report['split']['threshold']:g}."
    )
    yield (
        "Users were lost or doubled in one arm, and those who are missing are not like the others: every figure below "
        "may be wrong in either direction. Look for redirects or errors in one arm, exposures logged in one arm only "
        "when something was shown, bots that one arm's pages keep out, a change of weights while it ran, caches."
    )


def _primary(
    report: Mapping[str, Any], primary: Mapping[str, Any], one: Mapping[str, Any], decision: str
) -> Iterator[str]:
    looks = report["settings"]["looks"]
    control = report["arms"][0]["name"]
    values = primary["arms"]
    change = (
        f"{primary['text']} ({primary['name']}): {value_text(values[control]['value'], primary)} with {control}, "
        f"{value_text(values[one['arm']]['value'], primary)} with {one['arm']}, {lift_text(one, looks)}"
    )
    p = f"p {p_text(one[looks]['p_holm'])}"
    if decision == "open":
        yield f"Not shown: {change}, {p}. Effects within the interval, both good and bad, remain possible."
    else:
        yield f"{one['arm']} is {'worse' if decision == 'worse' else 'better'}: {change}, {p}."


def _others(report: Mapping[str, Any], arm: str) -> Iterator[str]:
    looks = report["settings"]["looks"]
    for metric in report["metrics"][1:]:
        for one in metric["comparisons"]:
            if one["arm"] == arm:
                better = (one["difference"] > 0) == metric["higher_is_better"]
                word = ("better" if better else "worse") if one["significant"] else "no difference shown"
                yield f"{metric['name']}: {word}, {lift_text(one, looks)}, p {p_text(one[looks]['p_holm'])}."
        if metric["missing"]:
            yield f"{metric['name']}: {metric['missing']}."


def _guards(report: Mapping[str, Any], arm: str) -> Iterator[str]:
    looks = report["settings"]["looks"]
    words = {"kept": "kept", "hurt": "HURT", "open": "not shown to be kept"}
    for guard in report["guardrails"]:
        margin = f"a loss of {100 * guard['margin']:g}%"
        if guard["missing"]:
            yield f"Guardrail {guard['name']}: {guard['missing']}."
        for one in guard["comparisons"]:
            if one["arm"] == arm:
                state = words[one[looks]["state"]]
                yield f"Guardrail {guard['name']}: {state} ({margin} would be accepted): {lift_text(one, looks)}."


def _advice(decision: str, arm: str) -> str:
    return {
        "better": f"On these figures {arm} can go live.",
        "worse": f"On these figures {arm} should be switched off.",
        "harm": f"{arm} gains on the first metric and hurts a guardrail: do not ship it as it is.",
        "unguarded": f"{arm} gains; that it harms nothing is not shown yet: go on until the guardrails are decided.",
        "open": f"Go on with {arm}, or stop and keep the control: `resift ab plan` says how many users a lift needs.",
    }[decision]


def _cautions(report: Mapping[str, Any]) -> Iterator[str]:
    if report["settings"]["looks"] == "once":
        yield "These intervals hold for one look at an end that was fixed in advance, not for daily looks."
    if report["days"] is not None and report["days"] < 7:
        yield f"It ran for {report['days']:.1f} days: weekdays and weekends differ, whole weeks are safer."
    users = sum(arm["users"] for arm in report["arms"])
    for one in report["quality"]:
        if one["what"] == "users in two arms" and one["number"] > _SMALL * users:
            yield f"{count(one['number'])} users saw two arms and were left out: is the assignment by user?"
    least = report["settings"]["least_users"]
    if any(arm["users"] < least for arm in report["arms"]):
        yield f"An arm has fewer than {least} users: averages of so few are not normal enough to trust an interval."
