"""Fixtures for builds: a private engine, and a builder of small contexts on the image `host`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ringfence.build import Built, build

if TYPE_CHECKING:
    from ringfence import Engine


class Builder:
    """Builds the files of `context` with a Dockerfile of this text; `told` is what the last build printed."""

    def __init__(self, engine: Engine, context: Path) -> None:
        self.engine = engine
        self.context = context
        self.told = ""

    def __call__(self, dockerfile: str, *, files: dict[str, str] | None = None, **options: Any) -> Built:
        (self.context / "Dockerfile").write_text(dockerfile)
        for name, content in (files or {}).items():
            path = self.context / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        told: list[bytes] = []
        try:
            return build(self.engine, str(self.context), write=told.append, **options)
        finally:
            self.told = b"".join(told).decode()

    def config(self, built: Built) -> dict[str, Any]:
        config: dict[str, Any] = self.engine.inspect(built.id, type="image")["Config"]
        return config

    def read(self, built: Built, path: str) -> str:
        """A file of the image."""
        return self.run(built, "cat", path)

    def run(self, built: Built, *command: str) -> str:
        done = self.engine.run(built.id, list(command), rm=True, network="none", entrypoint="")
        assert done.exit_code == 0, done.stderr
        return done.stdout.decode()


@pytest.fixture
def builder(engine: Engine, tmp_path: Path) -> Builder:
    context = tmp_path / "context"
    context.mkdir()
    return Builder(engine, context)


@pytest.fixture
def fails(builder: Builder) -> Callable[..., str]:
    """The one line that a build which must fail ends with."""

    def failing(dockerfile: str, **options: Any) -> str:
        from ringfence.errors import RingfenceError

        with pytest.raises(RingfenceError) as caught:
            builder(dockerfile, **options)
        return str(caught.value)

    return failing
