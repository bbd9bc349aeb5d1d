"""info, version, df: this machine, these programs, and what takes how much space."""

from __future__ import annotations

import os
import sys

from ringfence.engine import images, ps, repair, runtimes, status, volume
from ringfence.engine.volumes import Volumes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.engine import Engine

API_VERSION = "1.50"
"""The version of docker's API whose shapes the documents have."""


def info(engine: Engine) -> dict[str, Any]:
    """See Engine.info."""
    from ringfence import __version__
    from ringfence.linux import cgroups, namespaces

    words = [status.of(engine, record).word for record in repair.every(engine)]
    machine = os.uname()
    return {
        "Containers": len(words),
        "ContainersRunning": words.count("running") + words.count("restarting"),
        "ContainersPaused": words.count("paused"),
        "ContainersStopped": sum(word in ("created", "exited", "dead", "removing") for word in words),
        "Images": len({image.id for image in engine.image_store.list()}),
        "ServerVersion": __version__,
        "Driver": engine.snapshots.driver,
        "LoggingDriver": "k8s-file",
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": "2" if cgroups.layout().kind == "v2" else "1",  # docker knows no hybrid: its limits are v1's
        "DefaultRuntime": engine.runtime.name,
        "Runtimes": runtimes.available(engine),
        "KernelVersion": machine.release,
        "OperatingSystem": _operating_system(),
        "OSType": "linux",
        "Architecture": machine.machine,
        "NCPU": os.cpu_count() or 1,
        "MemTotal": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "Name": machine.nodename,
        "RootDir": engine.root,
        "DockerRootDir": engine.root,
        "StateDir": engine.state,
        "Rootless": not namespaces.privileged(),
        "SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"],
    }


def version(engine: Engine) -> dict[str, Any]:
    """See Engine.version."""
    import sqlite3

    from ringfence import __version__
    from ringfence.oci.platform import Platform

    machine = os.uname()
    return {
        "Version": __version__,
        "ApiVersion": API_VERSION,
        "Os": "linux",
        "Arch": Platform.host().architecture,  # Go's word, as docker's
        "KernelVersion": machine.release,
        "PythonVersion": ".".join(map(str, sys.version_info[:3])),
        "Components": [
            {"Name": "Engine", "Version": __version__},
            {"Name": engine.runtime.name, "Version": __version__},
            {"Name": "SQLite", "Version": sqlite3.sqlite_version},
        ],
    }


def df(engine: Engine) -> dict[str, Any]:
    """See Engine.df."""
    return {"Images": _images(engine), "Containers": _containers(engine), "Volumes": _volumes(engine),
            "BuildCache": _build_cache(engine)}  # fmt: skip


def _images(engine: Engine) -> dict[str, Any]:
    """A layer of several images is counted once; what only unused images have can be had back."""
    listed = engine.image_store.list()
    found = list({image.id: image for image in listed}.values())
    used = images.users(engine)
    sizes: dict[str, int] = {}
    owners: dict[str, set[str]] = {}
    for image in found:
        for chain, layer in zip(image.chain_ids, image.layers, strict=True):
            sizes[chain] = engine.image_store.layer_size(layer.digest)
            owners.setdefault(chain, set()).add(image.id)
    items = []
    for image in found:
        shared = sum(sizes[chain] for chain in image.chain_ids if len(owners[chain]) > 1)
        item = images.row(image, len(used.get(image.id, ())), shared)
        same = [other for other in listed if other.id == image.id]  # with other manifests, as after another compression
        item["RepoTags"] = [name for other in same for name in images.tags(other)]
        item["RepoDigests"] = [name for other in same for name in images.digests(other)]
        items.append(item)
    needed = sum(size for chain, size in sizes.items() if not owners[chain].isdisjoint(used))
    total = sum(sizes.values())
    active = sum(image.id in used for image in found)
    return {"TotalCount": len(found), "Active": active, "Size": total, "Reclaimable": total - needed, "Items": items}


def _containers(engine: Engine) -> dict[str, Any]:
    items = ps.ps(engine, all=True, filters={}, last=-1, size=True)
    active = 0
    total = free = 0
    for item in items:
        live = item["State"] in ("running", "paused", "restarting")
        active += live
        total += item["SizeRw"]
        free += 0 if live else item["SizeRw"]
    return {"TotalCount": len(items), "Active": active, "Size": total, "Reclaimable": free, "Items": items}


def _volumes(engine: Engine) -> dict[str, Any]:
    store, used = Volumes(engine.root), volume.users(engine)
    items = []
    for document in volume.ls(engine, filters={}):
        usage = {"RefCount": len(used.get(document["Name"], ())), "Size": store.size(document["Name"])}
        items.append({**document, "UsageData": usage})
    total = sum(item["UsageData"]["Size"] for item in items)
    free = sum(item["UsageData"]["Size"] for item in items if not item["UsageData"]["RefCount"])
    active = sum(bool(item["UsageData"]["RefCount"]) for item in items)
    return {"TotalCount": len(items), "Active": active, "Size": total, "Reclaimable": free, "Items": items}


def _build_cache(engine: Engine) -> dict[str, Any]:
    """The layers of steps that no image has: what only the cache keeps, each counted once."""
    store = engine.image_store
    of_images = {str(layer.digest) for image in store.list() for layer in image.layers}
    steps = store.steps.all()
    layers = {step["Layer"]["digest"] for step in steps if step["Layer"]}
    size = sum(store.layer_size(digest) for digest in layers - of_images)
    active = sum(step["Layer"].get("digest") in of_images for step in steps)
    return {"TotalCount": len(steps), "Active": active, "Size": size, "Reclaimable": size, "Items": []}


def _operating_system() -> str:
    """PRETTY_NAME of os-release(5)."""
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                for line in file:
                    if line.startswith("PRETTY_NAME="):
                        return line.partition("=")[2].strip().strip('"')
        except FileNotFoundError:
            continue
    return "Linux"
