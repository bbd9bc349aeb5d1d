"""Where the programs `ringfence` and `ringrun` (native/command.c) begin in Python, which has not imported `site`."""

import gc
import sys
from _frozen_importlib_external import PathFinder

from ringfence import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _frozen_importlib import ModuleSpec
    from collections.abc import Sequence


def run(name: str) -> None:
    """Run the command line in sys.argv by the command of that name, and exit."""
    gc.set_threshold(100_000)  # the imports allocate enough for a hundred collections, which find nothing: 5 ms
    frozen.use()
    _bear(name)
    sys.meta_path.append(Elsewhere)
    if name == "ringrun":
        from ringfence.runtime.ringrun import script
    else:
        from ringfence.cli.main import script
    script()


def _bear(name: str) -> None:
    """For `ps` and `pkill` this process has the command's name, not the interpreter's."""
    try:
        with open("/proc/self/comm", "wb", buffering=0) as file:
            file.write(name.encode())
    except FileNotFoundError:  # no procfs, and so nobody who could look
        return


class Elsewhere:
    """The last finder: what is not found without `site` (a foreign package beside an editable install) is with it."""

    @classmethod
    def find_spec(cls, name: str, path: "Sequence[str] | None" = None, target: object = None) -> "ModuleSpec | None":
        """See importlib.abc.MetaPathFinder."""
        sys.meta_path.remove(cls)
        import site

        site.main()
        return PathFinder.find_spec(name, path)
