"""What can be asked for with every call, and how a request says it."""

from dataclasses import asdict, dataclass
from typing import Literal, Self, TypeAlias, get_args

from resift.errors import InputError
from resift.text.inputs import one_of, positive
from resift.types import Aggregate, Scale, Truncation, Windows

Priority: TypeAlias = Literal["high", "normal", "low"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a client; None leaves the choice to the server."""

    model: str | None = None
    scores: Scale = "raw"
    group: str | None = None
    truncation: Truncation | None = None
    max_length: int | None = None
    windows: Windows | None = None
    template: str | None = None
    priority: Priority = "normal"
    deadline_ms: int | None = None
    strict: bool = False

    def checked(self) -> Self:
        """Return the options themselves; raises InputError for what no server could read."""
        one_of("scores", self.scores, get_args(Scale))
        one_of("priority", self.priority, get_args(Priority))
        if self.truncation is not None:
            one_of("truncation", self.truncation, get_args(Truncation))
        if self.windows is not None:
            one_of("windows.aggregate", self.windows.aggregate, get_args(Aggregate))
            positive("windows.top_k", self.windows.top_k, 1)
        if not isinstance(self.strict, bool):
            raise InputError(f"strict is {self.strict!r}, expected True or False")
        positive("max_length", self.max_length, 1)
        positive("deadline_ms", self.deadline_ms, 1)
        return self

    @property
    def one_request(self) -> bool:
        """Whether a call must not be sent in parts: a deadline and `strict` are promises about the whole of it."""
        return self.strict or self.deadline_ms is not None

    def fields(self) -> dict[str, object]:
        """Return the fields of a request's body: the scale of the scores always, the rest where it says something."""
        said: dict[str, object] = {"scores": self.scores, "details": True}
        for name in ("model", "group", "truncation", "max_length", "template", "deadline_ms"):
            value = getattr(self, name)
            if value is not None:
                said[name] = value
        if self.windows is not None:
            said["windows"] = {name: value for name, value in asdict(self.windows).items() if value is not None}
        if self.priority != "normal":
            said["priority"] = self.priority
        if self.strict:
            said["strict"] = True
        return said
