"""What to keep in higher precision when a quantised model loses too much."""

import math
from collections.abc import Iterator

from resift.quantize.folder import LinearPlan, Plan, with_forms
from resift.quantize.tables import TableForm

_SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
"""Of the linears, the worst first, that are kept in bf16 step by step."""


def more_precise(plan: Plan, *, tables_to_blame: bool, tables_fixed: bool) -> Iterator[tuple[str, Plan]]:
    """Yield (what changes, plan), each plan more precise than the one before.

    Tables in int4 become int8 at first when they are to blame, else at last; never when they are fixed.
    """
    if tables_to_blame and tables_fixed:
        return  # nothing that may change would help
    small = [name for name, form in plan.tables.items() if form == "int4"]
    free = bool(small) and not tables_fixed
    wider: dict[str, TableForm] = dict.fromkeys(small, "int8")
    if free and tables_to_blame:
        plan = with_forms(plan, linears={}, tables=wider)
        yield "embeddings in int8", plan
    ranked = worst_first(plan)
    for share in _SHARES:
        kept = ranked[: math.ceil(len(ranked) * share)]
        if not kept:
            break
        linears: dict[str, LinearPlan] = dict.fromkeys((name for name, _ in kept), "bf16")
        yield f"the {len(kept)} worst of {len(ranked)} linears in bf16", with_forms(plan, linears=linears, tables={})
    if free and not tables_to_blame:
        linears = dict.fromkeys((name for name, _ in ranked), "bf16")
        yield "all linears in bf16, embeddings in int8", with_forms(plan, linears=linears, tables=wider)


def worst_first(plan: Plan) -> list[tuple[str, float]]:
    """Return the int8 linears of the plan with their errors, the largest first."""
    errors = [(name, how.error) for name, how in plan.linears.items() if how != "bf16"]
    return sorted(errors, key=lambda item: (-item[1], item[0]))
