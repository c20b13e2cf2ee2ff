"""Answer reranking requests over HTTP, in the shapes of Cohere, Jina, TEI, vLLM and others.

  resift serve
  resift serve BAAI/bge-reranker-v2-m3 --port 8080
  resift serve small=./models/small large=./models/large --api-keys-file keys.txt --host 0.0.0.0

Each MODEL is a folder, a hub id, `embedded`, or NAME=MODEL; the first is the default, and without any it is the
built-in model. Settings come from options, else from the environment (RESIFT_PORT=8080), else from a TOML file
(`--config resift.toml`, or RESIFT_CONFIG) with the same names, models as [[models]] and limits under [limits].

SIGTERM and SIGINT (Ctrl-C) let requests in work end first; a second one does not wait. SIGHUP reads the API keys and
the certificate again.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from resift.cli import output
from resift.cli.options import Opener, read_template
from resift.errors import MissingExtra
from resift.server.configure import OPTIONS, Configuration, Option, describe, read_settings
from resift.server.settings import Limits, ModelSettings, Settings

GROUPS = {ModelSettings: "models", Settings: "server", Limits: "limits"}
NEEDED = {"fastapi", "starlette", "uvicorn", "httptools", "orjson", "prometheus_client"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `resift serve`: one option for each setting."""
    parser.usage = "resift serve [OPTION ...] [MODEL ...]"  # the list of all options is below, once is enough
    parser.add_argument("models", nargs="*", metavar="MODEL", help="folder, hub id, embedded, or NAME=MODEL")
    parser.add_argument("--config", metavar="FILE", type=Path, help="a TOML file of settings")
    parser.add_argument("--print-config", action="store_true", help="show the settings and where they are from")
    groups = {owner: parser.add_argument_group(title) for owner, title in GROUPS.items()}
    for option in OPTIONS.values():
        _add(groups[option.owner], option)


def _add(group: argparse._ArgumentGroup, option: Option) -> None:
    text = option.text.replace("%", "%%")
    if not option.many and option.default is not None and option.kind is not bool:
        text += f" (default: {option.default})"
    if option.kind is bool:
        group.add_argument(option.flag, action=argparse.BooleanOptionalAction, default=None, help=text)
        return
    metavar = {int: "N", float: "N", Path: "PATH"}.get(option.kind, "TEXT")
    metavar = "|".join(option.choices) if option.choices else metavar
    metavar = f"{metavar},..." if option.many else metavar
    action = "append" if option.many else "store"
    group.add_argument(option.flag, action=action, metavar=metavar, help=text)


def run(args: argparse.Namespace, open_reranker: Opener) -> int:  # noqa: ARG001 - the server opens its own
    """Read the settings, then show them or serve."""
    flags = {name: getattr(args, name) for name in OPTIONS} | {"template": read_template(args)}
    configuration = read_settings(args.models, flags, environment=os.environ, config=args.config)
    if args.print_config:
        output.write(describe(configuration))
        return 0
    try:
        from resift.server.run import serve
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in NEEDED:
            raise
        raise MissingExtra("resift serve", extra="server") from error
    settings = configuration.settings
    names = ", ".join(model.name for model in settings.models)
    return serve(
        settings,
        loading=lambda: output.note(f"loading {names} ..."),
        announce=lambda port: _announce(configuration, port),
    )


def _announce(configuration: Configuration, port: int) -> None:
    settings = configuration.settings
    scheme = "https" if settings.tls_cert is not None else "http"
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)
    shown = f"[{shown}]" if ":" in shown and not shown.startswith("[") else shown
    url = f"{scheme}://{shown}:{port}"
    output.note(f"resift answers at {url} (listening on {settings.host})")
    output.note(f"  models     {', '.join(model.name for model in settings.models)}")
    if settings.playground:
        output.note(f"  playground {url}/")
    output.note(f"  API        {url}/docs, measurements at {url}/metrics")
    output.note(f"  keys       {_keys(settings)}")


def _keys(settings: Settings) -> str:
    from resift.server.edges.hosts import is_loopback

    if settings.api_keys or settings.api_keys_file is not None:
        return "needed"
    if is_loopback(settings.host):
        return "none are needed; only this machine can reach the server"
    return "none are needed, and other machines can reach the server: --api-keys-file FILE closes it"
