"""Images for several platforms in one build: a manifest list here, an index in a registry, as skopeo reads it."""

from __future__ import annotations

import json
from pathlib import Path

from ringfence.oci.platform import Platform
from tests import needs
from tests.build.conftest import Builder
from tests.images.conftest import run
from tests.registry.servers import Registry

DOCKERFILE = "FROM scratch\nARG TARGETARCH TARGETVARIANT\nCOPY app-$TARGETARCH$TARGETVARIANT /app\n"
FILES = {"app-amd64": "for amd64", "app-arm64": "for arm64", "app-armv7": "for arm"}
INSECURE = ["--src-tls-verify=false"]
PLATFORMS = ["linux/amd64", "linux/arm64", "linux/arm/v7"]


def platforms(index: dict[str, object]) -> list[str]:
    entries = index["manifests"]
    assert isinstance(entries, list)
    return [str(Platform(**{key: each["platform"].get(key, "") for key in ("os", "architecture", "variant")}))
            for each in entries]  # fmt: skip


def test_a_list_is_pushed_that_other_tools_read(builder: Builder, tmp_path: Path) -> None:
    needs.program("docker-registry", "skopeo")
    with Registry(tmp_path) as registry:
        name = f"{registry.host}/app:1"
        built = builder(DOCKERFILE, files=FILES, platform=",".join(PLATFORMS), tag=[name], push=True)
        assert f"pushed {name}: digest: {built.digest}\n" in builder.told
        index = json.loads(run("skopeo", "inspect", "--tls-verify=false", "--raw", f"docker://{name}"))
        run("skopeo", "copy", *INSECURE, "--override-arch", "arm64", f"docker://{name}", f"dir:{tmp_path}/arm64")
        config = json.loads(run("skopeo", "inspect", "--config", f"dir:{tmp_path}/arm64"))
    assert platforms(index) == PLATFORMS
    assert config["architecture"] == "arm64"
    assert len(set(built.ids)) == 3


def test_the_name_is_the_list_and_the_image_for_this_machine(builder: Builder) -> None:
    built = builder(DOCKERFILE, files=FILES, platform=["linux/arm64", str(Platform.host())], tag=["app:1"])
    assert platforms(builder.engine.manifest_inspect("app:1")) == ["linux/arm64", str(Platform.host())]
    assert builder.engine.inspect("app:1", type="image")["Id"] == built.ids[1]


def test_a_list_grows_from_build_to_build(builder: Builder) -> None:
    for platform in ("linux/arm64", "linux/amd64"):
        builder(DOCKERFILE, files=FILES, platform=platform, manifest="grown:1")
    assert platforms(builder.engine.manifest_inspect("grown:1")) == ["linux/arm64", "linux/amd64"]


def test_files_go_into_a_directory_for_each_platform(builder: Builder, tmp_path: Path) -> None:
    builder(DOCKERFILE, files=FILES, platform=",".join(PLATFORMS), tag=["files"], output=[f"{tmp_path}/out"])
    found = {str(path.relative_to(tmp_path / "out")): path.read_text() for path in (tmp_path / "out").glob("*/app")}
    assert found == {"linux_amd64/app": "for amd64", "linux_arm64/app": "for arm64", "linux_arm_v7/app": "for arm"}
