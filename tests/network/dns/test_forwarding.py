"""Questions for others: put to dnsmasq, and to servers that lie, are silent or refuse."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from ringfence.network.dns import message
from ringfence.network.dns.message import QR, SERVFAIL, A, Message, Record
from tests import needs
from tests.network.dns.hosts import Host, listen, on_host, until

UPSTREAM, LIAR, NOBODY = "127.0.0.53", "10.99.0.2", "10.99.0.3"


def dnsmasq(host: Host, address: str) -> None:
    """A real server at an address of the host: up.example has an address, big.example a lot of text."""
    needs.program("dnsmasq")
    texts = [f"--txt-record=big.example,{number:0200}" for number in range(12)]
    host.ip(f"addr add {address}/32 dev lo")
    host.start("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root",
               "--pid-file=", f"--listen-address={address}", "--bind-interfaces", "--edns-packet-max=4096",
               "--address=/up.example/203.0.113.7",
               "--ptr-record=7.113.0.203.in-addr.arpa,up.example", *texts)  # fmt: skip
    asked = ["dig", "+short", "+tries=1", "+time=1", f"@{address}", "up.example"]
    until(lambda: subprocess.run(asked, capture_output=True).stdout == b"203.0.113.7\n")


class Fake:
    """A server at an address of the host that does to each question what a test wants."""

    def __init__(self, host: Host, address: str, act: Callable[[Fake, bytes, tuple[str, int]], object]) -> None:
        host.ip(f"addr add {address}/32 dev lo")
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 53))
        self.asked: list[tuple[bytes, tuple[str, int]]] = []
        self._act = act
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            data, peer = self.socket.recvfrom(9999)
            self.asked.append((data, peer))
            self._act(self, data, peer)


def answer(query: bytes, address: str, *, id: int | None = None, name: bytes = b"", code: int = 0) -> bytes:
    asked = message.parse(query)
    [question] = asked.questions
    if name:
        question.name = name
    records = [] if code else [Record(question.name, A, socket.inet_aton(address), 60)]
    return message.encode(Message(asked.id if id is None else id, QR | code, [question], records))


def test_other_names_are_what_the_hosts_server_on_its_loopback_says(short_directory: Path) -> None:
    def work(host: Host) -> None:
        dnsmasq(host, UPSTREAM)
        host.resolv_conf.write_text(f"nameserver {UPSTREAM}\n")
        web = host.container("w").join(1, 5, "web").publish()
        assert web.dig("up.example") == web.dig("+tcp", "up.example") == ["203.0.113.7"]
        assert web.dig("up.example", server=listen(1)[1]) == ["203.0.113.7"]
        assert web.dig("-x", "203.0.113.7") == ["up.example."]
        assert web.status("single").startswith("REFUSED ")  # what dnsmasq says who has nobody to ask
        assert host.log() == ""

    on_host(short_directory, work)


def test_an_answer_that_is_cut_is_passed_on_and_asked_for_by_tcp(short_directory: Path) -> None:
    def work(host: Host) -> None:
        dnsmasq(host, UPSTREAM)
        web = host.container("w").join(1, 5, "web").publish(UPSTREAM)
        cut = web.run("dig", "+noedns", "+ignore", "+tries=1", f"@{listen(1)[0]}", "big.example", "TXT")
        assert "flags: qr aa tc rd ra;" in cut
        assert len(web.dig("big.example", "TXT")) == 12
        assert len(web.dig("+bufsize=4096", "+ignore", "big.example", "TXT")) == 12  # EDNS is passed on, too
        descriptors = len(os.listdir(f"/proc/{host.server()}/fd"))
        for _ in range(5):
            web.dig("+tcp", "big.example", "TXT")
        until(lambda: len(os.listdir(f"/proc/{host.server()}/fd")) == descriptors)

    on_host(short_directory, work)


def test_the_servers_of_a_container_are_its_own_and_those_of_the_host_are_read_again(short_directory: Path) -> None:
    def work(host: Host) -> None:
        Fake(host, LIAR, lambda fake, data, peer: fake.socket.sendto(answer(data, "192.0.2.1"), peer))
        Fake(host, NOBODY, lambda fake, data, peer: fake.socket.sendto(answer(data, "192.0.2.2"), peer))
        host.resolv_conf.write_text(f"nameserver {LIAR}\n")
        own, hosts = host.container("o").join(1, 5).publish(NOBODY), host.container("h").join(1, 6).publish()
        assert own.dig("some.where") == ["192.0.2.2"]
        assert hosts.dig("some.where") == ["192.0.2.1"]
        host.resolv_conf.write_text(f"nameserver {NOBODY}\n")
        assert hosts.dig("some.where") == ["192.0.2.2"]

    on_host(short_directory, work)


def test_only_the_answer_to_the_question_counts(short_directory: Path) -> None:
    def work(host: Host) -> None:
        def lie(fake: Fake, data: bytes, peer: tuple[str, int]) -> None:
            asked = message.parse(data)
            lies = [b"", data, b"\xff" * 40, answer(data, "6.6.6.6", id=asked.id ^ 1),
                    answer(data, "6.6.6.6", name=message.name("other.example")),
                    message.encode(Message(asked.id, QR))]  # fmt: skip
            for each in lies:
                fake.socket.sendto(each, peer)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as elsewhere:
                elsewhere.sendto(answer(data, "6.6.6.6"), peer)
            fake.socket.sendto(answer(data, "192.0.2.1"), peer)

        fake = Fake(host, LIAR, lie)
        web = host.container("w").join(1, 5, "web").publish(LIAR)
        for number in range(30):
            assert web.dig(f"name{number}.example") == ["192.0.2.1"]
        assert len({peer[1] for _, peer in fake.asked}) > 20  # ports and ids are drawn anew for each
        assert len({data[:2] for data, _ in fake.asked}) > 20

    on_host(short_directory, work)


def test_another_server_is_asked_when_one_is_closed_silent_or_fails(short_directory: Path) -> None:
    def work(host: Host) -> None:
        dnsmasq(host, UPSTREAM)
        silent = Fake(host, LIAR, lambda fake, data, peer: None)
        failing = Fake(
            host,
            "10.99.0.4",
            lambda fake, data, peer: fake.socket.sendto(answer(data, "", code=SERVFAIL), peer),
        )
        web = host.container("w").join(1, 5, "web").publish("10.99.0.9", "10.99.0.4", UPSTREAM)
        assert web.dig("up.example") == ["203.0.113.7"]  # no route there, then a failure
        assert len(failing.asked) == 1
        host.ip(f"addr add {NOBODY}/32 dev lo")
        web.publish(NOBODY, UPSTREAM)
        assert web.dig("up.example") == web.dig("+tcp", "up.example") == ["203.0.113.7"]  # nobody listens there
        web.publish(LIAR, UPSTREAM)
        before = time.monotonic()
        assert web.dig("up.example") == ["203.0.113.7"]
        assert time.monotonic() - before < 4 and len(silent.asked) == 1
        web.publish("10.99.0.4")
        assert web.status("up.example").startswith("SERVFAIL ")
        web.publish(NOBODY)
        assert web.status("up.example").startswith("SERVFAIL ")
        web.publish(listen(1)[0])  # ourselves, again and again
        assert web.status("up.example").startswith("SERVFAIL ")

    on_host(short_directory, work)


def test_questions_that_nobody_answers_are_bounded_and_hold_nobody_else_up(short_directory: Path) -> None:
    def work(host: Host) -> None:
        silent = Fake(host, LIAR, lambda fake, data, peer: None)
        web, db = (
            host.container("w").join(1, 5, "web").publish(LIAR),
            host.container("d").join(1, 6, "db").publish(LIAR),
        )
        idle = len(os.listdir(f"/proc/{host.server()}/fd"))
        flood = (
            "import socket\n"
            "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(('10.89.1.1', 53)); s.settimeout(5)\n"
            "rest = b'\\1\\0\\0\\1' + bytes(6) + b'\\1a\\0\\0\\1\\0\\1'\n"
            "for number in [*range(100), *range(50, 150)]: s.send(number.to_bytes(2, 'big') + rest)\n"
            "print(sorted(s.recv(999)[1] for _ in range(50)) == list(range(100, 150)))\n"
        )
        assert web.run("python3", "-c", flood) == "True\n"
        assert len(silent.asked) == 100  # the second time it is the same question
        assert db.dig("web") == ["10.89.1.5"]
        assert len(os.listdir(f"/proc/{host.server()}/fd")) <= idle + 100
        until(lambda: len(os.listdir(f"/proc/{host.server()}/fd")) == idle)
        assert host.log() == ""

    on_host(short_directory, work)
