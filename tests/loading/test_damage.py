"""Whatever is wrong with a model's files, loading it gives a checkpoint or an error of our own tree."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resift.errors import ModelError
from resift.loading.checkpoint import load_checkpoint
from resift.loading.source import locate
from tests.checkpoints import Shape, config

in_one_folder = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.fixture
def folder(checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "model"))


def load_or_refuse(folder: Path) -> bool:
    """Return whether the model loads; any error but ours goes through."""
    try:
        load_checkpoint(locate(folder))
    except ModelError as error:
        str(error).encode()  # can be printed, even where a file held lone surrogates
        return False
    return True


@in_one_folder
@given(key=st.sampled_from([*config(Shape(), "f32"), "num_labels", "pruned_heads", "is_decoder"]), value=ANYTHING)
def test_any_value_in_the_config(folder: Path, key: str, value: object) -> None:
    (folder / "config.json").write_text(json.dumps(config(Shape(), "f32") | {key: value}))
    load_or_refuse(folder)


@in_one_folder
@given(ANYTHING)
def test_any_config(folder: Path, content: object) -> None:
    (folder / "config.json").write_text(json.dumps(content))
    assert not load_or_refuse(folder)


@in_one_folder
@given(ANYTHING)
def test_any_settings_of_a_tokenizer(folder: Path, content: object) -> None:
    settings = content if isinstance(content, dict) else {"cls_token": content, "sep_token": content}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    load_or_refuse(folder)


@in_one_folder
@given(file=st.sampled_from(["config.json", "tokenizer.json"]), data=st.data())
def test_any_damaged_byte(checkpoint: Path, folder: Path, file: str, data: st.DataObject) -> None:
    content = bytearray((checkpoint / file).read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (folder / file).write_bytes(content)
    load_or_refuse(folder)
    shutil.copy(checkpoint / file, folder / file)


def test_a_whole_model_loads(folder: Path) -> None:
    assert load_or_refuse(folder)
