"""Settings: which source wins, what is refused, and what is shown."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from resift.errors import InputError
from resift.server.configure import OPTIONS, Configuration, describe, read_settings
from resift.server.settings import Limits, ModelSettings, Settings


def read(
    *models: str, flags: dict[str, object] | None = None, config: Path | None = None, **environment: str
) -> Configuration:
    return read_settings(models, flags, environment=environment, config=config)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "resift.toml"
    (tmp_path / "weights").mkdir()
    path.write_text(
        """
        port = 9000
        host = "0.0.0.0"
        log_format = "json"
        precision = "int8"
        api_keys_file = "keys.txt"
        cors_origins = ["https://a.example", "https://b.example"]
        [limits]
        max_documents = 7
        body_seconds = 3
        [[models]]
        name = "small"
        model = "weights"
        max_length = 512
        [[models]]
        model = "acme/large"
        precision = "bf16"
        """
    )
    return path


def test_nothing_given_is_the_default() -> None:
    assert read() == Configuration(Settings(), {})


def test_flags_then_environment_then_file_then_default(file: Path) -> None:
    environment = {"RESIFT_PORT": "9001", "RESIFT_MAX_DOCUMENTS": "8", "RESIFT_LOG_FORMAT": "text"}
    configuration = read_settings((), {"port": "9002", "threads": None}, environment=environment, config=file)
    settings = configuration.settings
    assert (settings.port, settings.limits.max_documents, settings.log_format) == (9002, 8, "text")
    assert (settings.host, settings.limits.body_seconds, settings.threads) == ("0.0.0.0", 3.0, None)
    sources = configuration.sources
    assert (sources["port"], sources["max_documents"], sources["host"]) == ("--port", "RESIFT_MAX_DOCUMENTS", str(file))
    assert "threads" not in sources


def test_models_of_a_file_take_what_is_said_for_all(file: Path) -> None:
    settings = read(config=file).settings
    small, large = settings.models
    assert small == ModelSettings(name="small", model=str(file.parent / "weights"), precision="int8", max_length=512)
    assert large == ModelSettings(name="acme/large", model="acme/large", precision="bf16")
    assert settings.api_keys_file == file.parent / "keys.txt"
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert read("embedded", config=file).settings.models == (ModelSettings(precision="int8"),)


def test_the_file_may_be_named_by_the_environment(file: Path) -> None:
    assert read(RESIFT_CONFIG=str(file)).settings.port == 9000


def test_model_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "odd=name").mkdir()
    models = read("folder", "acme/model", "mine=folder", "hub=acme/other", "odd=name", "built=embedded").settings.models
    assert [(model.name, model.model) for model in models] == [
        ("folder", "folder"),
        ("acme/model", "acme/model"),
        ("mine", "folder"),
        ("hub", "acme/other"),
        ("odd=name", "odd=name"),
        ("built", None),
    ]
    assert [model.name for model in read(RESIFT_MODELS="a=x/a, b=x/b").settings.models] == ["a", "b"]
    assert read("one", RESIFT_MODELS="two").settings.models[0].name == "one"


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"RESIFT_PROT": "1"}, "unknown variable RESIFT_PROT .*RESIFT_PORT"),
        ({"RESIFT_PORT": "eighty"}, "RESIFT_PORT is 'eighty', expected a whole number"),
        ({"RESIFT_PORT": "-1"}, "RESIFT_PORT is -1, expected at least 0"),
        ({"RESIFT_LOG_DOCUMENTS": "perhaps"}, "expected true or false"),
        ({"RESIFT_LOG_FORMAT": "xml"}, "expected one of: text, json"),
        ({"RESIFT_BODY_SECONDS": "nan"}, "RESIFT_BODY_SECONDS is nan"),
        ({"RESIFT_BODY_SECONDS": "inf"}, "RESIFT_BODY_SECONDS is inf"),
        ({"RESIFT_TLS_KEY": "key.pem"}, "tls_key without tls_cert"),
        ({"RESIFT_MODELS": "x/a x/a"}, "two models are called 'x/a'"),
        ({"RESIFT_MODELS": "=x/a"}, "no name before '='"),
        ({"RESIFT_MODELS": "bge="}, "'bge=' names no model"),
        ({"RESIFT_CONFIG": "/no/such/file"}, "cannot read the settings"),
    ],
)
def test_wrong_variables(environment: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(**environment)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prot = 1", "unknown setting prot .*port"),
        ("max_documents = 1", r"belongs in the table \[limits\]"),
        ("[limits]\nmax_documnets = 1", "max_documents"),
        ("[limits]\nport = 1", r"\[limits\] port stands in the wrong place .it belongs above all tables"),
        ('port = "80a"', "expected a whole number"),
        ("port = 80.5", "expected a whole number"),
        ("port = true", "expected a whole number"),
        ("playground = 1", "expected true or false"),
        ("cors_origins = 1", "expected a list"),
        ("cors_origins = [1]", "expected a text"),
        ("limits = 1", "not a table"),
        ("models = 1", "not a list of tables"),
        ("[[models]]\nfolder = 1", "unknown setting folder of model 1"),
        ("[[models]]\nmax_length = 9", "does not say which model it is"),
        ('[[models]]\nname = "bge"', "does not say which model it is"),
        ('[[models]]\nmodel = ""', "does not say which model it is"),
        ("[[models]]\nmodel = 1", "model of model 1 is 1, expected a text"),
        ("port = ", "not valid TOML"),
        ('name = "x"', "unknown setting name"),
    ],
)
def test_wrong_files(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read(config=path)


def test_the_built_in_model_is_one_only_by_its_own_name(tmp_path: Path) -> None:
    path = tmp_path / "resift.toml"
    built_in = ModelSettings(), ModelSettings(name="small")
    path.write_text('[[models]]\nname = "embedded"\n[[models]]\nname = "small"\nmodel = "embedded"')
    configuration = read(config=path)
    assert configuration.settings.models == built_in
    path.write_text(describe(configuration))
    assert read(config=path).settings.models == built_in
    for empty in ("", "bge="):
        with pytest.raises(InputError, match="names no model"):
            read(empty)


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "resift.toml"
    path.write_bytes(b"\xef\xbb\xbfport = 1")
    assert read(config=path).settings.port == 1


def test_what_others_put_into_the_environment_is_no_mistake() -> None:
    links = {"RESIFT_SERVICE_HOST": "10.0.0.1", "RESIFT_PORT": "tcp://10.0.0.1:8000", "RESIFT_PORT_8000_TCP_ADDR": "x"}
    assert read(**links, RESIFT_CPU_KERNEL="portable", RESIFT_URL="http://x", PATH="x").settings == Settings()


def test_the_key_that_clients_send_closes_the_server_too() -> None:
    assert read(RESIFT_API_KEY="one").settings.api_keys == ("one",)
    assert read(RESIFT_API_KEY="one", RESIFT_API_KEYS="two,three").settings.api_keys == ("two", "three")

    assert read(RESIFT_API_KEY="one", RESIFT_API_KEYS="").settings.api_keys == ("one",)
    for text in (" ", ",", " , "):
        with pytest.raises(InputError, match="RESIFT_API_KEYS names no key"):
            read(RESIFT_API_KEYS=text)


def test_an_empty_variable_is_not_set() -> None:
    assert read(RESIFT_PORT="", RESIFT_API_KEYS="", RESIFT_MODELS="", RESIFT_LOG_FORMAT="").settings == Settings()


def test_lists_come_from_commas_and_repetition() -> None:
    assert read(RESIFT_ALLOWED_HOSTS="a, b,").settings.allowed_hosts == ("a", "b")
    assert read(flags={"allowed_hosts": ["a,b", "c"]}).settings.allowed_hosts == ("a", "b", "c")


def test_a_secret_is_never_shown() -> None:
    configuration = read(flags={"api_keys": ["top-secret"]})
    assert "top-secret" not in describe(configuration) + repr(configuration)
    assert "api_keys: 1 set  # --api-keys" in describe(configuration)


@pytest.mark.parametrize(
    "given", [{}, {"port": "1", "template": 'a "b"\n\\c', "cors_origins": ["x,y"], "threads": "3"}]
)
def test_what_is_shown_is_a_file_that_says_the_same(given: dict[str, object], tmp_path: Path, file: Path) -> None:
    configuration = read(flags=given, config=file)
    shown = tmp_path / "shown.toml"
    shown.write_text(describe(configuration), encoding="utf-8")
    assert read(config=shown).settings == configuration.settings


def test_every_setting_has_a_text_and_one_name() -> None:
    fields = [*Settings.__dataclass_fields__, *Limits.__dataclass_fields__, *ModelSettings.__dataclass_fields__]
    assert set(fields) - set(OPTIONS) == {"models", "limits", "name", "model"}
    assert len(fields) == len(set(fields))
    assert all(option.text for option in OPTIONS.values())


def test_defaults_pass_their_own_checks() -> None:
    values: dict[str, Any] = {
        name: option.default for name, option in OPTIONS.items() if option.default not in (None, ())
    }
    assert read(flags=values).settings == Settings()
    assert tomllib.loads(describe(read()))["limits"]["max_documents"] == Limits().max_documents


def test_a_calibration_lies_beside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "resift.toml"
    path.write_text(
        'calibration = "shared.json"\n[[models]]\nname = "embedded"\n[[models]]\nname = "b"\nmodel = "x/y"\n'
        'calibration = "own.json"\ngroup = "de"\n[[models]]\nmodel = "x/z"\ncalibration = "auto"\n'
    )
    shared, own, auto = read(config=path).settings.models
    assert (shared.calibration, own.calibration) == (tmp_path / "shared.json", tmp_path / "own.json")
    assert (own.group, auto.calibration, shared.scores) == ("de", Path("auto"), "sigmoid")
    given = read(flags={"calibration": "here.json", "scores": "calibrated"}).settings.models[0]
    assert (given.calibration, given.scores) == (Path("here.json"), "calibrated")
    with pytest.raises(InputError, match="expected one of: sigmoid, calibrated"):
        read(RESIFT_SCORES="raw")
