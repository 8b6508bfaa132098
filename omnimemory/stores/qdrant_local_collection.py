"""An app's open shards: one at first, several once it has grown, and the way from the one to the others.

One shard of a million records answers a user's query in 15 ms, sixteen of them in 2: what a
search costs grows with the shard it is made in. A small app keeps one, as each open shard maps
75 MB of files. No method awaits; each is one step of a few milliseconds, opening a shard aside.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import qdrant_edge as qe

from omnimemory.core.lexical import idf
from omnimemory.stores.qdrant_local_layout import (
    SPLIT,
    Manifest,
    bucket_of,
    clear_leftovers,
    set_aside,
    shard_folder,
    write_manifest,
)
from omnimemory.stores.qdrant_local_points import field_indexes, reweighted
from omnimemory.stores.qdrant_local_shard import Shard
from omnimemory.stores.records import Fingerprint, Record

HEADS_KEPT = 1 << 17
"""Of a collection with one shard, 50 MB; a part keeps an eighth."""
_COPIED = 32
_CROWDED = 0.6
"""A user with more than this share of the records would fill one part again: splitting would not help."""


class Collection:
    """The shards of the collection in ``folder``, each opened when it is first used."""

    def __init__(self, folder: Path, manifest: Manifest, *, split_at: int) -> None:
        self._folder = folder
        self._manifest = manifest
        self._split_at = split_at
        self._open: dict[int, Shard] = {}
        self._split: _Split | None = None
        self._unchecked = 0
        clear_leftovers(folder, manifest.shards)

    @property
    def is_split(self) -> bool:
        return self._manifest.shards > 1

    @property
    def is_splitting(self) -> bool:
        return self._split is not None

    def opened(self) -> list[Shard]:
        return list(self._open.values())

    def shard(self, number: int) -> Shard:
        found = self._open.get(number)
        if found is None:
            folder = shard_folder(self._folder, self._manifest.shards, number)
            kept = HEADS_KEPT // 8 if self.is_split else HEADS_KEPT
            found = Shard.load(folder, self._manifest.fingerprint, heads_kept=kept)
            self._open[number] = found
        return found

    def close(self) -> None:
        """Close every shard, also when one fails to; the failure is raised at the end."""
        self.abandon_split()
        while self._open:
            _, shard = self._open.popitem()
            try:
                shard.close()
            except BaseException:  # of whatever kind: the other shards must not stay open
                self.close()
                raise

    # Where records are

    def numbers(self, user_id: str | None) -> Sequence[int]:
        """The shards that may hold the user's records; all for None."""
        if user_id is not None and self.is_split:
            return (bucket_of(user_id),)
        return range(self._manifest.shards)

    def by_user(self, records: Sequence[Record]) -> Mapping[int, Sequence[Record]]:
        """The records by the shard they belong to."""
        return _by_bucket(records) if self.is_split else {0: records}

    def by_id(self, record_ids: Sequence[str]) -> Mapping[int, Sequence[str]]:
        """The ids by the shards to ask: the one that is known to hold it, else every one."""
        if not self.is_split:
            return {0: record_ids}
        placed: defaultdict[int, list[str]] = defaultdict(list)
        for record_id in record_ids:
            holder = next((n for n, shard in self._open.items() if shard.knows(record_id)), None)
            for number in self.numbers(None) if holder is None else (holder,):
                placed[number].append(record_id)
        return placed

    # Writes

    def put(self, number: int, records: Sequence[Record]) -> None:
        self.shard(number).put(records)
        if self._split is not None:
            self._split.put(records)
        self._unchecked += len(records)

    def delete(self, number: int, memory_ids: Sequence[str], *, user_id: str | None) -> None:
        self.shard(number).delete(memory_ids, user_id=user_id)
        if self._split is not None:
            self._split.delete(memory_ids, user_id=user_id)

    def flush_due(self) -> bool:
        """Flush one shard that is due; whether there was one."""
        due = next((shard for shard in self._open.values() if shard.due), None)
        if due is not None:
            due.flush()
        return due is not None

    # Splitting

    def check_size(self) -> None:
        """Begin to split once there are ``split_at`` records of several users."""
        if self.is_split or self.is_splitting or self._unchecked < self._split_at // 50:
            return
        self._unchecked = 0
        whole = self.shard(0)
        size = whole.size()
        if size >= self._split_at and whole.largest_user() <= _CROWDED * size:
            clear_leftovers(self._folder, 1)
            self._split = _Split(whole, self._folder, self._manifest.fingerprint)

    def advance_split(self) -> Path | None:
        """One step of the split. The last puts the parts in the whole's place and returns the whole's
        files, in a folder to be removed."""
        if self._split is None or not self._split.step():
            return None
        manifest = replace(self._manifest, shards=SPLIT)
        write_manifest(self._folder, manifest)  # from here on the parts are the collection
        whole = self._open.pop(0)
        self._manifest, self._open, self._split = manifest, self._split.parts, None
        whole.edge.close()
        return set_aside(self._folder, SPLIT)

    def abandon_split(self) -> None:
        """Go on with the whole; a later write begins anew."""
        if self._split is not None:
            split, self._split = self._split, None
            for part in split.parts.values():
                part.edge.close()


