"""Documents with fields become text."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter

from resift.errors import TemplateError
from resift.types import Document


@dataclass(frozen=True, slots=True)
class _Piece:
    """Literal text, then a field (or none at the end of a line)."""

    literal: str
    path: tuple[str, ...] | None
    spec: str


class Template:
    r"""A text with `{field}` places, filled from a mapping.

    `{brand.name}` reads nested mappings and `{price:.2f}` formats numbers. A field that is missing, None or
    empty is left out; a line all of whose fields are left out goes with them. Lists are joined by commas.

    >>> Template("Title: {title}\nPrice: {price}").render({"title": "Kettle"})
    'Title: Kettle'
    """

    def __init__(self, source: str) -> None:
        """Parse `source`; raises TemplateError when it is malformed or names no field."""
        self.source = source
        self._lines = tuple(_parse(line) for line in source.split("\n"))
        self.fields = tuple(dict.fromkeys(p.path[0] for line in self._lines for p in line if p.path))
        if not self.fields:
            raise TemplateError(f"the template {source!r} names no field", hint="write fields as {title}")

    def render(self, document: Mapping[str, object], *, most: int | None = None) -> str:
        """Return the document's text; raises TemplateError when it has none of the template's fields.

        Also when it is longer than `most` characters: it is not made then, for a field that a template repeats could
        fill the memory.
        """
        if not any(name in document for name in self.fields):
            raise TemplateError(
                f"the document has {_shown(sorted(map(str, document)))}, none of the template's fields "
                f"{_shown(list(self.fields))}"
            )
        room = _Room(most)
        lines = (_render(line, document, room) for line in self._lines)
        return "\n".join(line for line in lines if line is not None)


def document_text(document: Document, template: Template | None, *, most: int | None = None) -> str:
    """Return the text that is scored: a string is itself, a mapping goes through the template.

    Without a template a mapping with a `text` field gives its `title` (if any) and its `text`; any other gives
    all its fields, one `name: value` line each, in their order. Lone surrogates become U+FFFD. Raises TemplateError
    when the template makes more than `most` characters.
    """
    if isinstance(document, str):
        return scrub(document)
    if template is not None:
        return scrub(template.render(document, most=most))
    if "text" in document:
        parts = [_text(document.get("title"), "title"), _text(document["text"], "text")]
        return scrub("\n".join(part for part in parts if part))
    lines = [(str(name), _text(value, str(name))) for name, value in document.items()]
    return scrub("\n".join(f"{name}: {text}" for name, text in lines if text))


def scrub(text: str) -> str:
    """Replace lone surrogates, which no tokenizer can read, by U+FFFD; other text comes back as it is."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return re.sub("[\ud800-\udfff]", "\ufffd", text)
    return text


def _parse(line: str) -> tuple[_Piece, ...]:
    pieces = []
    try:
        for literal, name, spec, conversion in Formatter().parse(line):
            if name is None:
                pieces.append(_Piece(literal, None, ""))
                continue
            path = tuple(name.split("."))
            if conversion or not all(path) or "[" in name or "{" in (spec or ""):
                raise TemplateError(f"the template field {{{name}}} is not a name", hint="write fields as {title}")
            if re.search(r"\d{4}", spec or ""):  # a width of a billion would be a text of a gigabyte
                raise TemplateError(f"the template field {{{name}:{spec}}} asks for more than 999 characters")
            pieces.append(_Piece(literal, path, spec or ""))
    except ValueError as error:
        if isinstance(error, TemplateError):
            raise
        raise TemplateError(
            f"the template line {line!r} is malformed: {error}", hint="double the braces that are text"
        ) from None
    return tuple(pieces)


@dataclass(slots=True)
class _Room:
    """How many characters a template may make of a document, None for any number, and how many it has made."""

    most: int | None
    made: int = 0

    def take(self, text: str) -> str:
        self.made += len(text)
        if self.most is not None and self.made > self.most:
            raise TemplateError(f"the template makes more than {self.most} characters of the document")
        return text


def _render(line: tuple[_Piece, ...], document: Mapping[str, object], room: _Room) -> str | None:
    parts: list[str] = []
    found = not any(piece.path for piece in line)
    for piece in line:
        parts.append(room.take(piece.literal))
        if piece.path is None:
            continue
        text = _text(_look_up(document, piece.path), ".".join(piece.path), piece.spec, room)
        found = found or bool(text)
        parts.append(text)
    return "".join(parts) if found else None


def _look_up(document: Mapping[str, object], path: tuple[str, ...]) -> object:
    value: object = document
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            return None
        value = value[name]
    return value


def _text(value: object, name: str, spec: str = "", room: _Room | None = None) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        raise TemplateError(f"the field {name!r} is a mapping", hint=f"name what you want of it: {{{name}.something}}")
    if isinstance(value, list | tuple):
        return ", ".join(text for text in (_text(item, name, spec, room) for item in value) if text)
    try:
        text = format(value, spec) if spec else str(value)
    except (TypeError, ValueError) as error:
        raise TemplateError(f"the field {name!r} is {_shown(value)}, which {spec!r} cannot format: {error}") from None
    return text if room is None else room.take(text)


def _shown(value: object) -> str:
    """Return a value for a message, which is no place for a whole document."""
    text = repr(value)
    return text if len(text) <= 200 else text[:197] + "..."
