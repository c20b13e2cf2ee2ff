"""The fast form of a large tokenizer gives the same tokenizer."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from resift.errors import ModelLayoutError
from resift.loading.pieces import PIECES, read_pieces, separate, to_arrays
from resift.loading.tokenizer import read_tokenizer
from resift.quantize.writer import write_arrays
from tests.loading.texts import TEXTS
from tests.vocabularies import byte_level, unigram, wordpiece


def written(tokenizer: Tokenizer, folder: Path) -> Path:
    parts = separate(tokenizer)
    assert parts is not None
    write_arrays(folder / PIECES, to_arrays(*parts))
    return folder


def test_the_same_tokenizer_comes_back(tmp_path: Path) -> None:
    tokenizer = unigram(400)
    again = read_pieces(written(tokenizer, tmp_path) / PIECES)
    assert again.to_str() == tokenizer.to_str()
    for text in TEXTS:
        assert again.encode(text).ids == tokenizer.encode(text).ids


def test_it_is_read_in_place_of_tokenizer_json(tmp_path: Path) -> None:
    written(unigram(400), tmp_path)
    tokenizer, special = read_tokenizer(tmp_path, "xlm-roberta")
    assert (special.cls_id, special.sep_id, special.unknown_id) == (0, 2, 3)
    assert tokenizer.get_vocab_size() == 400


def test_other_tokenizers_stay_as_they_are() -> None:
    assert separate(wordpiece(400)) is None
    assert separate(byte_level(400)) is None


def test_a_piece_with_a_line_feed_is_not_written() -> None:
    content = json.loads(unigram(60).to_str())
    content["model"]["vocab"][10][0] = "a\nb"
    assert separate(Tokenizer.from_str(json.dumps(content))) is None


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_damage(tmp_path: Path, kept: float) -> None:
    file = written(unigram(400), tmp_path) / PIECES
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ModelLayoutError, match=PIECES):
        read_tokenizer(tmp_path, "xlm-roberta")


def test_wrong_content(tmp_path: Path) -> None:
    noise = np.arange(100, dtype=np.uint8)
    write_arrays(tmp_path / PIECES, dict.fromkeys(("settings", "pieces", "scores"), noise))
    with pytest.raises(ModelLayoutError, match="is not a tokenizer"):
        read_tokenizer(tmp_path, "xlm-roberta")
    write_arrays(tmp_path / PIECES, {"settings": noise})
    with pytest.raises(ModelLayoutError, match="is not a tokenizer"):
        read_tokenizer(tmp_path, "xlm-roberta")


def test_a_small_file_cannot_fill_the_memory(tmp_path: Path) -> None:
    bomb = np.frombuffer(zlib.compress(bytes(1 << 28)), dtype=np.uint8)
    write_arrays(tmp_path / PIECES, dict.fromkeys(("settings", "pieces", "scores"), bomb))
    with pytest.raises(ModelLayoutError, match="longer than"):
        read_tokenizer(tmp_path, "xlm-roberta")


@pytest.mark.data
def test_the_real_one(shared: Path, tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_file(str(shared / "data" / "tokenizers" / "xlm-roberta" / "tokenizer.json"))
    again = read_pieces(written(tokenizer, tmp_path) / PIECES)
    assert again.to_str() == tokenizer.to_str()
    for text in TEXTS:
        assert again.encode(text).ids == tokenizer.encode(text).ids
