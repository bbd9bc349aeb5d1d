"""Platforms are compared as Go names them, whatever people and kernels call them."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import pytest

from ringfence.errors import InvalidInput, NotFound
from ringfence.oci.platform import Platform, select
from tests import needs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/x86_64", "linux/amd64"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/v6", "linux/arm/v6"),
        ("LINUX/ARM64", "linux/arm64"),
        ("riscv64", "linux/riscv64"),
        ("linux", str(Platform.host())),
    ],
)
def test_a_platform_is_written_in_go_s_words(text: str, expected: str) -> None:
    assert str(Platform.parse(text)) == expected


@pytest.mark.parametrize("text", ["", "/", "linux/", "linux/amd64/v1/x", "linux/am d64", "../x"])
def test_a_text_that_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="is not a platform like linux/arm64"):
        Platform.parse(text)


def test_the_host_s_platform_is_what_podman_thinks_it_is() -> None:
    needs.program("podman")
    info = subprocess.run(["podman", "info", "-f", "{{.Host.OS}}/{{.Host.Arch}}"], capture_output=True, text=True)
    assert str(Platform.host()) == info.stdout.strip()
    assert os.uname().sysname == "Linux"


def test_a_machine_runs_lesser_variants_of_its_own_architecture_only() -> None:
    machine = Platform.parse("linux/arm/v7")
    assert machine.runs(Platform.parse("linux/arm/v6"))
    assert not machine.runs(Platform.parse("linux/arm/v8"))
    assert not machine.runs(Platform.parse("linux/arm64"))
    assert not machine.runs(Platform.parse("windows/arm/v7"))


def entry(text: str) -> dict[str, Any]:
    return {"digest": text, "platform": Platform.parse(text).to_json()}


def test_the_best_suited_image_of_an_index_is_chosen() -> None:
    entries = [entry("linux/arm/v6"), entry("linux/arm/v7"), entry("linux/arm64"), entry("linux/amd64")]
    assert select(entries, Platform.parse("linux/arm/v7"), "x")["digest"] == "linux/arm/v7"
    assert select(entries[:1], Platform.parse("linux/arm/v7"), "x")["digest"] == "linux/arm/v6"


def test_an_only_image_without_a_platform_is_taken_and_attestations_are_not() -> None:
    attestation: dict[str, Any] = {"digest": "a", "platform": {"os": "unknown", "architecture": "unknown"}}
    unnamed: dict[str, Any] = {"digest": "x"}
    assert select([unnamed, attestation], Platform.host(), "x")["digest"] == "x"
    with pytest.raises(NotFound, match=r"^x: has no image for linux/amd64 \(there are: linux/arm64\)$"):
        select([entry("linux/arm64"), attestation], Platform.parse("linux/amd64"), "x")
