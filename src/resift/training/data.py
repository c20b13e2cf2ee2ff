"""All data of a run: what is learned from, what chooses, what is compared on, and what they share."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from resift.errors import InputError
from resift.evaluation.datasets import read_files as read_dataset_files
from resift.evaluation.trec import read_run
from resift.training.examples import Example, Findings, check, from_dataset, read_examples, with_negatives
from resift.training.held_out import FEW, HeldOut, from_examples, read_held_out
from resift.training.leakage import Leaks, find_leaks, part, without_leaks
from resift.training.settings import Settings

Source: TypeAlias = str | Path
Sources: TypeAlias = Source | Sequence[Source] | Sequence[Example] | Sequence[str | Example]


@dataclass(frozen=True, slots=True)
class Data:
    """What is learned from and what is measured on.

    Attributes:
        training: what is learned from.
        dev: what chooses the checkpoint.
        test: what the comparison before and after is on.
        findings: what was wrong with the training data.
        leaks: what training and held-out data share; of what is trained on, when `leaks` is `drop`.
        warnings: what a reader of the figures should know.
    """

    training: list[Example]
    dev: HeldOut
    test: HeldOut
    findings: Findings
    leaks: Leaks
    warnings: list[str]

    def lines(self) -> list[str]:
        """Return what there is, for people, before it is trained on."""
        queries = f"{len(self.training)} queries to train on"
        return [
            *(f"data: {line}" for line in self.findings.lines()),
            f"{queries}, {len(self.dev.plan.queries)} dev queries, {len(self.test.plan.queries)} to compare on",
        ]


def read_all(data: Sources, *, template: str | None = None) -> tuple[list[Example], Findings]:
    """Return the examples of all sources, checked together, and what was wrong with them."""
    findings = Findings()
    given: list[Example] = []
    for number, source in enumerate([data] if isinstance(data, str | Path) else data, start=1):
        if isinstance(source, Example):
            given.append(source if source.source else replace(source, source=f"example {number}"))
        else:
            some, found = read_examples(source, template=template)
            given += some
            findings.merge(found)
    checked, found = check(given)
    findings.merge(found)
    return checked, findings


def read_files(
    *, queries: Path, corpus: Sequence[Path], qrels: Path, run: Path | None = None, depth: int = 50
) -> list[Example]:
    """Return the examples of files in TREC's or BEIR's formats; what a run ranks first, unjudged, is negative."""
    ranked = {query: found[:depth] for query, found in read_run(run).items()} if run is not None else None
    dataset = read_dataset_files(queries=queries, corpus=corpus, qrels=qrels)
    return from_dataset(replace(dataset, first_stage=ranked))


def gather(
    data: Sources,
    *,
    dev: Source | None,
    test: Source | None,
    settings: Settings,
    template: str | None = None,
    taught: bool = False,
) -> Data:
    """Read and check all data, part it where parts are missing, and look for leaks.

    Raises InputError when nothing is left to learn from or to measure on, when a score of a teacher is missing and the
    loss is `taught`, or when held-out queries leak and nobody said what to do.
    """
    examples, findings = read_all(data, template=template)
    if taught:
        examples = _taught(examples)
    examples = with_negatives(examples, findings)
    if not examples:
        raise InputError(
            f"nothing to learn from: {'; '.join(findings.lines()) or 'no lines'}",
            hint="resift train mine adds negatives",
        )
    warnings: list[str] = []
    training, first, second = _parts(
        examples, dev=dev, test=test, settings=settings, template=template, warnings=warnings
    )
    held = [*first.examples, *second.examples]
    leaks = find_leaks(training, held)
    if leaks.queries and settings.leaks == "refuse":
        raise InputError(
            leaks.lines()[0],
            hint="take them out of the training data, or let --leaks drop do it",
        )
    if settings.leaks == "drop":
        training = without_leaks(training, held)
        if not training:
            raise InputError("all training queries leak into the held-out data: nothing is left to train on")
    else:
        warnings += leaks.lines()
    return Data(training, first, second, findings, leaks, warnings)


def _parts(
    examples: list[Example],
    *,
    dev: Source | None,
    test: Source | None,
    settings: Settings,
    template: str | None,
    warnings: list[str],
) -> tuple[list[Example], HeldOut, HeldOut]:
    """Return what is trained on, what chooses, and what is compared on."""
    seed, depth = settings.seed, settings.depth
    named = [source for source in (dev, test) if source is not None]
    if len(named) == 2:
        first, second = (read_held_out(source, depth=depth, template=template) for source in named)
        shared = find_leaks(first.examples, second.examples).queries
        if shared:
            warnings.append(f"dev and test share {len(shared)} queries, which choose the checkpoint they are judged on")
    else:
        if not named:
            wanted = settings.dev_queries + settings.test_queries
            examples, held = part(examples, settings.held_out, at_most=wanted, seed=seed)
            if not held or not examples:
                raise InputError(
                    f"{len(examples) + len(held)} queries are too few to hold some out", hint="name others: --dev FILE"
                )
            whole = from_examples(held, name="held out of the data", depth=depth)
        else:
            whole = read_held_out(named[0], depth=depth, template=template)
        first, second = whole, whole
        if len(whole.plan.queries) >= FEW:
            first, second = whole.halves(seed=seed)
        else:
            warnings.append(
                f"the same {len(whole.plan.queries)} held-out queries choose the checkpoint and are compared on, "
                f"because they are fewer than {FEW}: the figure after training flatters a little"
            )
    return examples, first.limited(settings.dev_queries, seed=seed), second.limited(settings.test_queries, seed=seed)


def _taught(examples: list[Example]) -> list[Example]:
    without = [example.source for example in examples if not example.scored]
    if without:
        raise InputError(
            f"the loss needs a teacher's scores, which {len(without)} of {len(examples)} lines lack ({without[0]})",
            hint="resift train distill DATA --teacher MODEL -o SCORED.jsonl writes them",
        )
    return examples
