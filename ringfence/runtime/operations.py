"""The operations of a plan: one table of code, name, arguments and words, shared with native/ringinit.c.

The position in the table is the operation's code there. Argument kinds: s string, b bytes, i integer, l list of
strings; the letter is followed by the argument's name. The text describes one operation to a person; `{name}` is an
argument, `{slot}` the label of the descriptor that the operation makes or uses.
"""

from __future__ import annotations

OPERATIONS: tuple[tuple[str, str, str], ...] = (
    ("NETWORK", "i:slot", "begin to make a network namespace with its loopback interface up"),
    ("CGROUP_CREATE", "s:path i:own", "create the control group {path}"),
    ("CGROUP_SET", "s:path b:value i:optional", "write {value} to {path}"),
    ("CGROUP_DEVICES", "s:path b:program", "attach the device program to {path}"),
    ("USERNS", "i:slot s:uids s:gids", "make a user namespace for mounts only, mapping {uids}"),
    ("BIND", "i:slot s:source i:recursive i:device", "clone the mount tree at {source}"),
    ("NODE", "i:slot s:path i:mode i:device i:uid i:gid", "make the device {path} on a file system of its own"),
    ("OVERLAY", "i:slot l:lowers s:upper s:work l:options", "make the overlay of {lowers}, writes go to {upper}"),
    ("OWN", "s:path i:uid i:gid i:optional", "give {path} to user {uid} and group {gid} of the host"),
    ("SETATTR", "i:slot i:set i:clear i:propagation i:userns i:recursive s:what", "set the mount attributes of {what}"),
    ("OPEN", "i:slot s:path i:namespace", "open {path}"),
    ("LISTEN", "i:slot s:path", "listen on {path}"),
    ("CLONE", "i:flags i:cgroup i:pid_namespace i:time_namespace s:offsets", "clone the container's first process"),
    ("MAPS", "s:uids s:gids i:deny_setgroups", "map user ids {uids} and group ids {gids}"),
    ("RECORD", "s:path", "record the process ids in {path}"),
    ("JOIN_CGROUP", "s:path", "join the control group of {path}"),
    ("JOIN", "i:slot i:type s:what", "join the namespace {what}"),
    ("UNSHARE", "i:flags", "make further namespaces"),
    ("FORK", "", "fork into the new pid namespace"),
    ("BECOME", "", "become root of the user namespace"),
    ("PROPAGATION", "s:path i:flags", "cut what is mounted at {path} off from the host"),
    ("STAGE", "", "mount a tmpfs that holds the kernel's file systems before there is a root filesystem"),
    ("AWAIT", "i:patience", "wait for the rest of the plan"),
    ("ROOT", "i:slot s:staging", "attach the root filesystem at {staging}"),
    ("MOVE", "s:path i:kernel", "move what is mounted at {path} into the root filesystem"),
    ("MOUNT", "s:type s:source s:target l:options i:attributes i:propagation i:flags", "mount {type} at {target}"),
    ("ATTACH", "i:slot i:rules s:target", "attach {slot} at {target}"),
    ("DETACH", "s:target", "detach the mount at {target}"),
    (
        "REMOUNT",
        "s:target i:set i:clear i:propagation i:recursive l:options",
        "change the attributes of the mount at {target}",
    ),
    ("DEVICE", "s:path i:mode i:major i:minor i:uid i:gid", "make the device {path} ({major}:{minor})"),
    ("LINK", "s:to s:path", "link {path} to {to}"),
    ("CONSOLE", "i:rows i:columns i:bind i:uid", "make a pseudo terminal on the container's devpts"),
    ("SYSCTL", "s:path b:value i:optional", "set the kernel parameter {path} to {value}"),
    ("HOSTNAME", "s:name", "set the host name {name}"),
    ("DOMAINNAME", "s:name", "set the domain name {name}"),
    ("WRITE", "s:path b:value i:optional", "write {value} to {path}"),
    ("SHOW", "s:path", "show the container's root at {path} as well"),
    ("HOOK", "s:kind s:before s:after s:path l:args l:env i:timeout s:directory", "run the {kind} hook {path}"),
    ("PIVOT", "i:by_chroot l:hide", "pivot into the root filesystem and detach the host's"),
    ("ROOTATTR", "i:set i:propagation", "set the attributes of /"),
    ("MASK", "s:path", "mask {path}"),
    ("READONLY", "s:path", "make {path} read-only"),
    ("KEYRING", "s:name", "join the session keyring {name}"),
    ("RLIMIT", "i:resource i:soft i:hard i:optional", "set resource limit {resource} to {soft}:{hard}"),
    (
        "SCHEDULER",
        "i:policy i:flags i:nice i:priority i:runtime i:deadline i:period",
        "set scheduling policy {policy}, nice {nice}",
    ),
    ("IOPRIORITY", "i:value", "set the I/O priority {value}"),
    ("MEMPOLICY", "i:mode b:nodes", "set the memory policy {mode}"),
    ("PERSONALITY", "i:domain", "set the execution domain {domain}"),
    ("AFFINITY", "b:mask", "set the processor affinity"),
    ("STDIO", "i:uid", "connect standard input, output and error"),
    ("CWD", "s:path i:create", "enter the working directory {path}"),
    ("UMASK", "i:mask", "set the file mode mask {mask}"),
    ("BOUNDING", "i:keep", "drop all but {keep} from the capability bounding set"),
    ("USER", "i:uid i:gid b:groups i:set_groups", "become user {uid}, group {gid}"),
    ("CAPABILITIES", "i:effective i:permitted i:inheritable i:ambient", "set the capabilities {effective}"),
    ("NONEWPRIVS", "", "forbid gaining privileges by execve"),
    ("SECCOMP", "i:flags b:filter i:late", "load the seccomp filter"),
    ("RESOLVE", "s:name l:env", "find the program {name}"),
    ("WAIT", "i:slot", "wait for start"),
    ("LOOPBACK", "", "bring the loopback interface up"),
    ("WRITE_TO", "i:slot b:value", "write {value} to {slot}"),
    ("NETDEVICES", "l:names", "have the network devices {names} moved into the container's network namespace"),
    ("CONNECT", "", "begin to connect the container with its networks"),
    ("CONNECTED", "", "wait until the container is connected with its networks"),
    (
        "MONITOR",
        "s:driver s:log i:max_size i:max_file s:attach_socket s:exit_file l:exit_command s:event_file s:event "
        "i:health l:health_command i:timeout s:oom_file s:oom_key",
        "prepare the monitor: log {log}, attach socket {attach_socket}",
    ),
    ("CLEANUP", "l:args l:env", "run, when it has ended: {args}"),
    ("COMMAND", "s:directory l:args l:env s:pid_file s:console b:input", "run {args}"),
    ("LEAVE", "", "end the process that did this in the container"),
    ("EXEC", "l:args l:env i:init", "execute {args}"),
)

CODES = {operation[0]: code for code, operation in enumerate(OPERATIONS)}


def of(name: str) -> tuple[int, list[tuple[str, str]], str]:
    """An operation's code, (kind, name) of each argument, and text; read from the table for the few that are asked."""
    code = CODES[name]
    _name, arguments, text = OPERATIONS[code]
    return code, [(argument[0], argument[2:]) for argument in arguments.split()], text
