/*
 * Tests of the C library with several processes: servers that are killed, that come second, or whose disk
 * loses its power. Usage: processes DIRECTORY DEVICE; the device has ext4 and is mounted there. Needs root.
 */
#include "check.h"

#include <stdint.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

/* FS_IOC_SHUTDOWN, which has no header. With 2, what was not flushed is lost, as by a power cut. */
#define SHUTDOWN _IOR('X', 125, uint32_t)

/* Registers files for ever, and says so after each. */
static void serve(const char *directory, uint32_t durability, int pipe)
{
    hs_store_options options = HS_STORE_OPTIONS_INIT;
    options.durability = durability;
    hs_store *store;
    uint32_t filesystem;
    int fd = open(directory, O_RDONLY | O_DIRECTORY);
    if (hs_store_open(in(directory, "store"), &options, &store, NULL) ||
        hs_attach(store, fd, &filesystem, NULL))
        _exit(1);
    for (int i = 0;; i++) {
        char name[32];
        hs_file file;
        hs_registration registration;
        snprintf(name, sizeof name, "file-%d", i);
        int file_fd = openat(fd, name, O_CREAT | O_WRONLY, 0600);
        if (file_fd < 0 || close(file_fd) || hs_file_at(fd, name, strlen(name), 0, &file, NULL) ||
            hs_register(store, filesystem, &file, NULL, &registration, NULL))
            _exit(2);
        uint64_t pair[2] = {registration.node, file.inode};
        if (write(pipe, pair, sizeof pair) != sizeof pair)
            _exit(3);
    }
}

/* Starts a server and reads what it acknowledges until there are `count` files. */
static pid_t start_serving(const char *directory, uint32_t durability, uint64_t (*pairs)[2], int count)
{
    int ends[2];
    CHECK(pipe(ends) == 0);
    pid_t server = fork();
    if (server == 0)
        serve(directory, durability, ends[1]);
    close(ends[1]);
    for (int i = 0; i < count; i++)
        CHECK(read(ends[0], pairs[i], sizeof pairs[i]) == sizeof pairs[i]);
    close(ends[0]);
    return server;
}

static void end_server(pid_t server)
{
    kill(server, SIGKILL);
    CHECK(waitpid(server, NULL, 0) == server);
}

static void each_leads_to_its_file(hs_store *store, uint64_t (*pairs)[2], int count)
{
    for (int i = 0; i < count; i++) {
        int fd = -1;
        struct stat status = {0};
        SUCCEEDS(hs_open(store, pairs[i][0], HS_OPEN_PATH, &fd, e));
        CHECK(fstat(fd, &status) == 0 && status.st_ino == pairs[i][1]);
        close(fd);
    }
}

static void a_killed_server_loses_nothing(const char *directory)
{
    enum { COUNT = 300 };
    static uint64_t pairs[COUNT][2];
    directory = strdup(in(directory, "killed"));
    CHECK(mkdir(directory, 0755) == 0);
    /* A pipe that nobody reads ends the server; SIGKILL meets it before, between, or in a call. */
    end_server(start_serving(directory, HS_DURABILITY_PROCESS, pairs, COUNT));
    hs_store *store;
    SUCCEEDS(hs_store_open(in(directory, "store"), NULL, &store, e));
    SUCCEEDS(hs_attach_mounted(store, NULL, 0, NULL, e));
    each_leads_to_its_file(store, pairs, COUNT);
    hs_store_free(store);
    free((char *)directory);
}

static void a_power_cut_loses_nothing(const char *directory, const char *device)
{
    enum { COUNT = 20 };
    static uint64_t pairs[COUNT][2];
    char *place = strdup(in(directory, "power"));
    CHECK(mkdir(place, 0755) == 0);
    int fd = open(directory, O_RDONLY | O_DIRECTORY);
    CHECK(syncfs(fd) == 0);
    pid_t server = start_serving(place, HS_DURABILITY_POWER, pairs, COUNT);
    CHECK(ioctl(fd, SHUTDOWN, &(uint32_t){2}) == 0);
    end_server(server);
    close(fd);
    CHECK(umount2(directory, MNT_DETACH) == 0);
    CHECK(mount(device, directory, "ext4", 0, "") == 0);
    hs_store *store;
    SUCCEEDS(hs_store_open(in(place, "store"), NULL, &store, e));
    /* The files were not flushed; their nodes were. */
    for (int i = 0; i < COUNT; i++) {
        hs_node node;
        SUCCEEDS(hs_get(store, pairs[i][0], &node, e));
        uint32_t inode;
        memcpy(&inode, node.handle.bytes, sizeof inode);
        CHECK(inode == pairs[i][1]);
    }
    hs_store_free(store);
    free(place);
}