class _Split:
    """Copies the records of ``whole`` into parts by user, while it is read from and written to."""

    def __init__(self, whole: Shard, folder: Path, fingerprint: Fingerprint) -> None:
        self.parts: dict[int, Shard] = {}
        self._whole = whole
        self._folder = folder
        self._fingerprint = fingerprint
        self._copying = False
        self._steps = self._work()

    def step(self) -> bool:
        """Do a little; whether that was the last of it."""
        return next(self._steps, True)

    def put(self, records: Sequence[Record]) -> None:
        """What was just written to the whole; before the copying begins it is still to be copied."""
        if self._copying:
            for number, own in _by_bucket(records).items():
                self.parts[number].put(own)

    def delete(self, memory_ids: Sequence[str], *, user_id: str | None) -> None:
        if self._copying:
            for part in self.parts.values():
                part.delete(memory_ids, user_id=user_id)

    def _work(self) -> Iterator[bool]:
        for number in range(SPLIT):
            folder = shard_folder(self._folder, SPLIT, number)
            part = Shard.create(folder, self._fingerprint, heads_kept=HEADS_KEPT // 8)
            self.parts[number] = part
            for operation in field_indexes():
                yield False
                part.edge.update(operation)
        self._copying = True
        start: qe.PointId | None = None
        while True:
            yield False
            start = self._copy(start)
            if start is None:
                break
            for part in self.parts.values():
                if part.due:
                    yield False
                    part.flush()
        for part in self.parts.values():
            yield False
            part.flush()

    def _copy(self, start: qe.PointId | None) -> qe.PointId | None:
        """Copy one page in the order of ids; where the next one starts."""
        request = qe.ScrollRequest(offset=start, limit=_COPIED, with_payload=True, with_vector=True)
        found, following = self._whole.edge.scroll(request)
        placed: defaultdict[int, list[qe.Point]] = defaultdict(list)
        for point in found:
            payload = point.payload or {}
            placed[bucket_of(payload["user_id"])].append(qe.Point(point.id, point.vector or {}, payload))
        for number, points in placed.items():
            self.parts[number].put_points(points)
        return following


def _by_bucket(records: Sequence[Record]) -> Mapping[int, Sequence[Record]]:
    """The records by the part their users belong to."""
    placed: defaultdict[int, list[Record]] = defaultdict(list)
    for record in records:
        placed[bucket_of(record.user_id)].append(record)
    return placed


def held(sizes: Sequence[int], rarities: Sequence[Mapping[int, float]]) -> dict[int, int]:
    """In how many records of all shards together each term is.

    A shard's idf of a term is ln((N + 1) / (n + 0.5)), from which n follows.
    """
    counts: Counter[int] = Counter()
    for size, own in zip(sizes, rarities, strict=True):
        for term, rarity in own.items():
            counts[term] += min(size, round((size + 1) * math.exp(-rarity) - 0.5))
    return dict(counts)


def over_all(
    words: qe.SparseVector, sizes: Sequence[int], rarities: Sequence[Mapping[int, float]]
) -> list[qe.SparseVector]:
    """The query's words for each shard, weighted so that their rarity is that in all shards together:
    a shard multiplies each weight by its own."""
    total = sum(sizes)
    together = {term: idf(total, count) for term, count in held(sizes, rarities).items()}
    return [reweighted(words, {term: together[term] / own[term] for term in own}) for own in rarities]
