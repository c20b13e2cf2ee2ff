"""Scores that were known before: the least recently used ones go first when the memory is full."""

import struct
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

from resift.scoring import PairLogit
from resift.types import Window

_KEY_BYTES = 20
_PAIR = struct.Struct("<fI?")
_WINDOW = struct.Struct("<fI?IIIIf")
# What an entry takes beside its value's bytes: key, two objects' heads and the dictionary's node. With tracemalloc 160
# to 190, depending on how full the dictionary is.
_ENTRY_BYTES = 192


@dataclass(frozen=True, slots=True)
class Known:
    """A pair's record, and the tokens that the model read for it."""

    pair: PairLogit
    tokens: int


class Store(Protocol):
    """Where packed records may be kept beside the memory: on disk."""

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return those that are there. Never raises. From any thread."""

    def put_many(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        """Keep records, some time later. Never raises, never blocks. From any thread."""

    def close(self) -> None:
        """Write what waits."""


class ScoreCache:
    """Packed records by key, bounded in bytes. Safe from many threads."""

    def __init__(self, max_bytes: int, *, store: Store | None = None) -> None:
        self._max_bytes = max_bytes
        self._store = store
        self._lock = threading.Lock()
        self._values: OrderedDict[bytes, bytes] = OrderedDict()
        self._bytes = 0

    @property
    def enabled(self) -> bool:
        """Whether anything would be kept."""
        return self._max_bytes > 0 or self._store is not None

    @property
    def size(self) -> int:
        """The bytes that the entries take in memory, about."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._values)

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, Known]:
        """Return the records that are known, from memory or else from disk."""
        with self._lock:
            values = self._values
            found = {key: values[key] for key in keys if key in values}
            for key in found:
                values.move_to_end(key)
        if self._store is not None and len(found) < len(keys):
            stored = self._store.get_many([key for key in keys if key not in found])
            self._keep(stored.items())
            found |= stored
        return {key: unpack(value) for key, value in found.items()}

    def put_many(self, items: Sequence[tuple[bytes, Known]]) -> None:
        """Keep records."""
        packed = [(key, pack(known)) for key, known in items]
        self._keep(packed)
        if self._store is not None:
            self._store.put_many(packed)

    def close(self) -> None:
        """Write what waits for the disk."""
        if self._store is not None:
            self._store.close()

    def _keep(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        with self._lock:
            for key, value in items:
                old = self._values.pop(key, None)
                if old is not None:
                    self._bytes -= len(old) + _ENTRY_BYTES
                self._values[key] = value
                self._bytes += len(value) + _ENTRY_BYTES
            while self._bytes > self._max_bytes:
                _, value = self._values.popitem(last=False)
                self._bytes -= len(value) + _ENTRY_BYTES


def pack(known: Known) -> bytes:
    """Return a record as bytes: scores are float32 to begin with, so nothing is lost."""
    pair, window = known.pair, known.pair.window
    if window is None:
        return _PAIR.pack(pair.logit, known.tokens, pair.truncated)
    place = (window.index, window.count, window.start, window.end)
    return _WINDOW.pack(pair.logit, known.tokens, pair.truncated, *place, window.score)


def unpack(value: bytes) -> Known:
    """Return the record that `pack` made bytes of."""
    if len(value) == _PAIR.size:
        logit, tokens, truncated = _PAIR.unpack(value)
        return Known(PairLogit(logit, truncated, None), tokens)
    logit, tokens, truncated, index, count, start, end, score = _WINDOW.unpack(value)
    window = Window(index=index, count=count, start=start, end=end, score=score)
    return Known(PairLogit(logit, truncated, window), tokens)


class Keys:
    """Makes the keys of pairs under one policy: equal keys, equal records."""

    def __init__(self, policy: bytes) -> None:
        self._policy = blake2b(policy, digest_size=_KEY_BYTES)

    def query(self, text: str) -> "QueryKeys":
        """Return what makes the keys of a query's documents."""
        data = text.encode()
        state = self._policy.copy()
        state.update(len(data).to_bytes(8, "little"))
        state.update(data)
        return QueryKeys(state)


class QueryKeys:
    """Makes the keys of one query's documents."""

    def __init__(self, state: blake2b) -> None:
        self._state = state

    def document(self, text: str) -> bytes:
        """Return the key of a document's text."""
        state = self._state.copy()
        state.update(text.encode())
        return state.digest()
