/* Ends a process with a message when damaged data crash it. */
#define _GNU_SOURCE
#include "handlesys.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The message and the status are set before the handlers are installed, and do not change while
 * they are. */
static char last_words[4096];
static size_t last_words_length;
static int last_status;
static atomic_int is_armed;

static const int crashes[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP};
enum { crash_count = sizeof crashes / sizeof crashes[0] };

static void say(const char *text, size_t length)
{
    while (length > 0) {
        ssize_t written = write(STDERR_FILENO, text, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        text += written;
        length -= (size_t)written;
    }
}

static void leave(int signal)
{
    (void)signal;
    say(last_words, last_words_length);
    _exit(last_status);
}

/* The handler needs a stack of its own: after a stack overflow the thread's stack is unusable. */
static int use_own_stack(void)
{
    static char stack[64 << 10];
    stack_t own = {.ss_sp = stack, .ss_size = sizeof stack};
    return sigaltstack(&own, NULL) == 0 ? 0 : -errno;
}

static int handle_all(void (*handler)(int))
{
    struct sigaction action = {.sa_flags = SA_ONSTACK | SA_NODEFER | SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    action.sa_handler = handler;
    for (int i = 0; i < crash_count; i++)
        if (sigaction(crashes[i], &action, NULL) != 0)
            return -errno;
    return 0;
}

int hsys_end_on_crash(const char *message, int status)
{
    last_words_length = strnlen(message, sizeof last_words);
    memcpy(last_words, message, last_words_length);
    last_status = status;
    int error = use_own_stack();
    if (error == 0)
        error = handle_all(leave);
    if (error == 0)
        atomic_store(&is_armed, 1);
    return error;
}

void hsys_crash_as_usual(void)
{
    atomic_store(&is_armed, 0);
    (void)handle_all(SIG_DFL);
}

void hsys_say_at_end(const char *message)
{
    if (atomic_load(&is_armed))
        leave(SIGABRT);
    say(message, strlen(message));
}
