"""Drivers are found by their names."""

from __future__ import annotations

import pytest

from ringfence.errors import InvalidInput
from ringfence.network import drivers


@pytest.mark.parametrize("name", drivers.NAMES)
def test_each_name_has_its_driver(name: str) -> None:
    driver = drivers.find(name)
    assert all(callable(getattr(driver, verb)) for verb in ("open", "connect", "disconnect", "close"))


def test_an_unknown_one_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InvalidInput, match=r"'overlay' \(there are bridge, macvlan, ipvlan, ptp\)"):
        drivers.find("overlay")
