"""The text of a framework's document: its content, alone or with fields of its metadata."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from resift.errors import InputError
from resift.text.template import Template


@dataclass(frozen=True, slots=True)
class Wording:
    r"""How content and metadata become the text that is scored.

    >>> Wording("content", fields=("title",)).text("A city.", {"title": "Lyon"})
    'Lyon\nA city.'

    Attributes:
        content: the name by which a template calls the content.
        fields: metadata whose values stand before the content. False and 0 are values; None and "" are not.
        separator: between the values and the content.
        template: instead of `fields`: names metadata and the content.
    """

    content: str
    fields: Sequence[str] = ()
    separator: str = "\n"
    template: Template | None = None

    def text(self, content: str | None, metadata: Mapping[str, object]) -> str:
        """Return the text; raises TemplateError when the template does not fit the document."""
        if self.template is not None:
            return self.template.render({**metadata, self.content: content})
        return self.separator.join([*self._values(metadata), content or ""])

    def _values(self, metadata: Mapping[str, object]) -> Iterator[str]:
        for name in self.fields:
            value = metadata.get(name)
            if value is None or value == "":
                continue
            yield ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def wording(content: str, fields: Sequence[str] | None, template: str | None, separator: str = "\n") -> Wording:
    """Return the wording of a framework's arguments; raises InputError when there are fields and a template."""
    if isinstance(fields, str):
        raise InputError(f"the fields are the text {fields!r}, expected a list of names", hint=f"write [{fields!r}]")
    if fields and template is not None:
        raise InputError("there are fields and a template", hint="name the fields in the template")
    return Wording(content, tuple(fields or ()), separator, None if template is None else Template(template))
