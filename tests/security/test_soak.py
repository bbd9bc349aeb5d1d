"""Many containers at once on a volume that an attacker keeps changing; `make soak` runs the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import needs
from tests.bundles import Bundle
from tests.security.soak import soak


@pytest.mark.timeout(200)
def test_cycles_beside_a_swapper_fail_never_leak_nothing_and_reach_nothing_outside(
    bundle: Bundle, attacks: Path, short_directory: Path
) -> None:
    """CVE-2021-30465, CVE-2024-45310: losing the race is no reason to refuse a container either."""
    needs.root()
    assert soak(bundle, attacks, short_directory, cycles=24) == []
