"""All verbs: which module each is, by the words people type. The modules are imported only when their verb is."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.verb import Verb

# The container verbs that are also verbs of their own; docker's older and podman's words among them.
CONTAINER = {
    word: word
    for word in (
        "attach", "commit", "cp", "create", "diff", "exec", "export", "kill", "logs", "pause", "port", "rename",
        "restart", "rm", "run", "start", "stats", "stop", "top", "unpause", "update", "wait",
    )
}  # fmt: skip
IMAGE = {
    "build": "build", "history": "history", "import": "import_", "load": "load", "pull": "pull", "push": "push",
    "save": "save", "tag": "tag", "untag": "untag",
}  # fmt: skip
SYSTEM = {"events": "events", "info": "info"}

ALONE = {
    **CONTAINER,
    **IMAGE,
    **SYSTEM,
    "explain": "explain",
    "images": "images",
    "inspect": "inspect",
    "login": "login",
    "logout": "logout",
    "ps": "ps",
    "rmi": "rmi",
    "search": "search",
    "version": "version",
}

GROUPS: dict[str, tuple[str, dict[str, str]]] = {
    "builder": ("Manage builds", {"build": "build", "prune": "builder_prune"}),
    "container": ("Manage containers", {
        **CONTAINER, "explain": "explain", "inspect": "container_inspect", "ls": "ps", "prune": "container_prune",
    }),
    "group": ("Manage groups of containers that share limits", {
        "create": "group_create", "inspect": "group_inspect", "ls": "group_ls", "rm": "group_rm",
        "stats": "group_stats", "update": "group_update",
    }),
    "image": ("Manage images", {
        **IMAGE, "exists": "image_exists", "inspect": "image_inspect", "ls": "images", "prune": "image_prune",
        "rm": "rmi", "search": "search", "tree": "image_tree",
    }),
    "manifest": ("Manage lists of images for several platforms", {
        "add": "manifest_add", "annotate": "manifest_annotate", "create": "manifest_create",
        "exists": "manifest_exists", "inspect": "manifest_inspect", "push": "manifest_push",
        "referrers": "manifest_referrers", "remove": "manifest_remove", "rm": "manifest_rm",
    }),
    "network": ("Manage networks", {
        "connect": "network_connect", "create": "network_create", "disconnect": "network_disconnect",
        "exists": "network_exists", "inspect": "network_inspect", "ls": "network_ls", "prune": "network_prune",
        "rm": "network_rm",
    }),
    "system": ("Manage Ringfence", {**SYSTEM, "check": "system_check", "df": "system_df", "prune": "system_prune"}),
    "volume": ("Manage volumes", {
        "create": "volume_create", "inspect": "volume_inspect", "ls": "volume_ls", "prune": "volume_prune",
        "rm": "volume_rm",
    }),
}  # fmt: skip

# Other words for the above, not listed in the help; the last two are for a container's monitor.
ALIASES = {
    ("container", "list"): "ps",
    ("container", "ps"): "ps",
    ("container", "remove"): "rm",
    ("group", "list"): "group_ls",
    ("group", "remove"): "group_rm",
    ("image", "list"): "images",
    ("image", "remove"): "rmi",
    ("network", "list"): "network_ls",
    ("network", "remove"): "network_rm",
    ("volume", "list"): "volume_ls",
    ("volume", "remove"): "volume_rm",
    ("container", "exited"): "container_exited",
    ("container", "health"): "container_health",
}


def load(module: str) -> Verb:
    """The verb of the module `ringfence.cli.<module>`."""
    # __import__ and not importlib, whose import costs 2 ms here
    verb: Verb = __import__(f"ringfence.cli.{module}", fromlist=["VERB"]).VERB
    return verb
