/* The commands `ringfence` and `ringrun`: they become Python, in which ringfence/command.py goes on.
 *
 * Not the scripts that pip makes: Python then looks for packages all over (its module `site`, 2 ms of each start), and
 * heeds the caller's PYTHONPATH and the like, although a runtime is called as root by programs with environments of their
 * own. Hence -I and -S, and hence the package's directory is found here. Compiled with NAME, VERSION ("3.11"), PYTHON (the
 * interpreter that built us) and, if the package stays where it is (an editable install), SOURCE. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const from_here[] = { /* relative to our directory: pip's places, Debian's, Fedora's */
    "../lib/python" VERSION "/site-packages", "../lib/python" VERSION "/dist-packages", "../lib64/python" VERSION "/site-packages",
};
static const char run[] = "import sys; sys.path.append(sys.argv.pop(1)); from ringfence import command; command.run(sys.argv.pop(1))";
static const char run_found_by_site[] = "import sys; from ringfence import command; command.run(sys.argv.pop(1))";

/* Whether the package is in DIRECTORY, or in what SUBDIRECTORY is of it; then that is `place`. */
static int is_in(char place[static PATH_MAX], const char *directory, const char *subdirectory) {
    char file[PATH_MAX];
    if (snprintf(place, PATH_MAX, "%s%s%s", directory, *subdirectory ? "/" : "", subdirectory) >= PATH_MAX) return 0;
    return snprintf(file, sizeof file, "%s/ringfence/command.py", place) < PATH_MAX && !access(file, R_OK);
}

static int find(char place[static PATH_MAX], const char *here) {
#ifdef SOURCE
    if (is_in(place, SOURCE, "")) return 1;
#endif
    for (size_t n = 0; n < sizeof from_here / sizeof *from_here; n++) if (is_in(place, here, from_here[n])) return 1;
    return 0;
}

int main(int argc, char **argv) {
    char here[PATH_MAX] = ".", beside[PATH_MAX + 16], place[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", here, sizeof here - 1);
    if (length > 0) here[length] = 0;
    char *slash = length > 0 ? strrchr(here, '/') : NULL;
    if (slash) *slash = 0;
    int found = find(place, here), n = 0;
    char **words = calloc((size_t)argc + 8, sizeof *words);
    if (!words) return perror(NAME), 1;
    words[n++] = beside;
    words[n++] = "-I";
    if (found) words[n++] = "-S";
    words[n++] = "-c";
    words[n++] = (char *)(found ? run : run_found_by_site);
    if (found) words[n++] = place;
    words[n++] = NAME;
    for (int k = 1; k < argc; k++) words[n++] = argv[k];
    snprintf(beside, sizeof beside, "%s/python" VERSION, here);
    execv(beside, words);
    words[0] = PYTHON;
    execv(PYTHON, words);
    fprintf(stderr, NAME ": there is neither %s nor " PYTHON ": %s\n", beside, strerror(errno));
    return 127;
}
