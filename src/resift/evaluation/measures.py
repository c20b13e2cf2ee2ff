"""Metrics by name through ir_measures: `nDCG@10`, `RR@10`, `R@100`, `AP`, `P@5`, `Success@1` and the others."""

import importlib.util
from collections.abc import Sequence
from typing import Any

import numpy as np

from resift.errors import InputError, MissingExtra
from resift.evaluation.records import Qrels, Run
from resift.evaluation.significance import Float64
from resift.evaluation.trec import strictly_falling

_PROVIDERS = ("pytrec_eval", "judged", "msmarco", "compat", "accuracy", "cwl_eval")
"""What computes, the first that knows a metric; those of ir_measures that would start perl are not among them."""

_EXAMPLES = "for example: nDCG@10 RR@10 R@100 AP P@5 Success@1"
DEFAULT_METRICS = ("nDCG@10", "RR@10", "R@10", "AP")


class Meter:
    """Measures runs against one set of judgements.

    >>> meter = Meter(["nDCG@10", "P@1"], {"q": {"good": 1}})
    >>> meter.measure({"q": ["bad", "good"]}, ["q"])["P@1"].tolist()
    [0.0]

    Attributes:
        names: the metrics as ir_measures writes them, which is the name that reports use; each once.

    `nDCG(dcg='exp-log2')@10`, with gains of 2^grade - 1 (Burges et al. 2005), is measured as an nDCG with these
    gains; without that the gain is the grade itself, as in trec_eval. They differ only where grades do.
    """

    def __init__(self, metrics: Sequence[str], qrels: Qrels) -> None:
        if importlib.util.find_spec("ir_measures") is None or importlib.util.find_spec("pytrec_eval") is None:
            raise MissingExtra("measuring a ranking", extra="eval")
        import ir_measures

        if not metrics:
            raise InputError("there is no metric", hint="name some: nDCG@10 RR@10")
        self._asked = {str(measure): measure for measure in map(_parse, metrics)}
        self.names = list(self._asked)
        plain = {query: dict(grades) for query, grades in qrels.items() if grades}
        providers: Any = ir_measures.providers
        pipeline = providers.FallbackProvider([providers.registry[name] for name in _PROVIDERS])
        groups: dict[str, dict[Any, str]] = {}
        for name, measure in self._asked.items():
            # Subtle: ir_measures 0.4 gives an nDCG without gains those of one that has them, so each is alone.
            alone = name if measure.NAME == "nDCG" else ""
            groups.setdefault(alone, {})[_measurable(measure, plain)] = name
        try:
            self._evaluators = [(pipeline.evaluator(list(group), plain), group) for group in groups.values()]
        except ValueError as error:
            raise InputError(f"{', '.join(self.names)}: {error}", hint=_EXAMPLES) from error

    def measure(self, run: Run, queries: Sequence[str]) -> dict[str, Float64]:
        """Return each metric's value for each query, float64 [queries]; 0 for a query that has no documents.

        The order of a list is what is measured: nothing is sorted again.
        """
        wanted = {query: strictly_falling(run[query]) for query in queries if run.get(query)}
        place = {query: i for i, query in enumerate(queries)}
        values = {name: np.zeros(len(queries)) for name in self.names}
        for evaluator, group in self._evaluators if wanted else ():
            for found in evaluator.iter_calc(wanted):
                if found.query_id in place:
                    values[group[found.measure]][place[found.query_id]] = found.value
        return values


def _parse(name: str) -> Any:
    import ir_measures

    try:
        measure: Any = ir_measures.parse_measure(name)
        measure.validate_params()
    except (NameError, ValueError, SyntaxError, AssertionError, AttributeError, KeyError, TypeError) as error:
        raise InputError(f"{name!r} is no metric: {error or 'unknown'}", hint=_EXAMPLES) from error
    return measure


def _measurable(measure: Any, qrels: dict[str, dict[str, int]]) -> Any:
    """Return what the provider computes: exponential gains become a table of gains, which all platforms have."""
    if measure.NAME != "nDCG" or measure["dcg"] != "exp-log2":
        return measure
    grades = {grade for judged in qrels.values() for grade in judged.values() if grade > 0}
    return measure(dcg="log2", gains={grade: 2**grade - 1 for grade in grades})
