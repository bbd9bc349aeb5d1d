/* ringinit: the native helper of Ringfence. It executes plans and monitors containers; it holds no policy.
 *
 * Roles, in the order of this file:
 *   executor  runs the operations of a Plan (ringfence/runtime/operations.py) in two processes: the `runtime` actor in
 *             the host's namespaces, and the `container` actor that it clones. The list is executed strictly in order;
 *             where the actor changes, the turn is passed over a socket pair. Operation n failing is reported as n, errno
 *             and what was being done, and everything the plan made is undone. A plan may end with AWAIT: then it is the
 *             first part of another, which comes later (ringfence/runtime/sandbox.py).
 *   init      pid 1 of a container that was asked for one (--init): reaps, and forwards signals.
 *   monitor   what the runtime actor becomes once the container runs: stdio, terminal, log, attach socket, exit record.
 *   holder    keeps an ordinary user's user namespace for as long as somebody may want to enter it (rootless.py).
 *   forwarder relays what comes to a container's published ports where nftables does not translate (forwarder.py).
 *
 * Why C: between clone and exec no interpreter may run inside the container (CVE-2019-5736), and one of these
 * processes stays for every container, so that it must be small. It needs nothing but a libc; new system calls are
 * made by number, which from 424 on is the same on every architecture (include/uapi/asm-generic/unistd.h).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- the kernel's interface, where a libc may be older than the kernel -------------------------------------- */

enum { NR_open_tree = 428, NR_move_mount, NR_fsopen, NR_fsconfig, NR_fsmount, NR_fspick, NR_pidfd_open, NR_clone3,
       NR_close_range, NR_openat2, NR_mount_setattr = 442 };
enum { FSCONFIG_FLAG = 0, FSCONFIG_STRING = 1, FSCONFIG_CREATE = 6, FSCONFIG_RECONFIGURE = 7 };
enum { ATTR_RDONLY = 1, ATTR_NOSUID = 2, ATTR_NODEV = 4, ATTR_NOEXEC = 8, ATTR_ATIME = 0x70, ATTR_IDMAP = 0x100000 };
enum { MOVE_F_EMPTY = 4, MOVE_T_EMPTY = 0x40, FSMOUNT_CLOEXEC_ = 1, FSOPEN_CLOEXEC_ = 1 };
enum { RESOLVE_NO_MAGIC = 2, RESOLVE_NO_LINKS = 4, RESOLVE_ROOT = 0x10 };
#define TREE_CLONE 1u
#define TREE_CLOEXEC ((unsigned)O_CLOEXEC)
#define RECURSIVE 0x8000u            /* AT_RECURSIVE */
#define EMPTY_PATH 0x1000u           /* AT_EMPTY_PATH */
#define INTO_CGROUP 0x200000000ull   /* CLONE_INTO_CGROUP */
#define NEWTIME 0x80                 /* CLONE_NEWTIME */
#define NEWCGROUP 0x02000000         /* CLONE_NEWCGROUP */
#define PROC_MAGIC 0x9fa0
#define DEVPTS_MAGIC 0x1cd1
#ifndef TIOCGPTPEER
#define TIOCGPTPEER 0x5441
#endif
#ifndef PR_CAP_AMBIENT
#define PR_CAP_AMBIENT 47
#endif

struct how { uint64_t flags, mode, resolve; };
struct attr { uint64_t set, clear, propagation, userns; };
struct clone_args_ { uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
                     set_tid_size, cgroup; };
struct caps_header { uint32_t version; int pid; };
struct caps_data { uint32_t effective, permitted, inheritable; };
struct sock_filter_ { uint16_t code; uint8_t jt, jf; uint32_t k; };
struct sock_fprog_ { unsigned short len; struct sock_filter_ *filter; };

static int sys_openat2(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
    struct how how = { flags | O_CLOEXEC, mode, resolve };
    int fd;
    do fd = (int)syscall(NR_openat2, dir, path, &how, sizeof how); while (fd < 0 && (errno == EAGAIN || errno == EINTR));
    return fd;
}
static int sys_move(int from, int to) {
    return (int)syscall(NR_move_mount, from, "", to, "", MOVE_F_EMPTY | MOVE_T_EMPTY);
}
static int sys_setattr(int fd, unsigned flags, struct attr *attr) {
    return (int)syscall(NR_mount_setattr, fd, "", EMPTY_PATH | flags, attr, sizeof *attr);
}
static int sys_clone_tree(int fd, const char *path, unsigned flags) {
    return (int)syscall(NR_open_tree, fd, path, TREE_CLONE | TREE_CLOEXEC | flags);
}

/* ---- the plan ------------------------------------------------------------------------------------------------ */

/* The order is the operation's code; tests/runtime/test_operations.py holds it equal to operations.py. */
enum operation {
    NETWORK, CGROUP_CREATE, CGROUP_SET, CGROUP_DEVICES, USERNS, BIND, NODE, OVERLAY, OWN, SETATTR, OPEN, LISTEN, CLONE, MAPS, RECORD,
    JOIN_CGROUP, JOIN, UNSHARE, FORK, BECOME, PROPAGATION, STAGE, AWAIT, ROOT, MOVE, MOUNT, ATTACH, DETACH, REMOUNT, DEVICE, LINK,
    CONSOLE, SYSCTL, HOSTNAME, DOMAINNAME, WRITE, SHOW, HOOK, PIVOT, ROOTATTR, MASK, READONLY, KEYRING, RLIMIT, SCHEDULER, IOPRIORITY, MEMPOLICY,
    PERSONALITY, AFFINITY, STDIO, CWD, UMASK, BOUNDING, USER, CAPABILITIES, NONEWPRIVS, SECCOMP, RESOLVE, WAIT, LOOPBACK,
    WRITE_TO, NETDEVICES, CONNECT, CONNECTED, MONITOR, CLEANUP, COMMAND, LEAVE, EXEC, OPERATIONS
};
enum actor { RUNTIME, CONTAINER };
enum stdio { STDIO_INHERIT, STDIO_PIPES, STDIO_TERMINAL };
enum parent { PARENT_MONITOR, PARENT_REAPER, PARENT_CALLER }; /* whose child the process is in the end */

struct header { char magic[4]; uint32_t count; int32_t fault, fault_errno; uint32_t preserve, stdio, stdin_open, parent; };
struct op { uint16_t code, actor; uint32_t size; };

enum { FILES = 16 };
static const char *plan, *cursor;
static struct header head;
static int self = RUNTIME, current = -1, turn_fd = -1, report_fd = -1, control_fd = -1;
static int *slot;                     /* as many as operations: each slot is filled by one */
static uint32_t slots;
static char *shared;                  /* of each slot: whether the container actor has it, too */
static int root_fd = -1, stage_fd = -1, pty = -1, pipes[3] = { -1, -1, -1 }, inner[3] = { -1, -1, -1 };
static pid_t child = -1;
static int child_pidfd = -1;
static const char **made_cgroups, *made_files[FILES], **cleanup_args, **cleanup_env;
static int made_cgroup_count, made_file_count;
static char program[PATH_MAX];
static const char *home;              /* NULL: the environment has its own */
static mode_t original_umask;

static int64_t number(void) { int64_t v; memcpy(&v, cursor, 8); cursor += 8; return v; }
static uint32_t length(void) { uint32_t v; memcpy(&v, cursor, 4); cursor += 4; return v; }
static const char *blob(uint32_t *size) { *size = length(); const char *s = cursor; cursor += *size + 1; return s; }
static const char *string(void) { uint32_t n; return blob(&n); }
/* A list of strings as a NULL-terminated vector that lives as long as the process. */
static const char **strings(uint32_t *count) {
    uint32_t n = length();
    const char **v = malloc((n + 1) * sizeof *v);
    if (!v) _exit(70);
    for (uint32_t i = 0; i < n; i++) v[i] = string();
    v[n] = NULL;
    if (count) *count = n;
    return v;
}

/* How many bytes the well-formed UTF-8 character at `text` has; 0 if there is none (RFC 3629, section 4). */
static size_t utf8_character(const unsigned char *text, size_t n) {
    unsigned char first = text[0];
    size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    if (length > n) return 0;
    for (size_t i = 1; i < length; i++) if ((text[i] & 0xc0) != 0x80) return 0;
    if (length > 2) {
        unsigned char second = text[1];
        if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f)) return 0; /* too long; surrogates */
        if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) return 0; /* too long; too large */
    }
    return length;
}

/* The inside of a JSON string. A byte that is not UTF-8 becomes the lone surrogate U+DC80..U+DCFF by which Python
 * restores it ("surrogateescape"), so that nothing is lost. At most six bytes for one; stops where `out` would end. */
static int json_escape(char *out, size_t size, const char *text, size_t n) {
    size_t o = 0;
    for (size_t i = 0; i < n && o + 8 < size;) {
        unsigned char c = (unsigned char)text[i];
        size_t character = utf8_character((const unsigned char *)text + i, n - i);
        const char *plain = c == '"' || c == '\\' ? text + i : c == '\n' ? "n" : c == '\r' ? "r" : c == '\t' ? "t" : NULL;
        if (plain) out[o++] = '\\', out[o++] = *plain;
        else if (!character) o += (size_t)snprintf(out + o, size - o, "\\udc%02x", c);
        else if (c < 0x20) o += (size_t)snprintf(out + o, size - o, "\\u%04x", c);
        else memcpy(out + o, text + i, character), o += character;
        i += character ? character : 1;
    }
    return (int)o;
}

/* The plan in a memory file. If there is one already, the new one begins with the same operations. */
static int load(int fd) {
    struct stat st;
    if (fstat(fd, &st) || st.st_size < (off_t)sizeof head) return -1;
    const char *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (bytes == MAP_FAILED || memcmp(bytes, "RFP", 3) || bytes[3] != OPERATIONS) return -1; /* not of our version */
    memcpy(&head, plan = bytes, sizeof head);
    int *grown = realloc(slot, head.count * sizeof *slot);
    char *marks = realloc(shared, head.count);
    const char **cgroups = realloc(made_cgroups, head.count * sizeof *made_cgroups);
    if (!grown || !marks || !cgroups) return -1;
    slot = grown, shared = marks, made_cgroups = cgroups;
    for (; slots < head.count; slots++) slot[slots] = -1, shared[slots] = 0;
    return 0;
}

/* ---- failing: one report, and nothing left -------------------------------------------------------------------- */

static void send_error(int fd, char type, int n, int error, const char *what) {
    char text[900], message[1024];
    int used = json_escape(text, sizeof text - 1, what, strlen(what));
    text[used] = 0;
    int len = snprintf(message, sizeof message, "%c{\"operation\":%d,\"errno\":%d,\"message\":\"%s\"}", type, n, error, text);
    (void)!send(fd, message, (size_t)len, MSG_NOSIGNAL);
}

static int write_all(const char *path, const char *data, size_t size) {
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return -1;
    ssize_t n = write(fd, data, size);
    int saved = errno;
    close(fd);
    errno = saved;
    return n == (ssize_t)size ? 0 : -1;
}

static void remove_cgroups(void) {
    for (int round = 0; round < 20 && made_cgroup_count; round++) {
        int left = 0;
        for (int i = made_cgroup_count - 1; i >= 0; i--)
            if (rmdir(made_cgroups[i]) && errno == EBUSY) left = 1;
        if (!left) break;
        usleep(500u << (round < 8 ? round : 8)); /* the kernel lets go of an exited task's cgroup a moment later */
    }
}

static void clean_up(void);

/* Until the container actor has ended; its status, or 0 where it is our caller's child, and his to wait for. */
static int await_end_of_child(void) {
    int status = 0;
    struct pollfd ended = { child_pidfd, POLLIN, 0 };
    if (head.parent == PARENT_CALLER) while (poll(&ended, 1, -1) < 0 && errno == EINTR) {}
    else while (waitpid(child, &status, __WALL) < 0 && errno == EINTR) {}
    return status;
}

/* The runtime actor's way out: kill what was cloned and remove what was made; the report goes last, when nothing is left. */
static void undo(void) {
    if (child > 0) {
        kill(child, SIGKILL);
        await_end_of_child();
    }
    clean_up();
    while (made_file_count) unlink(made_files[--made_file_count]);
}

static void fail_as(int error, const char *format, ...) {
    char what[800];
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    if (self == CONTAINER) {
        send_error(report_fd, 'E', current, error, what);
        _exit(1);
    }
    undo();
    send_error(control_fd, '!', current, error, what);
    _exit(1);
}
#define fail(...) fail_as(errno, __VA_ARGS__)

/* ---- paths below the container's root -------------------------------------------------------------------------- */

static int below(const char *path, uint64_t flags, uint64_t resolve) {
    return sys_openat2(root_fd, path, flags, 0, RESOLVE_ROOT | RESOLVE_NO_MAGIC | resolve);
}

/* Creates `path` below the root, each missing part, following links inside the root as the kernel would; every step
 * starts at the root descriptor again, so that a swapped directory leads nowhere else (CVE-2021-30465, 2024-45310).
 * `file`: the last part is an empty file of that mode, 0: a directory. Returns an O_PATH descriptor or -1. */
static int create_below(const char *path, mode_t file) {
    char done[PATH_MAX] = "", rest[PATH_MAX], link[PATH_MAX], joined[PATH_MAX];
    int links = 0;
    if (strlen(path) >= sizeof rest) { errno = ENAMETOOLONG; return -1; }
    strcpy(rest, path);
    for (;;) {
        char *part = rest;
        while (*part == '/') part++;
        if (!*part) break;
        char *end = strchrnul(part, '/');
        const char *after = *end ? end + 1 : end;
        while (*after == '/') after++;
        int last = !*after;
        *end = 0;
        if (!strcmp(part, ".")) { memmove(rest, after, strlen(after) + 1); continue; }
        if (!strcmp(part, "..")) {
            char *up = strrchr(done, '/');
            if (up) *up = 0; else done[0] = 0;
            memmove(rest, after, strlen(after) + 1);
            continue;
        }
        int parent = below(*done ? done : ".", O_PATH | O_DIRECTORY, RESOLVE_NO_LINKS);
        if (parent < 0) return -1;
        struct stat st;
        if (fstatat(parent, part, &st, AT_SYMLINK_NOFOLLOW)) {
            int made = errno != ENOENT ? -1 : last && file
                ? openat(parent, part, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, file) : mkdirat(parent, part, 0755);
            if (made > 0) close(made);
            if (made < 0 && errno != EEXIST) { close(parent); return -1; }
            if (made < 0 && fstatat(parent, part, &st, AT_SYMLINK_NOFOLLOW)) { close(parent); return -1; }
            if (made >= 0) st.st_mode = last && file ? S_IFREG : S_IFDIR;
        }
        if (S_ISLNK(st.st_mode)) {
            ssize_t n = readlinkat(parent, part, link, sizeof link - 1);
            close(parent);
            if (n < 0) return -1;
            link[n] = 0;
            if (++links > 40) { errno = ELOOP; return -1; }
            if ((size_t)snprintf(joined, sizeof joined, "%s/%s", link, after) >= sizeof joined) { errno = ENAMETOOLONG; return -1; }
            strcpy(rest, joined);
            if (link[0] == '/') done[0] = 0;
            continue;
        }
        close(parent);
        if (strlen(done) + strlen(part) + 2 > sizeof done) { errno = ENAMETOOLONG; return -1; }
        if (*done) strcat(done, "/");
        strcat(done, part);
        memmove(rest, after, strlen(after) + 1);
    }
    return below(*done ? done : ".", O_PATH, RESOLVE_NO_LINKS);
}

/* The place to attach a mount at: found, or made as a directory or a file like the source. */
static int target_made; /* whether the last one was not there before */
static int target(const char *path, int file, uint64_t resolve) {
    int fd = -1;
    /* who exchanges directories of a shared volume meanwhile wins an attempt, but no start is refused for it */
    for (int attempt = 0; fd < 0 && attempt < 200; attempt++) {
        fd = below(path, O_PATH, resolve);
        target_made = fd < 0 && errno == ENOENT;
        if (target_made) fd = create_below(path, file ? 0644 : 0);
        if (target_made && fd >= 0 && resolve) close(fd), fd = below(path, O_PATH, resolve); /* a link meanwhile? */
        if (fd < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP && errno != EEXIST && errno != EINVAL) break;
    }
    if (fd < 0) fail("find or create the mount point %s in the container's root", path);
    return fd;
}

static int is_procfs(int fd, const char *path) {
    struct statfs fs;
    if (fstatfs(fd, &fs)) fail("statfs of %s", path);
    return (unsigned long)fs.f_type == PROC_MAGIC;
}

/* Nothing but a procfs may cover /proc, and only listed files below it may be covered (CVE-2019-16884). */
static void refuse_proc(int at, int mount, const char *path) {
    struct stat here, there;
    int proc = below("/proc", O_PATH, 0);
    int covers = proc >= 0 && !fstat(at, &here) && !fstat(proc, &there) && here.st_ino == there.st_ino && here.st_dev == there.st_dev;
    if (proc >= 0) close(proc);
    if (covers && mount >= 0 && is_procfs(mount, path)) return;
    if (covers) fail_as(EPERM, "mount point %s is /proc, which only a procfs may cover", path);
    if (is_procfs(at, path)) fail_as(EPERM, "mount point %s lies inside a procfs", path);
}

