"""Settings from flags, the environment and one TOML file, in this order; what none of them names has its default.

The same names everywhere: `max_body_bytes` is `--max-body-bytes`, `RESIFT_MAX_BODY_BYTES`, and `max_body_bytes` in
the table `[limits]`. What describes models (`precision`, `max_length` ...) holds for every model whose own table in
`[[models]]` does not say otherwise.
"""

import dataclasses
import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import Field, dataclass
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from resift.errors import InputError
from resift.server.settings import AUTO, Limits, ModelSettings, Settings

PREFIX = "RESIFT_"
OTHERS = frozenset(
    {
        "RESIFT_CPU_KERNEL",
        "RESIFT_EMULATE_TILES",
        "RESIFT_URL",
        "RESIFT_CONFIG",
        "RESIFT_ENCODER_KEY",
        "RESIFT_MILVUS_TOKEN",
    }
)
"""Variables of the engine, the client, `--config` itself, and `resift index`."""
LINKS = re.compile(r"_SERVICE_(HOST|PORT)(_\w+)?$|_PORT_\d+_(TCP|UDP)(_\w+)?$")
"""What Kubernetes and container links set by themselves where a service is called resift."""
WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


@dataclass(frozen=True, slots=True)
class Option:
    """One setting: the record that holds it and how its value is checked."""

    name: str
    owner: type[Settings | Limits | ModelSettings]
    kind: type
    optional: bool
    many: bool
    default: Any
    text: str
    least: float | None
    choices: tuple[str, ...]
    secret: bool

    @property
    def flag(self) -> str:
        """The option of the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable."""
        return PREFIX + self.name.upper()


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings and, for each name that is not left at its default, where its value is from."""

    settings: Settings
    sources: Mapping[str, str]


def _option(owner: type[Settings | Limits | ModelSettings], one: Field[Any], hint: Any) -> Option:
    parts = [part for part in get_args(hint) if part is not type(None)] if get_origin(hint) is UnionType else [hint]
    many = get_origin(parts[0]) is tuple
    kind = get_args(parts[0])[0] if many else parts[0]
    about = one.metadata
    optional = get_origin(hint) is UnionType
    return Option(
        one.name,
        owner,
        kind,
        optional,
        many,
        one.default,
        about["text"],
        about["least"],
        about["choices"],
        about["secret"],
    )


def _options_of(owner: type[Settings | Limits | ModelSettings]) -> Iterator[Option]:
    hints = get_type_hints(owner)
    for one in dataclasses.fields(owner):
        if one.metadata:
            yield _option(owner, one, hints[one.name])


OPTIONS: dict[str, Option] = {
    option.name: option
    for owner in (Settings, ModelSettings, Limits)
    for option in _options_of(owner)
    if not (owner is ModelSettings and option.name in {"name", "model"})
}
"""Every setting that has a flag and a variable."""
MODEL_OPTIONS = {option.name: option for option in _options_of(ModelSettings)}


def read_settings(
    models: Sequence[str] = (),
    flags: Mapping[str, object] | None = None,
    *,
    environment: Mapping[str, str],
    config: Path | None = None,
) -> Configuration:
    """Return the settings that flags, environment and file describe together.

    `flags` has texts or values by name, None where a flag was not given. Raises InputError for unknown names and for
    values of another type or out of bounds.
    """
    if config is None and environment.get("RESIFT_CONFIG"):
        config = Path(environment["RESIFT_CONFIG"])
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    tables: list[Mapping[str, Any]] = []
    if config is not None:
        tables = _read_file(config, values, sources)
    named = _read_environment(environment, values, sources)
    for name, value in (flags or {}).items():
        if value is not None:
            option = OPTIONS[name]
            values[name] = check(option, value, option.flag)
            sources[name] = option.flag
    if models or named:
        tables = [_named(text) for text in (models or named)]
        sources["models"] = "arguments" if models else "RESIFT_MODELS"
    elif tables:
        sources["models"] = str(config)
    return Configuration(_assemble(values, tables), sources)


def _assemble(values: Mapping[str, Any], tables: Sequence[Mapping[str, Any]]) -> Settings:
    shared = {name: value for name, value in values.items() if OPTIONS[name].owner is ModelSettings}
    models = tuple(ModelSettings(**{**shared, **table}) for table in tables or [{}])
    names = [model.name for model in models]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"two models are called {twice[0]!r}", hint="give them names: NAME=MODEL")
    limits = Limits(**{name: value for name, value in values.items() if OPTIONS[name].owner is Limits})
    rest = {name: value for name, value in values.items() if OPTIONS[name].owner is Settings}
    if "tls_key" in rest and "tls_cert" not in rest:
        raise InputError("tls_key without tls_cert", hint="--tls-cert names the certificate")
    return Settings(models=models, limits=limits, **rest)


def _read_file(path: Path, values: dict[str, Any], sources: dict[str, str]) -> list[Mapping[str, Any]]:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"cannot read the settings {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid TOML: {error}") from error
    tables = data.pop("models", [])
    limits = data.pop("limits", {})
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise InputError(f"{path}: models is not a list of tables", hint="begin each model with [[models]]")
    if not isinstance(limits, dict):
        raise InputError(f"{path}: limits is not a table", hint="write [limits] and one setting a line")
    top = {name for name, option in OPTIONS.items() if option.owner is not Limits}
    for place, names, found in (("", top, data), ("[limits] ", set(OPTIONS) - top, limits)):
        for name, value in found.items():
            where = f"{path}: {place}{name}"
            if name not in names:
                raise _misplaced(path, place, name) or _unknown(
                    f"{path}: unknown setting {place}{name}", name, names | {"models", "limits"}
                )
            values[name] = _beside(path, check(OPTIONS[name], value, where))
            sources[name] = str(path)
    return [_read_model(path, place, table) for place, table in enumerate(tables, start=1)]


def _read_model(path: Path, place: int, table: Mapping[str, Any]) -> Mapping[str, Any]:
    read: dict[str, Any] = {}
    for name, value in table.items():
        if name not in MODEL_OPTIONS:
            raise _unknown(f"{path}: unknown setting {name} of model {place}", name, MODEL_OPTIONS)
        read[name] = _beside(path, check(MODEL_OPTIONS[name], value, f"{path}: {name} of model {place}"))
    model = read.get("model")
    if model is not None and (folder := path.parent / Path(model).expanduser()).is_dir():
        read["model"] = str(folder)
    if model is None and read.get("name") != "embedded":  # a name alone is not to bring the built-in model in disguise
        raise InputError(
            f"{path}: model {place} does not say which model it is",
            hint='model = "folder or hub id", or model = "embedded" for the built-in one',
        )
    if model is None:
        return read
    named = _named(read["model"])
    return {**named, **read, "model": named.get("model")}


def _read_environment(environment: Mapping[str, str], values: dict[str, Any], sources: dict[str, str]) -> list[str]:
    """Put the values of RESIFT_* among the others and return the models that RESIFT_MODELS names."""
    environment = {
        name: text for name, text in environment.items() if text
    }  # empty is not set: ${X:-} of compose files
    variables = {option.variable: option for option in OPTIONS.values()}
    if "RESIFT_API_KEY" in environment and "RESIFT_API_KEYS" not in environment:
        variables["RESIFT_API_KEY"] = variables["RESIFT_API_KEYS"]  # what clients send is what the server expects
    for name, text in environment.items():
        if not name.startswith(PREFIX) or name in {*OTHERS, "RESIFT_MODELS"} or LINKS.search(name):
            continue
        if name not in variables:
            if name == "RESIFT_API_KEY":
                continue
            raise _unknown(f"unknown variable {name}", name, {*variables, "RESIFT_MODELS"})
        if name.endswith("_PORT") and text.startswith(("tcp://", "udp://")):
            continue
        option = variables[name]
        values[option.name] = check(option, text, name)
        sources[option.name] = name
    return environment.get("RESIFT_MODELS", "").replace(",", " ").split()


def _named(text: str) -> dict[str, Any]:
    """Read NAME=MODEL, a folder, a hub id or `embedded`."""
    name, separator, model = text.partition("=")
    if not separator or Path(text).expanduser().exists():
        name, model = "", text
    if separator and not name.strip() and model != text:
        raise InputError(f"{text!r} has no name before '='", hint="NAME=FOLDER or NAME=HUB-ID")
    if not model.strip():
        raise InputError(f"{text!r} names no model", hint="give a folder, a hub id, or embedded for the built-in one")
    if model == "embedded":
        return {"name": name or "embedded"}
    folder = Path(model).expanduser()
    if folder.is_dir():
        return {"name": name or folder.resolve().name, "model": str(folder)}
    return {"name": name or model, "model": model}


def check(option: Option, value: object, where: str) -> Any:
    """Return the value as the setting's type; a text is parsed. Raises InputError that names `where`."""
    if option.many:
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list | tuple):
            raise InputError(f"{where} is {_shown(option, value)}, expected a list")
        texts = [item.strip() if isinstance(item, str) else item for part in items for item in _split(part)]
        if option.secret and items and not any(texts):  # who meant to close the server is not to leave it open
            raise InputError(f"{where} names no key")
        return tuple(_one(option, item, where) for item in texts if item != "")
    if option.optional and value == "":
        return None
    return _one(option, value, where)


