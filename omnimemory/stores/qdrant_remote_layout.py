"""What a collection on a Qdrant server looks like: its vectors, its indexes, and whose it is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from qdrant_client import models

from omnimemory.stores.records import Fingerprint

MEANING = "meaning"
WORDS = "words"
TERMS = "terms"
"""The payload field that lists a record's term ids: the server counts by it how many records hold one."""

_MADE_BY = "omnimemory"


@dataclass(frozen=True, slots=True)
class Description:
    """What a collection's metadata says. An unfinished one is being created, or its maker died midway."""

    app_id: str
    fingerprint: Fingerprint
    finished: bool

    @classmethod
    def read(cls, metadata: Mapping[str, object]) -> Description | None:
        """None when the collection is none of ours."""
        app_id, embedder, dimensions, analyser = (
            metadata.get(name) for name in ("app_id", "embedder", "dimensions", "analyser")
        )
        if not (isinstance(app_id, str) and isinstance(embedder, str) and isinstance(analyser, str)):
            return None
        if metadata.get("made_by") != _MADE_BY or not isinstance(dimensions, int | float):
            return None
        fingerprint = Fingerprint(embedder, int(dimensions), analyser)
        return cls(app_id, fingerprint, metadata.get("finished") is True)

    def metadata(self) -> dict[str, object]:
        return {
            "made_by": _MADE_BY,
            "app_id": self.app_id,
            "embedder": self.fingerprint.embedder,
            "dimensions": self.fingerprint.dimensions,
            "analyser": self.fingerprint.analyser,
            "finished": self.finished,
        }


def dense_config(fingerprint: Fingerprint) -> dict[str, models.VectorParams]:
    return {MEANING: models.VectorParams(size=fingerprint.dimensions, distance=models.Distance.COSINE)}


def sparse_config() -> dict[str, models.SparseVectorParams]:
    """Without the IDF modifier: a server counts rarity per shard and not per user, so queries carry it."""
    return {WORDS: models.SparseVectorParams()}


def field_indexes() -> dict[str, models.PayloadSchemaParams]:
    """An index on every field that a filter names."""
    keyword = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD)
    moment = models.FloatIndexParams(type=models.FloatIndexType.FLOAT)
    return {
        "user_id": models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True),
        **dict.fromkeys(("session_id", "kind", "status", "memory_id", "facets"), keyword),
        **dict.fromkeys(("occurred_at", "created_at", "ended_at"), moment),
        TERMS: models.IntegerIndexParams(type=models.IntegerIndexType.INTEGER, lookup=True, range=False),
    }
