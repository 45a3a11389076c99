/* What libraries print on stderr. */
#define _GNU_SOURCE
#include "handlefs.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static hf_line_handler receiver;

static ssize_t take(void *cookie, const char *text, size_t length)
{
    (void)cookie;
    receiver(text, length);
    return (ssize_t)length;
}

int hf_take_errors(hf_line_handler handler)
{
    cookie_io_functions_t functions = {.write = take};
    FILE *stream = fopencookie(NULL, "w", functions);
    if (!stream)
        return -errno;
    setvbuf(stream, NULL, _IOLBF, BUFSIZ);
    receiver = handler;
    stderr = stream;
    return 0;
}

void hf_crash_silently(void)
{
    const int signals[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGQUIT, SIGSEGV, SIGTRAP};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        signal(signals[i], SIG_DFL);
    /* Swift installs its handlers before a program's own code runs. */
    setenv("SWIFT_BACKTRACE", "enable=no", 1);
}
