"""check: whether all that is stored is still what it was, and what can be done where it is not.

Every blob is read and compared with its digest; every image must have its blobs, every layer's tree what the layer's
archive says. A damaged tree is made anew, a damaged blob is removed with the images that need it: they have to be
pulled or loaded again. What no image and no lease needs goes, too.
"""

from __future__ import annotations

from ringfence.errors import Corrupt, NotFound, RingfenceError
from ringfence.images import prune
from ringfence.oci.digest import is_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from ringfence.images.image import Image
    from ringfence.images.store import ImageStore
    from ringfence.snapshots import Snapshotter


class Problem:
    """`kind`: database, blob, image, step (of the build cache) or layer; `name`: its digest or name; `repaired`: what
    was done about it, "" for nothing."""

    __slots__ = ("kind", "name", "repaired", "why")

    def __init__(self, kind: str, name: str, why: str) -> None:
        self.kind = kind
        self.name = name
        self.why = why
        self.repaired = ""

    def __repr__(self) -> str:
        return f"Problem({self.kind!r}, {self.name!r}, {self.why!r}, {self.repaired!r})"


class Check:
    """`problems` and `checked` (how many of each kind) of one store; `quick` compares no content."""

    def __init__(self, store: ImageStore, snapshotter: Snapshotter, *, quick: bool = False) -> None:
        self.problems: list[Problem] = []
        self.checked = {"blobs": 0, "images": 0, "layers": 0}
        self._store = store
        self._snapshotter = snapshotter
        self._quick = quick
        self._bad: set[str] = set()  # digests of blobs that are damaged or missing
        self._damaged: dict[str, tuple[Image, Problem]] = {}  # by chain ID: trees, and an image that has them
        with store.content.lease():
            self._database()
            self._blobs()
            self._images()
            self._steps()

    def _found(self, kind: str, name: str, why: str) -> Problem:
        problem = Problem(kind, name, why)
        self.problems.append(problem)
        return problem

    def _database(self) -> None:
        for why in self._store.integrity():
            self._found("database", "ringfence.db", why)

    def _blobs(self) -> None:
        content = self._store.content
        for digest in content.digests():
            self.checked["blobs"] += 1
            try:
                if not self._quick:
                    content.verify(digest)
            except NotFound:
                continue  # removed meanwhile
            except (RingfenceError, OSError) as error:
                self._bad.add(digest)
                self._found("blob", digest, _why(error))

    def _images(self) -> None:
        seen: set[str] = set()
        for image in self._store.list():
            self.checked["images"] += 1
            broken = self._broken(image)
            if broken:
                self._found("image", name(image), broken)
                continue
            for number, chain_id in enumerate(image.chain_ids):
                if chain_id not in seen and self._snapshotter.exists(chain_id):
                    seen.add(chain_id)
                    self._layer(image, number)

    def _broken(self, image: Image) -> str:
        """Why an image is not whole, or ""."""
        try:
            needed = [image.digest, image.id, *(str(layer.digest) for layer in image.layers)]
            sizes = {str(layer.digest): layer.size for layer in image.layers}
            image.config["rootfs"]["diff_ids"]
        except (RingfenceError, KeyError, TypeError, ValueError) as error:
            return _why(error)
        for digest in needed:
            if digest in self._bad:
                return f"its blob {digest} is damaged"
            if not self._store.content.exists(digest):
                return f"its blob {digest} is missing"
            if digest in sizes and self._store.content.size(digest) != sizes[digest]:
                return f"its blob {digest} has another size than the manifest says"
        return ""

    def _layer(self, image: Image, number: int) -> None:
        from ringfence.layers.compression import Decompressor
        from ringfence.layers.verify import differences

        self.checked["layers"] += 1
        chain_id = image.chain_ids[number]
        with self._store.content.open(image.layers[number].digest) as file:
            found = differences(Decompressor(file), self._snapshotter.layer_path(chain_id), content=not self._quick)
        if found:
            self._damaged[chain_id] = image, self._found("layer", chain_id, "; ".join(found))

    def _steps(self) -> None:
        for step in self._store.steps.all():
            digest = step["Layer"].get("digest", "")
            if digest and (digest in self._bad or not self._store.content.exists(digest)):
                self._found("step", step["Key"], f"its layer {digest} is damaged or missing")

    # Repairing

    def repair(self, images_in_use: Collection[str], layers_in_use: Callable[[str], list[str]]) -> int:
        """Do what can be done; returns the bytes of disk space won. `images_in_use` are the IDs of images that
        containers have, `layers_in_use` names the running containers that stand on a layer."""
        for problem in self.problems:
            if problem.kind == "step":
                self._store.steps.remove(problem.name)
                problem.repaired = "forgotten"
            elif problem.kind == "image":
                self._remove_image(problem, images_in_use)
        kept = self._needed()
        with self._store.content.collecting():  # nobody adds anything: what is bad now is bad
            for problem in self.problems:
                if problem.kind == "blob" and problem.name not in kept:
                    self._store.content.delete(problem.name)
                    self._store.forget_layers([problem.name])
                    problem.repaired = "removed"
        for chain_id, (image, problem) in self._damaged.items():
            running = layers_in_use(chain_id)
            if running:
                problem.why += f" (stop first: {', '.join(running)})"
                continue
            self._renew(image, image.chain_ids.index(chain_id))
            problem.repaired = "unpacked again"
        try:
            return prune.collect(self._store, self._snapshotter)
        except (Corrupt, NotFound):
            return 0  # an image that is in use is not whole: what others need cannot be told

    def _remove_image(self, problem: Problem, in_use: Collection[str]) -> None:
        for image in self._store.list():
            if name(image) == problem.name and self._broken(image):
                if image.id in in_use:
                    problem.why += " (containers have it)"
                    return
                self._store.remove_image(image)
        problem.repaired = "removed: pull or load it again"

    def _needed(self) -> set[str]:
        """The blobs of images that stay although they are not whole: to be told of again."""
        needed = set()
        for image in self._store.list():
            try:
                needed |= {image.digest, image.id, *(str(layer.digest) for layer in image.layers)}
            except (RingfenceError, KeyError, TypeError, ValueError):
                needed |= {image.digest, image.id}
        return needed

    def _renew(self, image: Image, number: int) -> None:
        from ringfence.images.unpack import renew

        with self._store.content.lease():
            renew(image, number, self._store.content, self._snapshotter)


def name(image: Image) -> str:
    """How an image is called when there is something to say of it."""
    from ringfence.oci.reference import Reference

    return Reference.parse(image.names[0]).familiar if image.names else image.id


def _why(error: BaseException) -> str:
    text = error.what if isinstance(error, RingfenceError) else f"{type(error).__name__}: {error}"
    first, _, rest = text.partition(": ")
    return rest if is_digest(first) else text  # which the reader is told anyway
