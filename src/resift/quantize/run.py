"""From a model to the folder of its quantised copy, verified."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from resift.engine.engine import Backend, Engine
from resift.engine.select import make_backend
from resift.errors import InputError, VerificationFailed
from resift.loading.checkpoint import Checkpoint, load_checkpoint
from resift.loading.quantisation import linear_shapes
from resift.loading.source import locate
from resift.quantize.calibrate import gather_inputs
from resift.quantize.folder import LinearPlan, Plan, write_folder
from resift.quantize.linears import matrix, plan_int8
from resift.quantize.mend import more_precise, worst_first
from resift.quantize.report import Attempt, LinearError, Report, folder_bytes, worst_line, write_report
from resift.quantize.tables import TableForm, default_form
from resift.quantize.texts import built_in_pairs
from resift.quantize.verify import JudgedPair, Tolerance, compare
from resift.quantize.vocabulary import trim
from resift.scoring import PairScorer
from resift.text.encode import PairEncoder
from resift.text.features import load_features
from resift.text.template import document_text, scrub
from resift.text.truncation import Limits
from resift.types import Float32, TokenSequence

_ATTEMPT = "attempt"
_CALIBRATION_PAIRS = 24
_CALIBRATION_LENGTH = 128
_LENGTH = 512
"""Tokens of the longest pair that is compared, as by default when it is scored."""
_BATCH_TOKENS = 8192
_LISTED = 10

Tell = Callable[[str, int, int], None]
"""Called with (what is done, parts done, parts in all)."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to quantise.

    Attributes:
        precision: of the matrices.
        embeddings: form of the word table; None for int4 where the vocabulary is large, else int8.
        languages: codes of the languages whose tokens stay; None keeps all.
        vocabulary_texts: texts whose tokens stay too; None for none.
        tolerance: what may be lost.
        force: write the folder even when it loses more.
        backend, threads: as for `Reranker`, for the scores that are compared.
    """

    precision: Literal["int8", "bf16"] = "int8"
    embeddings: TableForm | None = None
    languages: Sequence[str] | None = None
    vocabulary_texts: Sequence[str] | None = None
    tolerance: Tolerance = field(default_factory=Tolerance)
    force: bool = False
    backend: str | None = None
    threads: int | None = None


def quantize(
    model: str | Path | None,
    output: Path,
    *,
    options: Options = Options(),
    pairs: Sequence[JudgedPair] | None = None,
    revision: str | None = None,
    cache_dir: Path | None = None,
    tell: Tell | None = None,
) -> Report:
    """Write a quantised copy of `model` to the new folder `output` and return how it compares.

    Args:
        model: as for `Reranker`.
        output: a folder that does not exist yet; it appears when everything in it is complete.
        options: see `Options`.
        pairs: what to calibrate and to compare on; None for built-in texts in 15 languages.
        revision: of a hub model.
        cache_dir: the hub cache.
        tell: progress.

    Raises:
        VerificationFailed: no way to store the model keeps within the tolerance; nothing is written.
        InputError: the folder exists, there are no pairs, or the model is quantised already.
    """
    if output.exists():
        raise InputError(f"{output} exists already", hint="name another folder, or remove it first")
    if pairs is not None and not pairs:
        raise InputError("there are no pairs to verify on")
    source = locate(model, revision=revision, cache_dir=cache_dir, progress=tell is not None)
    checkpoint = load_checkpoint(source)
    if checkpoint.precision is not None:
        raise InputError(f"{source.name} is quantised already", hint="give the original model")
    compared = list(pairs) if pairs is not None else built_in_pairs(options.languages)
    return _Job(checkpoint, options, compared, pairs is not None, tell or _silent).run(output)


@dataclass(frozen=True, slots=True)
class _Job:
    """One run: what its steps share."""

    checkpoint: Checkpoint
    options: Options
    pairs: list[JudgedPair]
    given: bool
    tell: Tell

    def run(self, output: Path) -> Report:
        plan = self._plan()
        full, _ = self._scores(self.checkpoint, "scoring in full precision")
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as scratch:
            attempts: list[Attempt] = []
            steps = self._steps(plan, full, Path(scratch))
            for what, tried in steps:
                folder = self._write(tried, Path(scratch))
                scores, backend = self._scores(load_checkpoint(locate(folder)), "scoring quantised")
                comparison = compare(self.pairs, full, scores)
                attempts.append(Attempt(what, comparison, comparison.failures(self.options.tolerance)))
                if not attempts[-1].failures:
                    break
            report = self._report(plan, tried, attempts, backend, folder_bytes(folder))
            if not report.passed and not self.options.force:
                worst = worst_line(report.worst_linears)
                raise VerificationFailed(
                    f"nothing was written: {'; '.join(attempts[-1].failures)}"
                    f"{f' (int8 loses most in {worst})' if worst else ''}",
                    hint="allow more with --min-spearman and the like, or write it anyway with --force",
                )
            write_report(folder, report)
            folder.rename(output)
        return report

    def _plan(self) -> Plan:
        """Decide how each part is stored at first."""
        checkpoint, options = self.checkpoint, self.options
        vocabulary = trim(checkpoint, options.languages, options.vocabulary_texts)
        rows, columns = len(vocabulary.kept), checkpoint.spec.hidden
        form = options.embeddings
        if form is None:
            form = default_form(rows, columns) if options.precision == "int8" else "int8"
        return Plan(
            precision=options.precision,
            linears=self._linears(),
            tables={"embeddings.word": form, "embeddings.position": "int8"},
            kept=vocabulary.kept if len(vocabulary.kept) < checkpoint.spec.vocab else None,
            tokenizer=vocabulary.tokenizer,
            languages=options.languages,
        )

    def _linears(self) -> dict[str, LinearPlan]:
        names = linear_shapes(self.checkpoint.spec)
        if self.options.precision == "bf16":
            return dict.fromkeys(names, "bf16")
        inputs = gather_inputs(
            self.checkpoint, self._sequences(), on_layer=lambda done, total: self.tell("calibrating", done, total)
        )
        planned: dict[str, LinearPlan] = {}
        for number, name in enumerate(names, start=1):
            seen = inputs[name.replace("key_value", "key")]
            planned[name] = plan_int8(*matrix(self.checkpoint.tensors, name), seen)
            self.tell("choosing how to round", number, len(names))
        return planned

    def _sequences(self) -> list[TokenSequence]:
        """Return some of the pairs as tokens, spread over all of them."""
        encoder = _encoder(self.checkpoint, _CALIBRATION_LENGTH)
        places = np.unique(np.linspace(0, len(self.pairs) - 1, _CALIBRATION_PAIRS).astype(int))
        chosen = [self.pairs[i] for i in places]
        texts = [(scrub(pair.query), document_text(pair.document, None)) for pair in chosen]
        return [sequence for pair in encoder.encode(texts) for sequence in pair.sequences]

    def _steps(self, plan: Plan, full: Float32, scratch: Path) -> Iterator[tuple[str, Plan]]:
        """Yield (what, plan): the first, then, as long as the caller asks for another, more and more precise ones."""
        yield f"{plan.precision}, embeddings in {plan.tables['embeddings.word']}", plan
        blamed = self._tables_to_blame(plan, full, scratch / _ATTEMPT)
        yield from more_precise(plan, tables_to_blame=blamed, tables_fixed=self.options.embeddings is not None)

    def _tables_to_blame(self, plan: Plan, full: Float32, folder: Path) -> bool:
        """Tell whether the model in `folder` would be within the tolerance with its tables in full precision."""
        written = load_checkpoint(locate(folder))
        names = ("embeddings.word", "embeddings.position")
        others = {name: array for name, array in written.tensors.items() if not name.startswith(names)}
        tables = {name: self.checkpoint.tensors[name] for name in names}
        if plan.kept is not None:
            tables["embeddings.word"] = tables["embeddings.word"][plan.kept]
        scores, _ = self._scores(replace(written, tensors=others | tables), "scoring with full embeddings")
        return not compare(self.pairs, full, scores).failures(self.options.tolerance)

    def _write(self, plan: Plan, scratch: Path) -> Path:
        folder = scratch / _ATTEMPT
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir()
        write_folder(folder, self.checkpoint, plan, on_part=lambda done, total: self.tell("writing", done, total))
        return folder

    def _scores(self, model: Checkpoint, what: str) -> tuple[Float32, Backend]:
        """Return the raw scores of the pairs, and what computed them (closed)."""
        backend = make_backend(
            model.spec,
            model.tensors,
            backend=self.options.backend,
            device=None,
            precision=None if model.precision is not None else "fp32",
            threads=self.options.threads,
            stored=model.precision,
        )
        engine = Engine(backend, max_batch_tokens=_BATCH_TOKENS)
        texts = [(scrub(pair.query), document_text(pair.document, None)) for pair in self.pairs]
        scored = PairScorer(_encoder(model, _LENGTH), engine).score(
            texts, windows=None, on_progress=lambda done, total: self.tell(what, done, total)
        )
        engine.close()
        return np.array([one.logit for one in scored], dtype=np.float32), backend

    def _report(self, first: Plan, last: Plan, attempts: list[Attempt], backend: Backend, size: int) -> Report:
        source, options = self.checkpoint.source, self.options
        vocabulary = self.checkpoint.spec.vocab
        return Report(
            model=source.name,
            revision=source.revision,
            precision=last.precision,
            embeddings=dict(last.tables),
            kept_in_bf16=[name for name, how in last.linears.items() if how == "bf16"]
            if last.precision == "int8"
            else [],
            vocabulary=vocabulary if last.kept is None else len(last.kept),
            original_vocabulary=vocabulary,
            languages=list(options.languages) if options.languages is not None else None,
            texts="given" if self.given else "built-in",
            backend=backend.name,
            kernel=backend.kernel,
            tolerance=options.tolerance,
            passed=not attempts[-1].failures,
            attempts=attempts,
            worst_linears=[LinearError(name, error) for name, error in worst_first(first)[:_LISTED]],
            bytes=size,
        )


def _encoder(model: Checkpoint, length: int) -> PairEncoder:
    length = min(length, model.spec.max_length)
    features = load_features(model.config, model.source.folder, model.tokenizer)
    limits = Limits(length, length * 3 // 4, "flag")
    return PairEncoder(model.tokenizer, model.spec, limits=limits, features=features)


def _silent(what: str, done: int, total: int) -> None:
    """Tell nobody."""
