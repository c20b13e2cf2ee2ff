"""From data and a model to the folder of the trained model, measured before and after."""

import importlib.util
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resift.errors import InputError, MissingExtra
from resift.loading.checkpoint import Checkpoint, load_checkpoint
from resift.loading.source import locate
from resift.reranker import Reranker
from resift.training.data import Data, Sources, gather
from resift.training.folder import stored_in_half, write_model
from resift.training.groups import Groups, steps_of
from resift.training.held_out import before_and_after, scores_of
from resift.training.prior import scale_prior
from resift.training.report import FORMAT, Report, versions, write_report
from resift.training.same import check_same, pad_id, sample_pairs
from resift.training.settings import Settings
from resift.training.texts import Encoder, make_encoder
from resift.training.work import BOARD, CHECKPOINTS, LOG, begin, digest, go_on, work_folder

if TYPE_CHECKING:
    from resift.training.network import Network
    from resift.training.trainer import Progress, RankerTrainer, Tell

_BUDGET = {"cpu": 4096, "cuda": 32768}


def train(
    data: Sources,
    output: str | Path,
    *,
    model: str | Path | None = None,
    dev: str | Path | None = None,
    test: str | Path | None = None,
    settings: Settings | None = None,
    template: str | None = None,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    resume: bool = False,
    tell: "Tell | None" = None,
    note: Callable[[str], None] | None = None,
) -> Report | None:
    """Fine-tune a reranker and write it to the new folder `output`; return the report, which is there as well.

    While it runs, checkpoints and logs are in the folder `output` + `.training`, from which `resume` goes on. Under
    torchrun or accelerate every process calls this; all but the first return None.

    Args:
        data: files or folders, as `read_examples` takes them, or examples.
        output: a folder that does not exist.
        model: as for `Reranker`; None for the embedded one.
        dev: queries that choose the best checkpoint and the end of training; None for a part of `test` or of `data`.
        test: queries that the comparison before and after is on; None for the other part.
        settings: see `Settings`; None for all defaults.
        template: the text of documents that are objects.
        revision: commit, tag or branch of a hub model.
        cache_dir: the hub cache.
        resume: go on from the last checkpoint; data, model and settings must be those of the first call.
        tell: called with a `Progress`.
        note: called with lines about the data, before training.

    Raises:
        InputError: data or settings that cannot be used, leaking evaluation data, or a folder that is there already.
        TrainingFailed: training diverged or collapsed, or the model in torch is not the one that resift scores with.
        MissingExtra: without the extra `train`.
    """
    settings = settings if settings is not None else Settings()
    _check_extra(settings)
    settings.check()
    folder = Path(output)
    if folder.exists():
        raise InputError(f"{folder} exists already", hint="name another folder, or remove it first")
    checkpoint = _load(model, revision, cache_dir, progress=tell is not None)
    from resift.training.losses import parse_loss

    taught = parse_loss(settings.loss, temperature=settings.temperature).taught
    found = gather(data, dev=dev, test=test, settings=settings, template=template, taught=taught)
    if note is not None:
        for line in found.lines():
            note(line)
    return _Run(checkpoint, settings, found, folder, resume, tell if tell is not None else _silent).run()


