"""Tokenizers from the older files give the encodings of tokenizer.json."""

import json
import struct
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models

from resift.errors import ModelLayoutError, UnsupportedModel
from resift.loading.sentencepiece import read_sentencepiece
from resift.loading.tokenizer import check_tokenizer, read_tokenizer
from tests import vocabularies
from tests.loading.test_spec import BGE, MINILM, spec_of
from tests.loading.texts import TEXTS

in_one_folder = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read(folder: Path, family: str) -> Tokenizer:
    return read_tokenizer(folder, family)[0]


def assert_same_encodings(got: Tokenizer, expected: Tokenizer, *texts: str) -> None:
    for text in texts:
        for pair in (None, "a second text"):
            mine, theirs = got.encode(text, pair), expected.encode(text, pair)
            assert mine.ids == theirs.ids, text
            assert mine.type_ids == theirs.type_ids, text
            assert mine.offsets == theirs.offsets, text


@pytest.fixture(scope="session")
def real(shared: Path) -> Path:
    return shared / "data" / "tokenizers"


@pytest.fixture(scope="session")
def xlm_roberta(real: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Tokenizer, Tokenizer]:
    """The real tokenizer, converted from sentencepiece and from tokenizer.json."""
    folder = tmp_path_factory.mktemp("sentencepiece")
    (folder / "sentencepiece.bpe.model").symlink_to(real / "xlm-roberta" / "sentencepiece.bpe.model")
    return read(folder, "xlm-roberta"), read(real / "xlm-roberta", "xlm-roberta")


@pytest.fixture(scope="session")
def bert(real: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Tokenizer, Tokenizer]:
    folder = tmp_path_factory.mktemp("wordpiece")
    (folder / "vocab.txt").symlink_to(real / "bert-base-uncased" / "vocab.txt")
    return read(folder, "bert"), read(real / "bert-base-uncased", "bert")


@pytest.mark.data
@pytest.mark.parametrize("name", TEXTS)
def test_sentencepiece(name: str, xlm_roberta: tuple[Tokenizer, Tokenizer]) -> None:
    assert_same_encodings(*xlm_roberta, TEXTS[name])


@pytest.mark.data
@pytest.mark.parametrize("name", TEXTS)
def test_wordpiece(name: str, bert: tuple[Tokenizer, Tokenizer]) -> None:
    assert_same_encodings(*bert, TEXTS[name])


@pytest.mark.data
@given(st.text(max_size=60))
@settings(deadline=None)
def test_sentencepiece_on_any_text(xlm_roberta: tuple[Tokenizer, Tokenizer], text: str) -> None:
    assert_same_encodings(*xlm_roberta, text)


@pytest.mark.data
def test_the_real_tokenizers_fit_their_models(xlm_roberta: tuple[Tokenizer, Tokenizer], real: Path) -> None:
    for tokenizer in xlm_roberta:
        check_tokenizer(tokenizer, spec_of(BGE))
        assert tokenizer.get_vocab_size() == BGE["vocab_size"]
        assert [tokenizer.token_to_id(text) for text in ("<s>", "<pad>", "</s>", "<unk>", ",")] == [0, 1, 2, 3, 4]
        assert tokenizer.token_to_id("<mask>") == 250001
    tokenizer, special = read_tokenizer(real / "bert-base-uncased", "bert")
    assert (special.cls_id, special.sep_id) == (101, 102)
    check_tokenizer(tokenizer, spec_of(MINILM, cls_id=101, sep_id=102))


@pytest.mark.data
def test_a_cased_vocabulary(real: Path, tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").symlink_to(real / "bert-base-multilingual-cased" / "vocab.txt")
    assert read(tmp_path, "bert").encode("Äpfelchen").tokens[1] == "ap"
    settings = {"do_lower_case": False}
    for more, text, token in [({}, "Äpfelchen", "Ä"), ({"strip_accents": True}, "Äpfelchen", "A")]:
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings | more))
        assert read(tmp_path, "bert").encode(text).tokens[1] == token
    for split, tokens in [(True, ["漢", "字"]), (False, ["漢", "##字"])]:
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings | {"tokenize_chinese_chars": split}))
        assert read(tmp_path, "bert").encode("漢字").tokens[1:-1] == tokens


@pytest.mark.data
@pytest.mark.parametrize("kept", [0, 1, 1000, 2_500_000, 5_069_050])
def test_a_sentencepiece_file_cut_short(real: Path, tmp_path: Path, kept: int) -> None:
    content = (real / "xlm-roberta" / "sentencepiece.bpe.model").read_bytes()
    (tmp_path / "sentencepiece.bpe.model").write_bytes(content[:kept])
    with pytest.raises(ModelLayoutError, match=r"sentencepiece\.bpe\.model"):
        read(tmp_path, "xlm-roberta")


