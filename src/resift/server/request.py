"""One request in work: its pairs become slots, the slots sequences, the sequences scores."""

import asyncio
import logging
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np

from resift.engine.queue import Task
from resift.engine.scheduler import Scheduler
from resift.errors import EngineClosed, EngineError, InputError, ResiftError
from resift.scoring import combine, unknown_tokens
from resift.server.admission import Ticket, too_large
from resift.server.cache import Known, QueryKeys, ScoreCache
from resift.server.errors import EngineFailed, ServeError, Unavailable, Unprocessable
from resift.server.mailbox import Mailbox
from resift.server.models import Policy
from resift.server.pairs import Survey, check_made, texts
from resift.server.records import Timings, Work
from resift.server.settings import Limits
from resift.server.watch import BatchWatch
from resift.text.encode import EncodedPair, EncodedQuery
from resift.types import Document, Float32, TokenSequence

PRIORITIES = {"high": 0, "normal": 1, "low": 2}

# What is tokenised in one go. The first chunk is small, because the engine has nothing to do before it is there.
_CHUNK_PAIRS = 32
_FIRST_PAIRS = 8
_CHUNK_CHARACTERS = 64_000
_PAIR_COST = 200
"""Characters whose reading takes as long as what each pair costs beside its text."""

_logger = logging.getLogger("resift.server")


@dataclass(slots=True)
class Slot:
    """One of the request's different pairs.

    Attributes:
        key: in the score cache.
        known: its record, when it is known.
        cached: it was known from before.
        error: why it has none; failed: because of the engine.
        first, count: its sequences' places.
        spans, truncated, tokens: of its `EncodedPair`.
    """

    key: bytes
    known: Known | None = None
    cached: bool = False
    error: str | None = None
    failed: bool = False
    first: int = 0
    count: int = 0
    spans: Sequence[tuple[int, int]] = ()
    truncated: bool = False
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Shared:
    """What all requests of a service use; `warned` are the models of which was said that they lack tokens."""

    scheduler: Scheduler
    cache: ScoreCache
    mailbox: Mailbox
    limits: Limits
    clock: Callable[[], float]
    watch: BatchWatch
    warned: set[str] = field(default_factory=set)