def _split(part: object) -> list[object]:
    return list(part.split(",")) if isinstance(part, str) else [part]


def _one(option: Option, value: object, where: str) -> Any:
    converted: Any = _convert(option.kind, value)
    if converted is None:
        kind = {int: "a whole number", float: "a number", bool: "true or false"}.get(option.kind, "a text")
        raise InputError(f"{where} is {_shown(option, value)}, expected {kind}")
    if option.least is not None and not option.least <= float(converted) < float("inf"):
        raise InputError(f"{where} is {converted}, expected at least {option.least:g}")
    if option.choices and converted not in option.choices:
        raise InputError(f"{where} is {converted!r}, expected one of: {', '.join(option.choices)}")
    return converted


def _convert(kind: type, value: object) -> object:
    """Return the value as `kind`, None when it is not one: a TOML text is no number, an environment's is."""
    if kind is bool:
        return (
            value if isinstance(value, bool) else WORDS.get(value.strip().lower()) if isinstance(value, str) else None
        )
    if isinstance(value, bool):
        return None
    if kind in {int, float}:
        if isinstance(value, str):
            try:
                return kind(value.strip().replace("_", ""))
            except ValueError:
                return None
        return kind(value) if isinstance(value, int | kind) else None
    return kind(value) if isinstance(value, str | Path) else None


