"""What the modules say where their framework is not installed, and that nothing loads one by the way."""

import subprocess
import sys

import pytest

FRAMEWORKS = {
    "langchain": ("langchain_core", "langchain"),
    "llama_index": ("llama_index", "llama-index"),
    "haystack": ("haystack", "haystack"),
}


def run(code: str) -> str:
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


@pytest.mark.parametrize("module", FRAMEWORKS)
def test_a_missing_framework_is_told_with_what_to_install(module: str) -> None:
    package, extra = FRAMEWORKS[module]
    said = run(
        f"import sys; sys.modules[{package!r}] = None\n"
        "from resift.errors import MissingExtra\n"
        f"try:\n    import resift.integrations.{module}\n"
        "except MissingExtra as error:\n    print(error)\n"
    )
    assert f"pip install 'resift[{extra}]'" in said
    assert f"resift.integrations.{module} needs" in said


def test_another_missing_module_is_not_blamed_on_the_framework() -> None:
    said = run(
        "import sys, types\n"
        "broken = types.ModuleType('langchain_core'); broken.__path__ = []; sys.modules['langchain_core'] = broken\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.startswith('langchain_core.'): raise ModuleNotFoundError('no yaml', name='yaml')\n"
        "sys.meta_path.insert(0, Finder())\n"
        "try:\n    import resift.integrations.langchain\n"
        "except ModuleNotFoundError as error:\n    print(type(error).__name__, error.name)\n"
    )
    assert said == "ModuleNotFoundError yaml"


def test_what_the_modules_share_loads_no_framework() -> None:
    names = [package for package, _ in FRAMEWORKS.values()]
    code = f"import sys, resift.integrations, resift.integrations.lazy; print([n for n in {names} if n in sys.modules])"
    assert run(code) == "[]"
