"""What training makes small: functions of the scores of a query's documents, the positive one first.

Each takes scores [groups, documents], which of them are there (a group may be short), and a teacher's scores of the
same shape or None, and returns the mean over groups.

listwise: softmax cross-entropy, Cao et al., Learning to Rank: From Pairwise Approach to Listwise Approach, 2007 (top
one); pairwise: RankNet, Burges et al. 2005; margin_mse: Hofstätter et al. 2020 (arXiv 2010.02666); kl: Hinton et al.
2015 (arXiv 1503.02531), whose factor T^2 keeps gradients alike for all temperatures.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from resift.errors import InputError

_TERM = re.compile(r"(?:(?P<weight>\d+(?:\.\d*)?|\.\d+)\s*\*\s*)?(?P<name>[a-z_]+)")


def listwise(scores: Tensor, there: Tensor, teacher: Tensor | None, temperature: float) -> Tensor:  # noqa: ARG001
    """Return the mean of -log softmax(scores / temperature) of the positive."""
    return -_log_softmax(scores, there, temperature)[:, 0].mean()


def pairwise(scores: Tensor, there: Tensor, teacher: Tensor | None, temperature: float) -> Tensor:  # noqa: ARG001
    """Return the mean of log(1 + exp(negative - positive)) over a group's negatives, then over groups."""
    return _over_negatives(functional.softplus(scores - scores[:, :1]), there)


def bce(scores: Tensor, there: Tensor, teacher: Tensor | None, temperature: float) -> Tensor:  # noqa: ARG001
    """Return the mean binary cross-entropy of the sigmoids over a group's documents, then over groups."""
    wanted = torch.zeros_like(scores)
    wanted[:, 0] = 1
    each = functional.binary_cross_entropy_with_logits(scores, wanted, reduction="none") * there
    return (each.sum(1) / there.sum(1)).mean()


def margin_mse(scores: Tensor, there: Tensor, teacher: Tensor | None, temperature: float) -> Tensor:  # noqa: ARG001
    """Return the mean square of (positive - negative) less the teacher's own, over negatives, then over groups."""
    known = _known(teacher)
    return _over_negatives(((scores[:, :1] - scores) - (known[:, :1] - known)) ** 2, there)


def kl(scores: Tensor, there: Tensor, teacher: Tensor | None, temperature: float) -> Tensor:
    """Return T^2 KL(softmax(teacher / T), softmax(scores / T)), the mean over groups."""
    wanted = _log_softmax(_known(teacher), there, temperature)
    found = _log_softmax(scores, there, temperature)
    each = torch.where(there, wanted.exp() * (wanted - found), torch.zeros_like(found))
    return each.sum(1).mean() * temperature**2


Function = Callable[[Tensor, Tensor, Tensor | None, float], Tensor]
LOSSES: dict[str, Function] = {
    "listwise": listwise,
    "pairwise": pairwise,
    "bce": bce,
    "margin_mse": margin_mse,
    "kl": kl,
}
TAUGHT = frozenset({"margin_mse", "kl"})
"""Losses that need a teacher's scores."""


@dataclass(frozen=True, slots=True)
class Loss:
    """A weighted sum of losses.

    Attributes:
        terms: (weight, name).
        temperature: of the softmaxes.
    """

    terms: tuple[tuple[float, str], ...]
    temperature: float = 1.0

    @property
    def taught(self) -> bool:
        """Whether a teacher's scores are needed."""
        return any(name in TAUGHT for _, name in self.terms)

    def __call__(self, scores: Tensor, there: Tensor, teacher: Tensor | None) -> Tensor:
        """Return the loss of scores [groups, documents]."""
        total = torch.zeros((), device=scores.device)
        for weight, name in self.terms:
            total = total + weight * LOSSES[name](scores, there, teacher, self.temperature)
        return total


def parse_loss(text: str, *, temperature: float = 1.0) -> Loss:
    """Return the loss that a text describes: `listwise`, or `kl + 0.2 * listwise`."""
    terms = []
    for term in text.split("+"):
        found = _TERM.fullmatch(term.strip())
        if found is None or found["name"] not in LOSSES:
            raise InputError(
                f"the loss {text!r} has the term {term.strip()!r}, expected one of {', '.join(LOSSES)}",
                hint="a sum is written kl+0.2*listwise",
            )
        terms.append((float(found["weight"] or 1), found["name"]))
    if not temperature > 0:
        raise InputError(f"temperature is {temperature}, expected a number above 0")
    return Loss(tuple(terms), temperature)


def _log_softmax(scores: Tensor, there: Tensor, temperature: float) -> Tensor:
    return torch.log_softmax((scores / temperature).masked_fill(~there, float("-inf")), dim=1)


def _over_negatives(each: Tensor, there: Tensor) -> Tensor:
    """Return the mean over a group's negatives, then over groups."""
    counted = there[:, 1:]
    return ((each[:, 1:] * counted).sum(1) / counted.sum(1)).mean()


def _known(teacher: Tensor | None) -> Tensor:
    if teacher is None:
        raise InputError(f"the losses {', '.join(sorted(TAUGHT))} need a teacher's scores", hint="resift train distill")
    return teacher
