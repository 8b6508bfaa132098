"""Who has gone silent, seen by a steady clock."""

from __future__ import annotations

from omnimemory.ledger.leases import Watch


class Steady:
    """A clock that runs when told to."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_an_owner_is_silent_after_a_lease_without_renewal() -> None:
    clock = Steady()
    watch = Watch(clock)
    assert watch.silent({"a": 1, "b": 1}, lease_seconds=30) == set()
    clock.seconds += 29
    assert watch.silent({"a": 2, "b": 1}) == set()
    clock.seconds += 1
    assert watch.silent({"a": 2, "b": 1}) == {"b"}
    clock.seconds += 29
    assert watch.silent({"a": 2, "b": 1}) == {"a", "b"}


def test_any_other_value_is_a_renewal_whichever_way_clocks_have_jumped() -> None:
    clock = Steady()
    watch = Watch(clock)
    watch.silent({"a": 1000}, lease_seconds=30)
    for until in (70, 1300, 71):
        clock.seconds += 29
        assert watch.silent({"a": until}) == set()


def test_nobody_is_silent_before_it_is_known_how_long_leases_last() -> None:
    clock = Steady()
    watch = Watch(clock)
    watch.silent({"a": 1})
    clock.seconds += 1e9
    assert watch.silent({"a": 1}) == set()
    assert watch.silent({"a": 1}, lease_seconds=30) == {"a"}


def test_an_owner_that_held_nothing_for_a_while_starts_anew() -> None:
    clock = Steady()
    watch = Watch(clock)
    watch.silent({"a": 1}, lease_seconds=30)
    clock.seconds += 20
    watch.silent({})
    clock.seconds += 20
    assert watch.silent({"a": 1}) == set()
