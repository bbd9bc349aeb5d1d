/* The program of the containers that the bench starts: `true` ends at once, `pause` stays. Linked statically, so that
 * what is measured is the container and not its dynamic linker. */
#include <string.h>
#include <unistd.h>

int main(int count, char **arguments) {
    const char *slash = strrchr(arguments[0], '/');
    if (count && !strcmp(slash ? slash + 1 : arguments[0], "pause"))
        for (;;) pause();
    return 0;
}
