/* Operations that may not be done twice, one at a time, in the working directory. */
#include "load.h"

#include <sys/sysmacros.h>

/* What the operations work on. */
static int prepare(int count, char **arguments)
{
    if (count < 1)
        return 2;
    MUST(chdir(arguments[0]));
    put("file", "the file");
    put("other", "the other one");
    MUST(link("other", "second"));
    MUST(mkdir("directory", 0755));
    MUST(mkdir("full", 0755));
    put("full/file", "in the directory");
    MUST(setxattr("file", "user.there", "value", 5, 0));
    return 0;
}

static int create(void) { return open("new", O_RDWR | O_CREAT | O_EXCL, 0640); }
static int create_loosely(void) { return open("new", O_RDWR | O_CREAT | O_TRUNC, 0640); }
static int make_directory(void) { return mkdir("new", 0750); }
static int make_fifo(void) { return mknod("new", S_IFIFO | 0640, 0); }
static int make_device(void) { return mknod("new", S_IFCHR | 0640, makedev(1, 3)); }
static int make_symlink(void) { return symlink("a//target", "new"); }
static int make_link(void) { return link("file", "new"); }
static int remove_file(void) { return unlink("file"); }
static int remove_link(void) { return unlink("second"); }
static int remove_directory(void) { return rmdir("directory"); }
static int rename_file(void) { return rename("file", "new"); }
static int rename_into(void) { return rename("file", "directory/new"); }
static int rename_over(void) { return rename("file", "other"); }
static int rename_directory(void) { return rename("full", "directory"); }
static int rename_without(void)
{
    return renameat2(AT_FDCWD, "file", AT_FDCWD, "new", RENAME_NOREPLACE);
}
static int exchange(void)
{
    return renameat2(AT_FDCWD, "file", AT_FDCWD, "full", RENAME_EXCHANGE);
}
static int create_attribute(void)
{
    return setxattr("file", "user.new/with//slash", "value", 5, XATTR_CREATE);
}
static int remove_attribute(void) { return removexattr("file", "user.there"); }

/* As they fail, where nothing may be done. */
static int create_again(void) { return open("file", O_RDWR | O_CREAT | O_EXCL, 0640); }
static int remove_full(void) { return rmdir("full"); }
static int exchange_nothing(void)
{
    return renameat2(AT_FDCWD, "file", AT_FDCWD, "nothing", RENAME_EXCHANGE);
}

static const struct {
    const char *name;
    int (*run)(void);
} all[] = {
    {"create", create},
    {"create-loosely", create_loosely},
    {"make-directory", make_directory},
    {"make-fifo", make_fifo},
    {"make-device", make_device},
    {"make-symlink", make_symlink},
    {"make-link", make_link},
    {"remove-file", remove_file},
    {"remove-link", remove_link},
    {"remove-directory", remove_directory},
    {"rename-file", rename_file},
    {"rename-into", rename_into},
    {"rename-over", rename_over},
    {"rename-directory", rename_directory},
    {"rename-without", rename_without},
    {"exchange", exchange},
    {"create-attribute", create_attribute},
    {"remove-attribute", remove_attribute},
    {"create-again", create_again},
    {"remove-full", remove_full},
    {"exchange-nothing", exchange_nothing},
};

static int operate(int count, char **arguments)
{
    if (count < 2)
        return 2;
    MUST(chdir(arguments[0]));
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!strcmp(all[i].name, arguments[1])) {
            int result = all[i].run();
            printf("%s\n", result < 0 ? strerrorname_np(errno) : "ok");
            /* A file that was made is open; what is written through it must be there. */
            if (result > 0 && write(result, "new text", 8) != 8)
                fail("write");
            return 0;
        }
    return 2;
}

const struct command operations[] = {
    {"prepare", "DIRECTORY", prepare},
    {"operate", "DIRECTORY OPERATION", operate},
    {NULL, NULL, NULL},
};
