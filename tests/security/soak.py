"""Cycles of create, start and delete, several at once, while a directory of a shared volume changes places with a link.

`python -m tests.security.soak [CYCLES]` (`make soak`) runs 500 of them and prints a line; tests run a few.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests import leaks
from tests.bundles import Bundle
from tests.runtime.peers import Command
from tests.security.conftest import compile_attacks

AT_ONCE = 8


def soak(bundle: Bundle, attacks: Path, directory: Path, cycles: int) -> list[str]:
    """What went wrong, one line each: commands that failed, and what appeared outside of the containers."""
    outside, volume = directory / "outside", directory / "volume"
    outside.mkdir(exist_ok=True)
    (volume / "place").mkdir(parents=True)
    (volume / "link").symlink_to(outside)
    bundle.mount("/volume", "bind", volume, "rbind", "rw")
    bundle.mount("/volume/place", "tmpfs", "tmpfs", "mode=755")
    bundle.mount("/volume/place/deep/deeper", "bind", "/etc/os-release", "bind", "ro")
    bundle.mount("/volume/place/made", "tmpfs", "tmpfs", "mode=755")
    bundle.spec["process"]["args"] = ["sleep", "100"]
    path = str(bundle.write())
    ringrun = Command("ringrun", directory)

    def cycle(number: int) -> list[str]:
        id, said = f"{bundle.id}-{number}", directory / f"said-{number}"
        wrong = []
        for words in (["create", "--bundle", path, id], ["start", id], ["delete", "--force", id]):
            status = ringrun.detached(*words, output=said)
            if status:
                wrong.append(f"{' '.join(words)}: exit status {status}: {said.read_text().strip()}")
        wrong += [f"outside of the container: {entry}" for entry in outside.iterdir()]
        if outside.is_mount():
            wrong.append(f"a mount at {outside}")
        return wrong

    cycle(-1)  # makes what all share: the directory of states, the parent cgroup
    before = leaks.Census.take(directory)
    swapper = subprocess.Popen([attacks, "swap", volume / "place", volume / "link"])
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            wrong = [line for lines in pool.map(cycle, range(cycles)) for line in lines]
    finally:
        swapper.kill()
        swapper.wait()
    leaks.assert_nothing_left(before, files=False)
    return wrong + [f"state left: {entry}" for entry in ringrun.root.iterdir() if entry.name.startswith(bundle.id)]


def main(cycles: int) -> int:
    from ringfence import Engine

    with tempfile.TemporaryDirectory(prefix="rf-", dir="/tmp") as name:
        directory = Path(name)
        attacks = compile_attacks(directory)
        bundle = Bundle(directory / "bundle")
        bundle.path.mkdir()
        with Engine(root=f"{name}/root", state=f"{name}/run") as engine:
            engine.run("host", ["true"], network="none", rm=True)
            layer = engine.snapshots.layer_path(engine.image_store.get("host").chain_ids[-1])
            subprocess.run(["cp", "-a", "-T", layer, bundle.rootfs], check=True)
        begun = time.monotonic()
        wrong = soak(bundle, attacks, directory, cycles)
        took = time.monotonic() - begun
    print("\n".join(wrong[:20]))
    print(f"soak: {cycles} cycles of create, start and delete, {AT_ONCE} at a time, in {took:.0f} s: "
          f"{len(wrong)} failures, nothing left, nothing outside")  # fmt: skip
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 500))
