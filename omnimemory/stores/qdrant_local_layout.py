"""What a collection of the embedded store looks like on disk: its folder, its description, its shards.

A collection begins as one shard, in the collection's folder itself. One that has grown is split
into ``SPLIT`` shards by user, in folders below ``shards/``; the description says which holds.
Whatever else lies there was left by a process that died while splitting.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
import zlib
from dataclasses import dataclass
from pathlib import Path

from omnimemory.core.errors import StoreError
from omnimemory.stores.records import Fingerprint

MANIFEST = "collection.json"
DROPPED = ".dropped"
"""Ends the name of a folder that is being removed."""
SPLIT = 16
_PARTS = "shards"
_WHOLE = ("segments", "wal", "edge_config.json")


@dataclass(frozen=True, slots=True)
class Manifest:
    """A collection's description. ``shards`` is 1 or ``SPLIT``."""

    app_id: str
    fingerprint: Fingerprint
    shards: int = 1


def bucket_of(user_id: str) -> int:
    """The shard of a user's records once the collection is split: the same in every process."""
    return zlib.crc32(user_id.encode("utf-8", "surrogatepass")) % SPLIT


def shard_folder(collection: Path, shards: int, number: int) -> Path:
    return collection if shards == 1 else collection / _PARTS / f"{number:02d}"


def clear_leftovers(collection: Path, shards: int) -> None:
    """Remove the shards that the description does not name."""
    shutil.rmtree(set_aside(collection, shards), ignore_errors=True)


def set_aside(collection: Path, shards: int) -> Path:
    """Move the shards that the description does not name to a folder beside, and return that one."""
    aside = collection.with_name(f"{collection.name}-{uuid.uuid4().hex}{DROPPED}")
    for name in (_PARTS,) if shards == 1 else _WHOLE:
        left = collection / name
        if left.exists():
            aside.mkdir(exist_ok=True)
            left.rename(aside / name)
    return aside


def write_manifest(collection: Path, manifest: Manifest) -> None:
    """Replace the description, all or nothing, durable on return."""
    fingerprint = manifest.fingerprint
    described = {
        "app_id": manifest.app_id,
        "embedder": fingerprint.embedder,
        "dimensions": fingerprint.dimensions,
        "analyser": fingerprint.analyser,
        "shards": manifest.shards,
    }
    written = collection / f"{MANIFEST}.new"
    with written.open("w", encoding="utf-8") as file:
        json.dump(described, file)
        file.flush()
        os.fsync(file.fileno())
    written.replace(collection / MANIFEST)


def read_manifest(collection: Path) -> Manifest:
    """The description of the collection in this folder.

    Raises:
        StoreError: it is missing or damaged.
    """
    path = collection / MANIFEST
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        fingerprint = Fingerprint(
            embedder=found["embedder"], dimensions=found["dimensions"], analyser=found["analyser"]
        )
        shards = found.get("shards", 1)  # collections made before there were several do not say
        if shards not in (1, SPLIT):
            raise ValueError(f"shards is {shards!r}, not 1 or {SPLIT}")
        return Manifest(str(found["app_id"]), fingerprint, shards)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise StoreError(
            f"{path} is missing or damaged ({exc}); move {collection} away and run `omnimemory rebuild`"
        ) from exc
