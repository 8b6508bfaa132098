"""What variables say besides their plain values: secrets in files, and names that look misspelt."""

from __future__ import annotations

import functools
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from omnimemory.core.errors import ConfigError

logger = logging.getLogger(__name__)

Source = Mapping[str, str | None]
"""Variables by name: the environment, or what a ``.env`` file holds."""

FILE = "_FILE"
OURS = ("OMNIMEMORY_", "OMNI_MEMORY_", "LLM_", "EMBEDDING_")
"""How names begin that are nobody else's."""
_LIKENESS = 0.9


def from_files(known: Collection[str], sources: Sequence[Source]) -> dict[str, str]:
    """The values of known variables that a file holds, named by the variable with ``_FILE`` behind it.

    Of the sources, first ones win; within one the variable itself does. An empty file says nothing.

    Raises:
        ConfigError: such a file cannot be read.
    """
    found = {}
    for variable in known:
        source = next((one for one in sources if one.get(variable) or one.get(variable + FILE)), {})
        path = source.get(variable + FILE)
        if path and not source.get(variable) and (text := _text(variable, path)):
            found[variable] = text
    return found


def _text(variable: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError) as exc:
        raise ConfigError(
            f"{variable}{FILE}: {path} cannot be read ({type(exc).__name__}); name a text file"
        ) from exc


def warn_of_near_misses(known: Collection[str], sources: Sequence[Source]) -> None:
    """Log, once in a process, what is set, unknown and nearly the name of a setting that is not set."""
    for name, meant in _near_misses(known, sources):
        _warn(name, meant)


def _near_misses(known: Collection[str], sources: Sequence[Source]) -> Iterator[tuple[str, str]]:
    given = {name for source in sources for name, value in source.items() if value}
    candidates = {*known, *(variable + FILE for variable in known)}
    for name in sorted(given):
        if name.startswith(OURS) and name not in candidates:
            from difflib import get_close_matches  # seldom needed, and not small

            near = get_close_matches(name, candidates, n=1, cutoff=_LIKENESS)
            if near and not given & {near[0], near[0] + FILE}:
                yield name, near[0]


@functools.cache
def _warn(name: str, meant: str) -> None:
    logger.warning("%s is no setting and is ignored; did you mean %s?", name, meant)
