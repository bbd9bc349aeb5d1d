"""pull: an image from its registry, and the images that containers lack."""

from __future__ import annotations

from contextlib import nullcontext

from ringfence.content.partial import Stale
from ringfence.engine import events, registries
from ringfence.errors import InvalidInput, RingfenceError
from ringfence.images import pull as images
from ringfence.oci.platform import Platform
from ringfence.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ringfence.engine import Engine
    from ringfence.images.image import Image
    from ringfence.images.pull import Pulled, Tell

    Results = list[dict[str, Any]]


def pull(engine: Engine, text: str, *, platform: str | None, all_tags: bool, tell: Tell | None,
         access: Mapping[str, object]) -> Results:  # fmt: skip
    """See Engine.pull."""
    tell = tell or registries.silent
    wanted = Platform.parse(platform) if platform else None
    with registries.connect(engine, access, registries.as_status(tell)) as client:
        reference = client.resolve(text)
        if all_tags and (reference.digest or Reference.parse(text, "").tag):
            raise InvalidInput(f"tag can't be used with --all-tags: {text}")
        found = images.tags(client, reference) if all_tags else [reference.tag]
    results = []
    for tag in found:
        each = Reference(reference.registry, reference.repository, tag, reference.digest)
        pulled = _whole(engine, each, wanted, tell, access)
        tell({"status": f"Digest: {pulled.digest}"})
        results.append({"Name": pulled.reference.canonical, "Id": pulled.image.id, "Digest": pulled.digest,
                        "Fresh": pulled.fresh})  # fmt: skip
        events.emit(engine, "image", "pull", pulled.image.id, {"name": pulled.reference.familiar})
    fresh = any(result["Fresh"] for result in results)
    words = "Downloaded newer image for" if fresh else "Image is up to date for"
    tell({"status": f"Status: {words} {reference.familiar_name if all_tags else reference.familiar}"})
    return results


def _whole(engine: Engine, reference: Reference, platform: Platform | None, tell: Tell,
           access: Mapping[str, object]) -> Pulled:  # fmt: skip
    """Pull one image. If bytes that an earlier pull left are wrong, they have gone, and all is fetched anew once."""
    while True:
        try:
            with registries.connect(engine, access, registries.as_status(tell)) as client:
                return images.pull(engine.image_store, engine.snapshots, client, reference, platform=platform,
                                   tell=tell)  # fmt: skip
        except Stale as error:
            tell({"status": f"{error.what}: fetching it anew"})


def for_container(engine: Engine, name: str, platform: str, policy: str, here: Image | None) -> Image:
    """The image as the registry has it now; with the policy `newer` the one that is `here` if that fails."""
    try:
        reference = Reference.parse(name)
        with engine.pulling() if engine.pulling else nullcontext(registries.silent) as tell:
            if here is None:
                tell({"status": f"Unable to find image '{reference.familiar}' locally"})
            (result,) = pull(engine, name, platform=platform or None, all_tags=False, tell=tell, access={})
    except RingfenceError:
        if policy == "newer" and here is not None:
            return here
        raise
    return engine.image_store.get(result["Name"])