/* Whether `name` in `dir`, or with an empty one `dir` itself, is the root of a mount (statx(2), Linux 5.8); -1: errno. */
static int is_mount(int dir, const char *name) {
    struct { uint32_t mask, block; uint64_t attributes, rest[30]; } st; /* struct statx: musl before 1.2.5 has none */
    if (syscall(SYS_statx, dir, name, AT_SYMLINK_NOFOLLOW | (*name ? 0u : EMPTY_PATH), 1 /* STATX_TYPE */, &st)) return -1;
    return !!(st.attributes & 0x2000 /* STATX_ATTR_MOUNT_ROOT */);
}

static int roots_covered;

/* A mount at "/" is the root from here on: by a descriptor of what it covers, nobody would see it. */
static void becomes_root(int mount, const char *path) {
    if (path[strspn(path, "/")]) return;
    roots_covered++;
    if ((root_fd = fcntl(mount, F_DUPFD_CLOEXEC, 3)) < 0) fail("mount at %s", path);
}

/* What the rules of an ATTACH are made of. EXACT is for a running container, whose processes may exchange what leads to
 * the target meanwhile: it is attached at this path or nowhere, and covers nothing that is mounted. */
enum { IN_PROC = 1, EXACT = 2 };

static void attach(int mount, const char *path, int rules) {
    struct stat st, there;
    if (fstat(mount, &st)) fail("stat the mount for %s", path);
    int at = target(path, !S_ISDIR(st.st_mode), rules & EXACT ? RESOLVE_NO_LINKS : 0);
    if (!(rules & IN_PROC)) refuse_proc(at, mount, path);
    if (rules & EXACT) {
        if (fstat(at, &there)) fail("stat %s", path);
        if (is_mount(at, "") > 0) fail_as(EBUSY, "mount point %s", path);
        if (!S_ISDIR(st.st_mode) != !S_ISDIR(there.st_mode))
            fail_as(0, "mount point %s is %s, and what is to be mounted is %s", path, S_ISDIR(there.st_mode) ? "a directory" : "a file",
                    S_ISDIR(st.st_mode) ? "a directory" : "a file");
    }
    if (sys_move(mount, at)) fail("attach at %s", path);
    close(at);
    becomes_root(mount, path);
}

/* The mount at exactly this path, with what is mounted below it; never what a link leads to. Its name is looked up from its
 * parent directory: no procfs of the container's is trusted, and a mount point can neither be renamed nor exchanged. */
static void op_detach(void) {
    const char *path = string(), *name = strrchr(path, '/') + 1;
    char parent[PATH_MAX];
    if ((size_t)snprintf(parent, sizeof parent, ".%.*s", (int)(name - path), path) >= sizeof parent) fail_as(ENAMETOOLONG, "%s", path);
    int at = below(parent, O_PATH | O_DIRECTORY, RESOLVE_NO_LINKS);
    if (at < 0 || fchdir(at)) fail("mount point %s", path);
    int found = is_mount(AT_FDCWD, name);
    if (found < 0) fail("mount point %s", path);
    if (!found) fail_as(EINVAL, "nothing is mounted at %s", path);
    if (umount2(name, MNT_DETACH | UMOUNT_NOFOLLOW)) fail("detach %s", path);
    close(at);
}

/* ---- operations: mounts ------------------------------------------------------------------------------------------ */

static void set_attributes(int fd, int64_t set, int64_t clear, int64_t propagation, int userns, int recursive, const char *what) {
    struct attr attr = { (uint64_t)set, (uint64_t)clear, (uint64_t)propagation, userns >= 0 ? (uint64_t)userns : 0 };
    if (set & ATTR_ATIME) attr.clear |= ATTR_ATIME;
    if (userns >= 0) attr.set |= ATTR_IDMAP;
    if (!attr.set && !attr.clear && !attr.propagation) return;
    if (sys_setattr(fd, recursive ? RECURSIVE : 0, &attr)) fail("set attributes of %s", what);
}

static void configure(int fs, const char *type, const char **options, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        char key[64];
        const char *equals = strchr(options[i], '=');
        size_t n = equals ? (size_t)(equals - options[i]) : strlen(options[i]);
        if (n >= sizeof key) fail_as(EINVAL, "option %s of %s", options[i], type);
        memcpy(key, options[i], n);
        key[n] = 0;
        if (syscall(NR_fsconfig, fs, equals ? FSCONFIG_STRING : FSCONFIG_FLAG, key, equals ? equals + 1 : NULL, 0)) {
            char log[256] = "";
            ssize_t got = read(fs, log, sizeof log - 1); /* fscontext's own words: fsopen(2) */
            int saved = errno;
            log[got > 0 ? got : 0] = 0;
            fail_as(got > 0 ? EINVAL : saved, "option %s of %s %s", options[i], type, log);
        }
    }
}

/* New options for the file system mounted at `path`. */
static void reconfigure(int at, const char *path) {
    uint32_t count;
    const char **options = strings(&count);
    if (!count) return;
    int fs = (int)syscall(NR_fspick, at, "", 1 /* FSPICK_CLOEXEC */ | 8 /* FSPICK_EMPTY_PATH */);
    if (fs < 0) fail("remount %s", path);
    configure(fs, path, options, count);
    if (syscall(NR_fsconfig, fs, FSCONFIG_RECONFIGURE, NULL, NULL, 0)) fail("remount %s", path);
    close(fs);
}

static int file_system(const char *type, const char *source, const char **options, uint32_t count, int64_t attributes) {
    int fs = (int)syscall(NR_fsopen, type, FSOPEN_CLOEXEC_);
    if (fs < 0) fail("fsopen %s", type);
    if (*source && syscall(NR_fsconfig, fs, FSCONFIG_STRING, "source", source, 0)) fail("source %s of %s", source, type);
    configure(fs, type, options, count);
    if (syscall(NR_fsconfig, fs, FSCONFIG_CREATE, NULL, NULL, 0)) {
        int saved = errno;
        char log[256] = "";
        ssize_t got = read(fs, log, sizeof log - 1);
        log[got > 0 ? got : 0] = 0;
        fail_as(saved, "create the %s filesystem %s", type, log);
    }
    int fd = (int)syscall(NR_fsmount, fs, FSMOUNT_CLOEXEC_, attributes);
    if (fd < 0) fail("fsmount %s", type);
    close(fs);
    return fd;
}

static size_t append(char *out, size_t size, size_t used, const char *before, const char *text) {
    int n = snprintf(out + used, size - used, "%s%s", before, text);
    if (n < 0 || (size_t)n >= size - used) fail_as(ENAMETOOLONG, "directories of the overlay");
    return used + (size_t)n;
}

/* The options of mount(2) for an overlay. */
static void overlay_options(char *out, size_t size, const char **lower, const char *upper, const char *work, const char **more) {
    size_t used = append(out, size, 0, "", "lowerdir=");
    for (int i = 0; lower[i]; i++) used = append(out, size, used, i ? ":" : "", lower[i]);
    if (*upper) used = append(out, size, used, ",upperdir=", upper);
    if (*work) used = append(out, size, used, ",workdir=", work);
    for (int i = 0; more[i]; i++) used = append(out, size, used, ",", more[i]);
}

/* A layer in the overlay's own mount namespace, whose /proc is an empty tmpfs: "@N" is the idmapped clone of slot N,
 * which is attached (before Linux 6.15 a mount that is attached nowhere is no layer); a path too long for a page
 * with all others is bound at a short one. */
static const char *stage_layer(const char *path, int number, int too_long) {
    if (path[0] != '@' && !too_long) return path;
    char *out = malloc(24);
    if (!out) fail("memory");
    snprintf(out, 24, "/proc/%d", number);
    if (mkdir(out, 0700)) fail("a place for the layer %s", path);
    if (path[0] == '@' ? syscall(NR_move_mount, slot[atoi(path + 1)], "", AT_FDCWD, out, MOVE_F_EMPTY) : mount(path, out, NULL, MS_BIND, NULL))
        fail("lowerdir %s of the overlay", path);
    return out;
}

/* Enter a mount namespace that nobody else sees; a descriptor of the one before, to return to. */
static int hide_mounts(const char *what) {
    int before = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    if (before < 0 || unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) fail("a mount namespace for %s", what);
    return before;
}

/* By mount(2), whose data may fill a page, in a mount namespace that nobody else sees: kernels before 6.7 take the layers
 * as one string only, and fsconfig(2) only strings below 256 bytes. What is kept is a clone attached nowhere. */
static int overlay_by_mount(const char **lower, size_t length, const char *upper, const char *work, const char **more) {
    char data[4096];
    int host = hide_mounts("the overlay"), too_long = length > sizeof data / 2;
    if (mount("tmpfs", "/proc", "tmpfs", 0, "mode=0700") || mkdir("/proc/overlay", 0700)) fail("a place for the overlay");
    for (int i = 0; lower[i]; i++) lower[i] = stage_layer(lower[i], i, too_long);
    overlay_options(data, sizeof data, lower, upper, work, more);
    if (mount("overlay", "/proc/overlay", "overlay", 0, data)) fail("mount the overlay %s", data);
    int fd = sys_clone_tree(AT_FDCWD, "/proc/overlay", 0);
    if (fd < 0 || setns(host, CLONE_NEWNS)) fail("take the overlay along");
    close(host);
    return fd;
}

/* By fsopen(2), which makes no mount namespace: -1 where this kernel's overlay will not have it so. */
static int overlay_by_fsopen(const char **lower, const char *upper, const char *work, const char **options, uint32_t count) {
    char together[256], key[64]; /* 256: what fsconfig(2) takes */
    int fs = (int)syscall(NR_fsopen, "overlay", FSOPEN_CLOEXEC_), fd = -1;
    if (fs < 0) fail("fsopen overlay");
    size_t used = 0;
    for (int i = 0; lower[i] && used < sizeof together; i++)
        used += (size_t)snprintf(together + used, sizeof together - used, "%s%s", i ? ":" : "", lower[i]);
    int one_by_one = used >= sizeof together; /* before 6.5 unknown keys such as lowerdir+ are gathered, and refused at the end */
    if (!one_by_one && syscall(NR_fsconfig, fs, FSCONFIG_STRING, "lowerdir", together, 0)) goto refused;
    for (int i = 0; one_by_one && lower[i]; i++)
        if (syscall(NR_fsconfig, fs, FSCONFIG_STRING, "lowerdir+", lower[i], 0)) goto refused;
    if (*upper && syscall(NR_fsconfig, fs, FSCONFIG_STRING, "upperdir", upper, 0)) goto refused;
    if (*work && syscall(NR_fsconfig, fs, FSCONFIG_STRING, "workdir", work, 0)) goto refused;
    for (uint32_t i = 0; i < count; i++) {
        const char *equals = strchr(options[i], '=');
        snprintf(key, sizeof key, "%.*s", equals ? (int)(equals - options[i]) : 63, options[i]);
        if (syscall(NR_fsconfig, fs, equals ? FSCONFIG_STRING : FSCONFIG_FLAG, key, equals ? equals + 1 : NULL, 0)) goto refused;
    }
    if (syscall(NR_fsconfig, fs, FSCONFIG_CREATE, NULL, NULL, 0)) goto refused;
    if ((fd = (int)syscall(NR_fsmount, fs, FSMOUNT_CLOEXEC_, 0)) < 0) fail("fsmount overlay");
refused:
    if (fd < 0 && errno != EINVAL) fail("create the overlay of %s", lower[0] ? lower[0] : upper);
    close(fs);
    return fd;
}

static void op_overlay(void) {
    int64_t index = number();
    uint32_t count;
    const char **lower = strings(NULL), *upper = string(), *work = string(), **options = strings(&count);
    size_t together = 0;
    int fd = -1, attached = 1;
    for (int i = 0; lower[i]; i++) together += strlen(lower[i]) + 1, attached = attached && lower[i][0] != '@';
    /* an attempt that fails for a layer attached nowhere would leave the mark of a volatile one, and no second succeeds */
    if (attached) fd = overlay_by_fsopen(lower, upper, work, options, count);
    slot[index] = fd < 0 ? overlay_by_mount(lower, together, upper, work, options) : fd;
}

/* A mount can be cloned only in the mount namespace it is in: for /proc/PID/root/... that process's, entered for it. */
static int clone_elsewhere(const char *path, int recursive) {
    char namespace[64];
    int pid, at = 0;
    if (sscanf(path, "/proc/%d/root%n", &pid, &at) != 1 || !at || path[at] != '/') { errno = EINVAL; return -1; }
    snprintf(namespace, sizeof namespace, "/proc/%d/ns/mnt", pid);
    int own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC), other = open(namespace, O_RDONLY | O_CLOEXEC);
    if (own < 0 || other < 0 || setns(other, CLONE_NEWNS)) fail("enter %s", namespace);
    int fd = sys_clone_tree(AT_FDCWD, path + at, recursive ? RECURSIVE : 0), saved = errno;
    if (setns(own, CLONE_NEWNS)) fail("return to the own mount namespace");
    close(own), close(other);
    errno = saved;
    return fd;
}

static void op_bind(void) {
    int64_t index = number();
    const char *path = string();
    int64_t recursive = number(), device = number();
    int fd = sys_clone_tree(AT_FDCWD, path, recursive ? RECURSIVE : 0);
    if (fd < 0 && errno == EINVAL) fd = clone_elsewhere(path, (int)recursive);
    if (fd < 0) fail("bind source %s", path);
    struct stat st;
    if (device >= 0 && (fstat(fd, &st) || !(S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) || st.st_rdev != (dev_t)device))
        fail_as(ENODEV, "%s is not the device it should be", path);
    slot[index] = fd;
}

/* A device for a user namespace, in which nobody may make one: bound from a file system that holds nothing else. */
static void op_node(void) {
    int64_t index = number();
    const char *path = string();
    int64_t mode = number(), device = number(), uid = number(), gid = number();
    static const char *options[] = { "mode=0700" };
    int fs = file_system("tmpfs", "tmpfs", options, 1, ATTR_NOSUID | ATTR_NOEXEC);
    if (mknodat(fs, "device", (mode_t)mode, (dev_t)device) || fchmodat(fs, "device", (mode_t)mode & 07777, 0)) fail("mknod %s", path);
    if (fchownat(fs, "device", (uid_t)uid, (gid_t)gid, 0)) fail("chown %s", path);
    int fd = sys_clone_tree(fs, "device", 0);
    if (fd < 0 && errno == EINVAL) { /* before Linux 6.15 a mount can be cloned only where it is attached */
        int host = hide_mounts("a device"), at = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (at < 0 || sys_move(fs, at)) fail("a place for the device %s", path);
        fd = sys_clone_tree(fs, "device", 0);
        if (fd >= 0 && setns(host, CLONE_NEWNS)) fail("take the device %s along", path);
        close(host), close(at);
    }
    if (fd < 0) fail("bind the device %s", path);
    close(fs);
    slot[index] = fd;
}

static void op_setattr(void) {
    int64_t index = number(), set = number(), clear = number(), propagation = number(), userns = number(), recursive = number();
    set_attributes(slot[index], set, clear, propagation, userns >= 0 ? slot[userns] : -1, (int)recursive, string());
}

