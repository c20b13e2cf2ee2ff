"""The shape of the keys that resift adds to answers, for the OpenAPI document."""

from pydantic import BaseModel, ConfigDict, Field


class WindowNote(BaseModel):
    """The window that carried a long document's score."""

    index: int
    count: int
    start: int = Field(description="First character of the document's text that it covers.")
    end: int
    score: float


class Notes(BaseModel):
    """Keys of a result that are there only when they say something."""

    model_config = ConfigDict(extra="allow")

    truncated: bool | None = Field(None, description="Part of the query or the document was not read.")
    window: WindowNote | None = None
    error: str | None = Field(None, description="Why this document has no score; it comes last.")
    pending: bool | None = Field(None, description="The deadline came before its score; it comes last.")
    tokens: int | None = Field(None, description="With `details`: tokens that the model read.")
    cached: bool | None = Field(None, description="With `details`: the score was known from before.")
    raw: float | None = Field(None, description="With `details` and calibrated scores: the logit.")


class Remarks(BaseModel):
    """Keys of an answer that are there only when they say something."""

    partial: bool | None = Field(None, description="The deadline came before all scores.")
    info: dict[str, object] | None = Field(None, description="With `details`: what the scores depend on.")
    timings: dict[str, float] | None = Field(None, description="With `details`: milliseconds of each stage.")


class Usage(BaseModel):
    """Tokens that the model read."""

    prompt_tokens: int
    total_tokens: int