@dataclass(frozen=True, slots=True)
class _Run:
    """One run: what its steps share."""

    checkpoint: Checkpoint
    settings: Settings
    data: Data
    folder: Path
    resume: bool
    tell: "Tell"

    def run(self) -> Report | None:
        from accelerate import PartialState

        cpu = self._cpu()
        state = PartialState(cpu=cpu)
        work = work_folder(self.folder)
        last = None
        if self.resume:
            last = go_on(work, self._described())
        elif state.is_main_process:
            begin(work, self._described())
        state.wait_for_everyone()
        encoder = make_encoder(self.checkpoint, self.settings)
        began = time.monotonic()
        trainer, chosen = self._trainer(work, encoder, cpu=cpu, processes=state.num_processes)
        trainer.train(resume_from_checkpoint=str(last) if last is not None else None)
        trainer.accelerator.wait_for_everyone()
        main = trainer.is_world_process_zero()
        if state.num_processes > 1:
            trainer.accelerator.end_training()
        if not main:
            return None
        seconds = time.monotonic() - began
        report = self._facts(trainer, chosen, seconds)
        return self._finish(trainer.model.cpu(), report, work)

    def _cpu(self) -> bool:
        """Whether the CPU computes; sets its threads too, which are torch's own and stay so."""
        import torch

        if self.settings.threads is not None:
            torch.set_num_threads(self.settings.threads)
        return self.settings.device == "cpu" or not torch.cuda.is_available()

    def _described(self) -> dict[str, Any]:
        """Return what must be the same for a run to go on."""
        return {
            "settings": asdict(self.settings),
            "model": [self.checkpoint.source.name, self.checkpoint.source.revision],
            "training data": digest(self.data.training),
            "dev data": digest(self.data.dev.examples),
        }

    def _network(self, encoder: Encoder) -> "Network":
        """Return what is trained, after a comparison of its scores with resift's own."""
        import torch

        from resift.training.network import add_lora, build, checkpoint_activations, freeze_embeddings

        settings, checkpoint = self.settings, self.checkpoint
        network = build(checkpoint)
        check_same(checkpoint, network, encoder.sequences(sample_pairs(self.data.training)), when="before training")
        torch.manual_seed(settings.seed)
        if settings.freeze_embeddings:
            freeze_embeddings(network)
        if settings.lora is not None:
            network = add_lora(network, settings.lora)
        if settings.checkpoint_activations:
            checkpoint_activations(network)
        return network

    def _trainer(
        self, work: Path, encoder: Encoder, *, cpu: bool, processes: int
    ) -> "tuple[RankerTrainer, dict[str, Any]]":
        import torch

        from resift.training.losses import parse_loss
        from resift.training.trainer import Collate, RankerTrainer, Watching, make_arguments, make_dev

        settings, checkpoint = self.settings, self.checkpoint
        network = self._network(encoder)
        rate = settings.rate_for(checkpoint.spec.hidden)
        groups = Groups(
            self.data.training,
            size=settings.group_size,
            batch=settings.batch_size,
            epochs=settings.epochs,
            seed=settings.seed,
            longest=encoder.limits.max_length,
        )
        steps = steps_of(len(groups), batch=settings.batch_size, accumulate=settings.accumulate, devices=processes)
        steps = min(steps, settings.max_steps) if settings.max_steps is not None else steps
        bf16 = settings.precision == "bf16" or (
            settings.precision is None and not cpu and torch.cuda.is_bf16_supported()
        )
        budget = (
            settings.max_batch_tokens if settings.max_batch_tokens is not None else _BUDGET["cpu" if cpu else "cuda"]
        )
        args = make_arguments(work / CHECKPOINTS, settings=settings, steps=steps, rate=rate, bf16=bf16, cpu=cpu)
        trainer = RankerTrainer(
            network,
            args=args,
            groups=groups,
            collate=Collate(encoder, pad_id(checkpoint), budget),
            loss=parse_loss(settings.loss, temperature=settings.temperature),
            dev=make_dev(self.data.dev.plan, encoder),
            watching=Watching(work / LOG, work / BOARD, self.tell),
            patience=settings.patience,
        )
        chosen = {
            "learning_rate": rate,
            "precision": "bf16" if bf16 else "fp32",
            "max_length": encoder.limits.max_length,
            "query_max_length": encoder.limits.query_max_length,
            "truncation": settings.truncation,
            "device": "cpu" if cpu else "cuda",
            "processes": processes,
            "steps": steps,
        }
        return trainer, chosen

    def _facts(self, trainer: "RankerTrainer", chosen: dict[str, Any], seconds: float) -> Report:
        from resift import __version__
        from resift.training.trainer import NDCG

        training, leaks, state = self.data.training, self.data.leaks, trainer.state
        history = [
            {name: value for name, value in record.items() if name != "epoch"}
            for record in state.log_history
            if "loss" in record or NDCG in record
        ]
        source = self.checkpoint.source
        before = [record[NDCG] for record in history if NDCG in record and record["step"] == 0]
        warnings = list(self.data.warnings)
        if before and state.best_metric is not None and state.best_metric <= before[0]:
            warnings.append(f"on the dev queries no checkpoint is better than the original model ({before[0]:.4f})")
        return {
            "format": FORMAT,
            "name": self.folder.name,
            "resift": __version__,
            "versions": versions(),
            "model": {"name": source.name, "revision": source.revision, "family": self.checkpoint.spec.family},
            "data": {
                "queries": len(training),
                "positives": sum(len(one.positives) for one in training),
                "negatives": sum(len(one.negatives) for one in training),
                "digest": digest(training),
                "findings": self.data.findings.counts(),
                "leaking_queries": len(leaks.queries),
                "shared_answers": len(leaks.documents),
            },
            "settings": asdict(self.settings),
            "chosen": chosen,
            "training": {
                "steps": state.global_step,
                "planned_steps": state.max_steps,
                "best_step": state.best_global_step,
                "seconds": round(seconds, 1),
                "history": history,
            },
            "dev": {"queries": len(self.data.dev.plan.queries), "ndcg": state.best_metric},
            "warnings": warnings,
        }

    def _finish(self, network: "Network", report: Report, work: Path) -> Report:
        """Merge, write, load again and compare; the folder appears when everything in it is complete."""
        from resift.training.network import merge_lora, round_to_half, to_tensors

        if self.settings.lora is not None:
            network = merge_lora(network)
        half = stored_in_half(self.checkpoint) and round_to_half(network)
        with tempfile.TemporaryDirectory(dir=self.folder.parent, prefix=f".{self.folder.name}-") as scratch:
            made = Path(scratch) / self.folder.name
            made.mkdir()
            write_model(made, self.checkpoint, to_tensors(network), half=half)
            if network.prior_scale is not None:
                report["training"]["prior_scale"] = network.prior_scale
                scale_prior(made, self.checkpoint.config, network.prior_scale)
                network.scale = None
            written = load_checkpoint(locate(made))
            pairs = make_encoder(written, self.settings).sequences(sample_pairs(self.data.training))
            check_same(written, network, pairs, when="as it is written")
            report["held_out"] = self._compare(made)
            if report["held_out"]["comparison"]["difference"] < 0:
                report["warnings"].append("the trained model ranks the held-out queries worse than the original")
            shutil.copyfile(work / LOG, made / "training.log.jsonl")
            if (work / BOARD).is_dir():
                shutil.copytree(work / BOARD, made / BOARD)
            write_report(made, report)
            made.rename(self.folder)
        shutil.rmtree(work)
        return report

    def _compare(self, made: Path) -> dict[str, Any]:
        """Score the test queries with resift, with the original model and with the folder that was made."""
        plan = self.data.test.plan
        scores = []
        for what, model in (("before", self.checkpoint.source.folder), ("after", made)):
            settings = self.settings
            label = f"measuring {what}"
            with Reranker(
                model,
                max_length=settings.max_length,
                query_max_length=settings.query_max_length,
                truncation=settings.truncation,
                threads=settings.threads,
            ) as reranker:
                told = partial(_told, self.tell, label)
                scores.append(scores_of(plan, reranker, tell=told))
        return before_and_after(plan, scores[0], scores[1], seed=self.settings.seed)


def _load(
    model: str | Path | None, revision: str | None, cache_dir: str | Path | None, *, progress: bool
) -> Checkpoint:
    folder = Path(cache_dir) if cache_dir is not None else None
    source = locate(model, revision=revision, cache_dir=folder, progress=progress)
    checkpoint = load_checkpoint(source)
    if checkpoint.precision is not None:
        raise InputError(f"{source.name} is quantised: it cannot be trained", hint="train the original, then quantise")
    return checkpoint


def _check_extra(settings: Settings) -> None:
    needed = ("torch", "transformers", "accelerate", "ir_measures", "pytrec_eval")
    if any(importlib.util.find_spec(name) is None for name in needed):
        raise MissingExtra("training", extra="train")
    if settings.lora is not None and importlib.util.find_spec("peft") is None:
        raise MissingExtra("training with LoRA", extra="train-lora")


def _told(tell: "Tell", what: str, done: int, total: int) -> None:
    from resift.training.trainer import Progress

    tell(Progress(what, done, total))


def _silent(progress: "Progress") -> None:
    """Tell nobody."""
