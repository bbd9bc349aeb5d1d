"""`ringrun spec`: a config.json to start from."""

from __future__ import annotations

import os

from ringfence import json
from ringfence.commandline import Flag
from ringfence.errors import Conflict
from ringfence.oci.runtime_spec import default_spec
from ringfence.runtime.ringrun.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.runtime.ringrun.verb import Call


def run(call: Call) -> int:
    path = os.path.join(call.flags.text("bundle"), call.flags.text("file"))
    try:
        with open(path, "x", encoding="utf-8") as file:
            json.dump(default_spec(call.flags.on("rootless")), file, indent="\t")
    except FileExistsError:
        raise Conflict(f"{path} exists", hint="remove it first") from None
    return 0


VERB = Verb(run, "", "Write a config.json to start from", (
    Flag("bundle", "directory to write it to", "b", kind="value", default=".", metavar="DIRECTORY"),
    Flag("file", "another name than config.json", "f", kind="value", default="config.json", metavar="FILE"),
    Flag("rootless", "for a user without privileges"),
), (0, 0))  # fmt: skip
