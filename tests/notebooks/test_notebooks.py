"""Each notebook runs in a fresh kernel that has no key and no environment, and is stored as it runs.

After a change of a notebook, store it anew:
``jupyter execute --inplace notebooks/*.ipynb``
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
MACHINE_PATH = re.compile(
    r"(?<![\w.:/<])/(?:home|root|tmp|Users|var|private|work|opt|usr|mnt|srv)/|\b[A-Za-z]:\\\\?\w"
)


def read(name: str) -> Any:
    path = FOLDER / f"{name}.ipynb"
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]  # nbformat has no types


def outputs_of(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def shape(notebook: Any) -> list[list[str]]:
    """For each code cell, the kinds of what it shows."""
    cells = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    return [
        sorted({kind for output in cell for kind in output.get("data", [output.output_type])})
        for cell in cells
    ]


def test_the_notebooks_are_all_there() -> None:
    assert [name[:2] for name in NOTEBOOKS] == ["01", "02", "03", "04", "05", "06"]


@pytest.mark.parametrize("name", NOTEBOOKS)
async def test_it_runs_without_an_error_or_a_warning(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    notebook, stored = read(name), read(name)
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=60,
        resources={"metadata": {"path": str(tmp_path)}},
        extra_arguments=["--IPKernelApp.log_level=ERROR"],  # it warns of its own transport
    )
    nothing_set = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    with (tmp_path / "stderr").open("wb") as kernels_stderr:
        await client.async_execute(env=nothing_set, stderr=kernels_stderr)
    found = outputs_of(notebook)
    assert [output.text for output in found if output.get("name") == "stderr"] == []
    assert (tmp_path / "stderr").read_text() == ""
    assert shape(notebook) == shape(stored), "store the notebook anew"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_what_is_stored_was_run_from_top_to_bottom_on_no_particular_machine(name: str) -> None:
    stored = read(name)
    counts = [cell.execution_count for cell in stored.cells if cell.cell_type == "code"]
    assert counts == [*range(1, len(counts) + 1)]
    assert [output for output in outputs_of(stored) if MACHINE_PATH.search(str(output))] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("at /tmp/some-folder/ledger.db", True),
        ("'/home/someone/lib'", True),
        (r"C:\\Users\\someone", True),
        ("<b>a</b> </var> and/or 3/4", False),
        ("https://example.org/home/page", False),
    ],
)
def test_a_path_of_a_machine_is_recognised(text: str, found: bool) -> None:
    assert bool(MACHINE_PATH.search(text)) is found
