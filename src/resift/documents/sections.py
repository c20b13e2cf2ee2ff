"""The sections of a document: its blocks under one heading, and small neighbours together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from resift.documents.records import Block, BlockKind
from resift.documents.weights import running_weights

GAP = "\n\n"
"""Between two blocks of a passage."""


@dataclass(frozen=True, slots=True)
class Section:
    """Consecutive blocks under the same headings; `weight` is that of their texts with gaps between them."""

    headings: tuple[str, ...]
    blocks: Sequence[Block]
    weight: int


@dataclass(slots=True)
class Group:
    """Sections that become passages together: one of any weight, or several that fit into one passage.

    Attributes:
        headings: what all of them stand under.
        weight: of their texts with the headings below `headings`, at most.
    """

    headings: tuple[str, ...]
    weight: int
    sections: list[Section] = field(default_factory=list)

    def with_next(self, section: Section) -> "Group | None":
        """Return the group with one more section; None when it is neither below the first nor beside it."""
        own = self.sections[0].headings
        shared = _shared(self.headings, section.headings)
        if shared < len(own) - 1:
            return None
        # Subtle: the first section's own heading becomes a line of the text when a neighbour joins.
        surfaced = _lines_weight(own[shared : len(self.headings)])
        weight = self.weight + surfaced + len(GAP) + section.weight + _lines_weight(section.headings[shared:])
        return Group(self.headings[:shared], weight, [*self.sections, section])


def sections(blocks: Sequence[Block]) -> Iterator[Section]:
    """Yield the sections in order; the blank ones, too, for their headings are text."""
    for headings, run in groupby(blocks, key=lambda block: block.headings):
        there = [block for block in run if block.text and not block.text.isspace()]
        weight = sum(int(running_weights(block.text)[-1]) + len(GAP) for block in there)
        if there or headings:
            yield Section(headings, there, weight)


def groups(found: Iterator[Section], *, small: int, size: int) -> Iterator[Group]:
    """Yield sections joined where one of two neighbours is lighter than `small` and both fit into `size`."""
    group: Group | None = None
    for section in found:
        if group is not None:
            joined = group.with_next(section) if min(group.weight, section.weight) < small else None
            if joined is not None and joined.weight <= size:
                group = joined
                continue
            yield group
        group = Group(section.headings, section.weight, [section])
    if group is not None:
        yield group


def merged_text(group: Group) -> str:
    """Return the texts of a group's sections under the headings that they do not share."""
    parts: list[str] = []
    before = group.headings
    for section in group.sections:
        new = section.headings[_shared(before, section.headings) :]
        before = section.headings
        body = GAP.join(stripped(block.text, block.kind) for block in section.blocks)
        part = "\n".join([*new, body] if body else new)
        if part:
            parts.append(part)
    return GAP.join(parts)


def stripped(text: str, kind: BlockKind) -> str:
    """Return a text without the white space around it; code keeps the indentation of its first line."""
    return text.rstrip().lstrip("\n") if kind == "code" else text.strip()


def _shared(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """Return how many headings two paths begin with alike."""
    for place, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return place
    return min(len(one), len(other))


def _lines_weight(headings: tuple[str, ...]) -> int:
    return sum(int(running_weights(heading)[-1]) + 1 for heading in headings)
