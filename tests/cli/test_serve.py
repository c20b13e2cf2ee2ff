"""`resift serve`: settings and errors. The server itself is tested in tests/server."""

import socket
from pathlib import Path

import pytest

from resift.server.configure import OPTIONS, read_settings
from resift.server.settings import Settings
from tests.cli.conftest import RunCli


def test_every_setting_is_an_option(run_cli: RunCli) -> None:
    shown = run_cli("serve", "--help", columns=200).out
    assert [option.flag for option in OPTIONS.values() if option.flag not in shown] == []


def test_the_settings_are_shown_with_their_sources(
    run_cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESIFT_THREADS", "3")
    monkeypatch.setenv("RESIFT_API_KEYS", "hidden")
    ran = run_cli(
        "serve", "--print-config", "--port", "81", "a=x/y", "--no-playground", "--cors-origins", "http://a,http://b"
    )
    assert ran.code == 0
    assert "port = 81  # --port" in ran.out
    assert "threads = 3  # RESIFT_THREADS" in ran.out
    assert "playground = false  # --playground" in ran.out
    assert "hidden" not in ran.out + ran.err
    file = tmp_path / "shown.toml"
    file.write_text(ran.out)
    settings = read_settings((), environment={}, config=file).settings
    assert isinstance(settings, Settings)
    assert settings.cors_origins == ("http://a", "http://b")
    assert settings.models[0].model == "x/y"


def test_a_template_has_the_shells_newlines(run_cli: RunCli) -> None:
    shown = run_cli("serve", "--print-config", "--template", r"{title}\n{body}").out
    assert r'template = "{title}\u000a{body}"' in shown


@pytest.mark.parametrize(
    ("argv", "code", "word"),
    [
        (["--prot", "1"], 2, "--prot"),
        (["--port", "many"], 2, "--port is 'many'"),
        (["--config", "no-such.toml"], 2, "no-such.toml"),
        (["--precision", "int3"], 2, "int8"),
        (["a=x", "a=y"], 2, "two models"),
        (["--api-keys-file", "no-such-keys"], 2, "no-such-keys"),
        (["--tls-cert", "no-such.pem"], 2, "no-such.pem"),
    ],
)
def test_wrong_settings_are_errors_before_anything_is_loaded(
    argv: list[str], code: int, word: str, run_cli: RunCli
) -> None:
    ran = run_cli("serve", *argv)
    assert ran.code == code
    assert ran.err.splitlines()[-1 if "hint" not in ran.err else -2].startswith("error: ")
    assert word in ran.err


def test_a_taken_port_is_an_error_with_a_hint(run_cli: RunCli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ran = run_cli("serve", "--port", str(taken.getsockname()[1]))
    assert ran.code == 2
    assert "hint: --port" in ran.err
    assert "loading" not in ran.err
