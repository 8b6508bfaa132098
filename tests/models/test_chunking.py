"""Tokens estimated or counted, long texts cut and pooled."""

from __future__ import annotations

import time

import numpy as np
import pytest

from omnimemory.models.base import Embedder
from omnimemory.models.chunking import ChunkingEmbedder, TokenCounter
from omnimemory.models.local import WordLlamaEmbedder
from omnimemory.testing.scripted import HashEmbedder

TEXTS = [
    "A plain sentence about a dog. " * 100,
    "日本語のテキストです。" * 100,
    "x" * 3000,
    "\n\n  two\n words   " * 50,
    "emoji 🙂🙂 and Ünïcödé " * 60,
]


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("abcd", 1), ("abcde", 2), ("日本", 2), ("한국어", 3), ("Привет", 3)]
)
def test_the_estimate_knows_scripts(text: str, tokens: int) -> None:
    assert TokenCounter().count(text) == tokens


def test_counting_never_waits() -> None:
    begun = time.perf_counter()
    counter = TokenCounter()
    assert counter.count("a " * 500_000) == 250_000
    assert not counter.exact
    assert time.perf_counter() - begun < 0.5


@pytest.mark.parametrize("text", TEXTS)
def test_pieces_fit_and_join_to_the_text(text: str) -> None:
    counter = TokenCounter()
    pieces = counter.chunks(text, 100)
    assert "".join(pieces) == text
    assert max(map(counter.count, pieces)) <= 51
    assert len(pieces) > 1


def test_a_short_text_stays_whole_and_words_too() -> None:
    counter = TokenCounter()
    assert counter.chunks("short", 100) == ["short"]
    assert counter.chunks("", 100) == [""]
    pieces = counter.chunks("wonderful memories " * 40, 20)
    assert all(word in ("wonderful", "memories") for piece in pieces for word in piece.split())


async def test_tiktoken_is_tried_once_and_in_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    import tiktoken

    tries = []

    def unreachable(name: str) -> tiktoken.Encoding:
        tries.append(name)
        raise ConnectionError("no network")

    monkeypatch.setattr(tiktoken, "get_encoding", unreachable)
    counter = TokenCounter()
    assert not await counter.warm()
    assert not await counter.warm()
    assert counter.count("abcd") == 1
    assert len(tries) == 1


async def test_with_its_tables_counts_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    import tiktoken

    # A real encoding that needs no download: single bytes and one merge.
    ranks = {bytes([byte]): byte for byte in range(256)} | {b"ab": 256}
    tiny = tiktoken.Encoding("tiny", pat_str=r"\S+|\s+", mergeable_ranks=ranks, special_tokens={})
    monkeypatch.setattr(tiktoken, "get_encoding", lambda _: tiny)
    counter = TokenCounter()
    assert await counter.warm()
    assert counter.exact
    assert counter.count("ab abc") == 4
    pieces = counter.chunks("ab abc " * 30, 10)
    assert max(map(counter.count, pieces)) <= 10
    assert "".join(pieces) == "ab abc " * 30


async def test_a_long_text_is_the_weighted_mean_of_its_pieces() -> None:
    inner = HashEmbedder(dimensions=256)
    chunking = ChunkingEmbedder(inner, window=64, counter=TokenCounter())
    long = "red apples and green pears " * 40
    vectors = await chunking.embed(["short", long, ""])
    assert vectors.shape == (3, 256)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 0], abs=1e-5)
    assert inner.texts > 3
    assert vectors[1] @ (await inner.embed([long]))[0] > 0.99
    assert vectors[0] == pytest.approx((await inner.embed(["short"]))[0])
    assert isinstance(chunking, Embedder)


async def test_a_megabyte_is_embedded() -> None:
    chunking = ChunkingEmbedder(WordLlamaEmbedder(), window=512, counter=TokenCounter())
    (vector,) = await chunking.embed(["memory and time " * 65_536])
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
