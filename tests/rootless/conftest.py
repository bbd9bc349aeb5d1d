"""Two ordinary users: alice, who has subordinate ids, and bob, who has none."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from tests import leaks, needs
from tests.rootless.people import Person


@pytest.fixture(scope="session")
def alices_account() -> Iterator[Person]:
    yield from _account("alice", subordinate=True)


@pytest.fixture(scope="session")
def bobs_account() -> Iterator[Person]:
    yield from _account("bob", subordinate=False)


def _account(name: str, *, subordinate: bool) -> Iterator[Person]:
    needs.root()
    needs.program("useradd", "newuidmap", "newgidmap")
    person = Person(f"rf-{name}-{os.getpid()}", subordinate=subordinate)
    person.ringfence("run", "--rm", "host", "true")  # makes the image, and whatever is kept from then on
    yield person
    person.leave()


@pytest.fixture
def alice(alices_account: Person) -> Iterator[Person]:
    yield from _without_leaks(alices_account)


@pytest.fixture
def bob(bobs_account: Person) -> Iterator[Person]:
    yield from _without_leaks(bobs_account)


def _without_leaks(person: Person) -> Iterator[Person]:
    before = leaks.Census.take(person.home)
    yield person
    containers = person.ringfence("ps", "-aq").stdout.split()
    if containers:
        person.ringfence("rm", "-f", "-v", *containers)
    leaks.assert_nothing_left(before, files=False)
    deadline = time.monotonic() + 5
    while (left := person.processes()) != ["ringinit-holder"]:
        assert time.monotonic() < deadline, left
        time.sleep(0.02)
