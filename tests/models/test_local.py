"""The embedders that need no key and no network, on their real weights."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import numpy as np
import pytest

from omnimemory.core.errors import ConfigError
from omnimemory.models.base import Embedder
from omnimemory.models.local import FastEmbedEmbedder, MiniLMEmbedder, WordLlamaEmbedder

LOCAL = [WordLlamaEmbedder, MiniLMEmbedder]
ODD = ["", "   ", "\x00", "\ud800", "🙂" * 50, "日本語のテキスト", "a" * 5000, "one two three"]


@pytest.fixture(params=LOCAL, ids=lambda cls: cls.name)
def embedder(request: pytest.FixtureRequest) -> Embedder:
    made: Embedder = request.param()
    return made


async def test_vectors_have_unit_length_and_the_promised_shape(embedder: Embedder) -> None:
    vectors = await embedder.embed(["I moved to Lisbon.", "Coffee, black."])
    assert vectors.shape == (2, embedder.dimensions)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1], abs=1e-5)
    assert isinstance(embedder, Embedder)


async def test_no_text_makes_a_vector_that_is_not_finite(embedder: Embedder) -> None:
    vectors = await embedder.embed(ODD)
    assert np.isfinite(vectors).all()
    assert not vectors[0].any()
    assert (await embedder.embed([])).shape == (0, embedder.dimensions)


async def test_meaning_decides_what_is_near(embedder: Embedder) -> None:
    home, move, cake = await embedder.embed(
        ["She moved to a new city.", "He relocated to another town.", "The cake needs three eggs."]
    )
    assert home @ move > home @ cake + 0.1


async def test_a_text_has_the_same_vector_alone_in_a_batch_and_at_the_same_time(embedder: Embedder) -> None:
    texts = [f"turn {i}: " + "words of different length " * (i % 7) for i in range(40)]
    batch = await embedder.embed(texts)
    alone = await asyncio.gather(*(embedder.embed([text]) for text in texts[:5]))
    assert np.concatenate(alone) == pytest.approx(batch[:5], abs=1e-5)


async def test_wordllama_agrees_with_its_own_library() -> None:
    from pathlib import Path

    import wordllama  # type: ignore[import-untyped]

    library = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
    texts = ["I moved from Berlin to Lisbon.", "Über den Wolken", "x" * 900 + " tail"]
    assert await WordLlamaEmbedder().embed(texts) == pytest.approx(library.embed(texts, norm=True), abs=1e-5)


async def test_minilm_reads_a_long_text_to_its_end() -> None:
    filler = "The weather was mild and nothing happened. " * 60
    fact, plain, hidden = await MiniLMEmbedder().embed(
        ["My dog is called Bruno.", filler, filler + "My dog is called Bruno. " * 40]
    )
    assert fact @ hidden > fact @ plain + 0.1


async def test_minilm_matches_the_published_similarities() -> None:
    # sentence-transformers documents these two pairs for all-MiniLM-L6-v2: 0.6660 and 0.1046.
    lovely, sunny, stadium = await MiniLMEmbedder().embed(
        ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
    )
    assert lovely @ sunny == pytest.approx(0.6660, abs=0.02)
    assert lovely @ stadium == pytest.approx(0.1046, abs=0.02)


async def test_a_missing_extra_is_named_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "fastembed", None)
    with pytest.raises(ConfigError, match=r"pip install 'omnimemory\[fastembed\]'"):
        await FastEmbedEmbedder().embed(["text"])
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=r"pip install 'omnimemory\[minilm\]'"):
        await MiniLMEmbedder().embed(["text"])


def test_loading_wordllama_leaves_logging_alone() -> None:
    code = (
        "import asyncio, logging, sys\n"
        "from omnimemory.models.local import WordLlamaEmbedder\n"
        "asyncio.run(WordLlamaEmbedder().embed(['hello']))\n"
        "assert not logging.getLogger().handlers\n"
        "assert 'wordllama' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_fastembed_knows_its_models_without_the_network() -> None:
    assert FastEmbedEmbedder().dimensions == 384
    assert FastEmbedEmbedder().name == "fastembed:BAAI/bge-small-en-v1.5"
    with pytest.raises(ConfigError, match="EMBEDDING_MODEL"):
        FastEmbedEmbedder("homemade").dimensions  # noqa: B018  # reading it is the test
