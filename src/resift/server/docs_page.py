"""`/docs`: the OpenAPI document as one page of HTML, without scripts or anything from elsewhere."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --quiet: #777; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); }
h3 { font-family: ui-monospace, monospace; margin: 2rem 0 0; overflow-wrap: anywhere; }
h4 { margin: 1rem 0 .3rem; }
pre { overflow-x: auto; padding: .7rem; border: 1px solid var(--line); border-radius: .4rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid var(--line); }
.quiet { color: var(--quiet); }
"""


_CODE = re.compile(r"`([^`]+)`")


def docs_page(openapi: Mapping[str, Any], base_url: str) -> str:
    """Return the page; `base_url` is what its curl commands call."""
    title = escape(f"{openapi['info']['title']} {openapi['info']['version']}")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>"
        '<p>Every route of this server. The same for programs: <a href="openapi.json">openapi.json</a>.</p>'
        f"{''.join(_sections(openapi, base_url))}</body></html>\n"
    )


def _sections(openapi: Mapping[str, Any], base_url: str) -> Iterator[str]:
    """Yield a section a tag; paths that one function answers share an entry."""
    groups: dict[str, dict[str, tuple[list[str], str, Mapping[str, Any]]]] = {}
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            entries = groups.setdefault(operation["tags"][0] if operation.get("tags") else "Server", {})
            key = f"{method} {operation.get('summary', path)}"
            entries.setdefault(key, ([], method.upper(), operation))[0].append(path)
    schemas = openapi["components"]["schemas"]
    for tag, entries in groups.items():
        yield f"<h2>{escape(tag)}</h2>"
        for paths, method, operation in entries.values():
            yield f"<h3>{method} {', '.join(map(escape, paths))}</h3>"
            yield f"<p><b>{escape(operation.get('summary', ''))}.</b> {_prose(operation.get('description', ''))}</p>"
            yield from _bodies(operation, schemas)
            yield from _curls(operation, base_url + paths[0], method)
            yield from _statuses(operation)


def _bodies(operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[str]:
    body = operation.get("requestBody")
    if body is None:
        return
    schema = body["content"]["application/json"]["schema"]
    for choice in schema.get("anyOf", [schema]):
        name = choice.get("$ref", "").rsplit("/", 1)[-1]
        record = schemas.get(name, choice)
        yield f"<h4>{escape(name)}</h4><p>{_prose(record.get('description', ''))}</p>"
        yield '<div class="wide"><table><tr><th>Field</th><th>Type</th><th>Default</th><th>Meaning</th></tr>'
        for field, about in record.get("properties", {}).items():
            default = "required" if field in record.get("required", ()) else json.dumps(about.get("default"))
            yield (
                f"<tr><td><code>{escape(field)}</code></td><td>{escape(type_name(about))}</td>"
                f'<td class="quiet">{escape(default)}</td><td>{_prose(about.get("description", ""))}</td></tr>'
            )
        yield "</table></div>"


def _curls(operation: Mapping[str, Any], url: str, method: str) -> Iterator[str]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    if method == "GET":
        yield f"<pre>curl {escape(url)}</pre>"
    for example in content.get("examples", {}).values():
        value = json.dumps(example["value"], ensure_ascii=False).replace("'", "'\\''")
        yield f"<h4>{escape(example['summary'])}</h4>"
        command = f"curl {url} -H 'Content-Type: application/json' \\\n  -d '{value}'"
        yield f"<pre>{escape(command, quote=False)}</pre>"


def _statuses(operation: Mapping[str, Any]) -> Iterator[str]:
    yield '<table class="quiet">'
    for status, answer in operation.get("responses", {}).items():
        yield f"<tr><td>{escape(str(status))}</td><td>{escape(answer.get('description', ''))}</td></tr>"
    yield "</table>"


def _prose(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(text, quote=False))


def type_name(schema: Mapping[str, Any]) -> str:
    """Return a schema's type in a few words."""
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(map(type_name, schema["anyOf"])))
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if "enum" in schema:
        return _quoted(schema["enum"])
    if "const" in schema:
        return _quoted([schema["const"]])
    if schema.get("type") == "array":
        return f"list of {type_name(schema.get('items', {}))}"
    return str(schema.get("type", "any"))


def _quoted(values: Sequence[object]) -> str:
    return ", ".join(json.dumps(value) for value in values)
