#include "load.h"

#include <stdarg.h>

void fail(const char *format, ...)
{
    int error = errno;
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, " (errno %s)\n", strerrorname_np(error) ? strerrorname_np(error) : "0");
    fflush(stdout);
    _exit(1);
}

long must(const char *call, long result, const char *file, int line)
{
    if (result < 0)
        fail("%s:%d: %s", strrchr(file, '/') ? strrchr(file, '/') + 1 : file, line, call);
    return result;
}

int goes_on(const char *stop_file)
{
    /* Once at least, however late it begins. */
    static int calls;
    return calls++ == 0 || access(stop_file, F_OK) != 0;
}

uint64_t random_number(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15;
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

char *contents(const char *path, size_t *length)
{
    int fd = (int)MUST(open(path, O_RDONLY));
    size_t size = 0, room = 1 << 16;
    char *text = malloc(room + 1);
    ssize_t n;
    while ((n = MUST(read(fd, text + size, room - size))) > 0) {
        size += (size_t)n;
        if (size == room)
            text = realloc(text, (room *= 2) + 1);
    }
    close(fd);
    text[size] = 0;
    if (length)
        *length = size;
    return text;
}

void put(const char *path, const char *text)
{
    int fd = (int)MUST(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
    ssize_t length = (ssize_t)strlen(text);
    if (MUST(write(fd, text, (size_t)length)) != length)
        fail("a short write to %s", path);
    MUST(close(fd));
}

int main(int count, char **arguments)
{
    const struct command *const all[] = {changes, loads, operations, tools, files, mapping};
    const char *name = count > 1 ? arguments[1] : "";
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (const struct command *command = all[i]; command->name; command++)
            if (!strcmp(command->name, name))
                return command->run(count - 2, arguments + 2);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (const struct command *command = all[i]; command->name; command++)
            printf("mountload %s %s\n", command->name, command->usage);
    return *name ? 2 : 0;
}
