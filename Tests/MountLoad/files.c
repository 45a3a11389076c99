/* Single calls on files that no ordinary command makes. */
#include "load.h"

#include <dirent.h>
#include <sys/socket.h>
#include <sys/un.h>

/* truncate(2) by the path: the file is not open then. */
static int truncate_path(int count, char **arguments)
{
    if (count < 2)
        return 2;
    MUST(truncate(arguments[0], atol(arguments[1])));
    return 0;
}

/* Makes a file without a name, writes a text into it, and gives it a name; prints what it has then. */
static int unnamed(int count, char **arguments)
{
    if (count < 3)
        return 2;
    int fd = (int)MUST(open(arguments[0], O_RDWR | O_TMPFILE, 0644));
    ssize_t length = (ssize_t)strlen(arguments[2]);
    if (MUST(write(fd, arguments[2], (size_t)length)) != length)
        fail("a short write");
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    MUST(linkat(AT_FDCWD, path, AT_FDCWD, arguments[1], AT_SYMLINK_FOLLOW));
    struct stat status;
    MUST(fstat(fd, &status));
    char *text = contents(arguments[1], NULL);
    printf("%s, %ld bytes, links %lu\n", text, (long)status.st_size,
           (unsigned long)status.st_nlink);
    free(text);
    return 0;
}

/* Gives each name of a directory another one while it is read; says how many it was shown, which ends
 * at three times what there is. */
static int rename_listed(int count, char **arguments)
{
    if (count < 2)
        return 2;
    MUST(chdir(arguments[0]));
    long there = atol(arguments[1]), seen = 0;
    DIR *list = opendir(".");
    struct dirent *entry;
    char name[64];
    while (list && seen < 3 * there && (entry = readdir(list))) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "renamed-%ld", seen++);
        MUST(rename(entry->d_name, name));
    }
    printf("%ld\n", seen);
    return 0;
}

/* Makes files that lose their names while they are open: every fourth never had one. */
static int temporary(int count, char **arguments)
{
    if (count < 2)
        return 2;
    MUST(chdir(arguments[0]));
    for (long i = 0; i < atol(arguments[1]); i++) {
        int fd = i % 4 ? open("temporary", O_RDWR | O_CREAT | O_EXCL, 0600)
                       : open(".", O_RDWR | O_TMPFILE, 0600);
        MUST(fd);
        if (i % 4)
            MUST(unlink("temporary"));
        MUST(close(fd));
    }
    return 0;
}

/* Sends a line to a socket, and prints the answer. */
static int tell(int count, char **arguments)
{
    if (count < 2)
        return 2;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", arguments[0]);
    int fd = (int)MUST(socket(AF_UNIX, SOCK_STREAM, 0));
    MUST(connect(fd, (struct sockaddr *)&address, sizeof address));
    dprintf(fd, "%s\n", arguments[1]);
    char text[4096];
    for (ssize_t n; (n = MUST(read(fd, text, sizeof text))) > 0;)
        fwrite(text, 1, (size_t)n, stdout);
    return 0;
}

const struct command files[] = {
    {"tell", "SOCKET LINE", tell},
    {"temporary", "DIRECTORY COUNT", temporary},
    {"rename-listed", "DIRECTORY COUNT", rename_listed},
    {"truncate", "FILE SIZE", truncate_path},
    {"unnamed", "DIRECTORY NAME TEXT", unnamed},
    {NULL, NULL, NULL},
};
