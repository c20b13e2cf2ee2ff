"""The loop: transformers' Trainer around our batches, losses, held-out measure and guards.

It brings several devices (accelerate, torchrun), checkpoints with the state of optimiser and dice, resuming, bf16 and
early stopping. Its tokenizer, collator, losses and evaluation are not used: what is trained is what will be scored.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import SequentialSampler
from transformers import EarlyStoppingCallback, PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from resift.evaluation.plan import Plan
from resift.training.groups import Group, Groups
from resift.training.guards import Watch, check_scores
from resift.training.held_out import measure
from resift.training.losses import Loss
from resift.training.network import Network, score, to_batch
from resift.training.settings import Settings
from resift.training.texts import Encoder
from resift.types import Float32, TokenSequence

NDCG = "eval_ndcg"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes:
        what: what is done now.
        done, total: steps, queries or lines.
        loss: the last step's, while training.
        ndcg: the last nDCG@10 of the dev queries, while training.
    """

    what: str
    done: int
    total: int
    loss: float | None = None
    ndcg: float | None = None


Tell = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Dev:
    """The dev queries, encoded once.

    Attributes:
        plan: what is measured.
        lists: the sequences of each query's candidates, in the plan's order.
    """

    plan: Plan
    lists: list[list[TokenSequence]]


def make_dev(plan: Plan, encoder: Encoder) -> Dev:
    """Encode the candidates of the plan."""
    lists = []
    for query in plan.queries:
        documents = [plan.dataset.documents[key] for key in plan.candidates[query.id][: plan.depths[-1]]]
        lists.append(encoder.sequences([(query.text, document) for document in documents]))
    return Dev(plan, lists)


@dataclass(frozen=True, slots=True)
class Collate:
    """Groups of texts become a batch of tensors."""

    encoder: Encoder
    pad_id: int
    budget: int

    def __call__(self, groups: Sequence[Group]) -> dict[str, Any]:
        """Return the arguments of `Network.forward`, the groups' sizes, and the teacher's scores or None."""
        pairs = [(group.query, document) for group in groups for document in group.documents]
        batch = to_batch(self.encoder.sequences(pairs), pad_id=self.pad_id, budget=self.budget)
        sizes = [len(group.documents) for group in groups]
        teacher = None
        if all(group.teacher is not None for group in groups):
            teacher = torch.zeros(len(groups), max(sizes))
            for row, group in enumerate(groups):
                teacher[row, : sizes[row]] = torch.tensor(group.teacher)
        return {**batch, "sizes": torch.tensor(sizes), "teacher": teacher}


@dataclass(slots=True)
class Watching(TrainerCallback):
    """Tells how far training is, writes its log, and has the last step measured.

    Attributes:
        log: the file that gets a JSON line for each record; None for none.
        board: where TensorBoard's records go, when it is installed.
        tell: see `Progress`.
    """

    log: Path | None
    board: Path | None
    tell: Tell
    loss: float | None = None
    ndcg: float | None = None
    _writer: Any = field(default=None)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:  # noqa: ARG002
        """Tell the step; after the last one, measure and save."""
        if state.is_world_process_zero:
            self.tell(Progress("training", state.global_step, state.max_steps, self.loss, self.ndcg))
        if state.global_step >= state.max_steps:
            control.should_evaluate = True
            control.should_save = True
        return control

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, float], **_: Any) -> None:  # noqa: ARG002
        """Write a record."""
        if not state.is_world_process_zero or self.log is None:
            return
        record = {"step": state.global_step, **{name: value for name, value in logs.items() if name != "epoch"}}
        with self.log.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record) + "\n")
        if self.board is not None and importlib.util.find_spec("tensorboard") is not None:
            if self._writer is None:
                from torch.utils.tensorboard import SummaryWriter

                self._writer = SummaryWriter(str(self.board))
            for name, value in record.items():
                if isinstance(value, int | float) and name != "step":
                    self._writer.add_scalar(name.replace("eval_", "dev/"), value, state.global_step)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Close TensorBoard's file."""
        if self._writer is not None:
            self._writer.close()


