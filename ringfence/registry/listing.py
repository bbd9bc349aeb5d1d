"""What a registry lists: tags of a repository, its repositories, and what a search finds in it."""

from __future__ import annotations

from urllib.parse import urlencode

from ringfence.errors import Denied, Failed, NotFound
from ringfence.oci.digest import printable
from ringfence.oci.shape import UINT32, array, boolean, filled, parse_json, record, require, string

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ringfence.registry.session import Session
    from ringfence.registry.transport import Url

HUB_INDEX = "index.docker.io"  # where docker.io is searched
_MOST_PAGES = 1000
_LARGEST_PAGE = 16 << 20  # bytes
_RESULTS = record(
    {"results": array(record({"name": filled, "description": string, "star_count": UINT32, "is_official": boolean},
                             required=("name",)))}
)  # fmt: skip


class Found:
    """A repository that a search has found, by the name that the registry has for it."""

    __slots__ = ("description", "name", "official", "stars")

    def __init__(self, name: str, description: str = "", stars: int = 0, *, official: bool = False) -> None:
        self.name = name
        self.description = description
        self.stars = stars
        self.official = official


def pages(session: Session, path: str, key: str, scopes: Sequence[str], subject: str) -> Iterator[str]:
    """The words of a list, in the registry's order; by pages, if it gives them so (distribution-spec, "Content
    Discovery")."""
    url: Url | None = None
    for _ in range(_MOST_PAGES):
        with session.request("GET", path, scopes=scopes, url=url) as response:
            data, link, here = response.read(_LARGEST_PAGE), response.header("Link"), response.url
        document = parse_json(data, subject)
        require(document, record({key: array(filled)}), subject)
        yield from document.get(key) or ()
        target = link.partition("<")[2].partition(">")[0]
        if not target or 'rel="next"' not in link.replace("rel=next", 'rel="next"'):
            return
        url = here.join(target)
    raise Failed(f"{subject}: the list has no end")


def search(session: Session, term: str, limit: int) -> list[Found]:
    """At most `limit` repositories whose name or description has the term: by the search that docker.io and others
    offer, or among all names. Denied if the registry does neither."""
    try:
        query = urlencode({"q": term, "n": limit})
        with session.request("GET", f"/v1/search?{query}") as response:
            data = response.read(_LARGEST_PAGE)
    except NotFound:
        return _by_name(session, term, limit)
    subject = f"{session.host}: search"
    document = parse_json(data, subject)
    require(document, _RESULTS, subject)
    return [
        Found(printable(each["name"]), printable(each.get("description") or ""), each.get("star_count") or 0,
              official=bool(each.get("is_official")))
        for each in (document.get("results") or ())[:limit]
    ]  # fmt: skip


def _by_name(session: Session, term: str, limit: int) -> list[Found]:
    subject, found = f"{session.host}: catalog", []
    try:
        for name in pages(session, "/v2/_catalog", "repositories", ["registry:catalog:*"], subject):
            if term in name:
                found.append(Found(printable(name)))
            if len(found) == limit:
                break
    except NotFound:
        raise Denied(f"{session.host}: can neither be searched nor lists its repositories") from None
    return found
