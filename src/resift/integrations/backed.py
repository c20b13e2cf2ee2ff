"""What LangChain's and LlamaIndex' classes, both of pydantic, have in common: the fields that say what scores."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr

from resift.closing import Closing
from resift.errors import InputError
from resift.integrations.lazy import LazyReranker
from resift.types import ScoreType


class Backed(BaseModel, Closing):
    """A model in this process, loaded at its first use, or a server."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    model: str | Path | None = Field(default=None, frozen=True)
    """None for the embedded model, a folder or a hub id; with `url` the name of one of the server's models."""
    url: str | None = Field(default=None, frozen=True)
    """A server of `resift serve`; None loads the model into this process."""
    api_key: SecretStr | None = Field(default=None, frozen=True, exclude=True, repr=False)
    """Of the server. Never written out."""
    scores: ScoreType = Field(default="sigmoid", frozen=True)
    """`sigmoid`, 0..1, or `raw` logits. The order is the same."""
    options: dict[str, Any] = Field(default_factory=dict, frozen=True)
    """Further arguments of `Reranker`, or of `Client` with a url: `{"precision": "int8", "windows": {"size": 256}}`."""
    reranker: Any = Field(default=None, frozen=True, repr=False)
    """A `Reranker` or `Client` of yours instead of all of these. Then this object cannot be written out."""

    _lazy: LazyReranker = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Check the fields; nothing is loaded or sent yet."""
        super().model_post_init(context)
        self._lazy = LazyReranker(
            self.model,
            url=self.url,
            api_key=None if self.api_key is None else self.api_key.get_secret_value,
            scores=self.scores,
            options=self.options,
            reranker=self.reranker,
        )
        if self.model is not None:
            self.__dict__["model"] = str(self.model)
        self.__dict__["options"] = self._lazy.options

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy on the same model, or with a model of its own where `update` says what scores, or how."""
        copied = super().model_copy(update=update, deep=deep)
        if any(type(self).model_fields[name].frozen for name in update or () if name in type(self).model_fields):
            copied.model_post_init(None)
        return copied

    def warm_up(self) -> None:
        """Load the model now instead of with the first question."""
        self._lazy.warm_up()

    def close(self) -> None:
        """Release the model; the next question loads it again."""
        self._lazy.close()

    async def aclose(self) -> None:
        """Release the model and the connections of this event loop."""
        await self._lazy.aclose()

    def __getstate__(self) -> dict[Any, Any]:
        """Refuse what a copy would silently do without."""
        if self.reranker is not None:
            raise InputError(
                f"{type(self).__name__} was given a ready-made reranker, which cannot be written",
                hint="say model= or url= instead",
            )
        return super().__getstate__()
