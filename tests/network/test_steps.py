"""What people are told of the kernel's refusals."""

from __future__ import annotations

import os

import pytest

from ringfence.errors import Failed
from ringfence.network import steps
from tests import needs


def test_a_file_that_cannot_be_written_is_named() -> None:
    needs.root()
    with pytest.raises(OSError, match="Is a directory") as refused:
        os.open("/proc/sys", os.O_WRONLY)
    error = steps.problem("network web: bridge br-web", refused.value)
    assert isinstance(error, Failed)
    assert str(error) == "network web: bridge br-web: /proc/sys: Is a directory"
