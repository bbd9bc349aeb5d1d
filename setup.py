"""What pyproject.toml cannot say: compile `native/ringinit.c` and the commands, and freeze the modules.

The commands are no console_scripts, but programs (native/command.c says why).
Called directly, `python setup.py build_native` refreshes `ringfence/ringinit` in the source tree.
"""

from __future__ import annotations

import compileall
import json
import os
import shutil
import subprocess
import sys
from distutils.command.build_scripts import build_scripts  # setuptools brings it, under this name alone
from pathlib import Path

from setuptools import Command, Distribution, setup
from setuptools.command.build import build
from setuptools.errors import CompileError

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))  # pip builds with another path
from ringfence.freeze import PATH, freeze  # noqa: E402

SOURCE = Path("native/ringinit.c")
PACKAGED = Path("ringfence/ringinit")
COMMAND = Path("native/command.c")
COMMANDS = ("ringfence", "ringrun")
# musl first where it is: a static program of its starts in 60 us, one of glibc in 320, and each start executes it.
COMPILERS = ("musl-gcc", "cc", "gcc", "clang", "tcc")
# Static first: no dynamic linker to run at each start, and no shared library pages in each monitor.
FLAVOURS = (("-static", "-Os"), ("-Os",), ())


def compilers() -> list[list[str]]:
    """The argv beginnings to try: $CC alone if it is set, else every compiler that is on PATH."""
    if chosen := os.environ.get("CC", "").split():
        return [chosen]
    return [[name] for name in COMPILERS if shutil.which(name)]


def compile_program(source: Path, target: Path, *defines: str) -> None:
    """Compile to a temporary name and rename: a monitor that runs the old file keeps it (and ETXTBSY is avoided)."""
    complaints = []
    partial = target.with_name(target.name + ".partial")
    for compiler in compilers():
        for flavour in FLAVOURS:
            flags = [*flavour, *os.environ.get("CFLAGS", "").split(), *defines]
            argv = [*compiler, *flags, str(source), "-o", str(partial)]
            print(" ".join(argv), flush=True)
            try:
                done = subprocess.run(argv, capture_output=True, text=True)
            except OSError as error:
                complaints.append(f"{' '.join(argv)}: {error}")
                continue
            if done.returncode == 0:
                if done.stderr:
                    print(done.stderr, file=sys.stderr)
                partial.chmod(0o755)
                partial.rename(target)
                return
            complaints.append(f"{' '.join(argv)}\n{done.stderr}")
    partial.unlink(missing_ok=True)
    raise CompileError("\n".join(complaints) or "no C compiler: set CC, or install one (apt-get install gcc libc6-dev)")


class BuildNative(Command):
    """The sub-command of `build` that makes ringinit, in the build tree or (editable) in the source tree."""

    description = "compile native/ringinit.c"
    user_options: list[tuple[str, str, str]] = []  # noqa: RUF012  (setuptools looks for this attribute)

    def initialize_options(self) -> None:
        self.build_lib: str | None = None  # None: finalize_options takes it from `build`
        # `python setup.py build_native` is for the source tree; `build` says otherwise by setting build_lib.
        self.editable_mode = "build" not in sys.argv and "build_native" in sys.argv

    def finalize_options(self) -> None:
        self.set_undefined_options("build", ("build_lib", "build_lib"))

    def target(self) -> Path:
        return PACKAGED if self.editable_mode or not self.build_lib else Path(self.build_lib) / PACKAGED

    def run(self) -> None:
        target = self.target()
        target.parent.mkdir(parents=True, exist_ok=True)
        freeze(target.parent, self.frozen(), installation=not self.editable_mode)
        newest = max(path.stat().st_mtime_ns for path in (SOURCE, Path(__file__)))
        if not target.exists() or target.stat().st_mtime_ns < newest:
            compile_program(SOURCE, target)
        if self.editable_mode:  # pip compiles the bytecode of copied files only
            compileall.compile_dir("ringfence", quiet=1)

    def frozen(self) -> Path:
        return self.target().with_name(Path(PATH).name)

    def get_outputs(self) -> list[str]:
        return [str(self.target()), str(self.frozen())]

    def get_output_mapping(self) -> dict[str, str]:
        return {}

    def get_source_files(self) -> list[str]:
        return [str(SOURCE)]


class BuildCommands(build_scripts):
    """The commands, which know this Python and, if the package stays where it is, its place."""

    def initialize_options(self) -> None:
        super().initialize_options()
        self.editable_mode = False

    def run(self) -> None:
        Path(self.build_dir).mkdir(parents=True, exist_ok=True)
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        for name in COMMANDS:
            values = {"NAME": name, "VERSION": version, "PYTHON": sys.executable}
            if self.editable_mode:
                values["SOURCE"] = str(HERE)
            target = Path(self.build_dir, name)
            compile_program(COMMAND, target, *(f"-D{key}={json.dumps(value)}" for key, value in values.items()))


class BuildWithNative(build):
    sub_commands = [*build.sub_commands, ("build_native", None)]  # noqa: RUF012  (as setuptools declares it)


class BinaryDistribution(Distribution):
    """Ringinit is machine code, so the wheel must carry its platform's tag."""

    def has_ext_modules(self) -> bool:
        return True


setup(
    cmdclass={"build": BuildWithNative, "build_native": BuildNative, "build_scripts": BuildCommands},
    distclass=BinaryDistribution,
    scripts=[str(COMMAND)],
)