static void one_process_writes(const char *directory)
{
    static uint64_t pairs[1][2];
    directory = strdup(in(directory, "second"));
    CHECK(mkdir(directory, 0755) == 0);
    pid_t server = start_serving(directory, HS_DURABILITY_PROCESS, pairs, 1);
    kill(server, SIGSTOP);
    char text[32];
    hs_store *store;
    hs_error error = HS_ERROR_INIT;
    snprintf(text, sizeof text, "%d", (int)server);
    CHECK(hs_store_open(in(directory, "store"), NULL, &store, &error) == HS_IN_USE);
    CHECK(store == NULL && error.errnum == EBUSY && strstr(error.text, text) != NULL);

    hs_store_options options = HS_STORE_OPTIONS_INIT;
    options.read_only = 1;
    SUCCEEDS(hs_store_open(in(directory, "store"), &options, &store, e));
    SUCCEEDS(hs_attach_mounted(store, NULL, 0, NULL, e));
    each_leads_to_its_file(store, pairs, 1);
    FAILS(HS_READ_ONLY_STORE, hs_retire(store, pairs[0][0], NULL, e));
    FAILS(HS_READ_ONLY_STORE, hs_watch(store, pairs[0][0], 1, 1, e));
    hs_store_free(store);
    kill(server, SIGCONT);
    end_server(server);
    free((char *)directory);
}

/* Makes a file with the inode number that a deleted one had. */
static hs_file reuse(struct place *place, uint64_t inode)
{
    hs_file file = {0};
    for (int i = 0; i < 100 && file.inode != inode; i++) {
        make(in(place->directory, "again"), "again");
        SUCCEEDS(hs_file_at(place->fd, "again", 5, 0, &file, e));
        if (file.inode != inode)
            CHECK(unlink(in(place->directory, "again")) == 0);
    }
    CHECK(file.inode == inode);
    return file;
}

static void a_number_that_comes_back_is_seen(const char *directory)
{
    struct place place = begin(directory, "reuse");
    hs_file first, second;
    hs_registration registration, both[2];
    int fd = -1;
    SUCCEEDS(hs_file_at(place.fd, "file", 4, 0, &first, e));
    uint64_t old = node_of(&place, "file");
    CHECK(unlink(in(place.directory, "file")) == 0);
    second = reuse(&place, first.inode);
    SUCCEEDS(hs_register(place.store, place.filesystem, &second, NULL, &registration, e));
    CHECK(registration.outcome == HS_OUTCOME_REPLACED && registration.replaced == old);
    CHECK(registration.node != old);
    hs_error error = HS_ERROR_INIT;
    CHECK(hs_open(place.store, old, HS_OPEN_PATH, &fd, &error) == HS_STALE && error.errnum == ESTALE);
    CHECK(fd == -1);

    /* A server that is late with the deleted file. */
    FAILS(HS_STALE_HANDLE,
          hs_register(place.store, place.filesystem, &first, NULL, &registration, e));
    hs_file files[2] = {first, second};
    SUCCEEDS(hs_register_batch(place.store, place.filesystem, files, 2, NULL, both, e));
    CHECK(both[0].outcome == HS_OUTCOME_GONE && both[0].node == 0);
    CHECK(both[1].outcome == HS_OUTCOME_EXISTING && both[1].node == registration.node);
    end(&place);
}