class Request:
    """A request from its admission to its end.

    `step` runs on a tokenizer's thread, one chunk after the other; what the scheduler tells comes on its threads and is
    gathered under the lock; all else runs on the event loop's. `finished` becomes True with the last score, False at
    the deadline, or gets the error of the whole request.
    """

    def __init__(
        self, work: Work, policy: Policy, model: str, *, shared: Shared, survey: Survey, ticket: Ticket
    ) -> None:
        self.work = work
        self.policy = policy
        self.model = model
        self.started = shared.clock()
        self.finished: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.errors: dict[int, str] = dict(survey.errors)
        self.slots: list[Slot] = []
        self.owners: list[int | None] = []
        """The slot of each pair that was read."""
        self.queries: dict[str, QueryKeys] = {}
        self.characters = 0
        self.tokenised = self.started
        self._shared = shared
        self._survey = survey
        self._ticket = ticket
        self._lock = threading.Lock()
        self._task: Task | None = None
        self._withdrawn = False
        self._at = 0
        self._places: dict[tuple[str, str], int] = {}
        self._encoded_queries: dict[str, EncodedQuery] = {}
        self._lengths: list[int] = []
        self._tokens = 0
        self._added: list[float] = []
        self._sent = 0
        self._answered = 0
        self.read = False
        """All texts are tokenised."""
        self._scores: list[tuple[Sequence[int], Float32]] = []
        self._failures: dict[int, ResiftError] = {}
        self._waited = 0.0
        """Seconds in the queue, summed over the sequences that the engine took."""
        self._computed = 0.0
        self._until = 0.0

    @property
    def priority(self) -> int:
        """0 goes first."""
        return PRIORITIES[self.work.priority]

    # The tokenizer's thread

    def step(self) -> int | None:
        """Tokenise the next chunk and give it to the scheduler; return its cost in characters, None at the end."""
        try:
            return self._step()
        except BaseException as error:  # whatever it is, a panic of Rust too, somebody waits for an answer
            if not isinstance(error, ResiftError):  # its message may quote a document
                frames = "".join(traceback.format_tb(error.__traceback__)).rstrip()
                _logger.error("tokenising failed", extra={"traceback": f"{frames}\n{type(error).__name__}"})
            self._shared.mailbox.post(self.fail, error)
            return None

    def _step(self) -> int | None:
        if self._withdrawn:
            return None
        places, cost = self._next_chunk()
        missing = self._look_up(self._read_texts(places))
        sequences = self._encode(missing)
        last = self._at == len(self.work.pairs)
        if sequences and not self._send(sequences):
            return None
        guess = sum(self._survey.tokens[place] for place in places)
        tokens = sum(len(sequence.ids) for sequence in sequences)
        self._ticket.change(tokens - guess)
        if last:
            with self._lock:
                self.read = True
                self.tokenised = self._shared.clock()
                self._check_end()
        return None if last else cost

    def _next_chunk(self) -> tuple[range, int]:
        """Return the places of the next pairs, and what reading them costs."""
        start = self._at
        stop = min(len(self.work.pairs), start + (_CHUNK_PAIRS if start else _FIRST_PAIRS))
        cost = 0
        for place in range(start, stop):
            cost += self._survey.sizes[place] + _PAIR_COST
            if cost > _CHUNK_CHARACTERS and place > start:
                stop = place
                break
        self._at = stop
        return range(start, stop), cost

    def _read_texts(self, places: range) -> list[tuple[Slot, tuple[str, str]]]:
        """Make texts of the pairs; return the slots of those that were not there before."""
        fresh = []
        for place in places:
            pair = None if place in self.errors else self._texts(place)
            if pair is None:
                self.owners.append(None)
                continue
            self.characters += len(pair[1])
            check_made(self.characters, self.policy, self._shared.limits)
            slot = self._places.get(pair)
            if slot is None:
                slot = self._places[pair] = len(self.slots)
                self.slots.append(Slot(self._key(*pair)))
                fresh.append((self.slots[slot], pair))
            self.owners.append(slot)
        return fresh

    def _texts(self, place: int) -> tuple[str, str] | None:
        """Return a pair's texts; None when it has none, with the reason among the errors."""
        query, document = self.work.pairs[place]
        try:
            return texts(cast("str", query), cast("Document", document), self.policy, self._shared.limits)
        except (InputError, Unprocessable, RecursionError) as error:
            message = str(error) if isinstance(error, ResiftError) else "the document's fields are nested too deeply"
            self.errors[place] = message
            if self.work.strict:
                raise Unprocessable(f"item {place}: {message}") from error
            return None

    def _key(self, query: str, document: str) -> bytes:
        keys = self.queries.get(query)
        if keys is None:
            self.characters += len(query)
            keys = self.queries[query] = self.policy.keys.query(query)
        return keys.document(document)

    def _look_up(self, fresh: list[tuple[Slot, tuple[str, str]]]) -> list[tuple[Slot, tuple[str, str]]]:
        """Return the slots whose records are not in the cache."""
        if not self._shared.cache.enabled:
            return fresh
        found = self._shared.cache.get_many([slot.key for slot, _ in fresh])
        for slot, _ in fresh:
            slot.known = found.get(slot.key)
            slot.cached = slot.known is not None
            if slot.known is not None:
                self._check_cut(slot.known.pair.truncated)
        return [item for item in fresh if not item[0].cached]

    def _encode(self, missing: list[tuple[Slot, tuple[str, str]]]) -> list[TokenSequence]:
        """Tokenise the pairs of the slots; one that cannot be gets its error."""
        encoded: Sequence[EncodedPair | None]
        try:
            encoded = self._tokenise([pair for _, pair in missing])
        except InputError:
            encoded = [self._tokenise_alone(slot, pair) for slot, pair in missing]
        sequences: list[TokenSequence] = []
        for (slot, _), pair in zip(missing, encoded, strict=True):
            if pair is None:
                continue
            self._check_cut(pair.truncated)
            lengths = [len(sequence.ids) for sequence in pair.sequences]
            slot.spans, slot.truncated, slot.tokens = pair.spans, pair.truncated, sum(lengths)
            slot.first, slot.count = len(self._lengths), len(lengths)
            self._lengths += lengths
            self._tokens += slot.tokens
            sequences += pair.sequences
        self._warn_of_unknown([pair for pair in encoded if pair is not None])
        most = self._shared.limits.max_queue_tokens
        if self._tokens > most:
            raise too_large(self._tokens, most)
        return sequences

    def _tokenise(self, pairs: Sequence[tuple[str, str]]) -> list[EncodedPair]:
        return self.policy.encoder.encode(pairs, windows=self.policy.windows, queries=self._encoded_queries)

    def _tokenise_alone(self, slot: Slot, pair: tuple[str, str]) -> EncodedPair | None:
        try:
            return self._tokenise([pair])[0]
        except InputError as error:  # of the query, whatever the document is
            if self._survey.one_query or self.work.strict:
                raise
            slot.error = str(error)
            return None

    def _check_cut(self, truncated: bool) -> None:
        if truncated and (self.work.strict or self.work.fail_if_cut):
            raise Unprocessable(
                f"a query with its document has more than {self.policy.info.max_length} tokens, and must not be cut",
                hint="raise max_length, ask for windows, or allow truncation",
            )

    def _warn_of_unknown(self, encoded: Sequence[EncodedPair]) -> None:
        """Say once of a model that texts hold what was cut from its vocabulary."""
        warned = self._shared.warned
        if self.policy.unknown_id is None or self.model in warned:
            return
        if found := unknown_tokens(encoded, self.policy.unknown_id):
            warned.add(self.model)
            _logger.warning("%s: %s", self.model, found)

    def _send(self, sequences: list[TokenSequence]) -> bool:
        """Give sequences to the scheduler, unless the request was withdrawn meanwhile."""
        with self._lock:
            if self._withdrawn:
                return False
            if self._task is None:
                self._task = self._shared.scheduler.open(
                    self.model,
                    priority=self.priority,
                    expected_tokens=sum(self._survey.tokens),
                    on_scored=self._on_scored,
                    on_failed=self._on_failed,
                )
            self._added += [self._shared.clock()] * len(sequences)
            self._sent += len(sequences)
            self._shared.scheduler.add(self._task, sequences)
            return True

    # The scheduler's threads: the loop is woken at the end only, because each time costs as much as a small batch

    def _on_scored(self, places: list[int], logits: Float32) -> None:
        begun, seconds = self._shared.watch.last()
        with self._lock:
            self._scores.append((places, logits))
            self._waited += sum(max(begun - self._added[place], 0.0) for place in places)
            end = begun + seconds  # two batches may be in work at a time: what they share counts once
            self._computed += max(end - max(begun, self._until), 0.0)
            self._until = max(self._until, end)
            self._answer(places)

    def _on_failed(self, places: list[int], error: ResiftError) -> None:
        if isinstance(error, EngineClosed):
            self._shared.mailbox.post(self.fail, error)
        elif isinstance(error, EngineError) or self.work.strict:  # other errors are the document's own
            self._shared.mailbox.post(self.fail, EngineFailed(error.message, hint=error.hint))
        with self._lock:
            self._failures |= dict.fromkeys(places, error)
            self._answer(places)

    def _answer(self, places: list[int]) -> None:
        self._answered += len(places)
        self._ticket.change(-sum(self._lengths[place] for place in places))
        self._check_end()

    def _check_end(self) -> None:
        if self.read and self._answered == self._sent:
            self._shared.mailbox.post(self.complete)

    # The event loop's thread

    def fail(self, error: BaseException) -> None:
        """End the request with an error."""
        if self.finished.done():
            return
        if isinstance(error, InputError):
            error = Unprocessable(error.message, hint=error.hint)
        elif isinstance(error, EngineClosed):
            error = Unavailable("the server is shutting down")
        elif not isinstance(error, ServeError):
            error = ServeError(f"the request failed: {type(error).__name__}")
        self.finished.set_exception(error)

    def complete(self) -> None:
        """End the request with all that it asked for."""
        if not self.finished.done():
            self.finished.set_result(True)

    def expire(self) -> None:
        """End the request with what is known."""
        if not self.finished.done():
            self.finished.set_result(False)

    def withdraw(self) -> None:
        """Give back all that the request holds; what is not in work any more will not be."""
        with self._lock:
            self._withdrawn = True
            task = self._task
        if task is not None:
            self._shared.scheduler.cancel(task)
        self._ticket.leave()
        if not self.finished.cancel() and not self.finished.cancelled():
            self.finished.exception()  # whoever left does not want to know

    def timings(self) -> Timings:
        """Return where the time went until now."""
        return Timings(
            total=self._shared.clock() - self.started,
            tokenization=self.tokenised - self.started,
            queue=self._waited / max(self._answered, 1),
            inference=self._computed,
        )

    def settle(self) -> None:
        """Collect the scores that came into the slots' records, and keep the new ones in the cache.

        After a deadline the tokenizer may still be at it: what it adds meanwhile is not looked at.
        """
        with self._lock:
            scores, slots, sent = list(self._scores), list(self.slots), self._sent
        logits = np.full(sent, np.nan, np.float32)
        for places, values in scores:
            logits[places] = values
        fresh = []
        for slot in slots:
            if slot.known is None and slot.error is None and slot.count and slot.first + slot.count <= sent:
                slot.known = self._record(slot, logits[slot.first : slot.first + slot.count])
                if slot.known is not None:
                    fresh.append((slot.key, slot.known))
        if fresh and self._shared.cache.enabled:
            self._shared.cache.put_many(fresh)

    def _record(self, slot: Slot, logits: Float32) -> Known | None:
        """Return a pair's record; None when its scores did not all come, with the error if that is why."""
        failed = next((p for p in range(slot.first, slot.first + slot.count) if p in self._failures), None)
        if failed is not None:
            slot.error, slot.failed = self._failures[failed].message, True
            return None
        if np.isnan(logits).any():
            return None
        pair = combine(logits, self.policy.windows, spans=slot.spans, truncated=slot.truncated)
        return Known(pair, slot.tokens)
