"""The exception tree of resift.

    ResiftError
    ├── InputError          the caller's data: also a ValueError
    │   ├── PairError       not a (query, document) pair of texts
    │   ├── TemplateError   a template names no field, or a field that is not there
    │   └── LengthError     a query leaves no room for the document
    ├── ModelError          the model's files
    │   ├── ModelNotFound   no such folder, no such cached model, hub out of reach
    │   ├── ModelLayoutError   config, tokenizer or tensors are not what they should be
    │   └── UnsupportedModel   a family, format or head that resift does not run
    ├── DeviceError         a device, precision or kernel that this machine does not have
    ├── VerificationFailed  a quantised model is further from full precision than it may be
    ├── TrainingFailed      training diverged or collapsed, or it would not train the model that is scored
    ├── MissingExtra        an optional dependency is not installed: also an ImportError
    ├── StoreDamaged        the files of an index or a pipeline are missing, cut off or not what was written
    ├── FolderBusy          another process, or another object of this one, writes to the folder
    ├── EngineClosed        the engine was closed and is used again
    ├── EngineError         the engine failed on a batch
    │   └── EngineLost      its process ended or hung while it worked
    └── ServerError         a server's answer to `Client`: `status`, `request_id` and `retry_after` where it said them
        ├── Rejected        400, 422: it cannot read or score the request: also an InputError
        ├── Unauthorized    401, 403: no API key, or one that it does not know
        ├── UnknownModel    404: a model that it was not started with
        ├── TooLarge        413: over one of its limits: also an InputError
        ├── Overloaded      429: its queue is full
        ├── Unavailable     503, or nobody answers at that address: also a ConnectionError
        └── TimedOut        408, 504, or the caller's own timeout passed: also a TimeoutError

Every message says what was given, what was expected and what to do. `hint` holds that last part where it is
a command or a step of its own; the command line prints it on a line that begins with `hint:`.
"""


class ResiftError(Exception):
    """Root of all errors that resift raises on purpose."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message} ({self.hint})" if self.hint else message

    @property
    def message(self) -> str:
        """The message without the hint."""
        return super().__str__()


class InputError(ResiftError, ValueError):
    """The caller's data cannot be scored."""

    exit_code = 2


class PairError(InputError):
    """A pair is not a query and a document."""


class TemplateError(InputError):
    """A document template does not fit the document."""


class LengthError(InputError):
    """The query leaves no room for the document within `max_length`."""


class ModelError(ResiftError):
    """The model's files cannot be used."""

    exit_code = 3


class ModelNotFound(ModelError):
    """The model is neither a folder nor cached, and the hub cannot be reached."""


class ModelLayoutError(ModelError):
    """A model file is missing, corrupt or contradicts another one."""


class UnsupportedModel(ModelError):
    """The model is valid but of a kind that resift does not run."""


class DeviceError(ResiftError):
    """The device, precision or kernel is not available on this machine."""

    exit_code = 4


class VerificationFailed(ResiftError):
    """A quantised model loses more than the tolerance allows."""


class TrainingFailed(ResiftError):
    """Training diverged or collapsed, or what is trained gives other scores than what will be used."""


class MissingExtra(ResiftError, ImportError):
    """An optional dependency is needed and not installed."""

    exit_code = 5

    def __init__(self, feature: str, *, extra: str) -> None:
        super().__init__(f"{feature} needs the extra '{extra}'", hint=f"pip install 'resift[{extra}]'")


class StoreDamaged(ResiftError):
    """The files of an index or a pipeline are missing, cut off or not what was written."""

    exit_code = 3


class FolderBusy(ResiftError):
    """A folder has one writer at a time, and there is one."""


class EngineClosed(ResiftError, RuntimeError):
    """The engine was closed and is used again."""


class EngineError(ResiftError):
    """The engine failed on a batch, for a reason that is not in the batch's data."""


class EngineLost(EngineError):
    """The process of the engine ended or hung while it worked."""


class ServerError(ResiftError):
    """A server did not answer a request as asked.

    Attributes:
        status: of its HTTP answer; None when there was none.
        request_id: what the server's log calls the request; None when it did not say.
        retry_after: seconds after which it asked to be called again; None when it did not say.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after


class Rejected(ServerError, InputError):
    """The server cannot read the request, or cannot score what is in it."""


class Unauthorized(ServerError):
    """There was no API key, or one that the server does not know."""


class UnknownModel(ServerError):
    """The server was not started with this model."""


class TooLarge(ServerError, InputError):
    """The request is over a limit of the server, which the message names."""


class Overloaded(ServerError):
    """The server's queue is full."""


class Unavailable(ServerError, ConnectionError):
    """The server is starting, restarting or shutting down, or nobody answers at its address."""


class TimedOut(ServerError, TimeoutError):
    """Neither the server nor the caller wanted to wait any longer."""


ERROR_OF_STATUS: dict[int, type[ServerError]] = {
    400: Rejected,
    401: Unauthorized,
    403: Unauthorized,
    404: UnknownModel,
    408: TimedOut,
    413: TooLarge,
    422: Rejected,
    429: Overloaded,
    503: Unavailable,
    504: TimedOut,
}
"""What a server's HTTP status means to whoever called it."""


class ResiftWarning(UserWarning):
    """Something was asked for and another, equally correct thing is done."""