/* tmpcopyup: what the image has at the mount point is copied into the new tmpfs, one level of metadata included. */
static void copy_tree(int from, int to, int depth) {
    if (depth > 64) fail_as(ELOOP, "copy up");
    int scan = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = scan < 0 ? NULL : fdopendir(scan);
    if (!dir) fail("copy up: list");
    for (struct dirent *e; (e = readdir(dir));) {
        struct stat st;
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        if (fstatat(from, e->d_name, &st, AT_SYMLINK_NOFOLLOW)) fail("copy up %s", e->d_name);
        if (S_ISLNK(st.st_mode)) {
            char link[PATH_MAX];
            ssize_t n = readlinkat(from, e->d_name, link, sizeof link - 1);
            if (n < 0) fail("copy up %s", e->d_name);
            link[n] = 0;
            if (symlinkat(link, to, e->d_name)) fail("copy up %s", e->d_name);
        } else if (S_ISDIR(st.st_mode)) {
            int a = openat(from, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (a < 0 || mkdirat(to, e->d_name, 0700)) fail("copy up %s", e->d_name);
            int b = openat(to, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (b < 0) fail("copy up %s", e->d_name);
            copy_tree(a, b, depth + 1);
            close(a), close(b);
        } else if (S_ISREG(st.st_mode)) {
            int a = openat(from, e->d_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
            int b = openat(to, e->d_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
            char block[8192];
            ssize_t n = 0;
            if (a < 0 || b < 0) fail("copy up %s", e->d_name);
            while ((n = read(a, block, sizeof block)) > 0)
                if (write(b, block, (size_t)n) != n) fail("copy up %s", e->d_name);
            if (n < 0) fail("copy up %s", e->d_name);
            close(a), close(b);
        } else if (mknodat(to, e->d_name, st.st_mode, st.st_rdev)) fail("copy up %s", e->d_name);
        if (fchownat(to, e->d_name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW)) fail("copy up %s", e->d_name);
        if (!S_ISLNK(st.st_mode) && fchmodat(to, e->d_name, st.st_mode & 07777, 0)) fail("copy up %s", e->d_name);
    }
    closedir(dir);
}

/* mount(2), for what fsconfig(2) cannot say: flags of the superblock without a word, values of 256 bytes and more. */
static int mount_at(int at, const char *type, const char *source, const char *path, const char **options, unsigned long flags) {
    char data[4096] = "", place[64];
    for (size_t used = 0; *options; options++) used = append(data, sizeof data, used, used ? "," : "", *options);
    snprintf(place, sizeof place, "/proc/self/fd/%d", at);
    if (mount(source, place, type, flags, data)) fail("mount %s at %s", type, path);
    int fd = below(path, O_PATH, 0);
    if (fd < 0) fail("open the %s at %s", type, path);
    return fd;
}

static void op_mount(void) {
    const char *type = string(), *source = string(), *path = string();
    uint32_t count;
    const char **options = strings(&count);
    int64_t attributes = number(), propagation = number(), flags = number();
    enum { COPY_UP = 1, KEEP_MODE = 2, BY_MOUNT = 4, IVERSION = 8 };
    int proc = !strcmp(type, "proc") || !strcmp(type, "sysfs");
    int at = target(path, 0, proc ? RESOLVE_NO_LINKS : 0);
    if (target_made) flags &= ~(int64_t)KEEP_MODE; /* of a directory that somebody chose */
    if (!proc) refuse_proc(at, -1, path);
    struct stat st;
    if (fstat(at, &st)) fail("stat %s", path);
    if (proc && !S_ISDIR(st.st_mode)) fail_as(ENOTDIR, "%s must be an ordinary directory", path);
    int from = flags & COPY_UP ? below(path, O_RDONLY | O_DIRECTORY, 0) : -1;
    int fd = flags & BY_MOUNT ? mount_at(at, type, source, path, options, flags & IVERSION ? MS_I_VERSION : 0)
                              : file_system(type, source, options, count, flags ? attributes & ~(int64_t)ATTR_RDONLY : attributes);
    if (flags & (COPY_UP | KEEP_MODE)) {
        int to = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (to < 0 || (flags & KEEP_MODE && (fchown(to, st.st_uid, st.st_gid) || fchmod(to, st.st_mode & 07777)))) fail("keep the mode of %s", path);
        if (flags & COPY_UP && from < 0) fail("copy up %s", path);
        if (flags & COPY_UP) copy_tree(from, to, 0), close(from);
        close(to);
    }
    if (!(flags & BY_MOUNT) && sys_move(fd, at)) fail("attach %s at %s", type, path);
    if (flags) set_attributes(fd, flags & BY_MOUNT ? attributes : attributes & ATTR_RDONLY, 0, 0, -1, 0, path);
    if (propagation) set_attributes(fd, 0, 0, propagation & ~(int64_t)MS_REC, -1, !!(propagation & MS_REC), path);
    becomes_root(fd, path);
    close(at), close(fd);
}

/* What the kernel's file systems are mounted in before there is a root filesystem. */
static void op_stage(void) {
    static const char *options[] = { "mode=0755" };
    int at = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    root_fd = stage_fd = file_system("tmpfs", "tmpfs", options, 1, 0);
    if (at < 0 || sys_move(root_fd, at)) fail("attach a place for mounts");
    close(at);
}

/* From there to the root filesystem, with all that is mounted below it. */
static void op_move(void) {
    const char *path = string();
    int64_t kernel = number(); /* a procfs or sysfs: no link leads to where it goes */
    struct stat st;
    int from = sys_openat2(stage_fd, path, O_PATH, 0, RESOLVE_ROOT | RESOLVE_NO_LINKS);
    if (from < 0) fail("mount at %s", path);
    int at = target(path, 0, kernel ? RESOLVE_NO_LINKS : 0);
    if (!kernel) refuse_proc(at, -1, path);
    if (fstat(at, &st) || !S_ISDIR(st.st_mode)) fail_as(ENOTDIR, "%s must be an ordinary directory", path);
    if (sys_move(from, at)) fail("attach at %s", path);
    close(from), close(at);
}

static void op_root(void) {
    int64_t index = number();
    const char *staging = string();
    int at = open(staging, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (at < 0) fail("staging directory %s", staging);
    root_fd = slot[index];
    struct stat st;
    if (fstat(root_fd, &st) || !S_ISDIR(st.st_mode)) fail_as(ENOTDIR, "root filesystem");
    if (sys_move(root_fd, at)) fail("attach the root filesystem at %s", staging);
    close(at);
}

/* Without pivot_root (an initramfs has none): the new root covers the old one already. The host's procfs and sysfs
 * below it must go, or the container could mount unmasked ones of its own (runc's docs/libcontainer, msMoveRoot). */
static void change_root(const char **hide) {
    for (; *hide; hide++)
        if (umount2(*hide, MNT_DETACH) && mount("tmpfs", *hide, "tmpfs", MS_RDONLY, "nr_inodes=1")) fail("hide %s", *hide);
    if (fchdir(root_fd) || chroot(".") || chdir("/")) fail("change the root");
}

static void op_pivot(void) {
    int64_t by_chroot = number();
    const char **hide = strings(NULL);
    if (by_chroot) { change_root(hide); return; }
    if (fchdir(root_fd)) fail("enter the new root");
    if (syscall(SYS_pivot_root, ".", ".")) fail("pivot_root");
    /* The old root now covers the new one, and umount2 alone looks for what covers "." (pivot_root(2), NOTES). All of it
     * is a slave since PROPAGATION, so that its going does not reach the host. */
    for (int covering = roots_covered + (stage_fd >= 0); covering; covering--) /* the stage and roots lie on the old root */
        if (umount2(".", MNT_DETACH)) fail("detach what covers the old root");
    if (umount2(".", MNT_DETACH)) fail("detach the old root");
    if (chdir("/")) fail("chdir /");
}

static void op_mask(void) {
    static int empty = -1;
    const char *path = string();
    int at = below(path, O_PATH, 0);
    if (at < 0 && (errno == ENOENT || errno == ENOTDIR)) return; /* runtime-spec: missing masked paths are ignored */
    struct stat st;
    if (at < 0 || fstat(at, &st)) fail("masked path %s", path);
    int mask;
    if (S_ISDIR(st.st_mode)) {
        static const char *options[] = { "nr_inodes=1", "size=0", "mode=0555" };
        mask = empty < 0 ? file_system("tmpfs", "tmpfs", options, 3, ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC)
                         : sys_clone_tree(empty, "", EMPTY_PATH);
        if (mask < 0) fail("mask the directory %s", path);
    } else {
        struct stat null;
        int fd = below("/dev/null", O_PATH, RESOLVE_NO_LINKS); /* CVE-2025-31133: it must be the real one */
        if (fd < 0 || fstat(fd, &null)) fail("/dev/null in the container");
        if (!S_ISCHR(null.st_mode) || null.st_rdev != makedev(1, 3)) fail_as(ENODEV, "/dev/null in the container is not the null device");
        mask = sys_clone_tree(fd, "", EMPTY_PATH);
        if (mask < 0) fail("mask %s", path);
        close(fd);
    }
    if (sys_move(mask, at)) fail("mask %s", path);
    if (S_ISDIR(st.st_mode) && empty < 0) empty = mask; else close(mask);
    close(at);
}

static void op_readonly(void) {
    const char *path = string();
    int at = below(path, O_PATH, 0);
    if (at < 0 && (errno == ENOENT || errno == ENOTDIR)) return;
    if (at < 0) fail("read-only path %s", path);
    int fd = sys_clone_tree(at, "", EMPTY_PATH | RECURSIVE);
    if (fd < 0) fail("read-only path %s", path);
    set_attributes(fd, ATTR_RDONLY, 0, 0, -1, 1, path);
    if (sys_move(fd, at)) fail("read-only path %s", path);
    close(fd), close(at);
}

/* ---- operations: devices, console, files --------------------------------------------------------------------------- */

/* For createContainer hooks: the root with its mounts where the spec has it, until the host's tree goes. Paths still begin
 * below what ROOT has covered "/" with. Root of a user namespace may not reach it, and then has no hook that could. */
static void op_show(void) {
    const char *path = string();
    int at = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (at < 0 && errno == EACCES) return;
    int fd = at < 0 ? -1 : sys_clone_tree(root_fd, "", EMPTY_PATH | RECURSIVE);
    if (fd < 0 || sys_move(fd, at)) fail("show the container's root at %s", path);
    close(fd), close(at);
}

static int parent_of(const char *path, char *name) {
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (strlen(path) >= sizeof dir || !slash || !slash[1] || strlen(slash + 1) > NAME_MAX) { errno = EINVAL; return -1; }
    snprintf(dir, sizeof dir, "%.*s", (int)(slash - path), path);
    strcpy(name, slash + 1);
    int fd = below(*dir ? dir : ".", O_PATH | O_DIRECTORY, 0);
    if (fd >= 0 || errno != ENOENT) return fd;
    int made = create_below(dir, 0);
    if (made < 0) return -1;
    close(made);
    return below(dir, O_PATH | O_DIRECTORY, 0);
}

static void op_device(void) {
    const char *path = string();
    int64_t mode = number(), major_ = number(), minor_ = number(), uid = number(), gid = number();
    char name[NAME_MAX + 1];
    int dir = parent_of(path, name);
    if (dir < 0) fail("directory of the device %s", path);
    dev_t dev = makedev((unsigned)major_, (unsigned)minor_);
    struct stat st;
    if (mknodat(dir, name, (mode_t)mode, dev)) {
        if (errno != EEXIST) fail("mknod %s", path);
        if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW)) fail("stat %s", path);
        if ((st.st_mode & S_IFMT) != ((mode_t)mode & S_IFMT) || (!S_ISFIFO(st.st_mode) && st.st_rdev != dev))
            fail_as(EEXIST, "%s exists and is another file", path);
    }
    int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    char self_path[64];
    snprintf(self_path, sizeof self_path, "/proc/self/fd/%d", fd); /* the host's procfs: the root is not pivoted yet */
    if (fd < 0 || fstat(fd, &st) || (st.st_mode & S_IFMT) != ((mode_t)mode & S_IFMT)) fail_as(EEXIST, "%s was exchanged", path);
    if (chmod(self_path, (mode_t)mode & 07777)) fail("chmod %s", path);
    if (fchownat(fd, "", (uid_t)uid, (gid_t)gid, AT_EMPTY_PATH)) fail("chown %s", path);
    close(fd), close(dir);
}

static void op_link(void) {
    const char *to = string(), *path = string();
    char name[NAME_MAX + 1];
    int dir = parent_of(path, name);
    if (dir < 0) fail("directory of %s", path);
    if (symlinkat(to, dir, name) && errno != EEXIST) fail("link %s to %s", path, to);
    close(dir);
}

static int send_with_descriptor(int socket, const char *data, size_t size, int fd) {
    char control[CMSG_SPACE(sizeof(int))];
    memset(control, 0, sizeof control);
    struct iovec io = { (char *)(uintptr_t)data, size };
    struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    return sendmsg(socket, &m, MSG_NOSIGNAL) == (ssize_t)size;
}

static int try_to_send_descriptor(int socket, char type, int fd) { return send_with_descriptor(socket, &type, 1, fd); }

static void send_descriptor(int socket, char type, int fd) {
    if (!try_to_send_descriptor(socket, type, fd)) fail("pass a descriptor");
}

/* A pseudo terminal from the container's own devpts; its peer comes by ioctl and not by a path (CVE-2025-52565). */
static void op_console(void) {
    int64_t rows = number(), columns = number(), bind = number(), uid = number();
    int ptmx = below("/dev/pts/ptmx", O_RDWR | O_NOCTTY, RESOLVE_NO_LINKS);
    struct statfs fs;
    struct stat st;
    if (ptmx < 0 || fstatfs(ptmx, &fs) || fstat(ptmx, &st)) fail("open /dev/pts/ptmx in the container");
    if ((unsigned long)fs.f_type != DEVPTS_MAGIC || st.st_rdev != makedev(5, 2)) fail_as(ENODEV, "/dev/pts/ptmx in the container is not a devpts");
    int zero = 0;
    if (ioctl(ptmx, TIOCSPTLCK, &zero)) fail("unlock the terminal");
    int peer = ioctl(ptmx, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (peer < 0) fail("open the terminal's peer");
    struct winsize size = { (unsigned short)rows, (unsigned short)columns, 0, 0 };
    if (rows && columns && ioctl(peer, TIOCSWINSZ, &size)) fail("size of the terminal");
    if (fchown(peer, (uid_t)uid, (gid_t)-1)) fail("owner of the terminal");
    if (bind) {
        int at = below("/dev/console", O_PATH, RESOLVE_NO_LINKS);
        if (at < 0 && errno == ENOENT) at = create_below("/dev/console", 0600);
        if (at < 0) fail("/dev/console in the container");
        int fd = sys_clone_tree(peer, "", EMPTY_PATH);
        if (fd < 0 || sys_move(fd, at)) fail("bind the terminal to /dev/console");
        close(fd), close(at);
    }
    send_descriptor(report_fd, 'M', ptmx);
    close(ptmx);
    inner[0] = inner[1] = inner[2] = peer;
}

static void op_write(void) {
    const char *path = string();
    uint32_t size;
    const char *data = blob(&size);
    int64_t optional = number();
    if (write_all(path, data, size) && !(optional && (errno == EACCES || errno == EPERM || errno == EINVAL || errno == ENOENT)))
        fail("write %s", path);
}

/* ---- operations: processes, namespaces, hooks ----------------------------------------------------------------------- */

static int receive_descriptor(int socket, char *data, size_t size, int *fd) {
    char control[CMSG_SPACE(sizeof(int))];
    struct iovec io = { data, size };
    struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
    ssize_t n;
    /* An end that closes with messages unread tells the other of it before the messages that it has sent itself. */
    do n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC); while (n < 0 && (errno == EINTR || errno == ECONNRESET));
    struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    if (c && c->cmsg_type == SCM_RIGHTS && fd) memcpy(fd, CMSG_DATA(c), sizeof *fd);
    return (int)n;
}

/* The runtime actor waits until the turn is its own ('T'), or the container actor waits for start ('W'), executes ('X'). */
static char await_container(void) {
    char message[1100];
    static char last;
    static int executing;
    for (;;) {
        int fd = -1, n = receive_descriptor(turn_fd, message, sizeof message - 1, &fd);
        if (n <= 0) {
            if (last == 'X') return 'X';
            int status = await_end_of_child();
            child = -1;
            if (WIFSIGNALED(status)) fail_as(EINTR, "the container's set-up was killed by signal %d", WTERMSIG(status));
            fail_as(ECHILD, "the container's set-up ended early");
        }
        message[n] = 0;
        last = message[0];
        if (last == 'M') { pty = fd; continue; }
        if (last == 'L') { /* the seccomp listener: of the process that our caller knows by this pid */
            char told[40];
            int size = snprintf(told, sizeof told, "L%d %s", (int)child, message + 1);
            (void)!send(control_fd, told, (size_t)size, MSG_NOSIGNAL);
            last = executing ? 'X' : 0;
            continue;
        }
        if (last == 'F') {
            child = atoi(message + 1);
            close(child_pidfd);
            child_pidfd = (int)syscall(NR_pidfd_open, child, 0);
            continue;
        }
        if (last == 'E') {
            message[0] = '!';
            undo();
            (void)!send(control_fd, message, (size_t)n, MSG_NOSIGNAL);
            _exit(1);
        }
        if (last == 'X') { executing = 1; continue; } /* then comes the end of the socket: execve closed it */
        return last;
    }
}

/* Descriptors that the runtime actor has opened since the clone, each with the number of its slot. */
static void share_slots(void) {
    char message[16];
    for (uint32_t i = 0; i < head.count; i++) {
        if (slot[i] < 0 || shared[i]) continue;
        int n = snprintf(message, sizeof message, "S%u", i);
        shared[i] = 1;
        (void)!send_with_descriptor(turn_fd, message, (size_t)n + 1, slot[i]); /* a container actor that has gone has told why */
    }
}

static void await_runtime(void) {
    char message[16];
    for (int fd; ; slot[atoi(message + 1)] = fd) {
        fd = -1;
        if (receive_descriptor(report_fd, message, sizeof message, &fd) <= 0 || (message[0] != 'T' && message[0] != 'S')) _exit(1);
        if (message[0] == 'T') break;
    }
    child = atoi(message + 1);
}

/* The rest of the plan: from our caller, with a descriptor of the whole, which the container actor gets in the same way.
 * A caller that has gone, or whose time is over, needs nothing of what was made. */
static void op_await(void) {
    char message[16];
    int from = self == RUNTIME ? control_fd : report_fd, limit = self == RUNTIME ? (int)number() : -1, fd = -1, ready;
    struct pollfd p = { from, POLLIN, 0 };
    do ready = poll(&p, 1, limit); while (ready < 0 && errno == EINTR);
    if (ready <= 0 || receive_descriptor(from, message, sizeof message, &fd) <= 0 || fd < 0 || load(fd)) {
        if (self == RUNTIME) undo();
        _exit(1);
    }
    if (self == RUNTIME) (void)try_to_send_descriptor(turn_fd, 'R', fd);
    close(fd);
}

/* A new network namespace costs the kernel more than anything else of a start, so a short-lived process that shares our
 * memory and descriptors makes it, with lo up, while the runtime actor goes on with the cgroups and the overlay, and the
 * container actor with its mounts: it is sent to that one with its first turn. */
static struct { pid_t pid; int64_t slot; int error, operation; } network = { -1, -1, 0, 0 };

static int make_network(void *unused) {
    (void)unused;
    /* nothing here may fail without a report: errno belongs to the actor whose memory this is */
    struct { char name[16]; short flags; char rest[22]; } request = { "lo", 0x1 | 0x40 /* IFF_UP | IFF_RUNNING */, "" };
    if (unshare(CLONE_NEWNET)) { network.error = errno; return 1; }
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ioctl(fd, 0x8914 /* SIOCSIFFLAGS */, &request)) { network.error = errno; return 1; }
    close(fd);
    slot[network.slot] = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (slot[network.slot] < 0) { network.error = errno; return 1; }
    return 0;
}

/* Some kernels place a new process where its parent runs, to let the other processors sleep: it would then wait for us
 * as we shall for it. Where it cannot be moved, it does wait. */
static void run_elsewhere(pid_t pid) {
    unsigned char mask[128] = "";
    unsigned here = 0;
    long size = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
    if (size <= 0 || syscall(SYS_getcpu, &here, NULL, NULL) || here >= (unsigned)size * 8) return;
    mask[here / 8] &= (unsigned char)~(1u << here % 8);
    (void)!syscall(SYS_sched_setaffinity, pid, (size_t)size, mask); /* refused if there is no other */
}

static void op_network(void) {
    static char stack[16384] __attribute__((aligned(16)));
    network.slot = number();
    network.operation = current;
    network.pid = clone(make_network, stack + sizeof stack, CLONE_VM | CLONE_FILES | SIGCHLD, NULL);
    if (network.pid < 0) fail("clone of the network namespace's maker");
    run_elsewhere(network.pid);
}

static void await_network(void) {
    int status = 0;
    while (waitpid(network.pid, &status, 0) < 0 && errno == EINTR) {}
    network.pid = -1;
    if (network.error || status) current = network.operation;
    if (network.error) fail_as(network.error, "make a network namespace with lo up");
    if (status) fail_as(EINTR, "the network namespace's maker was killed");
}

/* setns(2) into a time namespace is refused (EUSERS) while somebody shares our memory: its end is left to be awaited. */
static void settle_network(void) {
    siginfo_t info;
    while (network.pid >= 0 && waitid(P_PID, (id_t)network.pid, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR) {}
}

static void pass_turn(void) {
    char message[16];
    int n = snprintf(message, sizeof message, "T%d", (int)child);
    if (self == RUNTIME) share_slots();
    if (send(self == RUNTIME ? turn_fd : report_fd, message, (size_t)n + 1, MSG_NOSIGNAL) < 0) {
        if (self == CONTAINER) _exit(1);
        /* the container actor has gone: its last message says why */
    }
    if (self == CONTAINER || network.pid < 0) return;
    await_network();
    (void)try_to_send_descriptor(turn_fd, 'N', slot[network.slot]);
    close(slot[network.slot]), slot[network.slot] = -1;
}

/* With STDIO_PIPES: the process's ends in `inner`, the monitor's in `pipes`. */
static void open_pipes(void) {
    for (int i = 0; i < 3 && head.stdio == STDIO_PIPES; i++) {
        int ends[2];
        if (i == 0 && !head.stdin_open) {
            if ((inner[0] = open("/dev/null", O_RDONLY | O_CLOEXEC)) < 0) fail("/dev/null");
            continue;
        }
        if (pipe2(ends, O_CLOEXEC)) fail("pipe");
        pipes[i] = i ? ends[0] : ends[1], inner[i] = i ? ends[1] : ends[0];
    }
}

static void close_inner(void) {
    for (int i = 0; i < 3; i++) if (inner[i] >= 0) close(inner[i]), inner[i] = -1;
}

static void op_clone(void) {
    int64_t flags = number(), cgroup = number(), pid_ns = number(), time_ns = number();
    const char *offsets = string();
    int pair[2], own_pid = -1, own_time = -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) fail("socketpair");
    open_pipes();
    if (pid_ns >= 0 && ((own_pid = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC)) < 0 || setns(slot[pid_ns], CLONE_NEWPID))) fail("join the pid namespace");
    if (time_ns >= 0 || flags & NEWTIME) {
        settle_network();
        if ((own_time = open("/proc/self/ns/time", O_RDONLY | O_CLOEXEC)) < 0) fail("/proc/self/ns/time");
        if (time_ns >= 0 ? setns(slot[time_ns], NEWTIME) : unshare(NEWTIME)) fail("time namespace");
        if (*offsets && write_all("/proc/self/timens_offsets", offsets, strlen(offsets))) fail("time offsets");
    }
    struct clone_args_ args = { .flags = (uint64_t)flags & ~(uint64_t)(NEWTIME | NEWCGROUP), .exit_signal = SIGCHLD };
    int pidfd = -1;
    args.flags |= 0x1000; /* CLONE_PIDFD */
    if (head.parent == PARENT_CALLER) args.flags |= CLONE_PARENT, args.exit_signal = 0; /* it is our own, SIGCHLD */
    args.pidfd = (uint64_t)(uintptr_t)&pidfd;
    if (cgroup >= 0) args.flags |= INTO_CGROUP, args.cgroup = (uint64_t)slot[cgroup];
    pid_t pid = (pid_t)syscall(NR_clone3, &args, sizeof args);
    if (pid < 0) fail("clone3");
    if (pid == 0) {
        self = CONTAINER, report_fd = pair[1];
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(pair[0]), close(control_fd), control_fd = -1;
        for (int i = 0; i < 3; i++) if (pipes[i] >= 0) close(pipes[i]);
        return;
    }
    child = pid, child_pidfd = pidfd, turn_fd = pair[0];
    for (uint32_t i = 0; i < head.count; i++) shared[i] = slot[i] >= 0;
    close(pair[1]);
    close_inner();
    if (own_pid >= 0 && setns(own_pid, CLONE_NEWPID)) fail("return to the own pid namespace");
    if (own_time >= 0 && setns(own_time, NEWTIME)) fail("return to the own time namespace");
    if (own_pid >= 0) close(own_pid);
    if (own_time >= 0) close(own_time);
}

static void op_fork(void) {
    struct clone_args_ args = { .flags = CLONE_PARENT };
    pid_t pid = (pid_t)syscall(NR_clone3, &args, sizeof args);
    if (pid < 0) fail("clone3 into the new pid namespace");
    if (pid == 0) { prctl(PR_SET_PDEATHSIG, SIGKILL); return; }
    char message[16];
    int n = snprintf(message, sizeof message, "F%d", (int)pid);
    send(report_fd, message, (size_t)n + 1, MSG_NOSIGNAL);
    _exit(0);
}

static void write_map(pid_t pid, const char *file, const char *map) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    if (write_all(path, map, strlen(map))) fail("write %s", file);
}

