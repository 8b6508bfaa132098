from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from omnimemory.stores.base import VectorStore
from omnimemory.testing.conformance import deviates
from omnimemory.testing.store_suite import VectorStoreSuite


def test_a_standard_test_cannot_be_replaced_silently() -> None:
    with pytest.raises(TypeError, match="test_two_apps_never_see_each_other replaces a standard test"):

        class Lax(VectorStoreSuite):
            async def test_two_apps_never_see_each_other(self, store: VectorStore) -> None: ...


def test_a_standard_test_cannot_be_removed_by_a_mixin_or_by_none() -> None:
    class Mixin:
        test_two_apps_never_see_each_other = None

    with pytest.raises(TypeError, match="replaces a standard test"):
        type("Lax", (Mixin, VectorStoreSuite), {})
    with pytest.raises(TypeError, match="replaces a standard test"):
        type("Lax", (VectorStoreSuite,), {"test_what_was_stored_comes_back": None})


def test_a_deviation_with_a_reason_is_allowed_and_listed() -> None:
    class Honest(VectorStoreSuite):
        @deviates(reason="the service pages by time")
        async def test_paging_gives_every_record_once_also_while_others_write(
            self, store: VectorStore, size: int
        ) -> None: ...

        async def test_something_of_its_own(self) -> None: ...

    class Heir(Honest):
        pass

    expected = {"test_paging_gives_every_record_once_also_while_others_write": "the service pages by time"}
    assert Honest.deviations == Heir.deviations == expected
    assert VectorStoreSuite.deviations == {}


def test_a_deviation_without_a_reason_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a reason"):
        deviates(reason=" ")


# Which backends the contract was held against

FOLDER = Path(__file__).parent


def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=FOLDER.parents[1], capture_output=True, text=True, check=False)


def test_a_run_of_the_whole_folder_that_leaves_a_backend_out_fails_and_names_it() -> None:
    found = ran("tests/contract", "--ignore-glob=*/test_*")
    assert found.returncode == pytest.ExitCode.TESTS_FAILED
    assert "MongoDB wire server: not run" in found.stdout
    assert "MongoDB Atlas (set MONGO_ATLAS_URI): not run" in found.stdout
    assert "left out: qdrant-local, qdrant-client's local mode" in found.stdout


def test_a_run_of_one_file_may_leave_backends_out() -> None:
    found = ran("tests/contract/test_store_registry.py::test_the_registry_imports_no_driver")
    assert found.returncode == pytest.ExitCode.OK
    assert "left out" not in found.stdout
