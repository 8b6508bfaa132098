"""docs/SETTINGS.md says what the code says."""

from __future__ import annotations

from pathlib import Path

from pydantic.fields import FieldInfo

from omnimemory.core.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "SETTINGS.md"
_HEAD = """# Settings

Each is an environment variable, a line of a `.env` file in the working directory, and a keyword
argument of the SDK (the second column). The environment wins over the file, arguments win over both.
An empty variable counts as unset. A variable with `_FILE` at its end, in either place, names a file that
holds the value; the variable itself wins. What is wrong is a `ConfigError` that names the variable and
shows a right value; a name that is nearly one of these is warned of.

| variable | argument | default | meaning |
|---|---|---|---|
"""


def test_the_settings_page_lists_every_setting_with_its_default() -> None:
    assert PAGE.read_text() == page(), "write what page() returns to docs/SETTINGS.md"


def test_every_setting_has_a_meaning() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def page() -> str:
    return _HEAD + "".join(_row(name, field) for name, field in Settings.model_fields.items())


def _row(name: str, field: FieldInfo) -> str:
    return f"| `{field.validation_alias}` | `{name}` | {_default(name, field)} | {field.description} |\n"


def _default(name: str, field: FieldInfo) -> str:
    if name.endswith("_threshold"):
        return "`auto`"
    if field.default_factory is not None or field.default is None:
        return ""
    value = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
    return f"`{value}`"
