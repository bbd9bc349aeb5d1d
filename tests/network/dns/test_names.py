"""Who is told which names: those of the asker's own networks, the one it asks through first."""

from __future__ import annotations

import os
import socket
from typing import Any

import pytest

from ringfence.errors import Corrupt
from ringfence.network.dns import directory, message
from ringfence.network.dns.message import AAAA, ANY, PTR, A, Question
from ringfence.network.dns.names import Asker, Container, Names


def place(number: int, *addresses: str, names: tuple[str, ...] = (), internal: bool = False) -> dict[str, Any]:
    listen = [f"10.89.{number}.1", f"fd00:{number}::1"]
    return {"listen": listen, "addresses": list(addresses), "names": list(names), "internal": internal}


def put(names: Names, id: str, **networks: dict[str, Any]) -> None:
    names.put(Container(id, directory.document(os.getpid(), networks)))


def asker(names: Names, source: str, asked: str) -> Asker | None:
    through = names.listen().get(asked)
    return names.asker(source, asked, through) if through else None


def told(names: Names, source: str, asked: str, name: str, type: int = A) -> list[str] | None:
    """The addresses (or names) of the answer; None if the question is for others."""
    who = asker(names, source, asked)
    assert who
    records = names.records(who, Question(message.name(name), type))
    if records is None:
        return None
    text = {A: socket.AF_INET, AAAA: socket.AF_INET6}
    return [socket.inet_ntop(text[one.type], one.data) if one.type in text else one.data.decode() for one in records]


@pytest.fixture
def names() -> Names:
    """web in networks one and two, db in one, other in three."""
    made = Names()
    put(
        made,
        "w",
        one=place(1, "10.89.1.5", "fd00:1::5", names=("web", "www")),
        two=place(2, "10.89.2.5", names=("web",)),
    )
    put(made, "d", one=place(1, "10.89.1.6", names=("db",)), two=place(2, "10.89.2.6", "fd00:2::6", names=("db",)))
    put(made, "o", three=place(3, "10.89.3.5", names=("other",), internal=True))
    return made


def test_the_network_asked_through_is_preferred(names: Names) -> None:
    assert told(names, "10.89.1.6", "10.89.1.1", "web") == ["10.89.1.5"]
    assert told(names, "10.89.2.6", "10.89.2.1", "web") == ["10.89.2.5"]
    assert told(names, "10.89.2.6", "10.89.2.1", "www") == ["10.89.1.5"]  # it has that name in network one only
    assert told(names, "10.89.2.6", "10.89.1.1", "web") == ["10.89.1.5"]  # from its place in the other one


def test_a_name_without_an_address_of_the_family_has_nothing_and_is_not_asked_for_elsewhere(names: Names) -> None:
    assert told(names, "10.89.3.5", "10.89.3.1", "other", AAAA) == []
    assert told(names, "10.89.1.5", "10.89.1.1", "db", AAAA) == ["fd00:2::6"]  # in another network it has one
    assert told(names, "10.89.1.5", "10.89.1.1", "db", 15) == []


def test_capitals_do_not_count(names: Names) -> None:
    assert told(names, "10.89.1.6", "10.89.1.1", "WeB") == ["10.89.1.5"]


def test_names_of_foreign_networks_are_not_told(names: Names) -> None:
    assert told(names, "10.89.3.5", "10.89.3.1", "web") is None
    assert told(names, "10.89.3.5", "10.89.1.1", "web") is None  # though it asks at the gateway of web's network
    assert told(names, "10.89.1.5", "10.89.1.1", "other") is None


def test_the_machine_itself_is_told_the_names_of_the_network_it_asks(names: Names) -> None:
    assert told(names, "10.89.1.1", "10.89.1.1", "web") == ["10.89.1.5"]
    assert told(names, "10.89.1.1", "10.89.1.1", "other") is None


def test_nobody_else_is_an_asker(names: Names) -> None:
    assert asker(names, "10.89.1.77", "10.89.1.1") is None
    assert asker(names, "10.89.1.1", "10.89.2.1") is None


def test_addresses_have_the_first_name(names: Names) -> None:
    assert told(names, "10.89.1.6", "10.89.1.1", "5.1.89.10.in-addr.arpa", PTR) == ["\x03web\x00"]
    reverse = socket.inet_pton(socket.AF_INET6, "fd00:1::5").hex()[::-1]
    assert told(names, "10.89.1.6", "10.89.1.1", ".".join(reverse) + ".ip6.arpa", PTR) == ["\x03web\x00"]
    assert told(names, "10.89.1.6", "10.89.1.1", "5.3.89.10.in-addr.arpa", PTR) is None


def test_all_addresses_of_an_alias_are_told_each_first_in_its_turn() -> None:
    made = Names()
    for number in range(3):
        put(made, f"c{number}", one=place(1, f"10.89.1.{number + 5}", names=(f"c{number}", "pool")))
    answers = [told(made, "10.89.1.5", "10.89.1.1", "pool") for _ in range(6)]
    everybody = ["10.89.1.5", "10.89.1.6", "10.89.1.7"]
    assert all(answer is not None and sorted(answer) == everybody for answer in answers)
    assert sorted(answer[0] for answer in answers if answer) == sorted(everybody * 2)


def test_any_is_all_addresses(names: Names) -> None:
    answer = told(names, "10.89.1.6", "10.89.1.1", "web", ANY)
    assert answer is not None and sorted(answer) == ["10.89.1.5", "fd00:1::5"]


def test_only_who_is_in_internal_networks_alone_is_kept_from_asking_others(names: Names) -> None:
    inside, outside = asker(names, "10.89.3.5", "10.89.3.1"), asker(names, "10.89.1.5", "10.89.1.1")
    assert inside and outside and (inside.forwards, outside.forwards) == (False, True)
    put(names, "o", three=place(3, "10.89.3.5", internal=True), one=place(1, "10.89.1.8"))
    both = asker(names, "10.89.3.5", "10.89.3.1")
    assert both and both.forwards


def test_who_has_gone_is_not_known_and_its_address_may_be_anothers_already(names: Names) -> None:
    put(names, "n", one=place(1, "10.89.1.5", names=("new",)))
    names.remove("w")
    assert told(names, "10.89.1.5", "10.89.1.1", "new") == ["10.89.1.5"]
    assert told(names, "10.89.1.5", "10.89.1.1", "5.1.89.10.in-addr.arpa", PTR) == ["\x03new\x00"]
    assert told(names, "10.89.1.5", "10.89.1.1", "web") is None
    for id in ("n", "d", "o"):
        names.remove(id)
    assert names.listen() == {}


@pytest.mark.parametrize(
    ("field", "value"),
    [("addresses", ["300.1.1.1"]), ("listen", ["x"]), ("names", ["a" * 64]), ("addresses", ["1.2.3.4/8"])],
)
def test_what_is_published_wrongly_is_refused(field: str, value: list[str]) -> None:
    with pytest.raises(Corrupt):
        put(Names(), "x", one={**place(1), field: value})
