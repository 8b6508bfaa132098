import pytest

pytest.register_assert_rewrite(
    "omnimemory.testing.store_records",
    "omnimemory.testing.store_search_suite",
    "omnimemory.testing.store_suite",
)