static void nodes_are_kept_for_a_time(const char *directory)
{
    struct place place = begin(directory, "retention");
    uint64_t node = node_of(&place, "file");
    hs_store_options options = HS_STORE_OPTIONS_INIT;
    options.retention = HS_RETAIN_SECONDS;
    for (int seconds = 3600; seconds >= 0; seconds -= 3600) {
        int dropped = -1;
        hs_store_free(place.store);
        options.retention_value = (uint64_t)seconds;
        SUCCEEDS(hs_store_open(in(place.directory, "store"), &options, &place.store, e));
        SUCCEEDS(hs_forget(place.store, node, &dropped, e));
        CHECK(dropped == (seconds == 0));
    }
    end(&place);
}

static void a_parked_file_can_be_opened(const char *directory)
{
    struct place place = begin(directory, "parked");
    uint64_t node = node_of(&place, "file");
    int sockets[2], fd = open(in(place.directory, "file"), O_RDONLY), more = -1;
    hs_parking *parking;
    SUCCEEDS(hs_parking_sockets(sockets, e));
    pid_t supervisor = fork();
    if (supervisor == 0) {
        hs_parked_files *files;
        close(fd);
        close(sockets[0]);
        if (hs_parked_files_open(&files, NULL))
            _exit(1);
        do {
            if (hs_parked_files_receive(files, sockets[1], &more, NULL))
                _exit(2);
        } while (more);
        _exit(0);
    }
    close(sockets[1]);
    SUCCEEDS(hs_parking_open(sockets[0], &parking, e));
    SUCCEEDS(hs_park(parking, fd, node, e));
    CHECK(unlink(in(place.directory, "file")) == 0);
    close(fd);
    SUCCEEDS(hs_open(place.store, node, HS_OPEN_READ_ONLY, &fd, e));
    CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
    char text[16] = "";
    CHECK(read(fd, text, sizeof text) == 8 && memcmp(text, "contents", 8) == 0);
    close(fd);
    SUCCEEDS(hs_unpark(parking, node, e));
    hs_parking_free(parking);
    close(sockets[0]);
    int status = -1;
    CHECK(waitpid(supervisor, &status, 0) == supervisor && status == 0);
    FAILS(HS_STALE, hs_open(place.store, node, HS_OPEN_READ_ONLY, &fd, e));
    end(&place);
}

static void a_full_disk_is_told(const char *directory)
{
    struct place place = begin(directory, "full");
    uint64_t node = node_of(&place, "file");
    int fd = open(in(place.directory, "filler"), O_CREAT | O_WRONLY, 0600);
    static char block[1 << 16];
    for (size_t size = sizeof block; size > 0; size /= 2)
        while (write(fd, block, size) > 0)
            continue;
    close(fd);
    /* The store has some room in its file already. */
    int code = HS_OK;
    hs_error error = HS_ERROR_INIT;
    hs_file file;
    SUCCEEDS(hs_file_at(place.fd, "file", 4, 0, &file, e));
    for (uint32_t i = 0; i < 1000000 && code == HS_OK; i++) {
        hs_registration registration;
        uint32_t inode = 0x10000000 + i;
        memcpy(file.handle.bytes, &inode, sizeof inode);
        file.inode = inode;
        code = hs_register(place.store, place.filesystem, &file, NULL, &registration, &error);
    }
    CHECK(code == HS_DISK_FULL && error.errnum == ENOSPC);
    hs_node found;
    SUCCEEDS(hs_get(place.store, node, &found, e));
    CHECK(unlink(in(place.directory, "filler")) == 0);
    make(in(place.directory, "other"), "other");
    CHECK(node_of(&place, "other") > node);
    end(&place);
}

int main(int count, char **arguments)
{
    if (count != 3)
        return fprintf(stderr, "usage: processes DIRECTORY DEVICE\n"), 2;
    const char *directory = arguments[1];
    signal(SIGPIPE, SIG_IGN);
    a_killed_server_loses_nothing(directory);
    one_process_writes(directory);
    a_number_that_comes_back_is_seen(directory);
    nodes_are_kept_for_a_time(directory);
    a_parked_file_can_be_opened(directory);
    a_full_disk_is_told(directory);
    a_power_cut_loses_nothing(directory, arguments[2]);
    if (failures > 0)
        return fprintf(stderr, "%d failures\n", failures), 1;
    printf("all passed\n");
    return 0;
}