class TestSmallSentencePiece:
    """A file written field by field, so that the reader is tested without the real one."""

    PIECES = (("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3), ("▁a", -1.0, 1), ("b", -2.5, 1), ("▁", -3.0, 1))

    @staticmethod
    def field(number: int, value: bytes | int) -> bytes:
        if isinstance(value, int):
            return bytes([number << 3, value])
        return bytes([number << 3 | 2, len(value)]) + value

    def write(
        self, folder: Path, pieces: Sequence[tuple[str, float, int]] = PIECES, *, model_type: int = 1, more: bytes = b""
    ) -> Path:
        content = b"".join(
            self.field(1, self.field(1, text.encode()) + b"\x15" + struct.pack("<f", score) + self.field(3, kind))
            for text, score, kind in pieces
        )
        file = folder / "sentencepiece.bpe.model"
        file.write_bytes(content + self.field(2, self.field(3, model_type)) + more)
        return file

    def test_the_fields(self, tmp_path: Path) -> None:
        model = read_sentencepiece(self.write(tmp_path, more=self.field(3, self.field(2, b"map"))))
        assert model.pieces == [(text, score) for text, score, _ in self.PIECES]
        assert model.charsmap == b"map"

    def test_the_ids_of_fairseq(self, tmp_path: Path) -> None:
        self.write(tmp_path)
        tokenizer, special = read_tokenizer(tmp_path, "xlm-roberta")
        assert (special.cls_id, special.sep_id) == (0, 2)
        names = ["<s>", "<pad>", "</s>", "<unk>", "▁a", "b", "▁", "<mask>"]
        assert [tokenizer.id_to_token(i) for i in range(9)] == [*names, None]
        assert tokenizer.encode("ab b", "z").ids == [0, 4, 5, 6, 5, 2, 2, 6, 3, 2]

    def test_unknown_fields_are_skipped(self, tmp_path: Path) -> None:
        more = self.field(9, b"text") + self.field(10, 5) + b"\x5d1234" + b"\x6112345678"
        assert read_sentencepiece(self.write(tmp_path, more=more)).charsmap == b""

    def test_a_damaged_charsmap_does_not_escape_as_a_panic(self, tmp_path: Path) -> None:
        self.write(tmp_path, more=self.field(3, self.field(2, b"\x04\0\0\0abcd")))
        with pytest.raises(ModelLayoutError, match="fails on a plain text"):
            check_tokenizer(read(tmp_path, "xlm-roberta"), spec_of(BGE))

    @pytest.mark.parametrize(
        ("pieces", "model_type", "error", "reason"),
        [
            (PIECES, 2, UnsupportedModel, "not a unigram"),
            (PIECES[1:], 1, ModelLayoutError, "does not begin with"),
            ([], 1, ModelLayoutError, "does not begin with"),
            ([*PIECES, ("<0x41>", 0.0, 6)], 1, ModelLayoutError, "of kind 6"),
        ],
    )
    def test_files_of_another_kind(
        self, tmp_path: Path, pieces: Sequence[tuple[str, float, int]], model_type: int, error: type, reason: str
    ) -> None:
        self.write(tmp_path, pieces, model_type=model_type)
        with pytest.raises(error, match=reason):
            read(tmp_path, "xlm-roberta")

    @in_one_folder
    @given(st.data())
    def test_damaged_files_are_refused_or_read(self, tmp_path: Path, data: st.DataObject) -> None:
        file = self.write(tmp_path, more=self.field(3, self.field(2, b"")))
        content = bytearray(file.read_bytes())
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        file.write_bytes(content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))])
        try:
            tokenizer = read(tmp_path, "xlm-roberta")
        except (ModelLayoutError, UnsupportedModel):
            return
        assert tokenizer.encode("a b").ids[0] == 0

    @in_one_folder
    @given(st.binary(max_size=40))
    def test_any_bytes(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "sentencepiece.bpe.model").write_bytes(content)
        with pytest.raises(ModelLayoutError):
            read(tmp_path, "xlm-roberta")


def test_byte_level_bpe_from_vocabulary_and_merges(tmp_path: Path) -> None:
    expected = vocabularies.byte_level(400)
    expected.model.save(str(tmp_path))
    got, special = read_tokenizer(tmp_path, "roberta")
    assert (special.cls_id, special.sep_id) == (0, 2)
    assert_same_encodings(got, expected, *TEXTS.values())