class RankerTrainer(Trainer):
    """Trains a `Network` on `Groups`."""

    def __init__(
        self,
        network: Network,
        *,
        args: Any,
        groups: Groups,
        collate: Collate,
        loss: Loss,
        dev: Dev,
        watching: Watching,
        patience: int | None,
    ) -> None:
        stop = [EarlyStoppingCallback(early_stopping_patience=patience)] if patience is not None else []
        super().__init__(
            model=network,
            args=args,
            data_collator=collate,
            train_dataset=groups,
            eval_dataset=dev.lists,
            callbacks=[*stop, watching],
        )
        self.remove_callback(PrinterCallback)
        self.control: Any
        self._collate = collate
        self._loss = loss
        self._dev = dev
        self._watching = watching
        self._watch = Watch(rate=args.learning_rate)

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        """Return the order of `Groups` itself."""
        return SequentialSampler(train_dataset if train_dataset is not None else self.train_dataset)

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,  # noqa: ARG002
    ) -> Any:
        """Return the loss of a batch; raises TrainingFailed when training has gone wrong."""
        logits = model(slices=inputs["slices"], order=inputs["order"], prior=inputs["prior"])
        scores, there = to_lists(logits, inputs["sizes"])
        loss = self._loss(scores, there, inputs["teacher"])
        known = scores.detach()
        high = known.masked_fill(~there, float("-inf")).amax(1)
        low = known.masked_fill(~there, float("inf")).amin(1)
        self._watching.loss = float(loss.detach())
        self._watch.see(self.state.global_step + 1, self._watching.loss, float((high - low).max()))
        return (loss, logits) if return_outputs else loss

    def evaluate(
        self,
        eval_dataset: Any = None,  # noqa: ARG002
        ignore_keys: Any = None,  # noqa: ARG002
        metric_key_prefix: str = "eval",  # noqa: ARG002
    ) -> dict[str, float]:
        """Measure the dev queries, each process its share of them, and log their nDCG@10."""
        lists = self.dev_scores()
        check_scores(lists, what=f"step {self.state.global_step}, dev queries")
        plan = self._dev.plan
        scores = {query.id: found.tolist() for query, found in zip(plan.queries, lists, strict=True)}
        metrics = {NDCG: float(measure(plan, scores).mean())}
        self._watching.ndcg = metrics[NDCG]
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def dev_scores(self) -> list[Float32]:
        """Return the scores of every dev query's candidates as the network stands."""
        lists = self._dev.lists
        ends = np.cumsum([len(one) for one in lists])
        scores = torch.zeros(int(ends[-1]), device=self.args.device)
        mine = range(self.args.process_index, len(lists), self.args.world_size)
        for place in mine:
            found = score(self.model, lists[place], pad_id=self._collate.pad_id, budget=self._collate.budget)
            scores[int(ends[place]) - len(found) : int(ends[place])] = torch.from_numpy(found).to(scores.device)
        if self.args.world_size > 1:
            scores = self.accelerator.reduce(scores)
        return np.split(scores.cpu().numpy(), ends[:-1])


def to_lists(logits: Any, sizes: Any) -> tuple[Any, Any]:
    """Return scores [groups, documents], 0 where a group is short, and which of them are there."""
    there = torch.arange(int(sizes.max()), device=logits.device)[None] < sizes[:, None].to(logits.device)
    scores = torch.zeros(there.shape, dtype=logits.dtype, device=logits.device).masked_scatter(there, logits)
    return scores, there


def make_arguments(folder: Path, *, settings: Settings, steps: int, rate: float, bf16: bool, cpu: bool) -> Any:
    """Return the Trainer's arguments; `steps`, `rate` and what follows are what was made of the settings."""
    every = max(1, round(steps / settings.evaluations))
    args = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.accumulate,
        num_train_epochs=1,
        max_steps=steps,
        learning_rate=rate,
        lr_scheduler_type="linear",
        warmup_steps=round(steps * settings.warmup),
        weight_decay=settings.weight_decay,
        seed=settings.seed,
        bf16=bf16,
        use_cpu=cpu,
        logging_strategy="steps",
        logging_steps=max(1, min(10, steps // 20)),
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to=[],
        eval_strategy="steps",
        eval_steps=every,
        eval_on_start=True,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model=NDCG,
        greater_is_better=True,
        remove_unused_columns=False,
        dataloader_pin_memory=not cpu,
        ddp_find_unused_parameters=False,
        log_level="error",
        log_level_replica="error",
    )
    if args.device.type == "cuda":
        args._n_gpu = 1  # several GPUs in one process would be nn.DataParallel, which cannot split our batches
    return args
