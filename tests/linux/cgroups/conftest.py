"""Drivers of the three layouts on ordinary files."""

from __future__ import annotations

from pathlib import Path

import pytest

from ringfence.linux.cgroups import CgroupDriver
from tests.linux.cgroups import layouts


@pytest.fixture(params=layouts.KINDS)
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> CgroupDriver:
    """Each of the three in turn: what a test of it says holds on every machine."""
    return layouts.make(request.param, tmp_path)


@pytest.fixture
def v1(tmp_path: Path) -> CgroupDriver:
    return layouts.make("v1", tmp_path)


@pytest.fixture
def v2(tmp_path: Path) -> CgroupDriver:
    return layouts.make("v2", tmp_path)


@pytest.fixture
def hybrid(tmp_path: Path) -> CgroupDriver:
    return layouts.make("hybrid", tmp_path)
