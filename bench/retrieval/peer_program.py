"""A peer's answers, in a process of its own, run by the Python of the peers: `peer_program.py semble|bm25s`.

Standard input holds a JSON object: `folder` and `questions`, for bm25s `chunks` (path, first line, last line, text)
instead of a folder. Standard output gets the ten places of each question. It knows nothing of Naestro.
"""

import json
import sys

RESULTS = 10


def main() -> None:
    """Answer all."""
    given = json.load(sys.stdin)
    answer = {"semble": semble, "bm25s": bm25s}[sys.argv[1]]
    json.dump(answer(given), sys.stdout)


def semble(given: dict) -> list:
    """Its own chunks, its own ranking, its default settings."""
    from semble.index import SembleIndex  # pyright: ignore[reportMissingImports] - in the peers' environment

    index = SembleIndex.from_path(given["folder"])
    answers = []
    for question in given["questions"]:
        found = [one.chunk for one in index.search(question, top_k=RESULTS)]
        answers.append([(chunk.file_path, chunk.start_line, chunk.end_line) for chunk in found])
    return answers


def bm25s(given: dict) -> list:
    """Plain BM25 with the library's own tokenizer and English stop words."""
    import bm25s  # pyright: ignore[reportMissingImports] - in the peers' environment

    index = bm25s.BM25()
    texts = [text for *_, text in given["chunks"]]
    index.index(bm25s.tokenize(texts, stopwords="en", show_progress=False), show_progress=False)
    answers = []
    for question in given["questions"]:
        tokens = bm25s.tokenize(question, stopwords="en", show_progress=False)
        found, scores = index.retrieve(tokens, k=min(RESULTS, len(texts)), show_progress=False)
        places = zip(found[0], scores[0], strict=True)
        answers.append([given["chunks"][number][:3] for number, score in places if score > 0])
    return answers


if __name__ == "__main__":
    main()
