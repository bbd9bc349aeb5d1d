"""`ringfence images`: list images, one line for each name."""

from __future__ import annotations

import sys

from ringfence.cli import filters, units
from ringfence.cli.format import HELP, Format
from ringfence.cli.parser import Flag, UsageError
from ringfence.cli.verb import Verb
from ringfence.errors import Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (
    Flag("all", "Show intermediate images too", "a"),
    Flag("digests", "Show digests"),
    Flag("filter", "Show only those for which this holds (such as dangling=true, reference=PATTERN)", "f", "list",
         metavar="filter"),
    Flag("format", HELP, kind="value"),
    Flag("noheading", "Print no headings", "n"),
    Flag("no-trunc", "Do not shorten anything"),
    Flag("quiet", "Print only IDs", "q"),
    Flag("sort", "Sort by created, id, repository, size or tag", kind="value", default="created"),
    Flag("tree", "Show images of several platforms as a tree (not built yet)", hidden=True),
)  # fmt: skip
HEADINGS = {
    "ID": "IMAGE ID", "Repository": "REPOSITORY", "Tag": "TAG", "Digest": "DIGEST", "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT", "Size": "SIZE", "SharedSize": "SHARED SIZE", "UniqueSize": "UNIQUE SIZE",
    "VirtualSize": "SIZE", "Containers": "CONTAINERS",
}  # fmt: skip
ORDERS: dict[str, Callable[[dict[str, Any]], Any]] = {  # as podman has them
    "created": lambda image: -image["Created"], "id": lambda image: image["Id"], "repository": lambda image: 0,
    "size": lambda image: image["Size"], "tag": lambda image: 0,
}  # fmt: skip
COLUMNS = ("Repository", "Tag", "ID", "CreatedSince", "Size")


def short(id: str) -> str:
    """Twelve digits of a digest, or of a bare ID."""
    return id.removeprefix("sha256:")[:12]


def _digest(image: dict[str, Any], repository: str) -> str:
    """The digest under which this repository has the image."""
    for named in image["RepoDigests"] or ():
        name, _, digest = named.partition("@")
        if name == repository or repository == "<none>":
            return str(digest)
    return "<none>"


def rows(image: dict[str, Any], *, whole: bool) -> Iterator[dict[str, Any]]:
    """A row for each name of the image; one of `<none>` if it has none."""
    counted = image.get("Containers", -1)
    shared = image.get("SharedSize", -1)
    for name in image["RepoTags"] or ["<none>:<none>"]:
        repository, _, tag = name.rpartition(":")
        yield {
            "ID": image["Id"] if whole else short(image["Id"]),
            "Repository": repository,
            "Tag": tag,
            "Digest": _digest(image, repository),
            "CreatedSince": units.ago(image["Created"]),
            "CreatedAt": units.moment(image["Created"]),
            "Size": units.size(image["Size"]),
            "VirtualSize": units.size(image["Size"]),
            "SharedSize": units.size(shared) if shared >= 0 else "N/A",
            "UniqueSize": units.size(image["Size"] - shared) if shared >= 0 else "N/A",
            "Containers": str(counted) if counted >= 0 else "N/A",
        }


def run(engine: Engine, arguments: Arguments) -> int:
    if arguments.on("tree"):
        raise Unsupported("--tree: not built yet")
    wanted, order = Format(arguments.text("format")), arguments.text("sort")
    if order not in ORDERS:
        raise UsageError(f'invalid argument "{order}" for "--sort" flag: must be one of {", ".join(ORDERS)}')
    reference = arguments.operands[0] if arguments.operands else None
    images = engine.images(reference, all=arguments.on("all"), filters=filters.parse(arguments.many("filter")))
    images.sort(key=ORDERS[order])
    listed = [line for image in images for line in rows(image, whole=arguments.on("no-trunc"))]
    if arguments.on("quiet"):
        sys.stdout.writelines(line["ID"] + "\n" for line in listed)
        return 0
    digests = arguments.on("digests")
    columns = (*COLUMNS[:2], "Digest", *COLUMNS[2:]) if digests else COLUMNS
    if order in ("repository", "tag"):
        listed.sort(key=lambda line: line[order.capitalize()])
    text = wanted.text(listed, HEADINGS, columns)
    sys.stdout.write(text.partition("\n")[2] if arguments.on("noheading") and wanted.kind == "table" else text)
    return 0


VERB = Verb(run, "[OPTIONS] [REPOSITORY[:TAG]]", "List images", FLAGS, (0, 1))
