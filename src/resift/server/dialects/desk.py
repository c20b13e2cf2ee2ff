"""The way of a request through the service that all dialects share."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from starlette.requests import Request

from resift.server.dialects.fields import ResiftFields
from resift.server.errors import ClientGone, Empty, EngineFailed, TooLarge, UnknownModel, Unprocessable
from resift.server.records import ModelCard, Outcome, Priority, Service, Work
from resift.server.settings import Settings

_PRIORITIES: dict[str, Priority] = {"high": "high", "normal": "normal", "low": "low"}
_LARGEST = float.fromhex("0x1.fffffep+127")


@dataclass(frozen=True, slots=True)
class Desk:
    """What the routes need of the server."""

    service: Service
    settings: Settings

    def card(self, name: str | None) -> ModelCard:
        """Return the model that a request names: by its name or hub id in any case, the first one for no name.

        Raises:
            UnknownModel: with the names that there are.
        """
        cards = self.service.models
        back = cards[::-1]  # of several with one hub id, the first counts
        asked = name.strip().lower() if name else ""
        if not asked:
            return cards[0]
        for names in ({card.name.lower(): card for card in back}, {card.info.model.lower(): card for card in back}):
            if asked in names:
                return names[asked]
        if self.settings.any_model_name:
            return cards[0]
        known = ", ".join(card.name for card in cards)
        raise UnknownModel(
            f"no model {_shown(name or '')} here, expected one of: {known}",
            hint="leave `model` out for the first, or start the server with --any-model-name",
        )

    def work(
        self,
        request: Request,
        fields: ResiftFields,
        pairs: Sequence[tuple[object, object]],
        *,
        model: ModelCard,
        raw: bool = False,
        what: str = "documents",
    ) -> Work:
        """Return the work of a request, from the fields and headers that all dialects share.

        `raw` where the dialect gives logits; scores in 0..1 are those of the model's settings, sigmoids by default.

        Raises:
            Empty, TooLarge: there are no pairs, or more than this server takes; `what` is the field to blame.
            Unprocessable: a header is not what it should be.
        """
        limit = self.settings.limits.max_documents
        if not pairs:
            raise Empty(f"{what} is empty, expected at least one")
        if len(pairs) > limit:
            raise TooLarge(
                f"{what} has {len(pairs)} items, this server takes {limit} in one request",
                hint="send several requests: a pair's score does not depend on its neighbours",
            )
        return Work(
            pairs=pairs,
            model=model.name,
            scores=fields.scores or ("raw" if raw else model.info.scores),
            group=fields.group,
            truncation=fields.policy,
            max_length=fields.max_length,
            windows=fields.windows.windows() if fields.windows else None,
            template=fields.template,
            priority=fields.priority or _priority(request),
            deadline=_deadline(request, fields),
            strict=bool(fields.strict),
            fail_if_cut=fields.fail_if_cut,
        )

    async def run(self, request: Request, work: Work) -> Outcome:
        """Return the outcome of the work; a client that leaves withdraws it.

        Raises:
            ClientGone: nobody waits for the answer.
            EngineFailed: a score is not a number.
            Others of `server/errors.py`, from the service.
        """
        running = asyncio.ensure_future(self.service.run(work))
        watching = asyncio.ensure_future(_left(request))
        try:
            await asyncio.wait({running, watching}, return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                raise ClientGone("the client left before its answer was ready")
            outcome = running.result()
        finally:
            await _stop(running, watching)
        if not all(-_LARGEST <= item.score <= _LARGEST for item in outcome.scored):
            raise EngineFailed("the model gave a score that is not a number")
        return outcome


async def _left(request: Request) -> Literal[True]:
    """Wait until the client is gone; the body has been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    return True


async def _stop(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks, all of them before waiting for any: who waits may be cancelled itself.

    What they raise was raised already, or nobody waits for it.
    """
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.exception()


def _priority(request: Request) -> Priority:
    value = request.headers.get("x-resift-priority", "normal").strip().lower()
    if value not in _PRIORITIES:
        raise Unprocessable(f"the header X-Resift-Priority is {_shown(value)}, expected high, normal or low")
    return _PRIORITIES[value]


def _deadline(request: Request, fields: ResiftFields) -> float | None:
    """Return seconds from milliseconds in the body or, second, the header."""
    milliseconds = fields.deadline_ms
    header = request.headers.get("x-resift-deadline-ms")
    if milliseconds is None and header is not None:
        text = header.strip()
        if not (text.isascii() and text.isdigit() and len(text) <= 12 and int(text) > 0):
            raise Unprocessable(
                f"the header X-Resift-Deadline-Ms is {_shown(header)}, expected milliseconds, a whole number from 1 up"
            )
        milliseconds = int(text)
    return None if milliseconds is None else milliseconds / 1000


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
