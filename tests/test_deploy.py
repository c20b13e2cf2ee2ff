"""What the files for containers, Kubernetes and systemd name is there: flags, settings, paths, routes, extras."""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

import resift
from resift import Reranker
from resift.cli.main import build_parser
from resift.errors import DeviceError
from resift.server.api import ENDPOINTS
from resift.server.configure import OPTIONS, read_settings
from resift.server.settings import Settings
from tests.client.running import running

ROOT = Path(__file__).resolve().parents[1]
DOCKERFILES = [ROOT / "Dockerfile", ROOT / "Dockerfile.cuda"]
ROUTES = {path for endpoint in ENDPOINTS for path in endpoint.paths} | {"/metrics"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def settings_of(arguments: list[str], environment: dict[str, str], toml: str | None, folder: Path) -> Settings:
    """Return what `resift serve` would run with; the file that `--config` names is `toml`."""
    args = build_parser("serve").parse_args(arguments)
    flags = {name: getattr(args, name) for name in OPTIONS}
    assert (args.config is None) == (toml is None)
    if toml is not None:
        (folder / "resift.toml").write_text(toml, encoding="utf-8")
        args.config = folder / "resift.toml"
    return read_settings(args.models, flags, environment=environment, config=args.config).settings


def instructions(file: Path) -> list[tuple[str, str]]:
    """Return the (instruction, arguments) of a Dockerfile, in order."""
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in joined.splitlines() if line.strip()]


def environment_of(file: Path) -> dict[str, str]:
    words = [word for name, rest in instructions(file) if name == "ENV" for word in shlex.split(rest)]
    return dict(word.split("=", 1) for word in words)


def entry(file: Path) -> list[str]:
    (found,) = [json.loads(rest) for name, rest in instructions(file) if name == "ENTRYPOINT"]
    assert found[:2] == ["resift", "serve"]
    return found[2:]


def route(text: str) -> str:
    """Return the route that a health check's command asks for."""
    (found,) = re.findall(r"/[a-z]+(?=',)", text)
    return found


# Images.


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.name)
def test_an_image_is_built_from_what_there_is(file: Path) -> None:
    copied = [
        word
        for name, rest in instructions(file)
        if name == "COPY" and "--from" not in rest
        for word in rest.split()[:-1]
    ]
    assert [name for name in copied if not (ROOT / name).exists()] == []
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sent = [line[1:] for line in ignore if line.startswith("!")]
    assert sorted(sent) == sorted(copied)
    assert not any(fnmatch(name, line) for name in copied for line in ignore if line.startswith("**"))
    wheel = {PROJECT["readme"], *PROJECT["license-files"], "pyproject.toml", "CMakeLists.txt", "src", "native"}
    assert set(copied) == wheel


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.name)
def test_an_image_installs_extras_that_there_are(file: Path) -> None:
    (extras,) = re.findall(r"resift-\*\.whl\)\[([a-z,]+)\]", file.read_text(encoding="utf-8"))
    assert "server" in extras.split(",")
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.name)
def test_an_image_runs_the_server_as_nobody(file: Path, tmp_path: Path) -> None:
    steps = instructions(file)
    environment = environment_of(file)
    settings = settings_of(entry(file), environment, None, tmp_path)
    assert settings.host == "0.0.0.0"
    assert [rest for name, rest in steps if name == "EXPOSE"] == [str(settings.port)]
    (user,) = [rest for name, rest in steps if name == "USER"]
    assert all(int(part) > 0 for part in user.split(":"))
    assert [rest for name, rest in steps if name == "VOLUME"] == [environment["HF_HOME"]]
    (check,) = [rest for name, rest in steps if name == "HEALTHCHECK"]
    assert route(check) in ROUTES


def test_the_python_of_the_image_runs_the_package() -> None:
    (given,) = re.findall(r"^ARG PYTHON=3\.(\d+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    least = int(PROJECT["requires-python"].removeprefix(">=3."))
    assert int(given) >= least
    assert f"Programming Language :: Python :: 3.{given}" in PROJECT["classifiers"]


def test_the_cuda_image_never_scores_on_the_cpu(tmp_path: Path, checkpoint: Path) -> None:
    """Fails with the first CUDA engine: then the words at the top of Dockerfile.cuda have to go."""
    settings = settings_of(entry(ROOT / "Dockerfile.cuda"), {}, None, tmp_path)
    assert settings.device == "cuda"
    with pytest.raises(DeviceError, match="cuda"):
        Reranker(checkpoint, device=settings.device)


# Compose.


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))


def test_compose_runs_the_server(compose: dict[str, Any], tmp_path: Path) -> None:
    service = compose["services"]["resift"]
    assert (ROOT / service["build"] / "Dockerfile").is_file()
    given = {name: re.sub(r"\$\{\w+:-(.*?)\}", r"\1", value) for name, value in service["environment"].items()}
    settings = settings_of(
        entry(ROOT / "Dockerfile") + service["command"], environment_of(ROOT / "Dockerfile") | given, None, tmp_path
    )
    assert settings.log_format == "json"
    assert settings.api_keys == ()
    assert [port.split(":")[2] for port in service["ports"]] == [str(settings.port)]
    assert route(" ".join(service["healthcheck"]["test"])) in ROUTES
    assert service["volumes"] == [f"models:{environment_of(ROOT / 'Dockerfile')['HF_HOME']}"]
    assert float(service["stop_grace_period"].removesuffix("s")) > settings.limits.drain_seconds