static void op_maps(void) {
    const char *uids = string(), *gids = string();
    int64_t deny_setgroups = number();
    if (deny_setgroups) write_map(child, "setgroups", "deny");
    write_map(child, "uid_map", uids);
    write_map(child, "gid_map", gids);
}

/* A user namespace that exists only as the id mapping of mounts (mount_setattr(2), MOUNT_ATTR_IDMAP). */
static void op_userns(void) {
    int64_t index = number();
    const char *uids = string(), *gids = string();
    int gate[2];
    if (pipe2(gate, O_CLOEXEC)) fail("pipe");
    struct clone_args_ args = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
    pid_t pid = (pid_t)syscall(NR_clone3, &args, sizeof args);
    if (pid < 0) fail("clone3 of a user namespace");
    if (pid == 0) {
        char c;
        close(gate[1]);
        (void)!read(gate[0], &c, 1);
        _exit(0);
    }
    write_map(pid, "uid_map", uids);
    write_map(pid, "gid_map", gids);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/user", (int)pid);
    slot[index] = open(path, O_RDONLY | O_CLOEXEC);
    if (slot[index] < 0) fail("open %s", path);
    close(gate[0]), close(gate[1]);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
}

/* A file kept open for a later operation: a namespace (of that CLONE_NEW type), a cgroup directory for clone3, or, with
 * type -1, a file to be written by WRITE_TO when its path is out of sight. */
static void op_open(void) {
    int64_t index = number();
    const char *path = string();
    int64_t type = number();
    int fd = open(path, (type < 0 ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
    if (fd < 0) fail("open %s", path);
    if (type > 0 && ioctl(fd, 0xb703 /* NS_GET_NSTYPE */) != type) fail_as(EINVAL, "%s is not a namespace of that type", path);
    slot[index] = fd;
}

/* cgroup v2 has no device files: a program decides (kernel: Documentation/admin-guide/cgroup-v2.rst, Device controller). */
static void op_cgroup_devices(void) {
    const char *path = string();
    uint32_t size;
    const char *code = blob(&size);
    struct { uint32_t type, count; uint64_t code, license; uint32_t log_level, log_size; uint64_t log; uint32_t version, flags; } load =
        { 15 /* BPF_PROG_TYPE_CGROUP_DEVICE */, size / 8, (uint64_t)(uintptr_t)code, (uint64_t)(uintptr_t)"GPL", 0, 0, 0, 0, 0 };
    int prog = (int)syscall(SYS_bpf, 5 /* BPF_PROG_LOAD */, &load, sizeof load), dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct { uint32_t target, prog, type, flags; } attach_ = { (uint32_t)dir, (uint32_t)prog, 6 /* BPF_CGROUP_DEVICE */, 2 /* BPF_F_ALLOW_MULTI */ };
    if (prog < 0) fail("load the device program");
    if (dir < 0 || syscall(SYS_bpf, 8 /* BPF_PROG_ATTACH */, &attach_, sizeof attach_)) fail("attach the device program to %s", path);
    close(prog), close(dir);
}

/* A socket that listens at `path`, for its owner only. Its directory is named by a descriptor: an address holds 107
 * bytes (unix(7)), and a container's id alone has 64. */
static int listen_at(const char *path, int type) {
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char directory[PATH_MAX];
    const char *name = strrchr(path, '/');
    if (!name || (size_t)(name - path) + 2 > sizeof directory) fail_as(ENAMETOOLONG, "socket %s", path);
    snprintf(directory, sizeof directory, "%.*s", (int)(name - path) + 1, path);
    int dir = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) fail("directory of the socket %s", path);
    if (snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d%s", dir, name) >= (int)sizeof address.sun_path)
        fail_as(ENAMETOOLONG, "socket %s", path);
    unlink(path);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd < 0 || fchmod(fd, 0600) || bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 16))
        fail("listen on %s", path);
    close(dir);
    if (made_file_count < FILES) made_files[made_file_count++] = path;
    return fd;
}

static void op_listen(void) {
    int64_t index = number();
    slot[index] = listen_at(string(), SOCK_SEQPACKET);
}

static void write_atomically(const char *path, const char *data, size_t size) {
    char temporary[PATH_MAX];
    int n = snprintf(temporary, sizeof temporary, "%s.new", path);
    errno = ENAMETOOLONG;
    int fd = n >= (int)sizeof temporary ? -1 : open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size || close(fd) || rename(temporary, path))
        if (self == RUNTIME && child_pidfd >= 0 && current < (int)head.count) fail("write %s", path);
}

/* A small file of the kernel's as a string; "" if it cannot be read. */
static void read_text(const char *path, char *text, size_t size) {
    int fd = *path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t n = fd < 0 ? 0 : read(fd, text, size - 1);
    if (fd >= 0) close(fd);
    text[n > 0 ? n : 0] = 0;
}

static uint64_t start_time(pid_t pid) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    read_text(path, text, sizeof text);
    char *field = strrchr(text, ')'); /* proc_pid_stat(5): field 22, counted after the command's name */
    for (int i = 0; field && i < 20; i++) field = strchr(field + 1, ' ');
    return field ? strtoull(field + 1, NULL, 10) : 0;
}

static void op_record(void) {
    const char *path = string();
    char text[128];
    int n = snprintf(text, sizeof text, "%d %llu %d %llu\n", (int)child, (unsigned long long)start_time(child),
                     (int)getpid(), (unsigned long long)start_time(getpid()));
    write_atomically(path, text, (size_t)n);
    if (made_file_count < FILES) made_files[made_file_count++] = path;
}

static void reset_signals(void) {
    /* by the system call: a libc keeps signals 32 to 34 to itself, and they may come to us ignored */
    static const unsigned long dfl[16];
    for (int s = 1; s < 65; s++) syscall(SYS_rt_sigaction, s, dfl, NULL, 8);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* A file in memory that holds a hook's state: unlike a pipe it is never full, whether the hook reads it or not. The pid
 * in it is the one that the hook's namespaces know (runtime-spec, runtime.md, State). */
static int hook_input(const char *before, const char *after) {
    int fd = (int)syscall(SYS_memfd_create, "state", 1u /* MFD_CLOEXEC */);
    if (fd < 0 || dprintf(fd, "%s%d%s", before, (int)(self == CONTAINER ? getpid() : child), after) < 0 || lseek(fd, 0, SEEK_SET)) fail("the state for a hook");
    return fd;
}

/* One hook: its state on stdin, killed after its time-out; any failure fails the operation (runtime-spec, hooks). */
static void op_hook(void) {
    const char *kind = string(), *before = string(), *after = string(), *path = string();
    const char **args = strings(NULL), **env = strings(NULL);
    int64_t timeout = number();
    const char *directory = string();
    if (timeout > INT_MAX / 1000) timeout = 0;
    int input = hook_input(before, after);
    pid_t pid = fork();
    if (pid < 0) fail("fork");
    if (pid == 0) {
        reset_signals();
        umask(original_umask);
        dup2(input, 0);
        syscall(NR_close_range, 3u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */);
        if (*directory) (void)!chdir(directory); /* root of a user namespace need not reach it */
        execve(path, (char **)args, (char **)env);
        _exit(errno == ENOENT ? 127 : 126);
    }
    close(input);
    int pidfd = (int)syscall(NR_pidfd_open, pid, 0), status = 0;
    struct pollfd p = { pidfd, POLLIN, 0 };
    int ready = timeout > 0 && pidfd >= 0 ? poll(&p, 1, (int)(timeout * 1000)) : 1;
    if (ready == 0) kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    if (pidfd >= 0) close(pidfd);
    if (ready == 0) fail_as(ETIMEDOUT, "%s hook %s", kind, path);
    if (WIFSIGNALED(status)) fail_as(0, "%s hook %s was killed by signal %d", kind, path, WTERMSIG(status));
    if (WEXITSTATUS(status)) fail_as(WEXITSTATUS(status) == 127 ? ENOENT : 0, "%s hook %s exited with status %d", kind, path, WEXITSTATUS(status));
}

static void op_write_to(void) {
    int64_t index = number();
    uint32_t size;
    const char *value = blob(&size);
    if (write(slot[index], value, size) != (ssize_t)size) fail("write %s", value);
    close(slot[index]), slot[index] = -1;
}

static void op_join(void) {
    int64_t index = number(), type = number();
    char message[16];
    if (network.pid >= 0 && index == network.slot && (receive_descriptor(report_fd, message, sizeof message, &slot[index]) <= 0)) _exit(1);
    if (setns(slot[index], (int)type)) fail("setns to %s", string());
    if (type == CLONE_NEWNS && (root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0) fail("open the container's root");
}

/* What is done in the host's namespaces and undone there by the caller, who answers "<errno> <what>", errno 0 if it is done. */
static void ask_caller(char kind) {
    char message[16];
    int n = snprintf(message, sizeof message, "%c%d", kind, (int)child);
    if (send(control_fd, message, (size_t)n, MSG_NOSIGNAL) < 0) fail("ask the caller");
}

static void await_caller(void) {
    char message[800];
    ssize_t got = recv(control_fd, message, sizeof message - 1, 0);
    if (got <= 0) fail_as(EPIPE, "ask the caller");
    message[got] = 0;
    char *what;
    long error = strtol(message, &what, 10);
    if (error) fail_as((int)error, "%s", what + 1);
}

static void op_loopback(void) {
    struct { char name[16]; short flags; char rest[22]; } request = { "lo", 0x1 | 0x40 /* IFF_UP | IFF_RUNNING */, "" };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ioctl(fd, 0x8914 /* SIOCSIFFLAGS */, &request)) fail("bring lo up");
    close(fd);
}

/* ---- operations: another OCI runtime, by its command line -------------------------------------------------------------- */

/* A command with these standard streams. It does not outlive us, but what it starts does, and becomes our child. */
static pid_t spawn(const char *directory, const char **args, const char **env, const int streams[3]) {
    pid_t us = getpid(), pid = fork();
    if (pid) return pid;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != us) _exit(1);
    for (int i = 0; i < 3; i++) dup2(streams[i], i);
    reset_signals();
    umask(original_umask);
    syscall(NR_close_range, 3u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */);
    if (!chdir(directory)) execve(args[0], (char **)args, (char **)env);
    dprintf(2, "cannot execute %s: %s\n", args[0], strerror(errno));
    _exit(127);
}

/* What CLEANUP named, once: the runtime that made the container removes what it made. Nothing is left to tell of a failure. */
static void clean_up(void) {
    int null = cleanup_args ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1, streams[3] = { null, null, null };
    pid_t pid = null < 0 ? -1 : spawn("/", cleanup_args, cleanup_env, streams);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
    if (null >= 0) close(null);
    cleanup_args = NULL;
    remove_cgroups();
}

/* The terminal's master, which the runtime sends as soon as it has made the terminal (runtime-spec, --console-socket). */
static void receive_terminal(int listener, int pidfd) {
    struct pollfd p[] = { { listener, POLLIN, 0 }, { pidfd, POLLIN, 0 } };
    char name[256];
    while (poll(p, 2, -1) < 0 && errno == EINTR) {}
    int connection = p[0].revents ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : -1;
    if (connection >= 0) (void)receive_descriptor(connection, name, sizeof name, &pty), close(connection);
    close(listener);
}

/* An argument "@" names the operation's input, a file in memory, by our own descriptor: nothing of it is left on a disk. */
static void name_input(const char **args, const char *data, uint32_t size) {
    static char path[64];
    int fd = size ? (int)syscall(SYS_memfd_create, "input", 1u /* MFD_CLOEXEC */) : -1;
    if (size && (fd < 0 || write(fd, data, size) != (ssize_t)size)) fail("the input of %s", args[0]);
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)getpid(), fd);
    for (; size && *args; args++) if (!strcmp(*args, "@")) *args = path;
}

