"""Word vectors: the table that is shipped, and how texts are summed."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from naestro.errors import IndexUnavailable
from naestro.index.embed import word_table
from naestro.index.embed.embedder import EmbedText
from naestro.index.embed.static import StaticEmbedder, static_embedder
from naestro.index.embed.word_table import WordTable, parts_of
from naestro.index.text.words import words_of
from tools.static_embedding import save

RETRY = EmbedText(
    "net/client.py", "Client.send", ("send",), "def send(self):\n    while tries < self.max_retries: sleep()"
)
PARSE = EmbedText(
    "config/reader.py", "read_toml", ("read_toml",), "def read_toml(path):\n    return tomllib.loads(path)"
)


def table(*words: str) -> WordTable:
    """Words whose vectors stand at right angles; the n-th has the length n."""
    scales = np.arange(1, len(words) + 1, dtype=np.float32)
    return WordTable([*words], np.eye(len(words), dtype=np.int8), scales)


def test_what_is_shipped_is_small_and_finds_code_by_its_meaning() -> None:
    embedder = static_embedder()
    path = Path(word_table.__file__).with_name("static.safetensors")
    assert path.stat().st_size < 4_000_000
    vectors = embedder.passages([RETRY, PARSE])
    assert vectors.shape == (2, embedder.dimension)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    for question, place in (("where are failed requests attempted again", 0), ("load the settings file", 1)):
        assert int(np.argmax(vectors @ embedder.query(question))) == place


def test_its_name_tells_the_table_and_the_method() -> None:
    assert static_embedder().name.startswith("static-")
    assert len(static_embedder().name) == len("static-01234567-1")


def test_a_vector_does_not_depend_on_its_company() -> None:
    embedder = static_embedder()
    alone = embedder.passages([RETRY])[0]
    among = embedder.passages([PARSE] * 40 + [RETRY])[40]
    assert np.allclose(alone, among, atol=1e-6)


def test_no_text_and_unknown_words_give_zeros() -> None:
    embedder = StaticEmbedder(table("retry"))
    assert embedder.passages([]).shape == (0, 1)
    assert embedder.passages([EmbedText("", "", (), "")]).tolist() == [[0.0]]
    assert embedder.query("жёлтый 漢字").tolist() == [0.0]


def test_a_word_counts_by_its_logarithm() -> None:
    vector = StaticEmbedder(table("wait", "retry")).query("wait wait wait retry")
    assert vector[0] / vector[1] == pytest.approx(np.log1p(3) / (2 * np.log1p(1)), rel=1e-5)


def test_names_weigh_more_than_the_path() -> None:
    embedder = StaticEmbedder(table("body", "name", "path"))
    vector = embedder.passages([EmbedText("path.body", "", ("name",), "body")])[0]
    assert vector[0] == pytest.approx(vector[1])
    assert vector[2] == pytest.approx(0.3 * vector[0], rel=1e-5)


def test_identifiers_count_by_their_parts() -> None:
    rows = table("get", "http", "response", "2").rows
    assert rows["getHTTPResponse2"] == (0, 1, 2, 3)
    assert rows["get_http"] == rows["GET_HTTP"] == (0, 1)
    assert parts_of("größeWert") == ["gr", "öß", "e", "wert"]


def test_a_word_that_is_unknown_is_taken_apart_into_the_longest_pieces() -> None:
    rows = table("re", "retry", "##ing", "##i", "##er").rows
    assert rows["retrying"] == (1, 2)
    assert rows["retriever"] == ()
    assert rows["retry" * 9] == ()


def test_what_is_remembered_of_words_is_bounded() -> None:
    rows = table("a").rows
    for number in range(word_table.CACHE_WORDS_MAX + 5):
        _ = rows[f"a{number}"]
    assert len(rows) <= word_table.CACHE_WORDS_MAX


def test_words_are_the_same_whether_the_text_is_ascii_or_not() -> None:
    text = "self.max_retries += 1; # wait(2)"
    assert words_of(text) == ["self", "max_retries", "1", "wait", "2"]
    assert words_of(f"{text} ü") == [*words_of(text), "ü"]


def test_a_table_that_lacks_something_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "t", {"vectors": np.zeros((1, 2), np.int8)}, {})
    with pytest.raises(IndexUnavailable, match="it holds no tensor words"):
        WordTable.read(tmp_path / "t")


def test_loading_brings_numpy_and_no_model_library() -> None:
    program = (
        "import sys; from naestro.index.embed.static import static_embedder; static_embedder();"
        "print(sorted({'onnxruntime', 'tokenizers', 'lancedb', 'httpx2', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
