/* Extended attributes, and the access control lists that are kept in them. */
#include "table.h"

static int by_name(const void *a, const void *b) { return strcmp(*(char **)a, *(char **)b); }

static void list(const char *name)
{
    char text[65536], *names[512];
    ssize_t n = listxattr(name, text, sizeof text);
    int count = 0;
    for (ssize_t at = 0; at < n && count < 512; at += (ssize_t)strlen(text + at) + 1)
        names[count++] = text + at;
    qsort(names, (size_t)count, sizeof *names, by_name);
    say("%s has %d attributes, %zd bytes", name, count, n);
    for (int i = 0; i < count && i < 20; i++)
        say("%s has %s", name, names[i]);
}

static void attributes(void)
{
    char text[70000] = "";
    make("file", 0644, "x");
    list("file");
    DO(setxattr("file", "user.a", "value", 5, 0));
    NUMBER(getxattr("file", "user.a", NULL, 0));
    NUMBER(getxattr("file", "user.a", text, 100));
    say("%.5s", text);
    NUMBER(getxattr("file", "user.a", text, 4));
    NUMBER(getxattr("file", "user.a", text, 5));
    NUMBER(getxattr("file", "user.b", text, 5));
    DO(setxattr("file", "user.a", "other", 5, XATTR_CREATE));
    DO(setxattr("file", "user.b", "other", 5, XATTR_REPLACE));
    DO(setxattr("file", "user.a", "longer value", 12, XATTR_REPLACE));
    DO(setxattr("file", "user.b", "", 0, XATTR_CREATE));
    NUMBER(getxattr("file", "user.b", text, 5));
    DO(setxattr("file", "user.", "x", 1, 0));
    DO(setxattr("file", "nonsense.x", "x", 1, 0));
    DO(setxattr("file", "", "x", 1, 0));
    DO(setxattr("nothing", "user.a", "x", 1, 0));
    DO(setxattr("file", "user.slash/and//slash/", "x", 1, 0));
    NUMBER(getxattr("file", "user.slash/and//slash/", text, 5));
    NUMBER(getxattr("file", "user.slash/and/slash", text, 5));
    list("file");
    NUMBER(listxattr("file", text, 3));
    NUMBER(listxattr("file", NULL, 0));
    DO(removexattr("file", "user.a"));
    DO(removexattr("file", "user.a"));
    DO(removexattr("file", "user.slash/and//slash/"));
    list("file");
    memset(text, 'v', sizeof text);
    DO(setxattr("file", "user.long", text, 1000, 0));
    DO(setxattr("file", "user.long", text, 3000, 0));
    NUMBER(getxattr("file", "user.long", text, sizeof text));
    DO(setxattr("file", "user.too long", text, 65537, 0));
    char name[300] = "user.";
    memset(name + 5, 'n', 290);
    name[255] = 0;
    DO(setxattr("file", name, "x", 1, 0));
    DO(removexattr("file", name));
    name[255] = 'n';
    name[256] = 0;
    DO(setxattr("file", name, "x", 1, 0));
    NUMBER(getxattr("file", name, text, 10));
    int fd = open("file", O_RDONLY);
    DO(fsetxattr(fd, "user.fd", "x", 1, 0));
    NUMBER(fgetxattr(fd, "user.fd", text, 10));
    DO(fremovexattr(fd, "user.fd"));
}

static void long_value(void)
{
    static char text[65536], back[65536];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i * 7);
    static const size_t sizes[] = {100, 1000, 3000, 10000, 40000, 65536};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t size = sizes[i];
        make("file", 0644, "x");
        if (setxattr("file", "user.long", text, size, 0)) {
            say("%zu: %s", size, strerrorname_np(errno));
        } else {
            ssize_t n = getxattr("file", "user.long", back, sizeof back);
            say("%zu: %zd, %s", size, n, memcmp(text, back, size) ? "different" : "alike");
            NUMBER(getxattr("file", "user.long", back, size - 1));
            NUMBER(getxattr("file", "user.long", NULL, 0));
        }
        unlink("file");
    }
}

static void on_other_files(void)
{
    make_directory("d", 0755);
    DO(setxattr("d", "user.x", "y", 1, 0));
    list("d");
    DO(symlink("d", "link"));
    DO(setxattr("link", "user.z", "y", 1, 0));
    list("d");
    DO(lsetxattr("link", "user.x", "y", 1, 0));
    DO(lsetxattr("link", "trusted.x", "y", 1, 0));
    char text[16];
    NUMBER(lgetxattr("link", "trusted.x", text, 16));
    NUMBER(lgetxattr("link", "user.x", text, 16));
    DO(lremovexattr("link", "trusted.x"));
    DO(mknod("fifo", S_IFIFO | 0600, 0));
    DO(setxattr("fifo", "user.x", "y", 1, 0));
    DO(setxattr("fifo", "trusted.x", "y", 1, 0));
}