/* A command of the runtime's, to its end. With a `pid_file` it starts a process that gets our streams and becomes our
 * child, since we are its subreaper. What it says on standard error is the reason of its failure. */
static void op_command(void) {
    const char *directory = string(), **args = strings(NULL), **env = strings(NULL), *pid_file = string(), *console = string();
    uint32_t size;
    const char *data = blob(&size);
    char said[700] = "";
    name_input(args, data, size);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC), reason = (int)syscall(SYS_memfd_create, "stderr", 1u /* MFD_CLOEXEC */);
    int listener = *console ? listen_at(console, SOCK_STREAM) : -1, status = 0;
    if (null < 0 || reason < 0) fail("streams for %s", args[0]);
    if (*pid_file) open_pipes();
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    int streams[3] = { inner[0] >= 0 ? inner[0] : null, inner[1] >= 0 ? inner[1] : null, inner[2] >= 0 ? inner[2] : reason };
    pid_t pid = spawn(directory, args, env, streams);
    int pidfd = pid < 0 ? -1 : (int)syscall(NR_pidfd_open, pid, 0);
    if (pidfd < 0) fail("start %s", args[0]);
    close_inner();
    if (listener >= 0) receive_terminal(listener, pidfd), unlink(console);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    close(pidfd), close(null);
    if (status) {
        unlink(pid_file);
        if (pipes[2] >= 0) fcntl(pipes[2], F_SETFL, O_NONBLOCK);
        (void)!(pipes[2] >= 0 && *pid_file ? read(pipes[2], said, sizeof said - 1) : pread(reason, said, sizeof said - 1, 0));
        fail_as(0, "%s", *said ? said : WIFSIGNALED(status) ? "it was killed" : "it failed and did not say why");
    }
    close(reason);
    if (!*pid_file) return;
    read_text(pid_file, said, sizeof said);
    unlink(pid_file);
    siginfo_t info;
    pid_t started = atoi(said);
    if (started <= 0 || waitid(P_PID, (id_t)started, &info, WEXITED | WNOHANG | WNOWAIT)) fail_as(0, "it left no process to watch");
    child = started, child_pidfd = (int)syscall(NR_pidfd_open, child, 0);
    if (head.stdio == STDIO_TERMINAL && pty < 0) fail_as(EPROTO, "%s sent no terminal", args[0]);
}

/* ---- operations: the process's own attributes ------------------------------------------------------------------------- */

static void op_rlimit(void) {
    int64_t resource = number(), soft = number(), hard = number(), optional = number();
    struct rlimit64 limit = { (rlim64_t)soft, (rlim64_t)hard }, now;
    if (!syscall(SYS_prlimit64, 0, (int)resource, &limit, NULL)) return;
    int saved = errno;
    if (optional && saved == EPERM && !syscall(SYS_prlimit64, 0, (int)resource, NULL, &now)) {
        /* without CAP_SYS_RESOURCE a default may not go above the hard limit: as near as is allowed */
        if (limit.rlim_max > now.rlim_max) limit.rlim_max = now.rlim_max;
        if (limit.rlim_cur > limit.rlim_max) limit.rlim_cur = limit.rlim_max;
        if (!syscall(SYS_prlimit64, 0, (int)resource, &limit, NULL)) return;
    }
    fail_as(saved, "set resource limit %d", (int)resource);
}

static void op_scheduler(void) {
    struct { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority; uint64_t runtime, deadline, period;
             uint32_t util_min, util_max; } a = { .size = sizeof a };
    a.policy = (uint32_t)number(), a.flags = (uint64_t)number(), a.nice = (int32_t)number(), a.priority = (uint32_t)number();
    a.runtime = (uint64_t)number(), a.deadline = (uint64_t)number(), a.period = (uint64_t)number();
    if (syscall(SYS_sched_setattr, 0, &a, 0)) fail("sched_setattr");
}

static void op_mempolicy(void) {
    int64_t mode = number();
    uint32_t size;
    const char *mask = blob(&size);
    unsigned long nodes[16] = { 0 };
    memcpy(nodes, mask, size < sizeof nodes ? size : sizeof nodes);
    if (syscall(SYS_set_mempolicy, mode, size ? nodes : NULL, size ? sizeof nodes * 8 : 0)) fail("set_mempolicy");
}

static void op_affinity(void) {
    uint32_t size;
    const char *mask = blob(&size);
    if (syscall(SYS_sched_setaffinity, 0, size, mask)) fail("sched_setaffinity");
}

/* Where a stream is the host's /dev/null, the container gets its own: whoever owns a file there may change its mode. */
static int own_null(int fd) {
    struct stat st;
    if (fstat(fd, &st) || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3)) return 0;
    int null = sys_openat2(AT_FDCWD, "/dev/null", O_RDWR, 0, RESOLVE_NO_LINKS);
    if (null < 0 || fstat(null, &st)) fail("/dev/null in the container");
    if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3)) fail_as(ENODEV, "/dev/null in the container is not the null device");
    if (dup2(null, fd) < 0) fail("stdio");
    close(null);
    return 1;
}

static void op_stdio(void) {
    int terminal = head.stdio == STDIO_TERMINAL;
    int64_t uid = number();
    /* a session of its own: by our caller's a container had its terminal, by /dev/tty, and kill(0) reached its process group */
    if (setsid() < 0) fail("setsid");
    for (int i = 0; i < 3; i++) {
        if (inner[i] >= 0 && dup2(inner[i], i) < 0) fail("stdio");
        /* as runc: a user may reopen /dev/stdout, be it a pipe or, of our caller's, a file */
        if (!own_null(i) && !terminal && (head.stdio != STDIO_PIPES || i || head.stdin_open)) (void)!fchown(i, (uid_t)uid, (gid_t)-1);
    }
    if (terminal && ioctl(0, TIOCSCTTY, 0)) fail("controlling terminal");
}

static const char *cwd_path;
static int cwd_operation; /* where the user's own permissions are needed to enter it; 0: entered */

/* The last path component by getcwd(2): a directory outside the root shows as "(unreachable)" (CVE-2024-21626). */
static void enter_cwd(const char *path, int create) {
    char here[PATH_MAX];
    int fd = sys_openat2(AT_FDCWD, path, O_PATH | O_DIRECTORY, 0, RESOLVE_NO_MAGIC);
    if (fd < 0 && errno == ENOENT && create) {
        int made = create_below(path, 0);
        if (made >= 0) close(made);
        fd = sys_openat2(AT_FDCWD, path, O_PATH | O_DIRECTORY, 0, RESOLVE_NO_MAGIC);
    }
    if ((fd < 0 || fchdir(fd)) && errno == EACCES && !cwd_operation) { /* root has no rights on, say, a FUSE or NFS mount */
        if (fd >= 0) close(fd);
        cwd_path = path, cwd_operation = current;
        return;
    }
    if (fd < 0 || fchdir(fd)) fail("chdir to the working directory %s", path);
    close(fd);
    cwd_operation = 0;
    if (syscall(SYS_getcwd, here, sizeof here) < 0 || here[0] != '/') fail_as(EPERM, "working directory %s is outside the container's root", path);
}

static void op_cwd(void) {
    const char *path = string();
    enter_cwd(path, (int)number());
}

static void op_bounding(void) {
    int64_t keep = number();
    for (int cap = 0; cap < 64; cap++) {
        if (keep >> cap & 1) continue;
        int has = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);
        if (has < 0) break; /* beyond the kernel's last capability */
        if (has && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0)) fail("drop capability %d from the bounding set", cap);
    }
}

/* What EINVAL means when a process changes its ids (setresuid(2)). */
static const char *unmapped(void) { return errno == EINVAL ? ", which the user namespace does not map" : ""; }

static void op_user(void) {
    int64_t uid = number(), gid = number();
    uint32_t size;
    const char *groups = blob(&size);
    int64_t set_groups = number();
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)) fail("keep capabilities");
    if (set_groups && syscall(SYS_setgroups, size / sizeof(gid_t), groups)) fail("set supplementary groups%s", unmapped());
    if (syscall(SYS_setresgid, (gid_t)gid, (gid_t)gid, (gid_t)gid)) fail("set group id %lld%s", (long long)gid, unmapped());
    if (syscall(SYS_setresuid, (uid_t)uid, (uid_t)uid, (uid_t)uid)) fail("set user id %lld%s", (long long)uid, unmapped());
    /* setresuid cleared the effective set; what is permitted still is needed for the operations that follow */
    struct caps_header header = { 0x20080522, 0 };
    struct caps_data data[2];
    if (syscall(SYS_capget, &header, data)) fail("capget");
    data[0].effective = data[0].permitted, data[1].effective = data[1].permitted;
    if (syscall(SYS_capset, &header, data)) fail("capset");
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (cwd_operation) current = cwd_operation, enter_cwd(cwd_path, 0);
}

static void op_capabilities(void) {
    uint64_t effective = (uint64_t)number(), permitted = (uint64_t)number(), inheritable = (uint64_t)number(), ambient = (uint64_t)number();
    struct caps_header header = { 0x20080522, 0 };
    struct caps_data now[2], data[2];
    if (syscall(SYS_capget, &header, now)) fail("capget");
    uint64_t have = now[0].permitted | (uint64_t)now[1].permitted << 32;
    permitted &= have, effective &= permitted, inheritable &= have; /* runtime-spec: what cannot be granted is not an error */
    for (int i = 0; i < 2; i++) {
        data[i].effective = (uint32_t)(effective >> 32 * i);
        data[i].permitted = (uint32_t)(permitted >> 32 * i);
        data[i].inheritable = (uint32_t)(inheritable >> 32 * i);
    }
    if (syscall(SYS_capset, &header, data)) fail("capset");
    prctl(PR_CAP_AMBIENT, 4 /* CLEAR_ALL */, 0, 0, 0);
    for (int cap = 0; cap < 64; cap++)
        if (ambient >> cap & 1 & permitted >> cap & inheritable >> cap && prctl(PR_CAP_AMBIENT, 2 /* RAISE */, cap, 0, 0))
            fail("raise ambient capability %d", cap);
}

static struct { int64_t flags; struct sock_fprog_ program; int operation; } filter = { .operation = -1 };

/* With a listener, whoever waits for our report takes its descriptor out of this process (pidfd_getfd(2)), told its
 * number beforehand: once the filter is loaded, to send it might be among the calls that wait for an answer. So might be
 * any call that waits until it has been taken, which execve would close: we look at a byte that the taker writes. */
static volatile char listener_taken;

static void load_filter(void) {
    if (filter.operation < 0) return;
    current = filter.operation, filter.operation = -1;
    if (filter.flags & 8 /* NEW_LISTENER */) {
        char message[40];
        int free_fd = fcntl(0, F_DUPFD_CLOEXEC, 0);
        int n = snprintf(message, sizeof message, "L%d %llu", free_fd, (unsigned long long)(uintptr_t)&listener_taken);
        close(free_fd);
        if (send(report_fd, message, (size_t)n + 1, MSG_NOSIGNAL) < 0) _exit(1);
    }
    if (syscall(SYS_seccomp, 1 /* SET_MODE_FILTER */, filter.flags, &filter.program) < 0) fail("load the seccomp filter");
    if (!(filter.flags & 8)) return;
    for (uint64_t turn = 0; !listener_taken; turn++) if (turn >> 34) _exit(1); /* some ten seconds: it is not to come */
}

/* From here on only the way to report stays open beside what the program keeps: its name may be /proc/self/fd/N/../..,
 * and a directory of the host's would lead out of the root (CVE-2024-21626). A filter might forbid it later. */
static void let_go(void) {
    static int gone;
    unsigned first = 3 + head.preserve, report = (unsigned)report_fd;
    if (gone++) return;
    if (report > first) syscall(NR_close_range, first, report - 1, 0u);
    syscall(NR_close_range, report < first ? first : report + 1, ~0u, 0u);
}

static void op_seccomp(void) {
    uint32_t size;
    let_go();
    filter.flags = number();
    const char *program_ = blob(&size);
    filter.program.len = (unsigned short)(size / sizeof(struct sock_filter_));
    filter.program.filter = (struct sock_filter_ *)(uintptr_t)program_;
    filter.operation = current;
    if (!number()) load_filter(); /* else as the very last thing before execve */
}

/* ---- operations: finding and executing the program ---------------------------------------------------------------------- */

static const char *variable(const char **env, const char *name) {
    const char *found = NULL; /* the last one wins, as the runtime-spec asks */
    size_t n = strlen(name);
    for (; *env; env++) if (!strncmp(*env, name, n) && (*env)[n] == '=') found = *env + n + 1;
    return found;
}

static int executable(const char *path) {
    struct stat st;
    if (stat(path, &st)) return errno;
    if (S_ISDIR(st.st_mode)) return EISDIR;
    return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) ? errno : 0;
}

/* HOME, when the environment has none: the home of that uid in the container's own /etc/passwd (as runc does). */
static const char *home_of(int64_t uid) {
    static char line[1024];
    int fd = sys_openat2(AT_FDCWD, "/etc/passwd", O_RDONLY | O_NONBLOCK, 0, RESOLVE_NO_MAGIC);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    while (file && fgets(line, sizeof line, file)) {
        char *field[6], *at = line;
        int n = 0;
        for (; n < 6 && at; n++) { field[n] = at; at = strchr(at, ':'); if (at) *at++ = 0; }
        if (n < 6 || !*field[2] || strtoll(field[2], NULL, 10) != uid || *field[5] != '/') continue;
        fclose(file);
        return field[5];
    }
    if (file) fclose(file);
    return "/";
}

/* Finds the program, and HOME too, before a seccomp filter may forbid to look. */
static void op_resolve(void) {
    const char *name = string(), **env = strings(NULL), *given = variable(env, "HOME");
    int worst = ENOENT;
    if (!given || !*given) home = home_of(geteuid());
    if (strchr(name, '/')) {
        if ((worst = executable(name))) fail_as(worst, "%s", name);
        snprintf(program, sizeof program, "%s", name);
        return;
    }
    const char *path = variable(env, "PATH");
    if (!path) path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    if (*name)
        for (const char *end; ; path = end + 1) {
            end = strchrnul(path, ':');
            int n = snprintf(program, sizeof program, "%.*s%s%s", (int)(end - path), path, end > path ? "/" : "./", name);
            int error = n < (int)sizeof program ? executable(program) : ENAMETOOLONG;
            if (!error) return;
            if (error != ENOENT && error != ENOTDIR) worst = error;
            if (!*end) break;
        }
    fail_as(worst, "%s: not found in PATH", name);
}

static pid_t init_child;
static void forward(int signal) { if (init_child > 0) kill(init_child, signal); }

/* pid 1 of a container with --init: reaps every orphan, forwards signals, ends with the program's status. Signals were
 * blocked before the program was forked, so that none is lost. Its own faults, and a terminal's, are not forwarded. */
static void run_as_init(void) {
    static const int own[] = { SIGCHLD, SIGTTIN, SIGTTOU, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS };
    for (int s = 1; s < 65; s++) {
        int forwarded = 1;
        for (size_t i = 0; i < sizeof own / sizeof *own; i++) if (s == own[i]) forwarded = 0;
        signal(s, forwarded ? forward : SIG_DFL);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, 0); /* the container outlives its monitor */
    syscall(NR_close_range, 0u, ~0u, 0u);
    for (int status; ;) {
        pid_t pid = wait(&status);
        if (pid == init_child && (WIFEXITED(status) || WIFSIGNALED(status)))
            _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
        if (pid < 0 && errno == ECHILD) _exit(255);
    }
}

/* The environment of the program: of duplicates the last wins, HOME is never empty. */
static const char **environment(const char **given, uint32_t count) {
    static char home_variable[1100];
    const char **env = malloc((count + 2) * sizeof *env);
    if (!env) fail("memory");
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++) {
        int later = 0;
        const char *equals = strchr(given[i], '=');
        size_t size = equals ? (size_t)(equals - given[i]) + 1 : 0;
        for (uint32_t j = i + 1; size && j < count && !later; j++) later = !strncmp(given[i], given[j], size);
        if (!later && !(home && !strncmp(given[i], "HOME=", 5))) env[n++] = given[i];
    }
    if (home) {
        snprintf(home_variable, sizeof home_variable, "HOME=%s", home);
        env[n++] = home_variable;
    }
    env[n] = NULL;
    return env;
}

/* Forks the program's process below pid 1, which becomes an init once the program is executed or has failed. */
static void fork_below_init(void) {
    int gate[2];
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    if (pipe2(gate, O_CLOEXEC)) fail("pipe");
    prctl(PR_SET_NAME, "ringinit"); /* before the program could look; executing gives it its own */
    init_child = fork();
    if (init_child < 0) fail("fork");
    if (init_child > 0) {
        char c;
        close(gate[1]);
        (void)!read(gate[0], &c, 1);
        run_as_init();
    }
    if (setpgid(0, 0) == 0 && head.stdio == STDIO_TERMINAL) tcsetpgrp(0, getpid()); /* SIGTTOU is blocked */
}

/* The init of another runtime's container, as its first program: `ringinit init PROGRAM [ARGUMENT...]`. */
static int init_of(const char **args) {
    head.stdio = isatty(0) ? STDIO_TERMINAL : STDIO_INHERIT;
    fork_below_init();
    reset_signals();
    execvp(args[0], (char **)args);
    dprintf(2, "ringinit: cannot execute %s: %s\n", args[0], strerror(errno));
    return errno == ENOENT ? 127 : 126;
}

