"""What a model has to compute, and so how far a measured time is from the machine's peak."""

from collections.abc import Sequence

from resift.types import ModelSpec


def operations(spec: ModelSpec, lengths: Sequence[int]) -> int:
    """Count the multiplications and additions of all products and of attention, for pairs of these many tokens.

    The last layer's keys and values are needed of every token, all else of it of the first token alone: what no engine
    has to compute is not counted, so the share of the peak of one that computes it anyway is lower.
    """
    hidden, ffn = spec.hidden, spec.ffn
    tokens, pairs = sum(lengths), len(lengths)
    square, wide = 2 * hidden * hidden, 2 * hidden * ffn  # one token through a projection, through half of the network
    full = tokens * (4 * square + 2 * wide) + sum(4 * length * length * hidden for length in lengths)
    last = tokens * (2 * square + 4 * hidden) + pairs * (2 * square + 2 * wide)
    return (spec.layers - 1) * full + last + pairs * square  # the head's dense layer; its output is one row
