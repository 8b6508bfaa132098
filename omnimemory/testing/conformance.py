"""Contract suites whose standard tests stay: none can be dropped or replaced without a named reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

_Test = TypeVar("_Test", bound=Callable[..., Any])
_REASON = "__deviates_because__"


def deviates(*, reason: str) -> Callable[[_Test], _Test]:
    """Mark a test that stands in for a standard one, with the reason a reader will see."""
    if not reason.strip():
        raise ValueError("a deviation needs a reason; say why the standard test cannot hold")

    def mark(test: _Test) -> _Test:
        setattr(test, _REASON, reason)
        return test

    return mark


class ConformanceSuite:
    """Base of the public suites. ``deviations`` lists the tests a backend replaced, and why."""

    deviations: ClassVar[dict[str, str]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        deviations: dict[str, str] = {}
        for name in {name for base in cls.__mro__ for name in vars(base) if name.startswith("test_")}:
            versions = [vars(base)[name] for base in cls.__mro__ if name in vars(base)]
            for version in versions[:-1]:  # the last one is the standard test
                reason = getattr(version, _REASON, None)
                if reason is None:
                    raise TypeError(
                        f"{cls.__name__}.{name} replaces a standard test; keep the standard one, or mark "
                        'yours with @deviates(reason="...")'
                    )
                deviations.setdefault(name, reason)
        cls.deviations = deviations
