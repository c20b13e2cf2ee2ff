"""Static encoder: a folder's vectors are what its tables say, and the shipped one puts translations side by side."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from tokenizers import Tokenizer

from resift import Embedder
from resift.errors import InputError, ModelLayoutError, ModelNotFound
from resift.loading.source import EMBEDDED_FOLDER
from tests.vocabularies import write_tokenizer

TOKENS, DIMENSION = 400, 12
TEXTS = ["the weather in the city", "deep learning models", "", "如何提高深度学习模型的泛化能力", "где город", "   "]
GOLDEN = [[-0.1208456, -0.5597231, 0.4230295, -0.2009256], [0.1952076, 0.1805929, -0.0002098, 0.0388776]]
NAME = "resift-static-b9ec3199f8f9-12"
needs_model = pytest.mark.skipif(not EMBEDDED_FOLDER.is_dir(), reason="this checkout has no embedded model")


def write(folder: Path, **changed: np.ndarray | None) -> Path:
    rng = np.random.default_rng(7)
    tensors = {
        "vectors": rng.integers(-127, 128, (TOKENS, DIMENSION), dtype=np.int8),
        "scales": rng.uniform(0.001, 0.02, TOKENS).astype(np.float32),
    } | changed
    save_file({name: t for name, t in tensors.items() if t is not None}, folder / "embedder.safetensors")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("static")
    write_tokenizer(folder / "tokenizer.json", "bert", TOKENS)
    return write(folder)


@pytest.fixture(scope="module")
def embedder(folder: Path) -> Embedder:
    return Embedder(folder)


def test_vectors_are_sums_of_rows(folder: Path, embedder: Embedder) -> None:
    rng = np.random.default_rng(7)
    rows = rng.integers(-127, 128, (TOKENS, DIMENSION), dtype=np.int8).astype(np.float64)
    rows *= rng.uniform(0.001, 0.02, TOKENS).astype(np.float32).astype(np.float64)[:, None]
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    for text, vector in zip(TEXTS, embedder.encode(TEXTS), strict=True):
        total = sum((rows[i] for i in tokenizer.encode(text, add_special_tokens=False).ids), np.zeros(DIMENSION))
        expected = total / np.linalg.norm(total) if text.strip() else total
        np.testing.assert_allclose(vector, expected, atol=2e-7)


def test_golden(embedder: Embedder) -> None:
    """Values of the first version: an index that was written with them must stay readable."""
    np.testing.assert_allclose(embedder.encode(TEXTS[:2])[:, :4], GOLDEN, atol=2e-7)
    assert embedder.name == NAME


def test_texts_without_tokens_are_zeros(embedder: Embedder) -> None:
    lengths = np.linalg.norm(embedder.encode(TEXTS), axis=1)
    np.testing.assert_allclose(lengths, [1, 1, 0, 1, 1, 0], atol=1e-6)
    nothing = embedder.encode([])
    assert nothing.shape == (0, DIMENSION)
    assert nothing.dtype == np.float32


@settings(max_examples=30, deadline=None)
@given(texts=st.lists(st.text(max_size=60), max_size=8), repeat=st.integers(1, 80))
def test_a_vector_does_not_depend_on_the_other_texts(embedder: Embedder, texts: list[str], repeat: int) -> None:
    alone = [embedder.encode([text])[0] for text in texts]
    together = embedder.encode(texts * repeat)
    for i, vector in enumerate(together):
        assert vector.tobytes() == alone[i % len(texts)].tobytes()


def test_threads_do_not_disturb_each_other(embedder: Embedder) -> None:
    expected = embedder.encode(TEXTS * 20)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: embedder.encode(TEXTS * 20).tobytes(), range(16)))
    assert set(found) == {expected.tobytes()}


def test_all_of_a_long_text_counts(embedder: Embedder) -> None:
    short, both, mixed = embedder.encode(
        ["deep learning", "deep learning weather", "deep learning " * 20_000 + "weather " * 20_000]
    )
    np.testing.assert_allclose(mixed, both, atol=1e-4)
    np.testing.assert_allclose(embedder.encode(["deep learning " * 20_000])[0], short, atol=1e-4)


def test_queries_and_documents_are_alike(embedder: Embedder) -> None:
    expected = embedder.encode(TEXTS).tobytes()
    assert embedder.encode_queries(TEXTS).tobytes() == expected
    assert embedder.encode_documents(TEXTS).tobytes() == expected
    assert embedder.encode(iter(TEXTS)).tobytes() == expected


def test_a_cut_keeps_the_first_numbers(folder: Path, embedder: Embedder) -> None:
    cut = Embedder(folder, dimension=5)
    whole = embedder.encode(TEXTS[:2])[:, :5]
    assert cut.dimension == 5
    np.testing.assert_allclose(cut.encode(TEXTS[:2]), whole / np.linalg.norm(whole, axis=1, keepdims=True), atol=2e-7)
    for wrong in (0, DIMENSION + 1, True):
        with pytest.raises(InputError, match=f"expected 1 to {DIMENSION}"):
            Embedder(folder, dimension=wrong)


def test_the_name_tells_models_apart(folder: Path, embedder: Embedder, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    assert Embedder(write(tmp_path)).name == embedder.name  # wherever it lies
    scales = np.full(TOKENS, 0.01, np.float32)
    names = {embedder.name, Embedder(write(tmp_path, scales=scales)).name, Embedder(folder, dimension=5).name}
    write_tokenizer(tmp_path / "tokenizer.json", "bert", TOKENS - 1)
    cut = np.zeros((TOKENS - 1, DIMENSION), np.int8)
    names.add(Embedder(write(tmp_path, vectors=cut, scales=scales[1:])).name)
    assert len(names) == 4


def test_half_a_surrogate_pair_fails_no_text(embedder: Embedder) -> None:
    assert np.isfinite(embedder.encode(["weather \ud83d"])).all()


@pytest.mark.parametrize("texts", ["weather", b"weather", None, 7])
def test_one_text_is_no_list(embedder: Embedder, texts: object) -> None:
    with pytest.raises(InputError, match="expected a list of texts"):
        embedder.encode(texts)


def test_items_must_be_texts(embedder: Embedder) -> None:
    with pytest.raises(InputError, match=r"text 1 is int '3'"):
        embedder.encode(["weather", 3])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"vectors": None}, "no tensor 'vectors'"),
        ({"scales": None}, "no tensor 'scales'"),
        ({"vectors": np.zeros((TOKENS - 1, 4), np.int8)}, r"vectors is int8 \(399, 4\), expected int8 \[400"),
        ({"vectors": np.zeros((TOKENS, 4), np.float32)}, "vectors is float32"),
        ({"vectors": np.zeros((TOKENS, 0), np.int8)}, r"vectors is int8 \(400, 0\)"),
        ({"scales": np.zeros(TOKENS)}, "scales is float64"),
        ({"scales": np.full(TOKENS, np.nan, np.float32)}, "expected finite"),
    ],
)
def test_broken_tables(folder: Path, tmp_path: Path, changed: dict[str, np.ndarray | None], message: str) -> None:
    (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    write(tmp_path, **changed)
    with pytest.raises(ModelLayoutError, match=message):
        Embedder(tmp_path)


def test_no_encoder_there(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"holds no embedder\.safetensors"):
        Embedder(tmp_path)


# English, and the same in another language; own sentences.
TRANSLATIONS = [
    ("The train to the coast leaves at seven in the morning.", "开往海边的火车早上七点出发。"),
    ("How do I reset my password?", "如何重置我的密码？"),
    ("The doctor told him to drink more water.", "医生让他多喝水。"),
    ("Our company opened a new office in Shanghai.", "我们公司在上海开设了新办事处。"),
    ("The children are playing football in the garden.", "孩子们在花园里踢足球。"),
    ("Cats sleep for most of the day.", "猫一天大部分时间都在睡觉。"),
    ("Where can I buy a ticket for the museum?", "博物館のチケットはどこで買えますか。"),
    ("My mother cooks fish every Friday.", "母は毎週金曜日に魚を料理します。"),
    ("It will rain tomorrow.", "明日は雨が降るでしょう。"),
    ("She studied mathematics at university.", "彼女は大学で数学を勉強しました。"),
    ("The river flooded three villages last winter.", "El río inundó tres pueblos el invierno pasado."),
    ("Please close the window before you go to bed.", "Por favor, cierra la ventana antes de ir a la cama."),
    ("He lost his keys in the market.", "Perdió las llaves en el mercado."),
    ("The price of bread has doubled since the war.", "Der Brotpreis hat sich seit dem Krieg verdoppelt."),
    ("The library is closed on Sundays.", "Die Bibliothek ist sonntags geschlossen."),
    ("I need a doctor who speaks English.", "Ich brauche einen Arzt, der Englisch spricht."),
    ("The government raised taxes on tobacco.", "Le gouvernement a augmenté les taxes sur le tabac."),
    ("My brother works in a hospital.", "Mon frère travaille dans un hôpital."),
    ("The server returns an error when the file is missing.", "Сервер возвращает ошибку, если файл отсутствует."),
    ("The snow in the mountains melts in spring.", "Снег в горах тает весной."),
    ("We walked along the sea in the evening.", "Вечером мы гуляли вдоль моря."),
    ("The school teaches children to read and write.", "تعلم المدرسة الأطفال القراءة والكتابة."),
    ("The king built a new city beside the river.", "بنى الملك مدينة جديدة بجانب النهر."),
    ("The teacher gave every student a book.", "선생님은 모든 학생에게 책을 주었다."),
    ("Wash your hands with soap before eating.", "Hãy rửa tay bằng xà phòng trước khi ăn."),
    ("The patient has a fever and a cough.", "Bệnh nhân bị sốt và ho."),
    ("The new law protects the rights of workers.", "Yeni yasa işçilerin haklarını koruyor."),
    ("The vaccine protects children from the disease.", "टीका बच्चों को बीमारी से बचाता है।"),
    ("The hospital needs more doctors and nurses.", "โรงพยาบาลต้องการแพทย์และพยาบาลเพิ่ม"),
    ("The president visited the country last week.", "Ο πρόεδρος επισκέφθηκε τη χώρα την περασμένη εβδομάδα."),
]


@needs_model
def test_translations_are_closer_than_other_sentences() -> None:
    embedder = Embedder()
    english, other = (embedder.encode([pair[side] for pair in TRANSLATIONS]) for side in (0, 1))
    similar = english @ other.T
    same = np.diag(similar)
    # Closer than a sentence drawn at random: nine of ten comparisons, and for nine of ten sentences most of them.
    closer = (same[:, None] > similar)[~np.eye(len(similar), dtype=bool)]
    assert closer.mean() > 0.9
    assert (same > np.median(similar, axis=1)).mean() > 0.9


@needs_model
def test_the_shipped_file_loads_and_ranks() -> None:
    embedder = Embedder()
    texts = ["The cat sleeps on the sofa.", "Interest rates rose again.", "机器学习需要大量数据。"]
    similar = embedder.encode(["猫在哪里睡觉？", "interest rates", "machine learning"]) @ embedder.encode(texts).T
    assert similar.argmax(axis=1).tolist() == [0, 1, 2]
    assert Embedder("embedded").name == embedder.name
