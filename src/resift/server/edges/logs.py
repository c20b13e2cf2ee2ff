"""Log lines for people or for machines, each with the id of the request it belongs to. Texts are never among them."""

import json
import logging
import re
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TextIO

from resift.server.settings import Settings

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request that the running task answers."""
OTHERS = ("uvicorn", "py.warnings", "asyncio", "opentelemetry", "huggingface_hub")
"""Loggers of libraries: what is no warning of theirs is not for the server's log."""
LOGGERS = ("resift", *OTHERS)
LONGEST = 10_000
"""Characters of one value; what is longer is cut."""
_CONTROL = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""DEL and C1, ends of lines and paragraphs, turns of the direction, and half characters, which no stream writes."""
_KNOWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}


class LogFormatter(logging.Formatter):
    """One line a record: `time level logger message key=value ...`, or the same as a JSON object."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, a traceback included; control characters are escaped, so that nobody can forge a line."""
        fields: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        request_id = REQUEST_ID.get()
        if request_id is not None:
            fields["request_id"] = request_id
        fields |= {name: _cut(value) for name, value in vars(record).items() if name not in _KNOWN}
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        if self._as_json:
            return _json(fields)
        head = " ".join(_plain(fields.pop(name)) for name in ("time", "level", "logger", "message"))
        trace = str(fields.pop("traceback", ""))
        line = " ".join([head, *(f"{name}={_quoted(value)}" for name, value in fields.items())])
        return f"{line}\n{trace}" if trace else line


def _cut(value: object) -> object:
    return value[:LONGEST] + "…" if isinstance(value, str) and len(value) > LONGEST else value


def _plain(value: object) -> str:
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in str(value))


def _quoted(value: object) -> str:
    text = str(value)
    plain = text and text.isprintable() and not any(char in text for char in ' "=')
    return text if plain else _json(text)


def _json(value: object) -> str:
    """Return JSON in readable letters, but for what ends a line or commands a terminal and JSON leaves as it is."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def configure_logs(settings: Settings, stream: TextIO | None = None) -> logging.Handler:
    """Send the server's logs, and warnings, to standard error in the form that the settings ask for."""
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(LogFormatter(as_json=settings.log_format == "json"))
    level = getattr(logging, settings.log_level.upper())
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(max(level, logging.WARNING) if name in OTHERS else level)
    logging.captureWarnings(True)
    return handler