static void name_spaces(void)
{
    char text[64];
    make("file", 0644, "x");
    DO(setxattr("file", "trusted.x", "y", 1, 0));
    NUMBER(getxattr("file", "trusted.x", text, 16));
    DO(setxattr("file", "security.x", "y", 1, 0));
    NUMBER(getxattr("file", "security.x", text, 16));
    DO(setxattr("file", "system.x", "y", 1, 0));
    NUMBER(getxattr("file", "system.x", text, 16));
    list("file");
    AS(USER, GROUP, {
        NUMBER(getxattr("file", "trusted.x", text, 16));
        NUMBER(getxattr("file", "user.x", text, 16));
        DO(setxattr("file", "user.x", "y", 1, 0));
    });
    AS(USER, GROUP, {
        char text[256] = "";
        int shown = 0, secret = 0;
        ssize_t n = listxattr("file", text, sizeof text);
        for (ssize_t at = 0; at < n; at += (ssize_t)strlen(text + at) + 1) {
            shown += !strcmp(text + at, "security.x");
            secret += !strcmp(text + at, "trusted.x");
        }
        say("a user sees security.x: %d", shown);
        say("a user sees trusted.x: %d", secret);
    });
    DO(chmod("file", 0666));
    AS(USER, GROUP, {
        DO(setxattr("file", "user.x", "y", 1, 0));
        DO(setxattr("file", "trusted.x", "y", 1, 0));
        DO(removexattr("file", "user.x"));
    });
    make_directory("sticky", 01777);
    AS(USER, GROUP, DO(setxattr("sticky", "user.x", "y", 1, 0)));
    DO(chmod("file", 0200));
    NUMBER(getxattr("file", "user.y", text, 16));
    DO(removexattr("file", "trusted.x"));
    DO(removexattr("file", "security.x"));
}

static int command(const char *text)
{
    fflush(stdout);
    int status = system(text);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Runs a command, whose output belongs to the case. */
static void tell(const char *text)
{
    FILE *output = popen(text, "r");
    char line[512];
    while (output && fgets(line, sizeof line, output)) {
        line[strcspn(line, "\n")] = 0;
        if (*line)
            say("%s", line);
    }
    if (output)
        pclose(output);
}

static void acls(void)
{
    make("file", 0640, "text");
    NUMBER(command("setfacl -m u:23456:rw,g:12346:r file"));
    tell("getfacl -n file 2>&1");
    show("file");
    AS(STRANGER, STRANGER, {
        DO(open("file", O_RDWR));
        DO(access("file", R_OK | W_OK));
        DO(access("file", X_OK));
    });
    DO(chmod("file", 0600));
    tell("getfacl -n file 2>&1");
    AS(STRANGER, STRANGER, DO(open("file", O_RDWR)));
    DO(chmod("file", 0640));
    AS(STRANGER, STRANGER, {
        DO(open("file", O_RDONLY));
        DO(open("file", O_RDWR));
    });
    AS(34567, OTHER_GROUP, {
        DO(open("file", O_RDONLY));
        DO(open("file", O_RDWR));
    });
    NUMBER(command("setfacl -x u:23456 file"));
    AS(STRANGER, STRANGER, DO(open("file", O_RDONLY)));
    NUMBER(command("setfacl -b file"));
    tell("getfacl -n file 2>&1");
    list("file");
    DO(setxattr("file", "system.posix_acl_access", "nonsense", 8, 0));
    NUMBER(command("setfacl -m d:u:23456:rw file 2>&1 | wc -l"));
    NUMBER(command("setfacl -m u:23456:- file"));
    DO(chmod("file", 0666));
    AS(STRANGER, STRANGER, DO(open("file", O_RDONLY)));
    show("file");
}

static void default_acls(void)
{
    make_directory("d", 0755);
    NUMBER(command("setfacl -d -m u:23456:rwx,g:12346:rx,o::- d"));
    tell("getfacl -n d 2>&1");
    umask(077);
    DO(open("d/file", O_RDWR | O_CREAT, 0666));
    DO(mkdir("d/sub", 0777));
    DO(mknod("d/fifo", S_IFIFO | 0666, 0));
    DO(symlink("x", "d/symlink"));
    DO(open("d/narrow", O_RDWR | O_CREAT, 0600));
    show("d/file");
    show("d/sub");
    show("d/fifo");
    show("d/narrow");
    tell("getfacl -n d/file 2>&1");
    tell("getfacl -n d/sub 2>&1");
    tell("getfacl -n d/narrow 2>&1");
    DO(open("d/sub/file", O_RDWR | O_CREAT, 0666));
    tell("getfacl -n d/sub/file 2>&1");
    chmod("d", 0777);
    AS(STRANGER, STRANGER, {
        umask(022);
        DO(open("d/strange", O_RDWR | O_CREAT, 0644));
        DO(open("d/file", O_RDWR));
    });
    tell("getfacl -n d/strange 2>&1");
    NUMBER(command("setfacl -k d"));
    umask(022);
    DO(open("d/plain", O_RDWR | O_CREAT, 0666));
    tell("getfacl -n d/plain 2>&1");
}

static void acls_and_setgid(void)
{
    make("file", 0755, "x");
    if (is_root && chown("file", USER, STRANGER))
        say("no chown");
    AS(USER, GROUP, {
        chmod("file", 02755);
        show("file");
        NUMBER(command("setfacl -m u:1:r file"));
    });
    show("file");
    chmod("file", 02755);
    AS(USER, GROUP, NUMBER(command("setfacl -m u:2:r file")));
    show("file");
}

const struct test xattrs_tests[] = {
    {"attributes", attributes},
    {"long-value", long_value},
    {"on-other-files", on_other_files},
    {"name-spaces", name_spaces},
    {"acls", acls},
    {"default-acls", default_acls},
    {"acls-and-setgid", acls_and_setgid},
    {NULL, NULL},
};
