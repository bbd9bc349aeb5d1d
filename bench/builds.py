"""A Dockerfile of ten steps that is built again and nothing has changed: all of it comes from the cache."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench.candidates import EngineCommand
from bench.material import SMALL
from bench.measure import Candidate, Timing, take_turns

_DOCKERFILE = f"""FROM {SMALL}
LABEL org.opencontainers.image.title="ten steps"
ENV MODE=production LEVEL=2
WORKDIR /app
COPY source/1 source/2 ./
RUN ["/bin/true", "1"]
COPY source ./source
RUN ["/bin/true", "2"]
USER 1000
EXPOSE 8080
CMD ["/bin/true"]
"""


def warm_builds(directory: Path, engines: Sequence[EngineCommand], rounds: int) -> list[Timing]:
    """Each builds the same context, of 200 files; the turn that does not count fills the cache."""
    source = directory / "source"
    source.mkdir(parents=True)
    for number in range(200):
        (source / str(number)).write_text(f"{number}\n" * 100)
    (directory / "Dockerfile").write_text(_DOCKERFILE)
    candidates = [Candidate(f"{engine.name} build", partial(engine.build, directory)) for engine in engines]
    return take_turns(candidates, rounds)
