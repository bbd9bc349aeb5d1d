"""`ringfence search`: repositories of a registry, or the tags of one."""

from __future__ import annotations

import sys

from ringfence.cli import access
from ringfence.cli.format import HELP, Format
from ringfence.cli.parser import Flag, UsageError
from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (
    *access.FLAGS,
    access.CREDS,
    Flag("format", HELP, kind="value"),
    Flag("limit", "Show at most this many", kind="value", default="25", metavar="int"),
    Flag("list-tags", "List the tags of the repository that is named"),
    Flag("no-trunc", "Do not shorten anything"),
)
_SHOWN = 45  # characters of a description
HEADINGS = {"Name": "NAME", "Description": "DESCRIPTION", "StarCount": "STARS", "IsOfficial": "OFFICIAL", "Tag": "TAG"}


def run(engine: Engine, arguments: Arguments) -> int:
    (term,) = arguments.operands
    limit = arguments.text("limit")
    if not (limit.isascii() and limit.isdecimal()):
        raise UsageError(f'invalid argument "{limit}" for "--limit" flag: is no number')
    wanted, given = Format(arguments.text("format")), access.of(arguments)
    if arguments.on("list-tags"):
        rows = engine.tags(term, limit=int(limit), **given)
        sys.stdout.write(wanted.text(rows, HEADINGS, ("Name", "Tag")))
        return 0
    rows = engine.search(term, limit=int(limit), **given)
    for row in rows:
        row["StarCount"], row["IsOfficial"] = str(row["StarCount"]), "[OK]" if row["IsOfficial"] else ""
        if not arguments.on("no-trunc") and len(row["Description"]) > _SHOWN:
            row["Description"] = row["Description"][: _SHOWN - 1] + "…"
    sys.stdout.write(wanted.text(rows, HEADINGS, ("Name", "Description", "StarCount", "IsOfficial")))
    return 0


VERB = Verb(run, "[OPTIONS] TERM", "Search a registry (HOST/WORD, or WORD in docker.io)", FLAGS, (1, 1))