static void op_exec(void) {
    uint32_t count;
    const char **args = strings(NULL), **given = strings(&count);
    const char **env = environment(given, count);
    let_go();
    if (number()) load_filter(), fork_below_init();
    prctl(PR_SET_PDEATHSIG, 0);
    reset_signals();
    syscall(NR_close_range, 3u + head.preserve, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */);
    if (send(report_fd, "X", 1, MSG_NOSIGNAL) < 0) _exit(1);
    int last = current;
    load_filter();
    current = last;
    execve(program, (char **)args, (char **)env);
    fail("%s", program);
}

/* Created: wait for `start`. From then on errors go to the one who started. A connection without a word is a look. */
static void op_wait(void) {
    int64_t index = number();
    prctl(PR_SET_PDEATHSIG, 0);
    if (send(report_fd, "W", 1, MSG_NOSIGNAL) < 0) _exit(1);
    close(report_fd);
    for (;;) {
        char word[8];
        int fd = accept4(slot[index], NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) { if (errno == EINTR) continue; _exit(1); }
        ssize_t n = recv(fd, word, sizeof word, 0);
        if (n == 5 && !memcmp(word, "start", 5)) { report_fd = fd; close(slot[index]); return; }
        close(fd);
    }
}

/* ---- the monitor ---------------------------------------------------------------------------------------------------------- */

enum { CHUNK = 32768, CLIENTS = 16, PIECE = 4000, ENTRY = 6 * PIECE + 160 };
enum { PATIENCE = 10 }; /* seconds after the exit, in which a client other than the owner must take something */
enum { IDLE = 1000 };   /* milliseconds without anything to do */
enum { BREATH = 500 };  /* milliseconds in which nobody is accepted, when there was no descriptor for one who waits */
static struct {
    const char *driver, *log, *socket, *exit_file, **exit_command, *event_file, *event, **health, *oom_file, *oom_key;
    int64_t max_size, max_file, health_ms, timeout;
} watch;
static int log_fd = -1, attach_fd = -1, owner = -1, owner_done;
static int64_t log_size, last_sent;
static pid_t health_check;
static char oom_score[16];
/* `owes`: it has not been given the present chunk; `deaf`: it takes no more, but what it has sent still counts. */
static struct client { int fd, owes, deaf; } clients[CLIENTS];
/* What is being delivered, taken in and logged. Pages of their own: an idle monitor gives them back. */
static struct buffers { char chunk[CHUNK + 1], input[CHUNK + 1], entries[CHUNK]; } *buffers;
#define chunk buffers->chunk
#define input buffers->input
#define entries buffers->entries
static int buffers_used;
static int chunk_size, input_size, input_at;
static size_t entries_size;
/* Output that was read after the exit while somebody still owed the chunk before it. */
static struct late { struct late *next; int size; char data[]; } *late_first, **late_last = &late_first;