def _beside(path: Path, value: object) -> object:
    """Paths in a file are meant from its folder; the word `auto` is none."""
    return path.parent / value.expanduser() if isinstance(value, Path) and value != AUTO else value


def _unknown(message: str, name: str, names: object) -> InputError:
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)  # type: ignore[call-overload]
    return InputError(message, hint=f"did you mean {near[0]}?" if near else "resift serve --help lists all settings")


def _misplaced(path: Path, place: str, name: str) -> InputError | None:
    """Return the error of a setting that stands in the wrong part of the file, None of any other."""
    if name not in OPTIONS:
        return None
    right = "above all tables" if place else "in the table [limits]"
    return InputError(f"{path}: {place}{name} stands in the wrong place", hint=f"it belongs {right}")


def _shown(option: Option, value: object) -> str:
    return "a secret" if option.secret else repr(value)


def describe(configuration: Configuration) -> str:
    """Return the settings as a TOML file whose comments say where each is from; secrets are hidden."""
    settings, sources = configuration.settings, configuration.sources
    lines = [_line(option, settings, sources) for option in OPTIONS.values() if option.owner is Settings]
    lines += ["", "[limits]"]
    lines += [_line(option, settings.limits, sources) for option in OPTIONS.values() if option.owner is Limits]
    for model in settings.models:
        lines += ["", f"[[models]]  # {sources.get('models', 'default')}"]
        shown = model if model.model is not None else dataclasses.replace(model, model="embedded")
        lines += [_line(option, shown, sources) for option in MODEL_OPTIONS.values()]
    return "\n".join(lines)


def _line(option: Option, holder: object, sources: Mapping[str, str]) -> str:
    value = getattr(holder, option.name)
    source = sources.get(option.name, "default" if value == option.default else sources.get("models", "default"))
    if value is None:
        return f"# {option.name} is not set  # {source}"
    if option.secret:
        return f"# {option.name}: {len(value)} set  # {source}"
    return f"{option.name} = {_toml(value)}  # {source}"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(item) for item in value)}]"
    if isinstance(value, int | float):
        return str(value)
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    text = re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\u{ord(found[0]):04x}", text)
    return f'"{text}"'
