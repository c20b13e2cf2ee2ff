"""What sentence-transformers keeps beside a model: its length limit and the function over its logits."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from resift.loading.spec import read_config

_TOKENIZER = "tokenizer_config.json"
_OWN = "config_sentence_transformers.json"


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of a model folder; None where it says nothing.

    Attributes:
        max_length: `model_max_length` of the tokenizer.
        activation: name of a class, such as `torch.nn.modules.linear.Identity`.
    """

    max_length: int | None
    activation: str | None


def read_settings(folder: Path) -> Settings:
    """Read the settings of a model, wherever the versions of sentence-transformers have put them."""
    limit = _optional(folder / _TOKENIZER).get("model_max_length")
    config = read_config(folder / "config.json")
    nested = config.get("sentence_transformers")
    places = (
        _optional(folder / _OWN).get("activation_fn"),
        nested.get("activation_fn") if isinstance(nested, Mapping) else None,
        config.get("sbert_ce_default_activation_function"),
    )
    return Settings(
        max_length=int(limit) if isinstance(limit, int | float) and limit > 0 else None,
        activation=next((name for name in places if isinstance(name, str)), None),
    )


def _optional(file: Path) -> dict[str, object]:
    return read_config(file) if file.is_file() else {}
