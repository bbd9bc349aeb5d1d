"""What commands say of a machine's networks."""

from __future__ import annotations

from tests import needs
from tests.cli.driver import Command

CHAIN = "ip filter FORWARD { type filter hook forward priority 0; policy drop; }"


def test_a_firewall_that_drops_what_is_forwarded_is_told_by_the_first_start(command: Command) -> None:
    needs.program("nft", "unshare")
    twice = f'nft "add table ip filter; add chain {CHAIN}" && ip link set lo up && "$@" && "$@"'
    done = command.run("run", "-d", "host", "sleep", "600", machine=["unshare", "--net", "sh", "-c", twice, "sh"])
    assert done.status == 0 and len(done.out.split()) == 2
    [line] = done.err.splitlines()
    assert line.startswith('WARNING: the policy of chain FORWARD in nftables\' table "ip filter" is to drop')
