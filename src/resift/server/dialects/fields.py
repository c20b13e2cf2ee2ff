"""Fields that several dialects share, as lenient as their originals: `null` is the default, `"true"` is a boolean."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from resift.server.errors import Unprocessable
from resift.server.records import Priority
from resift.types import Aggregate, Scale, Truncation, Windows


def _stripped(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


def _text_of(value: object) -> object:
    """Return the text of `{"text": "..."}`, the form that multimodal dialects use for a query too."""
    if isinstance(value, Mapping) and isinstance(value.get("text"), str):
        return value["text"]
    return value


def _listed(value: object) -> object:
    if not isinstance(value, list):
        raise ValueError("expected a list of documents")  # noqa: TRY004  (pydantic turns this one into its own)
    return value


def _few(value: object) -> object:
    if isinstance(value, list) and len(value) > _MOST_NAMES:  # pydantic would describe what is wrong with each
        raise ValueError(f"expected at most {_MOST_NAMES} names")
    return value


def _priority(value: object) -> object:
    """Return the name of a number's priority: Cohere and vLLM count from 0, the lower the earlier."""
    if isinstance(value, bool) or not isinstance(value, int):
        return value
    return "high" if value < 0 else "normal" if value == 0 else "low"


Flag: TypeAlias = Annotated[bool, BeforeValidator(_stripped)]
"""true, 1, "true", "True", "1", "yes", "on" and their opposites."""

_DOCUMENT_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "object"}]}

Query: TypeAlias = Annotated[str, BeforeValidator(_text_of), WithJsonSchema({"type": "string"})]
Documents: TypeAlias = Annotated[
    list[Any],
    BeforeValidator(_listed),
    WithJsonSchema({"type": "array", "items": _DOCUMENT_SCHEMA, "minItems": 1}),
]
"""Texts, or mappings of fields. An item that is neither gets an error of its own."""

Texts: TypeAlias = Annotated[
    list[Any],
    BeforeValidator(_listed),
    WithJsonSchema({"type": "array", "items": {"type": "string"}, "minItems": 1}),
]


_MOST_NAMES = 100
Names: TypeAlias = Annotated[list[str], BeforeValidator(_few)]
"""Names of fields."""

_PRIORITY_SCHEMA = {"anyOf": [{"enum": ["high", "normal", "low"]}, {"type": "integer"}]}
_PLAIN_NAME = re.compile(r"[^{}\[\].:!\n]+")


class Lenient(BaseModel):
    """A body: fields that it does not have are ignored, and null stands for the default."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: object) -> object:
        if isinstance(value, Mapping):
            return {name: item for name, item in value.items() if item is not None}
        return value


class WindowFields(Lenient):
    """How a long document is split."""

    size: int | None = Field(None, ge=1, description="Document tokens in a window; all that fit by default.")
    overlap: int = Field(64, ge=0, description="Document tokens that a window shares with the one before it.")
    aggregate: Aggregate = Field("max", description="What the windows' scores become.")
    top_k: int = Field(3, ge=1, description="Windows that `top_k_mean` averages.")

    def windows(self) -> Windows:
        """Return them as the record of the scoring path."""
        return Windows(size=self.size, overlap=self.overlap, aggregate=self.aggregate, top_k=self.top_k)


class ResiftFields(Lenient):
    """resift's own fields, which every dialect accepts."""

    model: str | None = Field(None, description="Name of a model of this server; the first by default.")
    scores: Scale | None = Field(
        None,
        description="`sigmoid` (0..1), `raw` logits, or the probabilities of the model's calibration: `calibrated`.",
    )
    group: str | None = Field(None, description="Of calibrated scores: the group of the calibration, e.g. a language.")
    truncation: Truncation | Flag | None = Field(
        None, description="How a pair that is too long is cut; `false`, as Voyage has it, forbids to cut."
    )
    max_length: int | None = Field(None, ge=1, description="Tokens of the longest pair.")
    windows: WindowFields | None = Field(None, description="Score long documents in windows, cutting nothing.")
    template: str | None = Field(None, description='Text of documents that are objects, e.g. `"{title}: {body}"`.')
    priority: Annotated[Priority, BeforeValidator(_priority), WithJsonSchema(_PRIORITY_SCHEMA)] | None = Field(
        None, description="Who goes first; of numbers the lower, 0 being `normal`."
    )
    deadline_ms: int | None = Field(
        None, ge=1, description="Milliseconds after which the best order known is returned, marked `partial`."
    )
    strict: Flag | None = Field(None, description="A document that cannot be read whole fails the request.")
    details: Flag | None = Field(None, description="Adds what the scores depend on, timings and tokens.")

    @property
    def policy(self) -> Truncation | None:
        """How a pair that is too long is cut."""
        return None if isinstance(self.truncation, bool) else self.truncation

    @property
    def fail_if_cut(self) -> bool:
        """Whether a pair that would be cut is an error; dialects have fields of their own for it."""
        return self.truncation is False


Direction: TypeAlias = Annotated[Literal["left", "right"], BeforeValidator(lambda v: str(v).strip().lower())]
"""`left` and `right`, in any case."""


class TeiFields(ResiftFields):
    """TEI's fields on texts that are too long."""

    truncate: Flag | None = Field(None, description="`false`: a pair that would be cut is an error.")
    truncation_direction: Direction | None = Field(None, description="Only `right` cuts; `left` refuses to cut.")

    @property
    def fail_if_cut(self) -> bool:
        """Whether cutting is forbidden. Only the ends of texts are cut, so asking for the other side forbids it too."""
        return self.truncate is False or self.truncation_direction == "left" or super().fail_if_cut


def ranked_fields(names: list[str] | None) -> str | None:
    """Return the template of `rank_fields`: the field's value, or `name: value` lines for several."""
    if not names:
        return None
    wrong = [name for name in names if not _PLAIN_NAME.fullmatch(name)]
    if wrong:
        raise Unprocessable(f"rank_fields has {wrong[0]!r}, expected names without braces, brackets, dots or colons")
    return f"{{{names[0]}}}" if len(names) == 1 else "\n".join(f"{name}: {{{name}}}" for name in names)


def token_limit(max_length: int | None, prompt_tokens: int | None, longest: int) -> int | None:
    """Return the longest pair: resift's own field, or vLLM's, which -1 sets to the model's limit."""
    if max_length is not None or prompt_tokens is None:
        return max_length
    return min(prompt_tokens, longest) if prompt_tokens > 0 else longest
