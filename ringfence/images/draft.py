"""An image in the making: its image config, its layers and its history, and the one place where these grow together.

`commit` appends one layer to a container's image; `build` appends one after the other. Until `put` nothing is recorded,
so who stores layers for a draft holds a lease of the content store.
"""

from __future__ import annotations

from ringfence.images import make
from ringfence.images.make import Layer
from ringfence.oci.digest import Digest
from ringfence.oci.image_spec import LAYERS, Descriptor, oci_layer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from ringfence.images.image import Image
    from ringfence.images.store import ImageStore
    from ringfence.oci.platform import Platform

SEARCH_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# What describes the machine that the image is for; the rest of an image config is about how it was made.
_KEPT = ("architecture", "os", "variant", "os.version", "os.features")


class Draft:
    """`config` is that member of the image config. `chain_ids`, `layers`, `diff_ids` and `top` are an image's."""

    def __init__(
        self,
        machine: Mapping[str, Any],
        config: Mapping[str, Any] | None = None,
        layers: Iterable[Layer] = (),
        history: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        self.machine = dict(machine)
        self.config: dict[str, Any] = dict(config or {})
        self.history = [dict(step) for step in history]
        self.author = ""
        self.inherited = (0, 0)  # how many layers and steps of the history are of the image that it began as
        self.base = ("", "")  # the name and the manifest's digest of the image that it began as
        self.layers: list[Descriptor] = []
        self.diff_ids: list[str] = []
        self.chain_ids: list[str] = []
        for layer in layers:
            self._add(layer)

    @classmethod
    def of(cls, parent: Image) -> Draft:
        """A draft that begins as `parent`."""
        layers = map(Layer, map(_in_oci_words, parent.layers), parent.diff_ids)
        machine = {key: parent.config[key] for key in _KEPT if key in parent.config}
        draft = cls(machine, parent.config.get("config"), layers, _history(parent))
        draft.author = parent.config.get("author") or ""
        draft.inherited = (len(draft.layers), len(draft.history))
        name = next(iter(parent.names), "")
        draft.base = (name, parent.digest)
        return draft

    @classmethod
    def scratch(cls, platform: Platform) -> Draft:
        """A draft that begins with nothing, but for the PATH that docker and buildah give it, too."""
        return cls(platform.to_json(), {"Env": [SEARCH_PATH]})

    def copy(self) -> Draft:
        """One that goes on from here by itself."""
        layers = [Layer(layer, diff_id) for layer, diff_id in zip(self.layers, self.diff_ids, strict=True)]
        other = Draft(self.machine, self.config, layers, self.history)
        other.author, other.base, other.inherited = self.author, self.base, self.inherited
        return other

    def beginning(self) -> Draft:
        """As it was before anything was appended, but for its config."""
        other = self.copy()
        layers, steps = self.inherited
        for grown in (other.layers, other.diff_ids, other.chain_ids):
            del grown[layers:]
        del other.history[steps:]
        return other

    @property
    def top(self) -> str:
        """The chain ID of all layers: the snapshot that the next step stands on; "" without layers."""
        return self.chain_ids[-1] if self.chain_ids else ""

    def chain_id_with(self, layer: Layer) -> str:
        """The chain ID of all layers with this one on top (image-spec, config.md#layer-chainid)."""
        return str(Digest.of(f"{self.top} {layer.diff_id}".encode())) if self.chain_ids else str(layer.diff_id)

    def append(self, layer: Layer | None, step: Mapping[str, Any]) -> None:
        """Add a step of the history (created, created_by, author, comment), and the layer that it made, if any."""
        told = {key: value for key, value in step.items() if value}
        if layer is None:
            told["empty_layer"] = True
        else:
            self._add(layer)
        self.history.append(told)

    def document(self, created: str) -> dict[str, Any]:
        """The image config."""
        return {
            "created": created,
            **({"author": self.author} if self.author else {}),
            **self.machine,
            "config": self.config,
            "rootfs": {"type": "layers", "diff_ids": list(self.diff_ids)},
            "history": self.history,
        }

    def put(self, store: ImageStore, created: str, names: Sequence[str] = (),
            annotations: Mapping[str, str] | None = None) -> Image:  # fmt: skip
        """Store the image config and a manifest, and record the image. The caller holds a lease."""
        return make.put_image(store, self.document(created), self.layers, names, annotations)

    def _add(self, layer: Layer) -> None:
        self.chain_ids.append(self.chain_id_with(layer))
        self.layers.append(layer.descriptor)
        self.diff_ids.append(str(layer.diff_id))


def _history(parent: Image) -> list[dict[str, Any]]:
    """The parent's history with a step for every layer: some readers refuse an image whose history tells less."""
    steps = list(parent.config.get("history") or [])
    told = sum(not step.get("empty_layer") for step in steps)
    return steps + [{"comment": "not recorded"}] * (len(parent.layers) - told)


def _in_oci_words(layer: Descriptor) -> Descriptor:
    """The same blob under OCI's media type: a manifest has one kind."""
    return Descriptor(oci_layer(LAYERS[layer.media_type or oci_layer("")]), layer.digest, layer.size)
