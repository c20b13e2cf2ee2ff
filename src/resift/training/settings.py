"""How training is done, and what follows from the model where nothing is said."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from resift.errors import InputError
from resift.text.inputs import one_of
from resift.types import Truncation

Leaking: TypeAlias = Literal["refuse", "drop", "keep"]
Numbers: TypeAlias = Literal["fp32", "bf16"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How to train; None where the model and the machine decide.

    Attributes:
        loss: of `losses`: `listwise`, `pairwise`, `bce`, `margin_mse`, `kl`, or a sum such as `kl+0.2*listwise`.
        temperature: of the softmaxes in `listwise` and `kl`.
        group_size: documents of a query in a step: one positive, drawn, and the others drawn from its negatives.
        batch_size: queries that a device takes at once.
        accumulate: batches before a step of the optimiser.
        epochs: times that every query is seen; a part of one is allowed.
        max_steps: of the optimiser, at most; None for all that the epochs have.
        learning_rate: the highest; None for 3e-4 up to 256 hidden units, 5e-5 up to 512, 2e-5 above, 2e-4 with `lora`.
        warmup: the share of the steps in which it rises; then it falls to 0 along a line.
        weight_decay: of matrices.
        seed: of all that is drawn.
        precision: of the products: None for bf16 on a GPU that has it, fp32 else.
        max_length, query_max_length, truncation: as for `Reranker`, and to be used with it.
        lora: the rank of low-rank updates in place of full training, merged at the end; None for full training.
        freeze_embeddings: leave the tables of tokens as they are, which saves their gradients' memory.
        checkpoint_activations: compute activations twice, for less memory.
        evaluations: times that the dev queries are measured (and a checkpoint is written) on the way.
        patience: evaluations without a better nDCG@10 after which training ends; None for never.
        dev_queries: queries measured on the way, at most.
        test_queries: queries of the comparison before and after, at most.
        depth: candidates of a query that are measured, at most.
        held_out: share of the training data that is held out for both when no other data is named.
        leaks: what happens when held-out queries are in the training data: `refuse`, `drop` them (and what shares
            their answers) from training, or `keep` them and say so in the report.
        max_batch_tokens: tokens that go through the network at once; a batch is cut into such slices.
        device: `cpu`, or None for the GPU where there is one.
        threads: of the CPU; None for what torch takes, which is all cores.
    """

    loss: str = "listwise"
    temperature: float = 1.0
    group_size: int = 8
    batch_size: int = 16
    accumulate: int = 1
    epochs: float = 1.0
    max_steps: int | None = None
    learning_rate: float | None = None
    warmup: float = 0.1
    weight_decay: float = 0.01
    seed: int = 0
    precision: Numbers | None = None
    max_length: int | None = None
    query_max_length: int | None = None
    truncation: Truncation = "flag"
    lora: int | None = None
    freeze_embeddings: bool = False
    checkpoint_activations: bool = False
    evaluations: int = 10
    patience: int | None = 3
    dev_queries: int = 200
    test_queries: int = 1000
    depth: int = 50
    held_out: float = 0.1
    leaks: Leaking = "refuse"
    max_batch_tokens: int | None = None
    device: str | None = None
    threads: int | None = None

    def check(self) -> None:
        """Raise InputError for a value that nobody can train with."""
        for name, low in (
            ("group_size", 2), ("batch_size", 1), ("accumulate", 1), ("max_steps", 1), ("lora", 1), ("evaluations", 1),
            ("patience", 1), ("dev_queries", 1), ("test_queries", 1), ("depth", 2), ("max_batch_tokens", 1),
            ("threads", 1),
        ):  # fmt: skip
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < low):
                raise InputError(f"{name} is {value!r}, expected a whole number of at least {low}")
        for name, least, most in (
            ("epochs", 0.0, 1e4), ("learning_rate", 0.0, 1e3), ("warmup", -1e-9, 1.0), ("weight_decay", -1e-9, 1e3),
            ("held_out", 0.0, 0.9),
        ):  # fmt: skip
            number = getattr(self, name)
            if number is not None and not least < number <= most:
                raise InputError(f"{name} is {number!r}, expected a number from {max(least, 0):g} to {most:g}")
        one_of("leaks", self.leaks, ("refuse", "drop", "keep"))
        if self.precision is not None:
            one_of("precision", self.precision, ("fp32", "bf16"))
        if self.device is not None:
            one_of("device", self.device, ("cpu",))

    def rate_for(self, hidden: int) -> float:
        """Return the learning rate for a model of so many hidden units."""
        if self.learning_rate is not None:
            return self.learning_rate
        if self.lora is not None:
            return 2e-4
        return 3e-4 if hidden <= 256 else 5e-5 if hidden <= 512 else 2e-5
