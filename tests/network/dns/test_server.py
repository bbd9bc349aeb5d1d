"""The server, asked by dig and by libc from network namespaces that stand for containers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from ringfence.network.dns import directory, ready
from tests.network.dns.hosts import Host, listen, on_host, until


def test_containers_find_each_other_by_name_in_both_families(short_directory: Path) -> None:
    def work(host: Host) -> None:
        web = host.container("w" * 64).join(1, 5, "web", "alias").publish()
        host.container("d" * 64).join(1, 6, "db").publish()
        assert web.dig("db") == ["10.89.1.6"]
        assert web.dig("DB", "AAAA", server=listen(1)[1]) == ["fd00:1::6"]
        assert web.dig("+tcp", "alias") == ["10.89.1.5"]
        assert web.dig("-x", "10.89.1.6") == web.dig("-x", "fd00:1::6") == ["db."]
        assert web.status("db", "MX") == "NOERROR qr aa rd ra"
        assert host.log() == ""

    on_host(short_directory, work)


def test_libc_of_a_container_finds_names_and_addresses(short_directory: Path) -> None:
    def work(host: Host) -> None:
        web = host.container("w").join(1, 5, "web").publish()
        host.container("d").join(1, 6, "db").publish()
        host.resolv_conf.write_text(f"nameserver {listen(1)[0]}\nnameserver {listen(1)[1]}\noptions ndots:0\n")
        script = ("import socket; print(sorted({one[4][0] for one in socket.getaddrinfo('db', 80)}), "
                  "socket.gethostbyaddr('10.89.1.6')[0])")  # fmt: skip
        assert web.run(sys.executable, "-I", "-S", "-c", script) == "['10.89.1.6', 'fd00:1::6'] db\n"

    on_host(short_directory, work)


def test_names_of_other_networks_are_not_told_and_strangers_get_nothing(short_directory: Path) -> None:
    def work(host: Host) -> None:
        web = host.container("w").join(1, 5, "web", internal=True).publish()
        other = host.container("o").join(2, 5, "other", internal=True).publish()
        both = host.container("b").join(1, 7, "both").join(2, 7, "both").publish()
        assert both.dig("web") == ["10.89.1.5"] and both.dig("other") == ["10.89.2.5"]
        assert both.dig("both") == ["10.89.1.7"]
        assert both.dig("both", server=listen(2)[0]) == ["10.89.2.7"]
        assert web.status("other").startswith("NXDOMAIN ")
        assert other.status("web", server=listen(1)[0]).startswith("NXDOMAIN ")
        stranger = host.container("s").join(1, 9)
        assert stranger.status("web").startswith("REFUSED ")
        asked = ["dig", "+short", f"@{listen(1)[0]}", "web"]
        assert subprocess.run(asked, capture_output=True, text=True).stdout == "10.89.1.5\n"

    on_host(short_directory, work)


def test_who_exits_has_no_name_any_more_though_nobody_has_said_so(short_directory: Path) -> None:
    def work(host: Host) -> None:
        web = host.container("w").join(1, 5, "web", internal=True).publish()
        db = host.container("d").join(1, 6, "db", internal=True).publish()
        assert web.dig("db") == ["10.89.1.6"]
        db.exit()
        until(lambda: web.status("db").startswith("NXDOMAIN "))
        directory.withdraw(host.place, "w")
        until(lambda: not host.server())

    on_host(short_directory, work)


def test_addresses_are_listened_to_as_networks_come_and_go(short_directory: Path) -> None:
    def listening() -> list[str]:
        text = subprocess.run(["ss", "-Hlntu"], capture_output=True, text=True, check=True).stdout
        return sorted({line.split()[4] for line in text.splitlines()})

    def work(host: Host) -> None:
        host.container("w").join(1, 5, "web").publish()
        until(lambda: listening() == ["10.89.1.1:53", "[fd00:1::1]:53"])
        other = host.container("o").join(2, 5, "other").publish()
        until(lambda: len(listening()) == 4)
        descriptors = len(os.listdir(f"/proc/{host.server()}/fd"))
        for _ in range(20):
            directory.withdraw(host.place, "o")
            until(lambda: len(listening()) == 2)
            other.publish()
            until(lambda: len(listening()) == 4)
        assert other.dig("other") == ["10.89.2.5"]
        assert len(os.listdir(f"/proc/{host.server()}/fd")) == descriptors
        for id in ("w", "o"):
            directory.withdraw(host.place, id)
        until(lambda: listening() == [])

    on_host(short_directory, work)


def test_an_address_that_another_server_has_is_told_of_and_taken_later(short_directory: Path) -> None:
    def work(host: Host) -> None:
        host.bridge(1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("0.0.0.0", 53))
            web = host.container("w").join(1, 5, "web")
            directory.publish(host.place, "w", directory.document(web.process.pid, web.networks))
            directory.ensure(host.place, directory.command(host.place))
            assert ready.wait(host.place, directory.command(host.place), ["10.89.1.1"], 0.2) == ["10.89.1.1"]
            until(lambda: "port 53 of 10.89.1.1: another DNS server listens there" in host.log())
            assert web.dig("web", server=listen(1)[1]) == ["10.89.1.5"]
        until(lambda: "port 53 of 10.89.1.1: names resolve there now" in host.log())
        assert web.dig("web") == ["10.89.1.5"]
        assert len(host.log().splitlines()) == 2

    on_host(short_directory, work)


def test_a_server_that_was_killed_is_back_with_the_next_container(short_directory: Path) -> None:
    def work(host: Host) -> None:
        web = host.container("w").join(1, 5, "web").publish()
        assert web.dig("web") == ["10.89.1.5"]
        for number in range(5):
            os.kill(host.server(), signal.SIGKILL)
            until(lambda: not host.server())
            host.container(f"c{number}").join(1, 20 + number, f"c{number}").publish()
            assert web.dig("web") == ["10.89.1.5"] and web.dig(f"c{number}") == [f"10.89.1.{20 + number}"]

    on_host(short_directory, work)


def test_a_file_that_is_wrong_is_told_of_and_hurts_nobody_else(short_directory: Path) -> None:
    def work(host: Host) -> None:
        web = host.container("w").join(1, 5, "web").publish()
        for number, text in enumerate(("{", "[]", "{}", '{"pid": 1, "start": 2, "servers": 3, "networks": {}}')):
            wrong = Path(host.place, f".{number}")
            wrong.write_text(text)
            wrong.rename(Path(host.place, f"{number}.json"))
        until(lambda: host.log().count("is passed over") == 4)
        assert web.dig("web") == ["10.89.1.5"]

    on_host(short_directory, work)


def test_a_hundred_containers_know_each_other_and_weigh_little(short_directory: Path) -> None:
    def work(host: Host) -> None:
        first = host.container("first").join(1, 2, "first", "all").publish()
        for number in range(100):
            place = {"listen": list(listen(1)), "addresses": [f"10.89.1.{100 + number}", f"fd00:1::{number + 256:x}"],
                     "names": [f"box{number}", "all"], "internal": False}  # fmt: skip
            fields = directory.document(first.process.pid, {"n1": place})
            directory.publish(host.place, f"{number:064}", fields)
            directory.ensure(host.place, directory.command(host.place))
        assert first.dig("box0", "box99", "-t", "A") == ["10.89.1.100", "10.89.1.199"]
        assert len(first.dig("all")) == 101  # by TCP: so many do not fit into one datagram
        assert memory(host.server()) < 9000

    on_host(short_directory, work)


def test_messages_that_are_none_are_refused_and_do_no_harm(short_directory: Path) -> None:
    def work(host: Host) -> None:
        web = host.container("w").join(1, 5, "web").publish()
        assert web.dig("web") == ["10.89.1.5"]
        script = (
            "import os, socket\n"
            "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(('10.89.1.1', 53)); s.settimeout(5)\n"
            "for size in range(200): s.send(os.urandom(size))\n"
            "s.send(b'\\0\\7\\x81\\0' + bytes(8))\n"  # an answer
            "s.send(b'\\0\\7\\1\\0\\0\\1' + bytes(6) + b'\\xc0\\x0c\\0\\1\\0\\1')\n"
            "while True:\n"
            "    got = s.recv(9999)\n"
            "    if got[:2] == b'\\0\\7': break\n"
            "print(got[3] & 15)\n"
            "for size in (0, 1, 2, 3, 500):\n"
            "    t = socket.create_connection(('10.89.1.1', 53)); t.send(os.urandom(size)); t.close()\n"
        )
        assert web.run(sys.executable, "-c", script) == "1\n"  # FORMERR
        assert web.status("web", "CH", "TXT").startswith("REFUSED ")
        assert web.status("+opcode=notify", "web").startswith("NOTIMP ")
        assert web.status("+edns=3", "+noednsneg", "web").startswith("BADVERS ")
        assert web.dig("web") == ["10.89.1.5"]
        assert host.log() == ""

    on_host(short_directory, work)


def test_many_questions_by_one_connection_are_all_answered(short_directory: Path) -> None:
    def work(host: Host) -> None:
        web = host.container("w").join(1, 5, "web").publish()
        assert web.dig("+tcp", "+keepopen", *["web"] * 40) == ["10.89.1.5"] * 40
        idle = len(os.listdir(f"/proc/{host.server()}/fd"))
        script = (
            "import socket\n"
            "there = [socket.create_connection(('10.89.1.1', 53)) for _ in range(60)]\n"
            "for one in there: one.settimeout(5)\n"
            "closed = 0\n"
            "for one in there[20:]:\n"
            "    try: closed += one.recv(1) == b''\n"
            "    except ConnectionResetError: closed += 1\n"
            "print(closed)\n"
        )
        assert web.run(sys.executable, "-c", script) == "40\n"
        until(lambda: len(os.listdir(f"/proc/{host.server()}/fd")) == idle)

    on_host(short_directory, work)


def memory(pid: int) -> int:
    """The proportional share of memory of a process, in kB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith("Pss:")))


def test_an_answer_takes_no_longer_than_a_person_notices(short_directory: Path) -> None:
    def work(host: Host) -> None:
        web = host.container("w").join(1, 5, "web").publish()
        assert web.dig("web") == ["10.89.1.5"]
        before = time.monotonic()
        web.dig(*["web"] * 100)
        assert time.monotonic() - before < 5

    on_host(short_directory, work)
