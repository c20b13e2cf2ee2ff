"""What can go wrong with a request. Each class has one HTTP status; each dialect has its own body for it.

    ServeError
    ├── BadRequest          400  the body is not what the route reads
    │   └── Empty           400  there is nothing to score in it
    ├── Unauthorized        401  no API key, or one that is not known
    ├── UnknownModel        404  a model that this server was not started with
    ├── TooSlow             408  the client did not send its request in time
    ├── TooLarge            413  a body, a list of documents or a text over a limit
    ├── NotSupported        415  a Content-Encoding that the server does not unpack
    ├── Unprocessable       422  valid JSON with values that cannot be scored
    ├── EngineFailed        424  the model failed on this request
    ├── Overloaded          429  the queue is full: `retry_after` says when to come back
    ├── HeadersTooLarge     431  the request line and headers are over their limit
    ├── ClientGone          499  nobody waits for the answer any more
    ├── Unavailable         503  the engine is starting, restarting or shutting down
    └── DeadlinePassed      504  the deadline came before any score was known

Errors of the package below are among them where a request causes them: an `InputError` is answered as 422.
"""

from resift.errors import ResiftError


class ServeError(ResiftError):
    """A request cannot be answered as asked."""

    status = 500


class BadRequest(ServeError):
    """The body is not what the route reads."""

    status = 400


class Empty(BadRequest):
    """There is nothing to score in the body."""


class Unauthorized(ServeError):
    """There is no API key, or one that is not known."""

    status = 401


class UnknownModel(ServeError):
    """The server was not started with this model."""

    status = 404


class TooSlow(ServeError):
    """The client did not send its request in time."""

    status = 408


class TooLarge(ServeError):
    """A body, a list of documents or a text is over a limit, which the message names."""

    status = 413


class NotSupported(ServeError):
    """The body has a Content-Encoding that the server does not unpack."""

    status = 415


class Unprocessable(ServeError):
    """Valid JSON with values that cannot be scored."""

    status = 422


class EngineFailed(ServeError):
    """The model failed on this request."""

    status = 424


class Overloaded(ServeError):
    """The queue is full. `retry_after` is in seconds."""

    status = 429

    def __init__(self, message: str, *, retry_after: float, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class HeadersTooLarge(ServeError):
    """The request line and headers are over their limit, which the message names."""

    status = 431


class ClientGone(ServeError):
    """Nobody waits for the answer any more."""

    status = 499


class Unavailable(ServeError):
    """The engine is starting, restarting or shutting down. `retry_after` is in seconds."""

    status = 503

    def __init__(self, message: str, *, retry_after: float = 1.0, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class DeadlinePassed(ServeError):
    """The deadline came before any score was known."""

    status = 504
