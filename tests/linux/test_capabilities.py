"""Capability names, numbers and masks, checked against the kernel's header and this process's own sets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ringfence.errors import InvalidInput
from ringfence.linux import capabilities
from tests import needs

HEADER = "/usr/include/linux/capability.h"


def test_numbers_are_those_of_the_kernels_header() -> None:
    needs.file(HEADER)
    listed = re.findall(r"^#define (CAP_[A-Z_]+)\s+(\d+)$", Path(HEADER).read_text(), re.MULTILINE)
    assert {name: int(number) for name, number in listed}.items() <= {
        name: number for number, name in enumerate(capabilities.NAMES)
    }.items()


@pytest.mark.parametrize("name", ["CAP_NET_ADMIN", "NET_ADMIN", "net_admin", "cap_net_admin", "Cap_Net_Admin"])
def test_case_and_prefix_do_not_matter(name: str) -> None:
    assert capabilities.parse(name) == 12


@pytest.mark.parametrize("name", ["", "CAP_", "CAP_CAP_CHOWN", "ALL", "CAP_NOSUCH", "12", "NET ADMIN"])
def test_an_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="unknown capability"):
        capabilities.parse(name)


def test_mask_and_names_are_inverse() -> None:
    names = ["CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_CHECKPOINT_RESTORE"]
    assert capabilities.mask(names) == 1 | 1 << 21 | 1 << 40
    assert capabilities.names(capabilities.mask(names)) == names
    assert capabilities.names(1 << 41) == ["CAP_41"], "a newer kernel's capability is shown by its number"


def test_the_last_capability_is_the_last_one_of_an_unconfined_bounding_set() -> None:
    assert capabilities.last_cap() >= 40
    assert capabilities.of()["bounding"].bit_length() <= capabilities.last_cap() + 1


def test_the_sets_of_a_process_carry_the_names_of_the_spec() -> None:
    sets = capabilities.of(1)
    assert list(sets) == ["inheritable", "permitted", "effective", "bounding", "ambient"]
    assert sets["effective"] & ~sets["permitted"] == 0