static void reopen_log(void) {
    if (log_fd >= 0) close(log_fd);
    log_fd = open(watch.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    log_size = log_fd < 0 ? 0 : lseek(log_fd, 0, SEEK_END);
}

static void op_monitor(void) {
    watch.driver = string(), watch.log = string(), watch.max_size = number(), watch.max_file = number();
    watch.socket = string(), watch.exit_file = string(), watch.exit_command = strings(NULL);
    watch.event_file = string(), watch.event = string(), watch.health_ms = number(), watch.health = strings(NULL);
    watch.timeout = number(), watch.oom_file = string(), watch.oom_key = string();
    if (strcmp(watch.driver, "none")) {
        reopen_log();
        if (log_fd < 0) fail("open the log %s", watch.log);
    }
    if (*watch.socket) attach_fd = listen_at(watch.socket, SOCK_SEQPACKET | SOCK_NONBLOCK);
}

static int64_t now_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void rotate_log(void) {
    char from[PATH_MAX], to[PATH_MAX];
    for (int64_t i = watch.max_file - 1; i > 0; i--) {
        snprintf(to, sizeof to, "%s.%lld", watch.log, (long long)i);
        if (i == 1) snprintf(from, sizeof from, "%s", watch.log);
        else snprintf(from, sizeof from, "%s.%lld", watch.log, (long long)i - 1);
        rename(from, to);
    }
    if (watch.max_file <= 1) unlink(watch.log);
    reopen_log();
}

/* A full disk loses log entries, never half of one, and never the container: the next write may succeed. */
static void write_entries(void) {
    ssize_t wrote = write(log_fd, entries, entries_size);
    if (wrote > 0 && wrote < (ssize_t)entries_size) {
        const char *end = memrchr(entries, '\n', (size_t)wrote);
        wrote = end ? end + 1 - entries : 0;
        (void)!ftruncate(log_fd, log_size + wrote);
    }
    if (wrote > 0) log_size += wrote;
    entries_size = 0;
    if (watch.max_size && log_size >= watch.max_size) rotate_log();
}

/* One entry: a line, or a piece of a line that the next entry of this stream continues (then without `newline`). */
static void log_entry(int stream, const char *stamp, const char *text, size_t size, int newline) {
    const char *name = stream ? "stderr" : "stdout";
    char *out = entries + entries_size;
    size_t used;
    if (watch.driver[0] == 'j') {
        used = (size_t)snprintf(out, ENTRY, "{\"log\":\"");
        used += (size_t)json_escape(out + used, ENTRY - used, text, size + (size_t)newline);
        used += (size_t)snprintf(out + used, ENTRY - used, "\",\"stream\":\"%s\",\"time\":\"%s\"}\n", name, stamp);
    } else {
        used = (size_t)snprintf(out, ENTRY, "%s %s %c ", stamp, name, newline ? 'F' : 'P');
        memcpy(out + used, text, size);
        used += size;
        out[used++] = '\n';
    }
    entries_size += used;
}

static void log_output(int stream, const char *data, size_t size) {
    if (!strcmp(watch.driver, "none")) return;
    if (log_fd < 0) reopen_log();
    char stamp[64];
    int64_t now = now_ns(CLOCK_REALTIME);
    time_t seconds = (time_t)(now / 1000000000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t n = strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(stamp + n, sizeof stamp - n, ".%09lldZ", (long long)(now % 1000000000));
    while (size && log_fd >= 0) {
        const char *newline = memchr(data, '\n', size);
        size_t line = newline ? (size_t)(newline - data) : size;
        if (line > PIECE) {
            newline = NULL;
            for (line = PIECE; line > PIECE - 3 && (data[line] & 0xc0) == 0x80;) line--; /* not inside of a character */
        }
        log_entry(stream, stamp, data, line, !!newline);
        if (entries_size > sizeof entries - ENTRY || (watch.max_size && log_size + (int64_t)entries_size >= watch.max_size))
            write_entries();
        data += line + !!newline, size -= line + !!newline;
    }
    if (log_fd >= 0 && entries_size) write_entries();
    entries_size = 0;
}

static void drop_client(struct client *c) {
    if (c->fd == owner) owner = -1;
    close(c->fd);
    *c = (struct client){ -1, 0, 0 };
}

static void add_client(int fd) {
    for (int i = 0; i < CLIENTS; i++)
        if (clients[i].fd < 0) {
            clients[i] = (struct client){ fd, 0, 0 };
            fcntl(fd, F_SETFL, O_NONBLOCK);
            return;
        }
    close(fd);
}

/* Who cannot be accepted stays in the queue, and the socket ready: it is not asked again at once. */
static int lacks_room(void) {
    return errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
}

static int64_t deaf_until; /* 0, or the time (CLOCK_MONOTONIC) from which clients are accepted again */

static void accept_clients(void) {
    int fd = -1;
    while (attach_fd >= 0 && (fd = accept4(attach_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) add_client(fd);
    deaf_until = attach_fd >= 0 && lacks_room() ? now_ns(CLOCK_MONOTONIC) + BREATH * 1000000ll : 0;
}

/* Gives the present chunk to whoever still owes it; returns whether somebody does (then nothing more is read). */
static int deliver(void) {
    int owed = 0;
    for (int i = 0; i < CLIENTS; i++) {
        struct client *c = &clients[i];
        if (c->fd < 0 || !c->owes) continue;
        if (send(c->fd, chunk, (size_t)chunk_size, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) {
            c->owes = 0;
            last_sent = now_ns(CLOCK_MONOTONIC);
        } else if (errno == EAGAIN || errno == ENOBUFS) owed = 1;
        else c->owes = 0, c->deaf = 1;
    }
    return owed;
}

static void broadcast(const char *data, int size) {
    if (data != chunk) memcpy(chunk, data, (size_t)size);
    chunk_size = size;
    for (int i = 0; i < CLIENTS; i++) clients[i].owes = clients[i].fd >= 0 && !clients[i].deaf;
    deliver();
}

static int any_owing(void) {
    for (int i = 0; i < CLIENTS; i++) if (clients[i].owes) return 1;
    return 0;
}

/* Reads once, up to `most` bytes, what the container wrote. Returns how much; 0: nothing now; -1: the stream has ended. */
static int pump(int *fd, int stream, int most) {
    buffers_used = 1;
    ssize_t n = read(*fd, chunk + 1, (size_t)(most < CHUNK - 1 ? most : CHUNK - 1));
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (n <= 0) { close(*fd); *fd = -1; return -1; }
    log_output(stream, chunk + 1, (size_t)n);
    chunk[0] = stream ? 'E' : 'O';
    broadcast(chunk, (int)n + 1);
    return (int)n;
}

static int *stdin_of_program(void) { return pty >= 0 ? &pty : &pipes[0]; }
static int *stdout_of_program(void) { return pty >= 0 ? &pty : &pipes[1]; }

static void feed(void) {
    int *fd = stdin_of_program();
    ssize_t n = *fd < 0 ? 0 : write(*fd, input + input_at, (size_t)(input_size - input_at));
    if (n > 0) input_at += (int)n;
    else if (*fd < 0) input_at = input_size;
    else if (errno != EAGAIN && errno != EINTR) {
        if (pty < 0) { close(*fd); *fd = -1; }
        input_at = input_size;
    }
    if (input_at == input_size) input_size = input_at = 0;
}

/* One message of a client; only while no input waits to be taken by the program. */
static void hear(struct client *c) {
    buffers_used = 1;
    ssize_t n = recv(c->fd, input, sizeof input, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n < 0 && errno == ECONNRESET) { c->deaf = 1, c->owes = 0; return; } /* it left without reading: what it sent comes next */
    if (n <= 0) { drop_client(c); return; }
    switch (input[0]) {
    case 'I': input_at = 1, input_size = (int)n; feed(); break;
    case 'C': if (pty < 0 && pipes[0] >= 0) { close(pipes[0]); pipes[0] = -1; } break;
    case 'R':
        if (pty >= 0 && n >= 5) {
            struct winsize size = { 0, 0, 0, 0 };
            memcpy(&size.ws_row, input + 1, 2), memcpy(&size.ws_col, input + 3, 2);
            ioctl(pty, TIOCSWINSZ, &size);
        }
        break;
    case 'D': owner_done = 1; break;
    case 'L': if (strcmp(watch.driver, "none")) reopen_log(); break;
    }
}

/* Becomes a program of the caller's (exit command, health check), with what the caller had and the monitor changed. */
static void become(const char **argv) {
    reset_signals();
    umask(original_umask);
    if (*oom_score) (void)!write_all("/proc/self/oom_score_adj", oom_score, strlen(oom_score));
    execv(argv[0], (char **)argv);
    _exit(127);
}

static void check_health(void) {
    if (health_check > 0) return; /* the last one is still at it */
    health_check = fork(); /* reaped like any other child; a failing fork means no check this time */
    if (health_check) return;
    setsid();
    become(watch.health);
}

static int oom_killed(void) {
    char text[1024];
    read_text(watch.oom_file, text, sizeof text);
    size_t key = strlen(watch.oom_key);
    for (char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (!strncmp(line, watch.oom_key, key) && line[key] == ' ') return atoi(line + key + 1) > 0;
    return 0;
}

/* An event of the container that is watched; `more` are attributes that it has besides. */
static void tell(const char *action, const char *more, int64_t now) {
    char head[60], rest[160];
    if (!*watch.event_file) return;
    int size = snprintf(head, sizeof head, "{\"Type\":\"container\",\"Action\":\"%s", action);
    int n = snprintf(rest, sizeof rest, "%s}},\"scope\":\"local\",\"time\":%lld,\"timeNano\":%lld}\n",
                     more, (long long)(now / 1000000000), (long long)now);
    struct iovec line[] = { { head, (size_t)size }, { (char *)(uintptr_t)watch.event, strlen(watch.event) }, { rest, (size_t)n } };
    int fd = open(watch.event_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0) (void)!writev(fd, line, 3);
    if (fd >= 0) close(fd);
}

static void record_exit(int status, int64_t started, char *record, size_t size) {
    int64_t now = now_ns(CLOCK_REALTIME);
    int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0, code = signal ? 128 + signal : WEXITSTATUS(status);
    snprintf(record, size, "{\"exit_code\": %d, \"signal\": %d, \"oom_killed\": %s, \"started_at\": %lld, \"finished_at\": %lld, \"pid\": %d}",
             code, signal, oom_killed() ? "true" : "false", (long long)started, (long long)now, (int)child);
    if (*watch.exit_file) write_atomically(watch.exit_file, record, strlen(record));
    char more[40];
    snprintf(more, sizeof more, ",\"exitCode\":\"%d\"", code);
    tell("die", more, now);
}

/* poll(2); but where nothing comes for a while, the memory of the buffers is given back first. */
static int wait_for(struct pollfd *p, int n, int limit, int needed) {
    if (buffers_used && !needed && (limit < 0 || limit > IDLE)) {
        int ready = poll(p, (nfds_t)n, IDLE);
        if (ready) return ready;
        madvise(buffers, sizeof *buffers, MADV_DONTNEED);
        buffers_used = 0;
        if (limit > 0) limit -= IDLE;
    }
    return poll(p, (nfds_t)n, limit);
}

/* One wait for whatever comes first: output, a client, a dead child, or `limit` milliseconds. */
static void watch_once(int signals, int limit) {
    struct pollfd p[5 + CLIENTS];
    int n = 0, out = -1, err = -1, in = -1, join = -1, owing = any_owing(), *first = stdout_of_program();
    p[n++] = (struct pollfd){ signals, POLLIN, 0 };
    if (deaf_until && now_ns(CLOCK_MONOTONIC) >= deaf_until) deaf_until = 0;
    if (deaf_until && (limit < 0 || limit > BREATH)) limit = BREATH;
    if (attach_fd >= 0 && !deaf_until) { join = n; p[n++] = (struct pollfd){ attach_fd, POLLIN, 0 }; }
    if (!owing && *first >= 0) { out = n; p[n++] = (struct pollfd){ *first, POLLIN, 0 }; }
    if (!owing && pipes[2] >= 0) { err = n; p[n++] = (struct pollfd){ pipes[2], POLLIN, 0 }; }
    if (input_size) { in = n; p[n++] = (struct pollfd){ *stdin_of_program(), POLLOUT, 0 }; }
    int base = n;
    for (int i = 0; i < CLIENTS; i++) { /* with input pending nobody is heard, nor that he has hung up */
        struct client *c = &clients[i];
        short events = (short)((input_size ? 0 : POLLIN) | (c->owes ? POLLOUT : 0));
        p[n++] = (struct pollfd){ events ? c->fd : -1, events, 0 };
    }
    if (wait_for(p, n, limit, owing || input_size) <= 0) return;
    if (owing) deliver();
    if (in >= 0 && p[in].revents) feed();
    for (int i = 0; i < CLIENTS; i++)
        if (p[base + i].revents & (POLLIN | POLLHUP | POLLERR) && clients[i].fd == p[base + i].fd && !input_size) hear(&clients[i]);
    if (out >= 0 && p[out].revents && *first >= 0) pump(first, 0, CHUNK);
    if (err >= 0 && p[err].revents && pipes[2] >= 0 && !any_owing()) pump(&pipes[2], 1, CHUNK);
    if (join >= 0 && p[join].revents) accept_clients();
}

static int reap(int signals, int *status) {
    struct signalfd_siginfo info;
    int ended = 0, one;
    while (read(signals, &info, sizeof info) == (ssize_t)sizeof info) {}
    for (pid_t pid; (pid = waitpid(-1, &one, WNOHANG | __WALL)) > 0;) {
        if (pid == child) { *status = one; ended = 1; }
        if (pid == health_check) health_check = 0;
    }
    return ended;
}

/* Milliseconds until the time-out or the next health check, -1 for neither; does what is due. */
static int timers(int64_t begun, int64_t *checked) {
    int64_t now = now_ns(CLOCK_MONOTONIC), limit = INT_MAX;
    if (watch.timeout) {
        int64_t left = begun / 1000000 + watch.timeout * 1000 - now / 1000000;
        if (left <= 0) { kill(child, SIGKILL); watch.timeout = 0; }
        else if (left < limit) limit = left + 1;
    }
    if (watch.health_ms) {
        int64_t left = *checked / 1000000 + watch.health_ms - now / 1000000;
        if (left <= 0) { check_health(); *checked = now; left = watch.health_ms; }
        if (left < limit) limit = left + 1;
    }
    return watch.timeout || watch.health_ms ? (int)limit : -1;
}

/* What the program wrote before it ended, and no more: those it left behind may write for ever. What cannot be delivered
 * at once is kept, so that log and exit record need not wait for anybody. A terminal holds at most 64 KiB (tty_buffer.c). */
static void drain(int *fd, int stream) {
    int left = 0;
    if (*fd < 0) return;
    if (fd == &pty) left = 128 * 1024;
    else if (ioctl(*fd, FIONREAD, &left)) left = 0;
    for (int n = 1; left > 0 && *fd >= 0 && n > 0; left -= n) {
        if (!any_owing()) { n = pump(fd, stream, left); continue; }
        struct late *one = malloc(sizeof *one + CHUNK);
        if (!one) break;
        n = (int)read(*fd, one->data + 1, (size_t)(left < CHUNK - 1 ? left : CHUNK - 1));
        if (n <= 0) { free(one); break; }
        log_output(stream, one->data + 1, (size_t)n);
        one->data[0] = stream ? 'E' : 'O', one->size = n + 1, one->next = NULL;
        *late_last = one, late_last = &one->next;
    }
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

/* Delivers all that is late. Clients other than the owner that take nothing for a while are left behind. */
static void deliver_late(int signals) {
    for (;;) {
        while (late_first && !any_owing()) {
            struct late *one = late_first;
            broadcast(one->data, one->size);
            late_first = one->next;
            free(one);
        }
        if (!any_owing()) return;
        watch_once(signals, PATIENCE * 1000);
        if (now_ns(CLOCK_MONOTONIC) - last_sent < PATIENCE * 1000000000ll) continue;
        for (int i = 0; i < CLIENTS; i++) if (clients[i].owes && clients[i].fd != owner) drop_client(&clients[i]);
    }
}

/* A client that finds messages unread in a closed socket is told of a reset, before it can read what was sent to it. */
static void take_leave(void) {
    for (int i = 0; i < CLIENTS; i++)
        if (clients[i].fd >= 0) {
            shutdown(clients[i].fd, SHUT_RD);
            while (recv(clients[i].fd, input, sizeof input, MSG_DONTWAIT) > 0) {}
            drop_client(&clients[i]);
        }
}

/* The program has ended: first what others rely on (log, exit record, event), then those who listen, then the cgroups. */
static void end(int signals, int status, int64_t started) {
    char record[512] = "X";
    input_size = 0;
    if (pipes[0] >= 0) close(pipes[0]), pipes[0] = -1;
    last_sent = now_ns(CLOCK_MONOTONIC);
    drain(stdout_of_program(), 0);
    drain(&pipes[2], 1);
    record_exit(status, started, record + 1, sizeof record - 1);
    accept_clients();
    if (any_owing() || late_first) clean_up();
    deliver_late(signals);
    broadcast(record, (int)strlen(record));
    if (*watch.socket) unlink(watch.socket);
    clean_up(); /* while the owner, told already, cleans up its own side */
    deliver_late(signals);
    while (watch.exit_command[0] && owner >= 0 && !owner_done) watch_once(signals, -1);
    take_leave();
    if (watch.exit_command[0] && !owner_done) become(watch.exit_command);
    _exit(0);
}

static void monitor(void) {
    sigset_t mask;
    sigfillset(&mask);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    int signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK), null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; i < 3; i++) if (null >= 0) dup2(null, i);
    if (null > 2) close(null);
    (void)!chdir("/");
    for (uint32_t i = 0; i < head.count; i++) if (slot[i] > 2) close(slot[i]);
    close(turn_fd);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_NAME, "ringinit-monitor");
    read_text("/proc/self/oom_score_adj", oom_score, sizeof oom_score);
    (void)!write_all("/proc/self/oom_score_adj", "-900", 4); /* losing the monitor would lose the log: best effort */
    buffers = mmap(NULL, sizeof *buffers, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (buffers == MAP_FAILED) fail("memory");
    for (int i = 0; i < CLIENTS; i++) clients[i].fd = -1;
    for (int i = 0; i < 3; i++) if (pipes[i] >= 0) fcntl(pipes[i], F_SETFL, O_NONBLOCK);
    if (pty >= 0) {
        fcntl(pty, F_SETFL, O_NONBLOCK);
        /* Our own end keeps the terminal up while the program has closed all of its: it may open /dev/tty again. */
        (void)!ioctl(pty, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    }
    owner = control_fd;
    add_client(control_fd);
    int64_t started = now_ns(CLOCK_REALTIME), begun = now_ns(CLOCK_MONOTONIC), checked = begun;
    char record[80];
    tell("start", "", started);
    broadcast(record, snprintf(record, sizeof record, "P{\"pid\":%d,\"monitor\":%d}", (int)child, (int)getpid()));
    int status = 0;
    while (!reap(signals, &status)) watch_once(signals, timers(begun, &checked));
    end(signals, status, started);
}

/* ---- the executor ------------------------------------------------------------------------------------------------------------ */

static void execute(enum operation code) {
    int64_t a;
    switch (code) {
    case NETWORK: op_network(); break;
    case CGROUP_CREATE: {
        const char *path = string();
        int own = (int)number();
        if (mkdir(path, 0755) && errno != EEXIST) fail("create the control group %s", path);
        if (own) made_cgroups[made_cgroup_count++] = path;
        break;
    }
    case CGROUP_SET: case SYSCTL: case WRITE: op_write(); break;
    case CGROUP_DEVICES: op_cgroup_devices(); break;
    case USERNS: op_userns(); break;
    case BIND: op_bind(); break;
    case NODE: op_node(); break;
    case OVERLAY: op_overlay(); break;
    case OWN: {
        const char *path = string();
        int64_t uid = number(), gid = number(), optional = number();
        if (lchown(path, (uid_t)uid, (gid_t)gid) && !(optional && errno == ENOENT)) fail("give %s to user %lld", path, (long long)uid);
        break;
    }
    case SETATTR: op_setattr(); break;
    case OPEN: op_open(); break;
    case WRITE_TO: op_write_to(); break;
    case LISTEN: op_listen(); break;
    case CLONE: op_clone(); break;
    case MAPS: op_maps(); break;
    case RECORD: op_record(); break;
    case JOIN_CGROUP: {
        const char *path = string();
        if (write_all(path, "0", 1)) fail("join the control group of %s", path);
        break;
    }
    case JOIN: op_join(); break;
    case UNSHARE: a = number(); if (unshare((int)a)) fail("unshare"); break;
    case FORK: op_fork(); break;
    case BECOME:
        /* root of the new user namespace, so that what is made belongs to it */
        if (syscall(SYS_setgroups, 0, NULL) && errno != EPERM) fail("drop groups");
        if (syscall(SYS_setresgid, 0, 0, 0) || syscall(SYS_setresuid, 0, 0, 0)) fail("become root of the user namespace");
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        break;
    case PROPAGATION: {
        const char *path = string();
        if (mount(NULL, path, NULL, (unsigned long)number(), NULL)) fail("propagation of %s", path);
        break;
    }
    case STAGE: op_stage(); break;
    case AWAIT: op_await(); break;
    case ROOT: op_root(); break;
    case MOVE: op_move(); break;
    case MOUNT: op_mount(); break;
    case ATTACH: {
        int64_t index = number(), rules = number();
        attach(slot[index], string(), (int)rules);
        break;
    }
    case DETACH: op_detach(); break;
    case REMOUNT: {
        const char *path = string();
        int64_t set = number(), clear = number(), propagation = number(), recursive = number();
        int fd = below(path, O_PATH, 0);
        if (fd < 0) fail("mount at %s", path);
        reconfigure(fd, path);
        set_attributes(fd, set, clear, propagation, -1, (int)recursive, path);
        close(fd);
        break;
    }
    case DEVICE: op_device(); break;
    case LINK: op_link(); break;
    case CONSOLE: op_console(); break;
    case HOSTNAME: { const char *name = string(); if (sethostname(name, strlen(name))) fail("sethostname %s", name); break; }
    case DOMAINNAME: { const char *name = string(); if (setdomainname(name, strlen(name))) fail("setdomainname %s", name); break; }
    case SHOW: op_show(); break;
    case HOOK: op_hook(); break;
    case PIVOT: op_pivot(); break;
    case ROOTATTR: {
        int64_t set = number(), propagation = number();
        set_attributes(root_fd, set, 0, propagation & ~(int64_t)MS_REC, -1, !!(propagation & MS_REC), "/");
        break;
    }
    case MASK: op_mask(); break;
    case READONLY: op_readonly(); break;
    case KEYRING: { /* a missing or refused keyring facility is no reason to fail: runc warns as well */
        const char *name = string();
        (void)syscall(SYS_keyctl, 1 /* JOIN_SESSION_KEYRING */, name);
        break;
    }
    case RLIMIT: op_rlimit(); break;
    case SCHEDULER: op_scheduler(); break;
    case IOPRIORITY: a = number(); if (syscall(SYS_ioprio_set, 1, 0, a)) fail("ioprio_set"); break;
    case MEMPOLICY: op_mempolicy(); break;
    case PERSONALITY: a = number(); if (syscall(SYS_personality, a) < 0) fail("personality"); break;
    case AFFINITY: op_affinity(); break;
    case STDIO: op_stdio(); break;
    case CWD: op_cwd(); break;
    case UMASK: umask((mode_t)number()); break;
    case BOUNDING: op_bounding(); break;
    case USER: op_user(); break;
    case CAPABILITIES: op_capabilities(); break;
    case NONEWPRIVS: if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) fail("no_new_privs"); break;
    case SECCOMP: op_seccomp(); break;
    case RESOLVE: op_resolve(); break;
    case WAIT: op_wait(); break;
    case NETDEVICES: ask_caller('Q'); await_caller(); break;
    case CONNECT: ask_caller('N'); break;
    case CONNECTED: await_caller(); break;
    case LOOPBACK: op_loopback(); break;
    case MONITOR: op_monitor(); break;
    case CLEANUP: cleanup_args = strings(NULL), cleanup_env = strings(NULL); break;
    case COMMAND: op_command(); break;
    case LEAVE: undo(), child = 0; break;
    case EXEC: op_exec(); break;
    case OPERATIONS: break;
    }
}

static void run(void) {
    size_t at = sizeof head; /* not an address: a plan may be replaced by a longer one */
    int turn = RUNTIME;
    for (uint32_t n = 0; n < head.count; n++) {
        struct op op;
        memcpy(&op, plan + at, sizeof op);
        if (op.actor != turn) {
            if (turn == self) { if (!(self == RUNTIME && child < 0)) pass_turn(); }
            else if (self == RUNTIME) { char c = await_container(); if (c != 'T') fail_as(EPROTO, "unexpected message %c", c); }
            else await_runtime();
            turn = op.actor;
        }
        if (op.code == AWAIT) { /* both wait; in its place is what comes next */
            current = (int)n, cursor = plan + at + sizeof op;
            execute(AWAIT);
            n--;
            continue;
        }
        if (turn == self) {
            current = (int)n;
            cursor = plan + at + sizeof op;
            if ((int32_t)n == head.fault) {
                if (head.fault_errno < 0 && self == CONTAINER) _exit(137); /* pid 1 cannot be killed from within */
                if (head.fault_errno < 0) { kill(getpid(), -head.fault_errno); pause(); }
                fail_as(head.fault_errno, "injected fault");
            }
            execute((enum operation)op.code);
            if (op.code == CLONE && self == CONTAINER) turn = RUNTIME; /* the turn comes with the first message */
        }
        at += sizeof op + op.size;
    }
    if (self == CONTAINER) _exit(0); /* it did not become a program: the plan ends with LEAVE */
    char last = turn == RUNTIME ? 'T' : await_container();
    if (head.parent != PARENT_MONITOR) { /* with us gone the process's parent is the caller, or who reaps for him (subreaper) */
        char message[64];
        int n = snprintf(message, sizeof message, "P{\"pid\":%d,\"monitor\":0}", (int)child);
        if (pty >= 0) send_descriptor(control_fd, 'M', pty);
        (void)!send(control_fd, message, (size_t)n, MSG_NOSIGNAL);
        _exit(0);
    }
    (void)last;
    current = (int)head.count;
    monitor();
}

/* ringinit hold|keep SOCKET: holds a new user namespace (hold), or the one we are in (keep). It tells by an errno how that
 * went; the answer is a word once the ids are mapped and our pid is on record, or the end of one who was killed before. */
static int hold(int socket, int new) {
    int error = new && unshare(CLONE_NEWUSER) ? errno : 0;
    char word;
    dup2(socket, 3);
    syscall(NR_close_range, 4u, ~0u, 0u);
    if (send(3, &error, sizeof error, MSG_NOSIGNAL) != sizeof error || error || recv(3, &word, 1, 0) != 1) return 1;
    close(3);
    for (int fd = 0; fd < 3; fd++) close(fd); /* whoever reads from our caller must see its end */
    if (chdir("/")) return 1;
    prctl(PR_SET_NAME, "ringinit-holder");
    for (;;) pause();
}

/* ---- the forwarder: published ports where nftables does not translate (ringfence/network/forwarder.py) ------------- */

enum { FLOWS = 1024, FLOW_LIFE = 90 /* seconds, as docker-proxy's */, POOL = 8, PIPE_SIZE = 1 << 19, ROUNDS = 16, PER_LINK = 6 };

/* A listening socket, and where it leads to. What epoll tells of is a pointer to one of these structures, whose last bits
 * say which: OF_ROUTE, OF_LINK and the side, OF_FLOW; 0 is the container's end. */
enum { OF_ROUTE = 1, OF_LINK = 2, OF_FLOW = 4, TAG = 7 };
struct route { int fd, protocol; socklen_t size; struct sockaddr_storage to; };
/* A connection of TCP: side 0 is the client's. What side N has sent waits in pipe N, `held` bytes, until the other takes it. */
struct link { struct link *next_dead; int fd[2], pipe[2][2], connecting, dead; size_t held[2]; uint32_t wanted[2]; enum { SENDING, ENDED, TOLD } end[2]; };
/* A client of UDP: its own socket towards the container; `source` is the address that it has sent to, in a control message. */
struct flow { struct flow *next; struct route *route; int fd; int64_t used; socklen_t size; struct sockaddr_storage client; size_t source_size; char source[64]; };

static struct {
    int epoll, count, links, most_links, paused, flows, pooled, pool[POOL][2];
    struct route *routes;
    struct link *dead;
    struct flow *buckets[256];
} forwarder;
static char datagram[65536];

static void watch_fd(int operation, int fd, uint32_t events, void *what, unsigned tag) {
    struct epoll_event event = { events, { .u64 = (uint64_t)(uintptr_t)what | tag } };
    epoll_ctl(forwarder.epoll, operation, fd, &event);
}

static void listen_to_all(int on) {
    forwarder.paused = !on;
    for (int i = 0; i < forwarder.count; i++)
        if (forwarder.routes[i].protocol == IPPROTO_TCP)
            watch_fd(EPOLL_CTL_MOD, forwarder.routes[i].fd, on ? EPOLLIN : 0, &forwarder.routes[i], OF_ROUTE);
}

static void give_back_pipe(struct link *link, int side) {
    int *pipe = link->pipe[side];
    if (pipe[0] < 0) return;
    if (!link->held[side] && forwarder.pooled < POOL) memcpy(forwarder.pool[forwarder.pooled++], pipe, sizeof link->pipe[side]);
    else close(pipe[0]), close(pipe[1]);
    pipe[0] = pipe[1] = -1;
}

static int take_pipe(struct link *link, int side) {
    if (link->pipe[side][0] >= 0) return 0;
    if (forwarder.pooled) { memcpy(link->pipe[side], forwarder.pool[--forwarder.pooled], sizeof link->pipe[side]); return 0; }
    if (pipe2(link->pipe[side], O_NONBLOCK | O_CLOEXEC)) return -1;
    (void)!fcntl(link->pipe[side][1], F_SETPIPE_SZ, PIPE_SIZE); /* fewer rounds; what the user may not have stays as it is */
    return 0;
}

/* `broken`: not by an end that both were told of, so that both hear of a reset. It is freed when no event can name it. */
static void close_link(struct link *link, int broken) {
    struct linger reset = { 1, 0 };
    for (int side = 0; side < 2; side++) {
        if (broken) setsockopt(link->fd[side], SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        give_back_pipe(link, side);
        close(link->fd[side]);
    }
    link->dead = 1;
    link->next_dead = forwarder.dead;
    forwarder.dead = link;
    forwarder.links--;
    if (forwarder.paused) listen_to_all(1);
}

/* Hear of what can be done now, and of nothing else: a socket that is watched for nothing would still tell of its end. */
static void want(struct link *link, int side) {
    uint32_t events = 0;
    if (link->connecting) events = side ? EPOLLOUT : 0;
    else {
        if (link->end[side] == SENDING && !link->held[side]) events |= EPOLLIN;
        if (link->held[!side]) events |= EPOLLOUT;
    }
    if (events == link->wanted[side]) return;
    watch_fd(!link->wanted[side] ? EPOLL_CTL_ADD : events ? EPOLL_CTL_MOD : EPOLL_CTL_DEL, link->fd[side], events, link, OF_LINK | (unsigned)side);
    link->wanted[side] = events;
}

/* Bring what `side` sends to the other, without it ever coming here; -1 if the connection is broken. */
static int relay(struct link *link, int side) {
    int from = link->fd[side], to = link->fd[!side];
    for (int round = 0; round < ROUNDS; round++) {
        if (!link->held[side]) {
            if (link->end[side] != SENDING) break;
            if (take_pipe(link, side)) return -1;
            ssize_t n = splice(from, NULL, link->pipe[side][1], NULL, PIPE_SIZE, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
            if (n < 0 && errno == EAGAIN) break;
            if (n < 0) return -1;
            if (!n) { link->end[side] = ENDED; break; }
            link->held[side] = (size_t)n;
        }
        ssize_t n = splice(link->pipe[side][0], NULL, to, NULL, link->held[side], SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (n < 0 && errno == EAGAIN) break;
        if (n <= 0) return -1;
        link->held[side] -= (size_t)n;
    }
    if (link->held[side]) return 0;
    give_back_pipe(link, side);
    if (link->end[side] == ENDED) shutdown(to, SHUT_WR), link->end[side] = TOLD;
    return 0;
}

static void serve_link(struct link *link, int side) {
    if (link->dead) return;
    int broken = 0;
    if (link->connecting) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(link->fd[1], SOL_SOCKET, SO_ERROR, &error, &size);
        if (error) { close_link(link, 1); return; }
        link->connecting = 0;
    } else {
        if (link->wanted[side] & EPOLLIN) broken |= relay(link, side);
        if (link->wanted[side] & EPOLLOUT) broken |= relay(link, !side);
    }
    if (broken) close_link(link, 1);
    else if (link->end[0] == TOLD && link->end[1] == TOLD) close_link(link, 0);
    else want(link, 0), want(link, 1);
}

static void accept_link(struct route *route) {
    for (int round = 0; round < ROUNDS; round++) {
        if (forwarder.links >= forwarder.most_links) { listen_to_all(0); return; } /* until another one ends */
        int client = accept4(route->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
        if (client < 0) { if (lacks_room()) listen_to_all(0); return; } /* for a while: see forward_ports */
        int container = socket(route->to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        struct link *link = calloc(1, sizeof *link);
        if (container < 0 || !link) { if (container >= 0) close(container); free(link); close(client); return; }
        *link = (struct link){ .fd = { client, container }, .pipe = { { -1, -1 }, { -1, -1 } }, .connecting = 1 };
        forwarder.links++;
        for (int side = 0; side < 2; side++) {
            setsockopt(link->fd[side], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            setsockopt(link->fd[side], SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
        }
        if (connect(container, (struct sockaddr *)&route->to, route->size) && errno != EINPROGRESS) close_link(link, 1);
        else want(link, 1);
    }
}

static void close_flow(struct flow **place) {
    struct flow *flow = *place;
    *place = flow->next;
    close(flow->fd);
    free(flow);
    forwarder.flows--;
}

/* Those that nobody has used since; not while events are at hand that may name one. */
static void close_flows(int64_t since) {
    for (int i = 0; i < 256; i++)
        for (struct flow **place = &forwarder.buckets[i]; *place;)
            if ((*place)->used < since) close_flow(place);
            else place = &(*place)->next;
}

static struct flow *flow_of(struct route *route, struct sockaddr_storage *client, socklen_t size) {
    unsigned hash = (unsigned)route->fd;
    for (socklen_t i = 0; i < size; i++) hash = hash * 31 + ((unsigned char *)client)[i];
    struct flow **bucket = &forwarder.buckets[hash % 256], *flow = *bucket;
    for (; flow; flow = flow->next) if (flow->route == route && flow->size == size && !memcmp(&flow->client, client, size)) return flow;
    if (forwarder.flows >= FLOWS || !(flow = calloc(1, sizeof *flow))) return NULL; /* a datagram may be lost */
    flow->fd = socket(route->to.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (flow->fd < 0 || connect(flow->fd, (struct sockaddr *)&route->to, route->size)) { if (flow->fd >= 0) close(flow->fd); free(flow); return NULL; }
    flow->route = route, flow->client = *client, flow->size = size, flow->next = *bucket;
    *bucket = flow;
    forwarder.flows++;
    watch_fd(EPOLL_CTL_ADD, flow->fd, EPOLLIN, flow, OF_FLOW);
    return flow;
}

/* The control message by which an answer comes from the address that was asked. */
static void keep_source(struct flow *flow, struct msghdr *message) {
    for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control; control = CMSG_NXTHDR(message, control)) {
        int old = control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO;
        if (!old && !(control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO)) continue;
        struct in6_pktinfo *new = (struct in6_pktinfo *)CMSG_DATA(control);
        if (old) ((struct in_pktinfo *)CMSG_DATA(control))->ipi_ifindex = 0; /* by whatever interface leads there */
        else if (!IN6_IS_ADDR_LINKLOCAL(&new->ipi6_addr)) new->ipi6_ifindex = 0;
        flow->source_size = CMSG_SPACE(control->cmsg_len - CMSG_LEN(0));
        if (flow->source_size <= sizeof flow->source) memcpy(flow->source, control, control->cmsg_len);
        else flow->source_size = 0;
    }
}

static void serve_datagrams(struct route *route, int64_t now) {
    for (int round = 0; round < 4 * ROUNDS; round++) {
        struct sockaddr_storage client;
        _Alignas(struct cmsghdr) char control[64];
        struct iovec data = { datagram, sizeof datagram };
        struct msghdr message = { .msg_name = &client, .msg_namelen = sizeof client, .msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
        memset(&client, 0, sizeof client);
        ssize_t n = recvmsg(route->fd, &message, MSG_DONTWAIT);
        if (n < 0) return;
        struct flow *flow = flow_of(route, &client, message.msg_namelen);
        if (!flow) continue;
        flow->used = now;
        keep_source(flow, &message);
        (void)!send(flow->fd, datagram, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

static void serve_flow(struct flow *flow, int64_t now) {
    for (int round = 0; round < 4 * ROUNDS; round++) {
        ssize_t n = recv(flow->fd, datagram, sizeof datagram, MSG_DONTWAIT);
        if (n < 0) return; /* nothing more; or nobody listens in the container, which its next datagram tells again */
        flow->used = now;
        struct iovec data = { datagram, (size_t)n };
        struct msghdr message = { .msg_name = &flow->client, .msg_namelen = flow->size, .msg_iov = &data, .msg_iovlen = 1, .msg_control = flow->source_size ? flow->source : NULL, .msg_controllen = flow->source_size };
        (void)!sendmsg(flow->route->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

/* "tcp,10.78.0.2,80" as a route for the socket `fd`. */
static int read_route(char *text, int fd, struct route *route) {
    char *address = strchr(text, ','), *port = address ? strrchr(address + 1, ',') : NULL;
    if (!port) return -1;
    int on = 1;
    struct sockaddr_in *v4 = (struct sockaddr_in *)&route->to;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&route->to;
    *address++ = *port++ = 0;
    route->fd = fd;
    route->protocol = !strcmp(text, "udp") ? IPPROTO_UDP : !strcmp(text, "tcp") ? IPPROTO_TCP : 0; /* others are kept, not served */
    if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) v4->sin_family = AF_INET, v4->sin_port = htons((uint16_t)atoi(port)), route->size = sizeof *v4;
    else if (inet_pton(AF_INET6, address, &v6->sin6_addr) == 1) v6->sin6_family = AF_INET6, v6->sin6_port = htons((uint16_t)atoi(port)), route->size = sizeof *v6;
    else return -1;
    if (route->protocol == IPPROTO_UDP && setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on)) setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    return fcntl(fd, F_SETFL, O_NONBLOCK);
}

static int drop_privileges(void) {
    struct caps_header header = { 0x20080522, 0 };
    struct caps_data none[2];
    memset(none, 0, sizeof none);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    prctl(PR_CAP_AMBIENT, 4 /* CLEAR_ALL */, 0, 0, 0);
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -1 : (int)syscall(SYS_capset, &header, none);
}

/* No other system call than those of the loop below; a kernel without seccomp leaves it at the lost privileges. */
static void confine(void) {
    static const int allowed[] = { SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_splice, SYS_pipe2, SYS_accept4, SYS_socket, SYS_connect, SYS_getsockopt,
        SYS_setsockopt, SYS_shutdown, SYS_close, SYS_epoll_ctl, SYS_epoll_pwait, SYS_recvfrom, SYS_sendto, SYS_recvmsg, SYS_sendmsg, SYS_fcntl, SYS_clock_gettime,
        SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_madvise, SYS_mprotect, SYS_futex, SYS_exit, SYS_exit_group, SYS_rt_sigreturn, SYS_restart_syscall,
#ifdef SYS_epoll_wait
        SYS_epoll_wait,
#endif
    };
    enum { COUNT = sizeof allowed / sizeof *allowed };
#if defined __x86_64__
    const uint32_t architecture = 0xc000003e; /* AUDIT_ARCH_X86_64 */
#elif defined __aarch64__
    const uint32_t architecture = 0xc00000b7;
#else
    const uint32_t architecture = 0; /* the numbers of others may differ between their kinds of programs: no filter */
#endif
    struct sock_filter_ code[COUNT + 6] = { { 0x20, 0, 0, 4 }, { 0x15, 1, 0, architecture }, { 0x06, 0, 0, 0x80000000u }, { 0x20, 0, 0, 0 } };
    for (int i = 0; i < COUNT; i++) code[4 + i] = (struct sock_filter_){ 0x15, (uint8_t)(COUNT - i), 0, (uint32_t)allowed[i] };
    code[4 + COUNT] = (struct sock_filter_){ 0x06, 0, 0, 0x00050000u | EPERM };
    code[5 + COUNT] = (struct sock_filter_){ 0x06, 0, 0, 0x7fff0000u };
    struct sock_fprog_ program_ = { COUNT + 6, code };
    if (architecture) (void)!syscall(SYS_seccomp, 1 /* SET_MODE_FILTER */, 0, &program_);
}

/* ringinit forward NAME FIRST ROUTE...: the descriptors from FIRST on are a file to write our pid to, which is locked, the
 * container's pidfd, and a socket for each route. It is nobody's child, and ends with the container. */
static int forward_ports(int argc, char **argv) {
    int first = atoi(argv[3]);
    struct rlimit limit;
    forwarder.count = argc - 4;
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++) if (null < 0 || dup2(null, fd) < 0) return 66;
    if (first < 3 || syscall(NR_close_range, 3u, (unsigned)first - 1, 0u) || syscall(NR_close_range, (unsigned)(first + 2 + forwarder.count), ~0u, 0u)) return 66;
    if (chdir("/")) return 66;
    forwarder.routes = calloc((size_t)forwarder.count, sizeof *forwarder.routes);
    forwarder.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!forwarder.routes || forwarder.epoll < 0) return 70;
    for (int i = 0; i < forwarder.count; i++) {
        struct route *route = &forwarder.routes[i];
        if (read_route(argv[4 + i], first + 2 + i, route)) return 65;
        if (route->protocol) watch_fd(EPOLL_CTL_ADD, route->fd, EPOLLIN, route, OF_ROUTE);
    }
    watch_fd(EPOLL_CTL_ADD, first + 1, EPOLLIN, NULL, 0);
    if (!getrlimit(RLIMIT_NOFILE, &limit)) limit.rlim_cur = limit.rlim_max, setrlimit(RLIMIT_NOFILE, &limit);
    if (getrlimit(RLIMIT_NOFILE, &limit)) return 70;
    int64_t room = limit.rlim_cur > INT_MAX ? INT_MAX : (int64_t)limit.rlim_cur;
    room -= first + forwarder.count + FLOWS + 2 * POOL + 16;
    forwarder.most_links = room < PER_LINK ? 1 : (int)(room / PER_LINK);
    if (drop_privileges()) return 70;
    pid_t pid = fork();
    if (pid) {
        char text[16];
        int size = snprintf(text, sizeof text, "%d\n", (int)pid);
        return pid < 0 || ftruncate(first, 0) || pwrite(first, text, (size_t)size, 0) != size ? 70 : 0;
    }
    setsid();
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_NAME, "ringinit-ports");
    confine();
    for (int64_t cleaned = 0, tried = 0;;) {
        struct epoll_event events[64];
        int deaf = forwarder.paused && forwarder.links < forwarder.most_links; /* as descriptors were lacking */
        int n = epoll_wait(forwarder.epoll, events, 64, deaf ? BREATH : forwarder.flows ? 10000 : -1);
        int64_t now = now_ns(CLOCK_MONOTONIC) / 1000000000;
        for (int i = 0; i < n; i++) {
            unsigned tag = (unsigned)(events[i].data.u64 & TAG);
            void *what = (void *)(uintptr_t)(events[i].data.u64 & ~(uint64_t)TAG);
            if (tag == OF_ROUTE && ((struct route *)what)->protocol == IPPROTO_UDP) serve_datagrams(what, now);
            else if (tag == OF_ROUTE) accept_link(what);
            else if (tag & OF_LINK) serve_link(what, tag & 1);
            else if (tag == OF_FLOW) serve_flow(what, now);
            else _exit(0);
        }
        if (deaf && forwarder.paused && now != tried) listen_to_all(1), tried = now;
        for (struct link *link; (link = forwarder.dead); free(link)) forwarder.dead = link->next_dead;
        if (forwarder.flows >= FLOWS) close_flows(now - 2), cleaned = now; /* rather those than none */
        else if (forwarder.flows && now - cleaned >= 10) close_flows(now - FLOW_LIFE), cleaned = now;
    }
}

/* ringinit init PROGRAM...: see init_of. ringinit hold|keep SOCKET: see hold. ringinit forward NAME FIRST ROUTE...: see
 * forward_ports. ringinit PLAN_FD CONTROL_FD: the plan is a memory file; the control socket speaks the attach protocol. */
/* ---- sealed: no container can ever write to our program (ringfence/runtime/helper.py) ------------------------------ */

/* It as a file of a read-only overlay that is attached nowhere; an overlay needs two layers, `second` is any directory. */
static int sealed_overlay(const char *second) {
    char path[PATH_MAX], layers[2 * PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path - 1);
    if (size <= 0) return -1;
    path[size] = 0;
    char *name = strrchr(path, '/');
    *name++ = 0;
    snprintf(layers, sizeof layers, "%s:%s", path, second);
    int fs = (int)syscall(NR_fsopen, "overlay", FSOPEN_CLOEXEC_), root = -1, fd = -1;
    if (fs >= 0 && !syscall(NR_fsconfig, fs, FSCONFIG_STRING, "lowerdir", layers, 0) &&
        !syscall(NR_fsconfig, fs, FSCONFIG_FLAG, "ro", NULL, 0) && !syscall(NR_fsconfig, fs, FSCONFIG_CREATE, NULL, NULL, 0))
        root = (int)syscall(NR_fsmount, fs, FSMOUNT_CLOEXEC_, ATTR_RDONLY);
    if (root >= 0) fd = openat(root, name, O_PATH | O_NOFOLLOW | O_CLOEXEC), close(root);
    if (fs >= 0) close(fs);
    return fd;
}

/* It as a sealed memory file, where there is no privilege for a mount, or no overlay in this kernel. */
static int sealed_memory(void) {
    char buffer[16384];
    int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), fd = (int)syscall(SYS_memfd_create, "ringinit", 3u /* MFD_CLOEXEC, MFD_ALLOW_SEALING */);
    ssize_t n = from < 0 ? -1 : 1;
    while (fd >= 0 && n > 0 && (n = read(from, buffer, sizeof buffer)) > 0) if (write(fd, buffer, (size_t)n) != n) n = -1;
    if (from >= 0) close(from);
    if (fd >= 0 && (n < 0 || fcntl(fd, 1033 /* F_ADD_SEALS */, 0xf /* SEAL, SHRINK, GROW, WRITE */))) close(fd), fd = -1;
    return fd;
}

int main(int argc, char **argv) {
    if (argc > 2 && !strcmp(argv[1], "init")) return init_of((const char **)argv + 2);
    if (argc == 3 && (!strcmp(argv[1], "hold") || !strcmp(argv[1], "keep"))) return hold(atoi(argv[2]), argv[1][0] == 'h');
    if (argc > 4 && !strcmp(argv[1], "forward")) return forward_ports(argc, argv);
    if (argc == 4) { /* not yet sealed */
        int fd = sealed_overlay(argv[3]);
        if (fd < 0) fd = sealed_memory();
        char *const again[] = { argv[0], argv[1], argv[2], NULL }, *const empty[] = { NULL };
        if (fd >= 0) syscall(SYS_execveat, fd, "", again, empty, AT_EMPTY_PATH);
        return 71;
    }
    if (argc != 3) {
        static const char usage[] = "ringinit: executes container plans for ringfence; it is not run by hand\n";
        (void)!write(2, usage, sizeof usage - 1);
        return 64;
    }
    int plan_fd = atoi(argv[1]);
    control_fd = atoi(argv[2]);
    if (load(plan_fd)) {
        send_error(control_fd, '!', -1, 0, "ringinit was built for another version of this program: build (make setup) or install both again");
        return 65;
    }
    close(plan_fd);
    int first = 3 + (int)head.preserve; /* whatever else the caller had open stays the caller's */
    for (int fd; (fd = open("/dev/null", O_RDWR)) < first;) { /* the caller may have closed some */
        if (fd < 0) return 66;
        if (fd > 2) fcntl(fd, F_SETFD, FD_CLOEXEC); /* unused numbers must not be taken by what we open */
    }
    if (control_fd != first && dup2(control_fd, first) < 0) return 66;
    control_fd = first;
    if (syscall(NR_close_range, (unsigned)first + 1, ~0u, 0u)) return 66;
    fcntl(control_fd, F_SETFD, FD_CLOEXEC);
    signal(SIGCHLD, SIG_DFL); /* where the caller ignores it, no child could be waited for */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* nobody may look into us while we join a container (CVE-2016-9962) */
    if (head.parent == PARENT_MONITOR) setsid();
    original_umask = umask(0);
    run();
    return 0;
}