def test_compose_names_what_there_is(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for service in services.values():
        for other, how in service.get("depends_on", {}).items():
            assert how["condition"] == "service_healthy"
            assert "healthcheck" in services[other]
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        assert {volume.split(":")[0] for volume in service["volumes"]} <= set(compose["volumes"])


# Kubernetes.


@pytest.fixture(scope="module")
def cluster() -> dict[str, Any]:
    documents = list(yaml.safe_load_all((ROOT / "deploy" / "kubernetes.yaml").read_text(encoding="utf-8")))
    kinds = {document["kind"]: document for document in documents}
    assert len(kinds) == len(documents)
    return kinds


def test_kubernetes_runs_the_server(cluster: dict[str, Any], tmp_path: Path) -> None:
    pod = cluster["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert set(mounts) == set(volumes)
    assert volumes["settings"]["configMap"]["name"] == cluster["ConfigMap"]["metadata"]["name"]
    assert volumes["keys"]["secret"]["secretName"] == cluster["Secret"]["metadata"]["name"]
    assert mounts["models"] == environment_of(ROOT / "Dockerfile")["HF_HOME"]

    (file,) = cluster["ConfigMap"]["data"]
    assert container["args"] == ["--config", f"{mounts['settings']}/{file}"]
    settings = settings_of(container["args"], {}, cluster["ConfigMap"]["data"][file], tmp_path)
    (keys,) = cluster["Secret"]["stringData"]
    assert str(settings.api_keys_file) == f"{mounts['keys']}/{keys}"
    assert settings.host == "0.0.0.0"
    assert [port["containerPort"] for port in container["ports"]] == [settings.port]
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > settings.limits.drain_seconds + pause
    assert str(settings.threads) == container["resources"]["limits"]["cpu"]
    annotations = cluster["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(settings.port)
    assert annotations["prometheus.io/path"] in ROUTES


def test_kubernetes_probes_and_locks_the_container(cluster: dict[str, Any]) -> None:
    pod = cluster["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "readiness", "liveness")} == {
        "startup": "/ready",
        "readiness": "/ready",
        "liveness": "/health",
    }
    assert {"/ready", "/health"} <= ROUTES
    (user,) = [rest for name, rest in instructions(ROOT / "Dockerfile") if name == "USER"]
    assert f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}" == user
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["allowPrivilegeEscalation"] is False


def test_kubernetes_parts_belong_together(cluster: dict[str, Any]) -> None:
    labels = cluster["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert cluster["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert cluster["Service"]["spec"]["selector"] == labels
    assert cluster["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    target = cluster["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", cluster["Deployment"]["metadata"]["name"])
    assert "replicas" not in cluster["Deployment"]["spec"]
    assert (
        cluster["HorizontalPodAutoscaler"]["spec"]["minReplicas"]
        > cluster["PodDisruptionBudget"]["spec"]["minAvailable"]
    )
    (port,) = cluster["Service"]["spec"]["ports"]
    (container,) = cluster["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert port["targetPort"] == container["ports"][0]["name"]


# systemd.


def test_the_unit_runs_the_server(tmp_path: Path) -> None:
    text = (ROOT / "deploy" / "resift.service").read_text(encoding="utf-8")
    unit = dict(line.split("=", 1) for line in text.splitlines() if re.match(r"[A-Z]\w*=", line))
    program, command, *arguments = shlex.split(unit["ExecStart"])
    assert (Path(program).name, command) == ("resift", "serve")
    file = ROOT / "deploy" / Path(arguments[1]).name
    settings = settings_of(arguments, {}, file.read_text(encoding="utf-8"), tmp_path)
    assert settings.host == "127.0.0.1"
    assert str(settings.api_keys_file) in text
    assert int(unit["TimeoutStopSec"]) > settings.limits.drain_seconds


# The example beside the compose file.


PYMILVUS = '''
"""Stands for pymilvus: a collection that finds everything."""
from types import SimpleNamespace

DataType = SimpleNamespace(INT64=1, VARCHAR=2, SPARSE_FLOAT_VECTOR=3)
FunctionType = SimpleNamespace(BM25=1)


def Function(name, kind, *, input_field_names, output_field_names):
    return name


class Fields:
    def __getattr__(self, name):
        return lambda *args, **options: None


class MilvusClient:
    def __init__(self, uri):
        self.uri, self.rows = uri, []

    @staticmethod
    def create_schema(**options):
        return Fields()

    def prepare_index_params(self):
        return Fields()

    def drop_collection(self, name):
        pass

    def create_collection(self, name, **options):
        pass

    def insert(self, name, rows):
        self.rows += rows

    def search(self, name, queries, *, limit, **options):
        return [[{"id": i, "distance": 1.0, "entity": row} for i, row in enumerate(self.rows[::-1][:limit])]]
'''


@pytest.mark.timeout(120)
def test_the_milvus_example_ranks_what_milvus_finds(tmp_path: Path, checkpoint: Path) -> None:
    """Milvus itself is not here: a module of its name gives the example something to rank."""
    (tmp_path / "pymilvus.py").write_text(PYMILVUS, encoding="utf-8")
    with running(checkpoint) as url:
        path = os.pathsep.join([str(tmp_path), str(Path(resift.__file__).parents[1])])
        environment = {**os.environ, "PYTHONPATH": path, "RESIFT_URL": url, "PYTHONWARNINGS": "error"}
        example = ROOT / "examples" / "milvus_rerank.py"
        ran = subprocess.run(
            [sys.executable, str(example)], env=environment, capture_output=True, text=True, check=False, timeout=100
        )
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert len(lines) == 3
    scores = [float(line.split()[0]) for line in lines]
    assert scores == sorted(scores, reverse=True)
