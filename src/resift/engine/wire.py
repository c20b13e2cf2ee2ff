"""What goes over the pipes between the front process and the worker: a header, then raw buffers.

Numbers are in the machine's own byte order: both ends are on the same machine.
"""

import json
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import IO

import numpy as np

import resift.errors as tree
from resift.errors import EngineError, ResiftError
from resift.types import Float32, PackedBatch

_QUESTION = struct.Struct("=QIQQI")  # number, model, sequences, tokens, 1 with token types
_ANSWER = struct.Struct("=QIQ")  # number, kind, bytes


class Kind(IntEnum):
    """What an answer holds."""

    READY = 0
    LOGITS = 1
    ERROR = 2


@dataclass(frozen=True, slots=True)
class Question:
    """A batch to be run: its number, which comes back with the answer, and the place of its model in the job."""

    number: int
    model: int
    batch: PackedBatch


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `number` is 0 for what is about the worker itself."""

    number: int
    kind: Kind
    content: bytes

    def logits(self) -> Float32:
        """Return the logits of the batch, float32 [n], read-only."""
        return np.frombuffer(self.content, dtype=np.float32)

    def error(self) -> ResiftError:
        """Return the worker's error: the same class, message and hint."""
        name, message, hint = json.loads(self.content)
        return _error(name, message, hint)


def write_question(stream: IO[bytes], question: Question) -> None:
    """Send a batch."""
    batch = question.batch
    typed = batch.types is not None
    stream.write(_QUESTION.pack(question.number, question.model, len(batch), len(batch.ids), typed))
    for values, dtype in ((batch.offsets, np.int64), (batch.ids, np.int32), (batch.types, np.int32)):
        if values is not None:
            stream.write(np.ascontiguousarray(values, dtype=dtype).data)
    stream.flush()


def read_question(stream: IO[bytes]) -> Question | None:
    """Wait for a batch; None at the end of the stream, also when it comes amid a batch."""
    header = _read(stream, _QUESTION.size)
    if header is None:
        return None
    number, model, sequences, tokens, typed = _QUESTION.unpack(header)
    content = _read(stream, 8 * (sequences + 1) + 4 * tokens * (1 + typed))
    if content is None:
        return None
    offsets = np.frombuffer(content, np.int64, sequences + 1)
    ids = np.frombuffer(content, np.int32, tokens, offset=offsets.nbytes)
    types = np.frombuffer(content, np.int32, tokens, offset=offsets.nbytes + ids.nbytes) if typed else None
    return Question(number, model, PackedBatch(ids, offsets, types))


def write_answer(stream: IO[bytes], number: int, kind: Kind, content: bytes) -> None:
    """Send an answer."""
    stream.write(_ANSWER.pack(number, kind, len(content)) + content)
    stream.flush()


def read_answer(stream: IO[bytes]) -> Answer | None:
    """Wait for an answer; None at the end of the stream."""
    header = _read(stream, _ANSWER.size)
    if header is None:
        return None
    number, kind, size = _ANSWER.unpack(header)
    content = _read(stream, size)
    return None if content is None else Answer(number, Kind(kind), content)


def error_content(error: Exception) -> bytes:
    """Return an error as bytes; one that is not of resift's tree becomes an EngineError that names it."""
    if isinstance(error, ResiftError):
        return json.dumps([type(error).__name__, error.message, error.hint]).encode()
    return json.dumps(["EngineError", f"the engine failed with {type(error).__name__}: {error}", None]).encode()


def _error(name: str, message: str, hint: str | None) -> ResiftError:
    kind = getattr(tree, name, EngineError)
    error: ResiftError = kind.__new__(kind)
    ResiftError.__init__(error, message, hint=hint)  # Subtle: some classes are made of other arguments
    return error


def _read(stream: IO[bytes], size: int) -> bytes | None:
    content = stream.read(size)
    return content if len(content) == size else None
