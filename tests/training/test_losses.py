"""Every loss equals what its formula gives by hand."""

import math

import pytest

from resift.errors import InputError

pytestmark = [pytest.mark.parity, pytest.mark.usefixtures("one_torch_thread")]
torch = pytest.importorskip("torch")

from resift.training.losses import LOSSES, parse_loss  # noqa: E402

SCORES = [[1.0, 0.5, -2.0], [0.2, 1.2, 7.0]]
TEACHER = [[3.0, 1.0, -1.0], [0.5, 0.0, 9.0]]
THERE = [[True, True, True], [True, True, False]]
"""The second group is short: its last column is padding, which must count for nothing."""


def value(text: str, *, temperature: float = 1.0, scores: list[list[float]] = SCORES) -> float:
    loss = parse_loss(text, temperature=temperature)
    teacher = torch.tensor(TEACHER) if loss.taught else None
    return float(loss(torch.tensor(scores), torch.tensor(THERE), teacher))


def softmax(values: list[float], temperature: float = 1.0) -> list[float]:
    powers = [math.exp(one / temperature) for one in values]
    return [power / sum(powers) for power in powers]


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_listwise(temperature: float) -> None:
    first, second = softmax([1.0, 0.5, -2.0], temperature)[0], softmax([0.2, 1.2], temperature)[0]
    assert value("listwise", temperature=temperature) == pytest.approx(-(math.log(first) + math.log(second)) / 2)


def test_pairwise() -> None:
    first = (math.log1p(math.exp(0.5 - 1.0)) + math.log1p(math.exp(-2.0 - 1.0))) / 2
    second = math.log1p(math.exp(1.2 - 0.2))
    assert value("pairwise") == pytest.approx((first + second) / 2)


def test_bce() -> None:
    def right(score: float) -> float:
        return -math.log(1 / (1 + math.exp(-score)))

    first = (right(1.0) + right(-0.5) + right(2.0)) / 3
    second = (right(0.2) + right(-1.2)) / 2
    assert value("bce") == pytest.approx((first + second) / 2)


def test_margin_mse() -> None:
    first = (((1.0 - 0.5) - (3.0 - 1.0)) ** 2 + ((1.0 + 2.0) - (3.0 + 1.0)) ** 2) / 2
    second = ((0.2 - 1.2) - (0.5 - 0.0)) ** 2
    assert value("margin_mse") == pytest.approx((first + second) / 2)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_kl(temperature: float) -> None:
    def divergence(teacher: list[float], scores: list[float]) -> float:
        wanted, found = softmax(teacher, temperature), softmax(scores, temperature)
        return sum(w * math.log(w / f) for w, f in zip(wanted, found, strict=True))

    whole = divergence([3.0, 1.0, -1.0], [1.0, 0.5, -2.0]) + divergence([0.5, 0.0], [0.2, 1.2])
    assert value("kl", temperature=temperature) == pytest.approx(whole / 2 * temperature**2)
    assert value("kl", scores=TEACHER) == pytest.approx(0, abs=1e-6)


def test_a_sum_is_weighted() -> None:
    assert value("kl + 0.2 * listwise") == pytest.approx(value("kl") + 0.2 * value("listwise"))
    assert value(".5*bce+pairwise") == pytest.approx(0.5 * value("bce") + value("pairwise"))


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_finite_and_padding_has_none(name: str) -> None:
    scores = torch.tensor(SCORES, requires_grad=True)
    loss = parse_loss(name)
    loss(scores, torch.tensor(THERE), torch.tensor(TEACHER)).backward()
    assert torch.isfinite(scores.grad).all()
    assert scores.grad[1, 2] == 0
    assert scores.grad.abs().sum() > 0


@pytest.mark.parametrize("text", ["listwize", "", "kl+", "2", "kl - bce", "2 listwise"])
def test_no_loss(text: str) -> None:
    with pytest.raises(InputError, match="expected one of listwise, pairwise, bce, margin_mse, kl"):
        parse_loss(text)


def test_a_teacher_is_needed() -> None:
    assert parse_loss("kl+bce").taught
    assert not parse_loss("listwise+bce").taught
    with pytest.raises(InputError, match="need a teacher's scores"):
        parse_loss("kl")(torch.tensor(SCORES), torch.tensor(THERE), None)
    with pytest.raises(InputError, match="temperature is 0"):
        parse_loss("kl", temperature=0)