def test_wordpiece_from_a_vocabulary(tmp_path: Path) -> None:
    expected = vocabularies.wordpiece(400)
    names = sorted(expected.get_vocab(), key=expected.get_vocab().__getitem__)
    (tmp_path / "vocab.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    assert_same_encodings(read(tmp_path, "bert"), expected, *TEXTS.values())


def test_a_vocabulary_with_unicode_line_ends(tmp_path: Path) -> None:
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a\u2028b", "c\x0bd", "e"]
    (tmp_path / "vocab.txt").write_bytes("\r\n".join(names).encode())
    assert read(tmp_path, "bert").get_vocab() == {name: i for i, name in enumerate(names)}


@pytest.mark.parametrize("family", ["xlm-roberta", "roberta", "bert"])
def test_truncation_and_padding_of_the_file_do_not_count(family: str, tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    vocabularies.write_tokenizer(file, family, 400)
    limited = Tokenizer.from_file(str(file))
    limited.enable_truncation(8)
    limited.enable_padding(length=64)
    limited.save(str(file))
    tokenizer = read(tmp_path, family)
    assert tokenizer.truncation is None
    assert tokenizer.padding is None
    assert len(tokenizer.encode("a b c d e f g h i j k l").ids) >= 12


def test_special_tokens_of_another_name(tmp_path: Path) -> None:
    vocab = {"<unk>": 0, "<begin>": 1, "<end>": 2, "a": 3}
    Tokenizer(models.WordLevel(vocab, unk_token="<unk>")).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ModelLayoutError, match="lacks <s> or </s>"):
        read(tmp_path, "roberta")
    settings = {"cls_token": "<begin>", "sep_token": {"content": "<end>", "lstrip": False}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    _, special = read_tokenizer(tmp_path, "roberta")
    assert (special.cls_id, special.sep_id) == (1, 2)


@pytest.mark.parametrize("content", ["", "{}", "[]", "nonsense", '{"version": "1.0"}', "[" * 10_000])
def test_a_tokenizer_that_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(ModelLayoutError, match=r"tokenizer\.json is not a tokenizer"):
        read(tmp_path, "bert")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("vocab.txt", b"\xff\xfe\xfd"),
        ("vocab.txt", b""),
        ("vocab.txt", b"[UNK]\na\nb"),
        ("vocab.json", b"[]"),
        ("vocab.json", b"{"),
        ("vocab.json", b'{"<s>": 0, "</s>": 1, "a": -1}'),
        ("tokenizer_config.json", b"[]"),
        ("tokenizer_config.json", b"{"),
    ],
)
def test_older_files_that_are_none(tmp_path: Path, file: str, content: bytes) -> None:
    if file == "vocab.json":
        (tmp_path / "merges.txt").write_text("#version: 0.2\n")
    (tmp_path / file).write_bytes(content)
    with pytest.raises(ModelLayoutError, match=file.partition(".")[0]):
        read(tmp_path, "bert" if file == "vocab.txt" else "roberta")


@pytest.mark.parametrize("merges", ["a", "a b c", "a q"])
def test_merges_that_are_none(tmp_path: Path, merges: str) -> None:
    (tmp_path / "vocab.json").write_text('{"<s>": 0, "</s>": 1, "a": 2, "b": 3}')
    (tmp_path / "merges.txt").write_text(f"#version: 0.2\n{merges}\n")
    with pytest.raises(ModelLayoutError, match="is not a tokenizer"):
        read(tmp_path, "roberta")


@pytest.mark.parametrize("family", ["xlm-roberta", "roberta"])
def test_ids_beyond_the_table(tmp_path: Path, family: str) -> None:
    vocabularies.write_tokenizer(tmp_path / "tokenizer.json", family, 400)
    tokenizer = read(tmp_path, family)
    check_tokenizer(tokenizer, spec_of(BGE | {"vocab_size": 400}))
    with pytest.raises(ModelLayoutError, match="token id 399, but the model's vocabulary is 399"):
        check_tokenizer(tokenizer, spec_of(BGE | {"vocab_size": 399}))
    tokenizer.add_tokens(["added"])
    with pytest.raises(ModelLayoutError, match="token id 400"):
        check_tokenizer(tokenizer, spec_of(BGE | {"vocab_size": 400}))


def test_a_frame_of_another_family(tmp_path: Path) -> None:
    vocabularies.write_tokenizer(tmp_path / "tokenizer.json", "bert", 400)
    with pytest.raises(ModelLayoutError, match=r"frames a pair with the ids \[2, 3, 3\]"):
        check_tokenizer(read(tmp_path, "bert"), spec_of(BGE))


def test_many_threads_encode_at_once(tmp_path: Path) -> None:
    """Nothing changes the tokenizer after loading, so nobody hears 'Already borrowed'."""
    vocabularies.write_tokenizer(tmp_path / "tokenizer.json", "xlm-roberta", 400)
    tokenizer = read(tmp_path, "xlm-roberta")
    expected = [tokenizer.encode(text).ids for text in TEXTS.values()]
    results: list[bool] = []

    def encode() -> None:
        results.append([tokenizer.encode(text).ids for text in TEXTS.values()] == expected)

    threads = [threading.Thread(target=encode) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 8
