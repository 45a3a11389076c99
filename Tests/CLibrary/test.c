/*
 * Tests of the C library, from a C program: what handlestore.h promises, and every function with NULL
 * and rubbish. Usage: test DIRECTORY, an empty directory on a filesystem with handles; needs root.
 */
#include "check.h"

/* What programs were compiled with. */
#if defined(__x86_64__) || defined(__aarch64__)
_Static_assert(sizeof(hs_error) == 4624, "the layout of hs_error has changed");
_Static_assert(sizeof(hs_handle) == 136, "the layout of hs_handle has changed");
_Static_assert(sizeof(hs_file) == 208, "the layout of hs_file has changed");
_Static_assert(sizeof(hs_node) == 184, "the layout of hs_node has changed");
_Static_assert(sizeof(hs_registration) == 24, "the layout of hs_registration has changed");
_Static_assert(sizeof(hs_store_options) == 40, "the layout of hs_store_options has changed");
_Static_assert(sizeof(hs_token) == 132, "the layout of hs_token has changed");
_Static_assert(sizeof(hs_reference) == 16, "the layout of hs_reference has changed");
_Static_assert(sizeof(hs_attributes) == 64, "the layout of hs_attributes has changed");
_Static_assert(sizeof(hs_entry) == 472, "the layout of hs_entry has changed");
_Static_assert(sizeof(hs_sweep_step) == 48, "the layout of hs_sweep_step has changed");
_Static_assert(sizeof(hs_watch_mask) == 16, "the layout of hs_watch_mask has changed");
_Static_assert(sizeof(hs_intent) == 96, "the layout of hs_intent has changed");
_Static_assert(sizeof(hs_statistics) == 344, "the layout of hs_statistics has changed");
#endif

static void versions_and_words(void)
{
    CHECK(strcmp(hs_version(), HS_VERSION) == 0);
    char built[32];
    snprintf(built, sizeof built, "%d.%d.%d", HS_VERSION_MAJOR, HS_VERSION_MINOR, HS_VERSION_PATCH);
    CHECK(strcmp(built, HS_VERSION) == 0);
    CHECK(strstr(hs_strerror(HS_STALE), "stale") != NULL);
    CHECK(strstr(hs_strerror(HS_DISK_FULL), "full") != NULL);
    CHECK(strcmp(hs_strerror(HS_OK), "no error") == 0);
    for (int code = -1000; code < 1000; code++)
        CHECK(hs_strerror(code)[0] != '\0');
    CHECK(hs_strerror(-2147483647 - 1) != NULL && hs_strerror(2147483647) != NULL);
}

static void a_node_survives(const char *directory)
{
    struct place place = begin(directory, "survives");
    uint64_t node = node_of(&place, "file");
    uint32_t generation = hs_store_generation(place.store);
    CHECK(node > 1 && generation != 0);
    CHECK(node_of(&place, "file") == node);
    SUCCEEDS(hs_store_close(place.store, e));
    hs_store_free(place.store);
    CHECK(rename(in(place.directory, "file"), in(place.directory, "renamed")) == 0);

    SUCCEEDS(hs_store_open(in(place.directory, "store"), NULL, &place.store, e));
    CHECK(hs_store_generation(place.store) == generation);
    FAILS(HS_NOT_ATTACHED, hs_open(place.store, node, HS_OPEN_READ_ONLY, &(int){-1}, e));
    size_t count = 0;
    uint32_t filesystems[4] = {0};
    SUCCEEDS(hs_attach_mounted(place.store, filesystems, 4, &count, e));
    CHECK(count == 1 && filesystems[0] == place.filesystem);
    int fd = -1;
    char text[16] = "";
    SUCCEEDS(hs_open(place.store, node, HS_OPEN_READ_ONLY, &fd, e));
    CHECK(read(fd, text, sizeof text) == 8 && memcmp(text, "contents", 8) == 0);
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);

    hs_node found;
    SUCCEEDS(hs_get(place.store, node, &found, e));
    CHECK(found.id == node && found.filesystem == place.filesystem && found.state == HS_STATE_LIVE);
    CHECK(found.type == S_IFREG && found.parent == 0 && found.since > 0);
    hs_file file;
    SUCCEEDS(hs_file_at(place.fd, "renamed", 7, 0, &file, e));
    CHECK(file.handle.length == found.handle.length && file.handle.type == found.handle.type);
    CHECK(memcmp(file.handle.bytes, found.handle.bytes, file.handle.length) == 0);
    struct stat status;
    CHECK(stat(in(place.directory, "renamed"), &status) == 0);
    CHECK(file.inode == status.st_ino && file.size == 8 && file.links == 1 && file.parent == 0);
    CHECK(file.mode == status.st_mode && file.device == status.st_dev);
    hs_node again = {0};
    SUCCEEDS(hs_find(place.store, place.filesystem, &file.handle, &again, e));
    CHECK(memcmp(&again, &found, sizeof found) == 0);
    for (uint32_t length = 1; length < sizeof file.handle.bytes; length++) {
        hs_file invented = {.handle = {.length = length, .type = 0x70}, .mode = S_IFREG, .links = 1};
        invented.inode = 1000000 + length;
        hs_registration first, second;
        SUCCEEDS(hs_register(place.store, place.filesystem, &invented, NULL, &first, e));
        memset(invented.handle.bytes + length, 0xff, sizeof invented.handle.bytes - length);
        SUCCEEDS(hs_register(place.store, place.filesystem, &invented, NULL, &second, e));
        CHECK(second.node == first.node && second.outcome == HS_OUTCOME_EXISTING);
    }

    CHECK(unlink(in(place.directory, "renamed")) == 0);
    FAILS(HS_STALE, hs_open(place.store, node, HS_OPEN_READ_ONLY, &fd, e));
    hs_error error = HS_ERROR_INIT;
    CHECK(hs_open(place.store, node, HS_OPEN_READ_ONLY, &fd, &error) == HS_STALE);
    CHECK(error.errnum == ESTALE && error.refusal == 0);
    SUCCEEDS(hs_get(place.store, node, &found, e));
    CHECK(found.state == HS_STATE_STALE);
    SUCCEEDS(hs_find(place.store, place.filesystem, &file.handle, &again, e));
    CHECK(again.id == 0);
    FAILS(HS_UNKNOWN_NODE, hs_get(place.store, node + 1000, &found, e));
    SUCCEEDS(hs_detach(place.store, place.filesystem, e));
    end(&place);
}

static void batches_and_pages(const char *directory)
{
    enum { count = 100 };
    struct place place = begin(directory, "batches");
    static hs_file files[count];
    static hs_registration registrations[count];
    uint64_t parent = node_of(&place, "file");
    for (int i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        make(in(place.directory, name), name);
        SUCCEEDS(hs_file_at(place.fd, name, strlen(name), parent, &files[i], e));
    }
    CHECK(unlink(in(place.directory, "0")) == 0);
    SUCCEEDS(hs_register_batch(place.store, place.filesystem, files, count, NULL, registrations, e));
    for (int i = 0; i < count; i++) {
        CHECK(registrations[i].outcome == HS_OUTCOME_CREATED && registrations[i].node != 0);
        CHECK(registrations[i].replaced == 0);
        CHECK(registrations[i].generation == hs_store_generation(place.store));
    }
    SUCCEEDS(hs_register_batch(place.store, place.filesystem, files, count, NULL, registrations, e));
    CHECK(registrations[7].outcome == HS_OUTCOME_EXISTING);
    hs_node node;
    SUCCEEDS(hs_get(place.store, registrations[7].node, &node, e));
    CHECK(node.parent == parent);

    hs_node nodes[30];
    size_t found, sum = 0;
    uint64_t next = 0, last = 0;
    do {
        SUCCEEDS(hs_list(place.store, next, place.filesystem, HS_STATE_LIVE, nodes, 30, &found, &next, e));
        for (size_t i = 0; i < found; i++) {
            CHECK(nodes[i].id > last);
            last = nodes[i].id;
        }
        sum += found;
    } while (next != 0);
    CHECK(sum == count + 1);
    int changed = -1;
    SUCCEEDS(hs_retire(place.store, registrations[3].node, &changed, e));
    CHECK(changed == 1);
    SUCCEEDS(hs_retire(place.store, registrations[3].node, &changed, e));
    CHECK(changed == 0);
    SUCCEEDS(hs_list(place.store, 0, 0, HS_STATE_STALE, nodes, 30, &found, &next, e));
    CHECK(found == 1 && nodes[0].id == registrations[3].node && next == 0);
    end(&place);
}

static void pins_keep_a_node(const char *directory)
{
    struct place place = begin(directory, "pins");
    hs_store_free(place.store);
    hs_store_options options = HS_STORE_OPTIONS_INIT;
    options.retention = HS_RETAIN_NODES;
    options.retention_value = 0;
    SUCCEEDS(hs_store_open(in(place.directory, "store"), &options, &place.store, e));
    SUCCEEDS(hs_attach(place.store, place.fd, &place.filesystem, e));
    int memory = memfd_create("pins", MFD_CLOEXEC);
    hs_pins *pins;
    SUCCEEDS(hs_pins_open(place.store, memory, &pins, e));
    hs_file file;
    hs_registration registration;
    SUCCEEDS(hs_file_at(place.fd, "file", 4, 0, &file, e));
    SUCCEEDS(hs_register(place.store, place.filesystem, &file, pins, &registration, e));
    uint64_t node = registration.node, left = 0, dropped = 0;
    int done = -1;
    SUCCEEDS(hs_pin(place.store, node, 2, pins, &done, e));
    CHECK(done == 1);
    SUCCEEDS(hs_pin_count(pins, node, &left, e));
    CHECK(left == 3);
    uint64_t pinned[2] = {0};
    size_t count = 0;
    SUCCEEDS(hs_pinned(pins, pinned, 2, &count, e));
    CHECK(count == 1 && pinned[0] == node);
    SUCCEEDS(hs_pinned(pins, NULL, 0, &count, e));
    CHECK(count == 1);
    FAILS(HS_BAD_VALUE, hs_pinned(pins, NULL, 2, &count, e));
    FAILS(HS_BAD_VALUE, hs_pinned(NULL, pinned, 2, &count, e));
    SUCCEEDS(hs_forget(place.store, node, &done, e));
    CHECK(done == 0);
    SUCCEEDS(hs_evict(place.store, &dropped, e));
    CHECK(dropped == 0);
    SUCCEEDS(hs_unpin(pins, node, 2, &left, e));
    CHECK(left == 1);
    SUCCEEDS(hs_unpin_all(pins, e));
    SUCCEEDS(hs_pin_count(pins, node, &left, e));
    CHECK(left == 0);
    SUCCEEDS(hs_forget(place.store, node, &done, e));
    CHECK(done == 1);
    SUCCEEDS(hs_pin(place.store, node, 1, pins, &done, e));
    CHECK(done == 0);
    hs_pins_free(pins);
    close(memory);
    end(&place);
}

static void a_store_in_memory(const char *directory)
{
    hs_store *store;
    uint32_t filesystem;
    hs_file file;
    hs_registration registration;
    int fd = open(directory, O_RDONLY | O_DIRECTORY), opened = -1;
    SUCCEEDS(hs_store_open_in_memory(NULL, &store, e));
    SUCCEEDS(hs_attach(store, fd, &filesystem, e));
    SUCCEEDS(hs_file_of(fd, 0, &file, e));
    SUCCEEDS(hs_register(store, filesystem, &file, NULL, &registration, e));
    SUCCEEDS(hs_open(store, registration.node, HS_OPEN_PATH, &opened, e));
    close(opened);
    close(fd);
    hs_store_free(store);
}

static void *get_often(void *argument)
{
    hs_store *store = argument;
    for (int i = 0; i < 20000; i++) {
        hs_node node;
        int result = hs_get(store, 2, &node, NULL);
        if (result != HS_OK && result != HS_CLOSED)
            return (void *)1;
    }
    return NULL;
}

static void a_closed_store(const char *directory)
{
    struct place place = begin(directory, "closed");
    uint64_t id = node_of(&place, "file");
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, get_often, place.store) == 0);
    usleep(2000);
    SUCCEEDS(hs_store_close(place.store, e));
    for (int i = 0; i < 4; i++) {
        void *result = NULL;
        CHECK(pthread_join(threads[i], &result) == 0 && result == NULL);
    }
    SUCCEEDS(hs_store_close(place.store, e));
    hs_node node;
    hs_file file;
    hs_registration registration;
    int fd = -1;
    size_t count;
    uint64_t next;
    SUCCEEDS(hs_file_at(place.fd, "file", 4, 0, &file, e));
    FAILS(HS_CLOSED, hs_get(place.store, id, &node, e));
    FAILS(HS_CLOSED, hs_find(place.store, place.filesystem, &file.handle, &node, e));
    FAILS(HS_CLOSED, hs_register(place.store, place.filesystem, &file, NULL, &registration, e));
    FAILS(HS_CLOSED, hs_register_batch(place.store, place.filesystem, &file, 1, NULL,
                                       &registration, e));
    FAILS(HS_CLOSED, hs_open(place.store, id, HS_OPEN_PATH, &fd, e));
    FAILS(HS_CLOSED, hs_retire(place.store, id, NULL, e));
    FAILS(HS_CLOSED, hs_forget(place.store, id, NULL, e));
    FAILS(HS_CLOSED, hs_evict(place.store, NULL, e));
    FAILS(HS_CLOSED, hs_list(place.store, 0, 0, 0, &node, 1, &count, &next, e));
    FAILS(HS_CLOSED, hs_store_backup(place.store, "/nowhere", e));
    FAILS(HS_CLOSED, hs_watch(place.store, id, 1, 1, e));
    FAILS(HS_CLOSED, hs_attach(place.store, place.fd, &place.filesystem, e));
    FAILS(HS_CLOSED, hs_attach_mounted(place.store, NULL, 0, NULL, e));
    CHECK(fd == -1);
    end(&place);
}

static void a_forked_child(const char *directory)
{
    struct place place = begin(directory, "forked");
    uint64_t node = node_of(&place, "file"), pinned = 0;
    int memory = memfd_create("pins", MFD_CLOEXEC);
    hs_pins *pins;
    SUCCEEDS(hs_pins_open(place.store, memory, &pins, e));
    SUCCEEDS(hs_pin(place.store, node, 3, pins, NULL, e));
    pid_t child = fork();
    if (child == 0) {
        hs_node found;
        FAILS(HS_FORKED, hs_get(place.store, node, &found, e));
        hs_statistics statistics = HS_STATISTICS_INIT;
        FAILS(HS_FORKED, hs_retire(place.store, node, NULL, e));
        FAILS(HS_FORKED, hs_detach(place.store, place.filesystem, e));
        FAILS(HS_FORKED, hs_store_statistics(place.store, &statistics, e));
        FAILS(HS_FORKED, hs_store_close(place.store, e));
        hs_store *second;
        FAILS(HS_FORKED, hs_store_open(in(place.directory, "store"), NULL, &second, e));
        FAILS(HS_FORKED, hs_unpin_all(pins, e));
        hs_pins_free(pins);
        hs_store_free(place.store);
        _exit(failures != 0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(node_of(&place, "file") == node);
    SUCCEEDS(hs_pin_count(pins, node, &pinned, e));
    CHECK(pinned == 3);
    hs_pins_free(pins);
    close(memory);
    end(&place);
}

static void an_export_confines(const char *directory)
{
    struct place place = begin(directory, "export");
    make(in(place.directory, "outside"), "outside");
    CHECK(mkdir(in(place.directory, "tree"), 0755) == 0);
    make(in(place.directory, "tree/inside"), "inside");
    int root = open(in(place.directory, "tree"), O_RDONLY | O_DIRECTORY), fd = -1;
    hs_export *export_;
    SUCCEEDS(hs_export_add(place.store, "tree", &root, 1, 0, HS_CONTAINMENT_ANY, &export_, e));
    close(root);
    CHECK(hs_export_root(export_) > 1);
    hs_reference top = {1, NULL};
    hs_entry entry = {0};
    SUCCEEDS(hs_lookup(export_, &top, "inside", 6, HS_TOKEN_NFS3, NULL, &entry, e));
    CHECK(entry.registration.outcome == HS_OUTCOME_CREATED && entry.file.size == 6 && entry.fd == -1);
    CHECK(entry.token.length > HS_TOKEN_REFERENCE && entry.token.length <= HS_TOKEN_NFS3);
    struct stat status;
    CHECK(stat(in(place.directory, "tree/inside"), &status) == 0);
    hs_attributes *a = &entry.attributes;
    CHECK(entry.file.inode == status.st_ino && entry.file.mode == status.st_mode);
    CHECK(a->uid == status.st_uid && a->gid == status.st_gid && a->rdev == status.st_rdev);
    CHECK(a->blocks == (uint64_t)status.st_blocks && a->block_size == (uint32_t)status.st_blksize);
    CHECK(a->mtime == status.st_mtim.tv_sec && a->mtime_nsec == status.st_mtim.tv_nsec);
    CHECK(a->ctime == status.st_ctim.tv_sec && a->ctime_nsec == status.st_ctim.tv_nsec);
    CHECK(a->atime == status.st_atim.tv_sec && a->atime_nsec == status.st_atim.tv_nsec);
    hs_token token = entry.token;
    uint64_t node = entry.registration.node;
    SUCCEEDS(hs_lookup(export_, &top, "none", 4, HS_TOKEN_MAX, NULL, &entry, e));
    CHECK(entry.registration.node == 0 && entry.token.length == 0 && entry.fd == -1);
    SUCCEEDS(hs_lookup(export_, &top, "..", 2, HS_TOKEN_REFERENCE, NULL, &entry, e));
    CHECK(entry.registration.node == hs_export_root(export_) && entry.token.length == 32);
    hs_export_free(export_);
    hs_store_free(place.store);

    /* A client comes back with its token after a restart. */
    SUCCEEDS(hs_store_open(in(place.directory, "store"), NULL, &place.store, e));
    FAILS(HS_NO_EXPORT, hs_export_open(place.store, "other", &export_, e));
    SUCCEEDS(hs_export_open(place.store, "tree", &export_, e));
    hs_reference file = {0, &token};
    SUCCEEDS(hs_open_reference(export_, &file, HS_OPEN_READ_ONLY, &fd, e));
    char text[8] = "";
    CHECK(read(fd, text, sizeof text) == 6 && memcmp(text, "inside", 6) == 0);
    close(fd);
    SUCCEEDS(hs_lookup_reference(export_, &file, HS_TOKEN_MAX, NULL, &entry, e));
    CHECK(entry.registration.node == node && entry.registration.outcome == HS_OUTCOME_EXISTING);
    hs_token again;
    SUCCEEDS(hs_token_of(export_, node, HS_TOKEN_NFS3, &again, e));
    CHECK(again.length == token.length && memcmp(again.bytes, token.bytes, token.length) == 0);
    file.node = node + 1000;
    SUCCEEDS(hs_lookup_reference(export_, &file, HS_TOKEN_MAX, NULL, &entry, e));
    CHECK(entry.registration.node == node);

    /* Nobody gets out. */
    hs_error error = HS_ERROR_INIT;
    hs_token forged = token;
    forged.bytes[forged.length - 1] ^= 1;
    hs_reference bad = {0, &forged};
    CHECK(hs_open_reference(export_, &bad, HS_OPEN_PATH, &fd, &error) == HS_REFUSED);
    CHECK(error.refusal == HS_REFUSED_SIGNATURE && error.errnum == ESTALE);
    forged.length = 3;
    CHECK(hs_open_reference(export_, &bad, HS_OPEN_PATH, &fd, &error) == HS_REFUSED);
    CHECK(error.refusal == HS_REFUSED_LENGTH);
    forged.length = UINT32_MAX;
    CHECK(hs_open_reference(export_, &bad, HS_OPEN_PATH, &fd, &error) == HS_REFUSED);
    CHECK(error.refusal == HS_REFUSED_LENGTH);
    SUCCEEDS(hs_attach(place.store, place.fd, &place.filesystem, e));
    bad = (hs_reference){node_of(&place, "outside"), NULL};
    CHECK(hs_open_reference(export_, &bad, HS_OPEN_PATH, &fd, &error) == HS_REFUSED);
    CHECK(error.refusal == HS_REFUSED_OUTSIDE);
    FAILS(HS_BAD_NAME, hs_lookup(export_, &top, "../outside", 10, HS_TOKEN_MAX, NULL, &entry, e));

    SUCCEEDS(hs_create_or_open(export_, &top, "new", 3, HS_OPEN_READ_WRITE, 0640, HS_TOKEN_MAX, NULL,
                               &entry, e));
    CHECK(entry.was_created == 1 && write(entry.fd, "new", 3) == 3);
    close(entry.fd);
    SUCCEEDS(hs_create_or_open(export_, &top, "new", 3, HS_OPEN_READ_ONLY, 0640, HS_TOKEN_MAX, NULL,
                               &entry, e));
    CHECK(entry.was_created == 0 && entry.file.size == 3 && (entry.file.mode & 0777) == 0640);
    close(entry.fd);
    CHECK(unlink(in(place.directory, "tree/inside")) == 0);
    hs_reference gone = {0, &token};
    CHECK(hs_open_reference(export_, &gone, HS_OPEN_PATH, &fd, &error) == HS_REFUSED);
    CHECK(error.refusal == HS_REFUSED_STALE);

    hs_export *none = export_;
    FAILS(HS_BAD_VALUE, hs_export_add(NULL, "x", &root, 1, 0, 0, &none, e));
    FAILS(HS_BAD_VALUE, hs_export_add(place.store, NULL, &root, 1, 0, 0, &none, e));
    FAILS(HS_BAD_VALUE, hs_export_add(place.store, "x", NULL, 1, 0, 0, &none, e));
    FAILS(HS_BAD_VALUE, hs_export_add(place.store, "x", &root, 0, 0, 0, &none, e));
    FAILS(HS_BAD_VALUE, hs_export_add(place.store, "x", &root, SIZE_MAX, 0, 0, &none, e));
    FAILS(HS_BAD_VALUE, hs_export_add(place.store, "x", &root, 1, 0, 99, &none, e));
    FAILS(HS_BAD_VALUE, hs_export_add(place.store, "x", &root, 1, 0, 0, NULL, e));
    FAILS(HS_SYSTEM, hs_export_add(place.store, "x", &(int){-1}, 1, 0, 0, &none, e));
    FAILS(HS_BAD_EXPORT, hs_export_add(place.store, "tree", &place.fd, 1, 0, 0, &none, e));
    FAILS(HS_BAD_VALUE, hs_export_open(NULL, "tree", &none, e));
    FAILS(HS_BAD_VALUE, hs_export_open(place.store, NULL, &none, e));
    FAILS(HS_BAD_VALUE, hs_export_open(place.store, "tree", NULL, e));
    FAILS(HS_BAD_VALUE, hs_export_remove(NULL, "tree", e));
    FAILS(HS_BAD_VALUE, hs_export_remove(place.store, NULL, e));
    CHECK(hs_export_root(NULL) == 0);
    hs_reference nothing = {0, NULL};
    FAILS(HS_BAD_VALUE, hs_lookup(NULL, &top, "x", 1, 128, NULL, &entry, e));
    FAILS(HS_BAD_VALUE, hs_lookup(export_, NULL, "x", 1, 128, NULL, &entry, e));
    FAILS(HS_BAD_VALUE, hs_lookup(export_, &nothing, "x", 1, 128, NULL, &entry, e));
    FAILS(HS_BAD_VALUE, hs_lookup(export_, &top, NULL, 1, 128, NULL, &entry, e));
    FAILS(HS_BAD_VALUE, hs_lookup(export_, &top, "x", 0, 128, NULL, &entry, e));
    FAILS(HS_BAD_VALUE, hs_lookup(export_, &top, "x", 1, 128, NULL, NULL, e));
    FAILS(HS_BAD_VALUE, hs_lookup(export_, &top, "new", 3, 0, NULL, &entry, e));
    FAILS(HS_BAD_VALUE, hs_lookup(export_, &top, "new", 3, UINT32_MAX, NULL, &entry, e));
    FAILS(HS_BAD_VALUE, hs_create_or_open(export_, &top, "x", 1, 1, 0, 33, NULL, &entry, e));
    CHECK(access(in(place.directory, "tree/x"), F_OK) != 0);
    FAILS(HS_BAD_VALUE, hs_export_open(place.store, "\xfe", &(hs_export *){NULL}, e));
    FAILS(HS_BAD_VALUE, hs_export_remove(place.store, "\xc0", e));
    hs_statistics statistics = HS_STATISTICS_INIT;
    SUCCEEDS(hs_store_statistics(place.store, &statistics, e));
    CHECK(statistics.refused[HS_REFUSED_SIGNATURE] == 1 && statistics.admitted > 0);
    CHECK(statistics.refused[HS_REFUSED_OUTSIDE] == 1 && statistics.refused[0] == 0);
    FAILS(HS_BAD_VALUE, hs_lookup_reference(NULL, &top, 128, NULL, &entry, e));
    FAILS(HS_BAD_VALUE, hs_lookup_reference(export_, NULL, 128, NULL, &entry, e));
    FAILS(HS_BAD_VALUE, hs_lookup_reference(export_, &top, 128, NULL, NULL, e));
    FAILS(HS_BAD_VALUE, hs_create_or_open(NULL, &top, "x", 1, 1, 0, 128, NULL, &entry, e));
    FAILS(HS_BAD_VALUE, hs_create_or_open(export_, NULL, "x", 1, 1, 0, 128, NULL, &entry, e));
    FAILS(HS_BAD_VALUE, hs_create_or_open(export_, &top, NULL, 1, 1, 0, 128, NULL, &entry, e));
    FAILS(HS_BAD_NAME, hs_create_or_open(export_, &top, "..", 2, 1, 0, 128, NULL, &entry, e));
    FAILS(HS_BAD_VALUE, hs_create_or_open(export_, &top, "x", 1, 0, 0, 128, NULL, &entry, e));
    FAILS(HS_BAD_VALUE, hs_create_or_open(export_, &top, "x", 1, 1, 0, 128, NULL, NULL, e));
    FAILS(HS_BAD_VALUE, hs_open_reference(NULL, &top, HS_OPEN_PATH, &fd, e));
    FAILS(HS_BAD_VALUE, hs_open_reference(export_, NULL, HS_OPEN_PATH, &fd, e));
    FAILS(HS_BAD_VALUE, hs_open_reference(export_, &top, 9, &fd, e));
    FAILS(HS_BAD_VALUE, hs_open_reference(export_, &top, HS_OPEN_PATH, NULL, e));
    FAILS(HS_BAD_VALUE, hs_token_of(NULL, node, 128, &token, e));
    FAILS(HS_BAD_VALUE, hs_token_of(export_, node, 128, NULL, e));
    FAILS(HS_UNKNOWN_NODE, hs_token_of(export_, UINT64_MAX, 128, &token, e));
    FAILS(HS_BAD_VALUE, hs_token_of((hs_export *)place.store, node, 128, &token, e));
    SUCCEEDS(hs_export_remove(place.store, "tree", e));
    FAILS(HS_NO_EXPORT, hs_export_remove(place.store, "tree", e));
    hs_export_free(export_);
    hs_export_free(NULL);
    end(&place);
}

static void watches_end_with_their_file(const char *directory)
{
    struct place place = begin(directory, "watches");
    make(in(place.directory, "other"), "other");
    uint64_t gone = node_of(&place, "file"), stays = node_of(&place, "other");
    SUCCEEDS(hs_watch(place.store, gone, 0x400, 7, e));
    SUCCEEDS(hs_watch(place.store, gone, 0x2, 8, e));
    SUCCEEDS(hs_watch(place.store, stays, 0x4, UINT64_MAX, e));
    hs_watch_mask masks[4];
    size_t count = 0;
    uint64_t next = 1, nodes[4] = {0};
    SUCCEEDS(hs_watchers(place.store, gone, masks, 4, &count, e));
    CHECK(count == 2 && masks[0].id == 7 && masks[0].mask == 0x400 && masks[1].id == 8);
    SUCCEEDS(hs_watched(place.store, 0, masks, 1, &count, &next, e));
    CHECK(count == 1 && masks[0].id == gone && masks[0].mask == 0x402 && next == stays);
    SUCCEEDS(hs_watched(place.store, next, masks, 4, &count, &next, e));
    CHECK(count == 1 && masks[0].id == stays && next == 0);
    int overflowed = -1, ended = -1;
    SUCCEEDS(hs_deletions(place.store, nodes, 4, &count, &overflowed, e));
    CHECK(count == 0 && overflowed == 0);
    CHECK(unlink(in(place.directory, "file")) == 0);
    hs_sweep_step step;
    SUCCEEDS(hs_sweep(place.store, 0, nodes, 4, &step, e));
    CHECK(step.count == 1 && nodes[0] == gone && step.next == 0 && step.overflowed == 0);
    CHECK(step.present == 1 && step.gone == 1 && step.skipped == 0);
    SUCCEEDS(hs_deletions(place.store, nodes, 4, &count, NULL, e));
    CHECK(count == 0);
    SUCCEEDS(hs_unwatch(place.store, gone, 7, &ended, e));
    CHECK(ended == 1);
    SUCCEEDS(hs_unwatch(place.store, gone, 7, &ended, e));
    CHECK(ended == 0);
    FAILS(HS_STALE, hs_watch(place.store, gone, 1, 9, e));

    FAILS(HS_BAD_VALUE, hs_watch(NULL, stays, 1, 1, e));
    FAILS(HS_UNKNOWN_NODE, hs_watch(place.store, UINT64_MAX, 1, 1, e));
    FAILS(HS_BAD_VALUE, hs_watch(place.store, stays, 0, 1, e));
    FAILS(HS_BAD_VALUE, hs_unwatch(NULL, stays, 1, NULL, e));
    SUCCEEDS(hs_unwatch(place.store, UINT64_MAX, UINT64_MAX, NULL, e));
    FAILS(HS_BAD_VALUE, hs_watchers(NULL, stays, masks, 4, &count, e));
    FAILS(HS_BAD_VALUE, hs_watchers(place.store, stays, NULL, 4, &count, e));
    SUCCEEDS(hs_watchers(place.store, stays, NULL, 0, NULL, e));
    SUCCEEDS(hs_watchers(place.store, UINT64_MAX, masks, SIZE_MAX, &count, e));
    CHECK(count == 0);
    FAILS(HS_BAD_VALUE, hs_watched(NULL, 0, masks, 4, &count, &next, e));
    FAILS(HS_BAD_VALUE, hs_watched(place.store, 0, NULL, 4, &count, &next, e));
    FAILS(HS_BAD_VALUE, hs_watched(place.store, 0, masks, 0, &count, &next, e));
    FAILS(HS_BAD_VALUE, hs_watched(place.store, 0, masks, 4, NULL, &next, e));
    FAILS(HS_BAD_VALUE, hs_watched(place.store, 0, masks, 4, &count, NULL, e));
    SUCCEEDS(hs_watched(place.store, UINT64_MAX, masks, SIZE_MAX, &count, &next, e));
    FAILS(HS_BAD_VALUE, hs_deletions(NULL, nodes, 4, &count, NULL, e));
    FAILS(HS_BAD_VALUE, hs_deletions(place.store, NULL, 4, &count, NULL, e));
    FAILS(HS_BAD_VALUE, hs_deletions(place.store, nodes, 0, &count, NULL, e));
    FAILS(HS_BAD_VALUE, hs_deletions(place.store, nodes, 4, NULL, NULL, e));
    FAILS(HS_BAD_VALUE, hs_sweep(NULL, 0, nodes, 4, &step, e));
    FAILS(HS_BAD_VALUE, hs_sweep(place.store, 0, NULL, 4, &step, e));
    FAILS(HS_BAD_VALUE, hs_sweep(place.store, 0, nodes, 0, &step, e));
    FAILS(HS_BAD_VALUE, hs_sweep(place.store, 0, nodes, 4, NULL, e));
    SUCCEEDS(hs_sweep(place.store, UINT64_MAX, nodes, 4, &step, e));
    SUCCEEDS(hs_detach(place.store, place.filesystem, e));
    SUCCEEDS(hs_sweep(place.store, 0, nodes, 4, &step, e));
    CHECK(step.skipped == 1 && step.present == 0 && step.count == 0);
    end(&place);
}

static void a_copy_keeps_its_node(const char *directory)
{
    struct place place = begin(directory, "copies");
    make(in(place.directory, "copy"), "copy");
    CHECK(mkdir(in(place.directory, "to"), 0755) == 0);
    uint64_t node = node_of(&place, "file"), to = node_of(&place, "to"), moved = 0;
    hs_file old, copy;
    hs_registration registration;
    hs_node found;
    SUCCEEDS(hs_file_at(place.fd, "file", 4, 0, &old, e));
    SUCCEEDS(hs_file_at(place.fd, "copy", 4, 0, &copy, e));
    SUCCEEDS(hs_copy_up(place.store, node, place.filesystem, &copy, &registration, e));
    CHECK(registration.node == node);
    SUCCEEDS(hs_find(place.store, place.filesystem, &old.handle, &found, e));
    CHECK(found.id == node && memcmp(found.handle.bytes, copy.handle.bytes, copy.handle.length) == 0);
    CHECK(rename(in(place.directory, "copy"), in(place.directory, "to/copy")) == 0);
    SUCCEEDS(hs_record_move(place.store, place.filesystem, &copy, to, &moved, e));
    CHECK(moved == node);
    SUCCEEDS(hs_get(place.store, node, &found, e));
    CHECK(found.parent == to);

    FAILS(HS_BAD_VALUE, hs_copy_up(NULL, node, 1, &copy, &registration, e));
    FAILS(HS_BAD_VALUE, hs_copy_up(place.store, node, 1, NULL, &registration, e));
    FAILS(HS_BAD_VALUE, hs_copy_up(place.store, node, 1, &copy, NULL, e));
    FAILS(HS_UNKNOWN_NODE, hs_copy_up(place.store, UINT64_MAX, place.filesystem, &copy,
                                      &registration, e));
    FAILS(HS_BAD_VALUE, hs_copy_up(place.store, to, place.filesystem, &copy, &registration, e));
    FAILS(HS_BAD_VALUE, hs_record_move(NULL, 1, &copy, to, NULL, e));
    FAILS(HS_BAD_VALUE, hs_record_move(place.store, 1, NULL, to, NULL, e));
    SUCCEEDS(hs_record_move(place.store, place.filesystem, &copy, to, NULL, e));
    end(&place);
}

static void a_store_is_looked_after(const char *directory)
{
    struct place place = begin(directory, "maintenance");
    uint64_t node = node_of(&place, "file"), findings = 99;
    CHECK(node_of(&place, "file") == node);
    hs_node found;
    SUCCEEDS(hs_get(place.store, node, &found, e));
    hs_statistics statistics = HS_STATISTICS_INIT;
    SUCCEEDS(hs_store_statistics(place.store, &statistics, e));
    CHECK(statistics.created == 1 && statistics.existing == 1 && statistics.gets >= 1);
    CHECK(statistics.size == sizeof statistics && statistics.refused[HS_REFUSED_STALE] == 0);
    char *backup = strdup(in(place.directory, "backup"));
    SUCCEEDS(hs_store_backup(place.store, backup, e));
    FAILS(HS_SYSTEM, hs_store_backup(place.store, backup, e));
    char text[64] = "unset";
    SUCCEEDS(hs_store_check(backup, &findings, text, sizeof text, e));
    CHECK(findings == 0 && text[0] == '\0');
    FAILS(HS_ALREADY_OPEN, hs_store_check(in(place.directory, "store"), &findings, NULL, 0, e));

    /* Damage is found, and named as far as there is room. */
    char data[4200];
    snprintf(data, sizeof data, "%s/data.mdb", backup);
    int fd = open(data, O_RDWR);
    off_t size = lseek(fd, 0, SEEK_END);
    for (off_t at = 8192; at < size; at += 4096)
        CHECK(pwrite(fd, "damage", 6, at + 100) == 6 && pwrite(fd, "damage", 6, at + 4000) == 6);
    close(fd);
    SUCCEEDS(hs_store_check(backup, &findings, text, sizeof text, e));
    CHECK(findings > 0 && text[0] != '\0' && strlen(text) <= 63);
    SUCCEEDS(hs_store_check(backup, &findings, text, 1, e));
    CHECK(text[0] == '\0');
    free(backup);

    FAILS(HS_BAD_VALUE, hs_store_statistics(NULL, &statistics, e));
    FAILS(HS_BAD_VALUE, hs_store_statistics(place.store, NULL, e));
    statistics.size = 8;
    FAILS(HS_BAD_VALUE, hs_store_statistics(place.store, &statistics, e));
    FAILS(HS_BAD_VALUE, hs_store_backup(NULL, "/nowhere", e));
    FAILS(HS_BAD_VALUE, hs_store_backup(place.store, NULL, e));
    FAILS(HS_SYSTEM, hs_store_backup(place.store, "/nowhere/at/all", e));
    FAILS(HS_BAD_VALUE, hs_store_check(NULL, &findings, NULL, 0, e));
    FAILS(HS_BAD_VALUE, hs_store_check("/nowhere", NULL, NULL, 0, e));
    FAILS(HS_NO_STORE, hs_store_check("/nowhere", &findings, NULL, 0, e));
    end(&place);
}

static void a_journal_outlives_its_server(const char *directory)
{
    struct place place = begin(directory, "journal");
    int memory = memfd_create("journal", MFD_CLOEXEC), done = -1;
    hs_journal *journal;
    hs_file file;
    uint32_t operation = 99;
    SUCCEEDS(hs_file_at(place.fd, "file", 4, 0, &file, e));
    SUCCEEDS(hs_journal_open(memory, 8, &journal, e));
    hs_intent rename_it = {.operation = HS_INTENT_RENAME, .name = "file", .name_length = 4,
                           .new_name = "renamed", .new_name_length = 7, .file = &file.handle};
    hs_intent create = {.operation = HS_INTENT_CREATE, .type = S_IFREG, .name = "new", .name_length = 3};
    hs_intent grow = {.operation = HS_INTENT_INSERT_RANGE, .size = 100, .length = 50};
    hs_intent attribute = {.operation = HS_INTENT_CREATE_ATTRIBUTE};
    SUCCEEDS(hs_journal_note(journal, 1, &rename_it, e));
    SUCCEEDS(hs_journal_note(journal, 2, &create, e));
    SUCCEEDS(hs_journal_note(journal, 3, &grow, e));
    SUCCEEDS(hs_journal_note(journal, 4, &attribute, e));
    hs_journal_free(journal);

    SUCCEEDS(hs_journal_open(memory, 8, &journal, e));
    SUCCEEDS(hs_journal_find(journal, 1, &operation, e));
    CHECK(operation == HS_INTENT_RENAME);
    SUCCEEDS(hs_journal_find(journal, 77, &operation, e));
    CHECK(operation == 0);
    SUCCEEDS(hs_journal_was_done(journal, 1, place.fd, -1, &done, e));
    CHECK(done == 0);
    CHECK(rename(in(place.directory, "file"), in(place.directory, "renamed")) == 0);
    SUCCEEDS(hs_journal_was_done(journal, 1, place.fd, place.fd, &done, e));
    CHECK(done == 1);
    SUCCEEDS(hs_journal_was_done(journal, 2, place.fd, -1, &done, e));
    CHECK(done == 0);
    make(in(place.directory, "new"), "");
    SUCCEEDS(hs_journal_was_done(journal, 2, place.fd, -1, &done, e));
    CHECK(done == 1);
    SUCCEEDS(hs_journal_range_was_done(journal, 3, 100, &done, e));
    CHECK(done == 0);
    SUCCEEDS(hs_journal_range_was_done(journal, 3, 150, &done, e));
    CHECK(done == 1);
    SUCCEEDS(hs_journal_attribute_was_done(journal, 4, 1, &done, e));
    CHECK(done == 1);
    SUCCEEDS(hs_journal_forget(journal, 1, e));
    SUCCEEDS(hs_journal_was_done(journal, 1, place.fd, -1, &done, e));
    CHECK(done == 0);

    hs_journal *none = journal;
    FAILS(HS_BAD_VALUE, hs_journal_open(memory, 0, &none, e));
    CHECK(none == NULL);
    FAILS(HS_BAD_VALUE, hs_journal_open(memory, SIZE_MAX, &none, e));
    FAILS(HS_BAD_VALUE, hs_journal_open(memory, 8, NULL, e));
    FAILS(HS_SYSTEM, hs_journal_open(-1, 8, &(hs_journal *){NULL}, e));
    FAILS(HS_BAD_VALUE, hs_journal_note(NULL, 1, &create, e));
    FAILS(HS_BAD_VALUE, hs_journal_note(journal, 1, NULL, e));
    FAILS(HS_BAD_VALUE, hs_journal_note(journal, 0, &create, e));
    for (uint32_t number = 0; number < 12; number++) {
        hs_intent bare = {.operation = number};
        hs_error error = HS_ERROR_INIT;
        int result = hs_journal_note(journal, 9, &bare, &error);
        CHECK(number >= HS_INTENT_CREATE_ATTRIBUTE && number <= HS_INTENT_COLLAPSE_RANGE
                  ? result == HS_OK : result == HS_BAD_VALUE);
    }
    create.operation = UINT32_MAX;
    FAILS(HS_BAD_VALUE, hs_journal_note(journal, 1, &create, e));
    FAILS(HS_BAD_VALUE, hs_journal_forget(NULL, 1, e));
    FAILS(HS_BAD_VALUE, hs_journal_forget(journal, 0, e));
    SUCCEEDS(hs_journal_forget(journal, UINT64_MAX, e));
    FAILS(HS_BAD_VALUE, hs_journal_find(NULL, 1, &operation, e));
    FAILS(HS_BAD_VALUE, hs_journal_find(journal, 1, NULL, e));
    FAILS(HS_BAD_VALUE, hs_journal_was_done(NULL, 1, place.fd, -1, &done, e));
    FAILS(HS_BAD_VALUE, hs_journal_was_done(journal, 1, place.fd, -1, NULL, e));
    FAILS(HS_SYSTEM, hs_journal_was_done(journal, 2, -5, -1, &done, e));
    FAILS(HS_BAD_VALUE, hs_journal_attribute_was_done(NULL, 1, 1, &done, e));
    FAILS(HS_BAD_VALUE, hs_journal_attribute_was_done(journal, 1, 1, NULL, e));
    FAILS(HS_BAD_VALUE, hs_journal_range_was_done(NULL, 1, 1, &done, e));
    FAILS(HS_BAD_VALUE, hs_journal_range_was_done(journal, 1, 1, NULL, e));
    hs_journal_free(journal);
    hs_journal_free(NULL);
    close(memory);
    end(&place);
}

/* A supervisor, which keeps what is parked until the server's side is closed. */
struct supervisor {
    hs_parked_files *files;
    int socket;
};

static void *supervise(void *data)
{
    struct supervisor *supervisor = data;
    int more = 1;
    while (more && !hs_parked_files_receive(supervisor->files, supervisor->socket, &more, NULL))
        ;
    return NULL;
}

static void kept_files_outlive_their_server(const char *directory)
{
    struct place place = begin(directory, "kept-files");
    int sockets[2], gone = -1, fd = -1, file = open(in(place.directory, "file"), O_RDONLY);
    int top = open(place.directory, O_RDONLY | O_DIRECTORY);
    struct supervisor supervisor;
    pthread_t thread;
    hs_parking *parking;
    hs_kept_files *kept;
    hs_pins *pins;
    hs_registration first, again;
    uint64_t root = 0, nodes[4];
    size_t count = 0;
    SUCCEEDS(hs_parking_sockets(sockets, e));
    SUCCEEDS(hs_parked_files_open(&supervisor.files, e));
    supervisor.socket = sockets[1];
    CHECK(pthread_create(&thread, NULL, supervise, &supervisor) == 0);
    SUCCEEDS(hs_parking_open(sockets[0], &parking, e));
    SUCCEEDS(hs_pins_open(place.store, memfd_create("pins", MFD_CLOEXEC), &pins, e));
    SUCCEEDS(hs_kept_files_open(place.store, top, 2, parking, &kept, e));
    SUCCEEDS(hs_kept_files_state(kept, &root, &count, e));
    CHECK(root != 0 && count == 1);
    SUCCEEDS(hs_kept_files_register(kept, file, root, pins, &first, e));
    SUCCEEDS(hs_kept_files_least_used(kept, nodes, 4, &count, e));
    CHECK(count == 1 && nodes[0] == first.node);
    int other = open("/", O_PATH);
    hs_error full = HS_ERROR_INIT;
    CHECK(hs_kept_files_register(kept, other, root, pins, &again, &full) == HS_SYSTEM);
    CHECK(full.errnum == ENFILE);
    close(other);
    hs_kept_files_free(kept);

    SUCCEEDS(hs_kept_files_open(place.store, top, 2, parking, &kept, e));
    SUCCEEDS(hs_kept_files_state(kept, NULL, &count, e));
    CHECK(count == 2);
    SUCCEEDS(hs_open(place.store, first.node, HS_OPEN_READ_ONLY, &fd, e));
    close(fd);
    SUCCEEDS(hs_kept_files_register(kept, file, root, NULL, &again, e));
    CHECK(again.node == first.node);
    SUCCEEDS(hs_kept_files_give_up(kept, first.node, &gone, e));
    CHECK(gone == 0);
    SUCCEEDS(hs_unpin_all(pins, e));
    SUCCEEDS(hs_kept_files_give_up(kept, first.node, &gone, e));
    CHECK(gone == 1);
    FAILS(HS_STALE, hs_open(place.store, first.node, HS_OPEN_READ_ONLY, &fd, e));

    FAILS(HS_BAD_VALUE, hs_kept_files_open(place.store, top, 2, parking, NULL, e));
    FAILS(HS_BAD_VALUE, hs_kept_files_open(place.store, top, 0, parking, &(hs_kept_files *){NULL}, e));
    FAILS(HS_BAD_VALUE, hs_kept_files_open(NULL, top, 2, parking, &(hs_kept_files *){NULL}, e));
    FAILS(HS_BAD_VALUE, hs_kept_files_register(NULL, file, 0, NULL, &again, e));
    FAILS(HS_BAD_VALUE, hs_kept_files_register(kept, file, 0, NULL, NULL, e));
    FAILS(HS_SYSTEM, hs_kept_files_register(kept, -1, 0, NULL, &again, e));
    FAILS(HS_BAD_VALUE, hs_kept_files_give_up(NULL, 1, &gone, e));
    SUCCEEDS(hs_kept_files_give_up(kept, UINT64_MAX, NULL, e));
    FAILS(HS_BAD_VALUE, hs_kept_files_state(NULL, &root, &count, e));
    FAILS(HS_BAD_VALUE, hs_kept_files_least_used(kept, NULL, 4, &count, e));
    FAILS(HS_BAD_VALUE, hs_kept_files_least_used(kept, nodes, 4, NULL, e));
    hs_kept_files_free(kept);
    hs_kept_files_free(NULL);
    hs_pins_free(pins);
    hs_parking_free(parking);
    close(sockets[0]);
    pthread_join(thread, NULL);
    close(sockets[1]);
    hs_parked_files_free(supervisor.files);
    close(top);
    close(file);
    end(&place);
}

static void open_files_outlive_their_server(const char *directory)
{
    struct place place = begin(directory, "open-files");
    int memory = memfd_create("open", MFD_CLOEXEC), sockets[2] = {-1, -1}, is_open = -1;
    int needs_parking = -1, more = -1, file = open(in(place.directory, "file"), O_RDONLY);
    uint32_t backing = 99;
    uint64_t node = 0;
    hs_open_files *files;
    SUCCEEDS(hs_open_files_open(memory, -1, &files, e));
    SUCCEEDS(hs_open_files_add(files, 10, 5, -1, &backing, e));
    CHECK(backing == 0);
    hs_open_files_free(files);
    SUCCEEDS(hs_open_files_open(memory, -1, &files, e));
    SUCCEEDS(hs_open_files_find(files, 10, &node, e));
    CHECK(node == 5);
    SUCCEEDS(hs_open_files_find(files, 11, &node, e));
    CHECK(node == 0);
    SUCCEEDS(hs_open_files_state(files, 5, &is_open, &needs_parking, e));
    CHECK(is_open == 1 && needs_parking == 1);

    hs_parking *parking;
    hs_parked_files *parked;
    SUCCEEDS(hs_parking_sockets(sockets, e));
    SUCCEEDS(hs_parking_open(sockets[0], &parking, e));
    SUCCEEDS(hs_parked_files_open(&parked, e));
    SUCCEEDS(hs_park(parking, file, 5, e));
    SUCCEEDS(hs_unpark(parking, 5, e));
    for (int i = 0; i < 2; i++) {
        SUCCEEDS(hs_parked_files_receive(parked, sockets[1], &more, e));
        CHECK(more == 1);
    }
    FAILS(HS_SYSTEM, hs_park(parking, -1, 5, e));
    FAILS(HS_SYSTEM, hs_park(parking, -5, 5, e));
    FAILS(HS_SYSTEM, hs_park(parking, 1000000, 5, e));
    close(sockets[0]);
    SUCCEEDS(hs_parked_files_receive(parked, sockets[1], &more, e));
    CHECK(more == 0);
    SUCCEEDS(hs_open_files_remove(files, 10, e));
    SUCCEEDS(hs_open_files_state(files, 5, &is_open, NULL, e));
    CHECK(is_open == 0);
    for (uint64_t number = 20; number < 23; number++)
        SUCCEEDS(hs_open_files_add(files, number, 6, -1, &backing, e));
    SUCCEEDS(hs_open_files_remove_all(files, 6, e));
    SUCCEEDS(hs_open_files_state(files, 6, &is_open, NULL, e));
    CHECK(is_open == 0);
    SUCCEEDS(hs_open_files_remove_all(files, UINT64_MAX, e));
    FAILS(HS_BAD_VALUE, hs_open_files_remove_all(NULL, 6, e));

    FAILS(HS_BAD_VALUE, hs_open_files_open(memory, -1, NULL, e));
    FAILS(HS_SYSTEM, hs_open_files_open(-1, -1, &(hs_open_files *){NULL}, e));
    FAILS(HS_BAD_VALUE, hs_open_files_add(NULL, 1, 5, -1, &backing, e));
    FAILS(HS_BAD_VALUE, hs_open_files_add(files, 0, 5, -1, &backing, e));
    FAILS(HS_BAD_VALUE, hs_open_files_add(files, 1, 5, -1, NULL, e));
    FAILS(HS_BAD_VALUE, hs_open_files_remove(NULL, 1, e));
    SUCCEEDS(hs_open_files_remove(files, UINT64_MAX, e));
    FAILS(HS_BAD_VALUE, hs_open_files_find(NULL, 1, &node, e));
    FAILS(HS_BAD_VALUE, hs_open_files_find(files, 1, NULL, e));
    FAILS(HS_BAD_VALUE, hs_open_files_state(NULL, 5, &is_open, NULL, e));
    FAILS(HS_BAD_VALUE, hs_parking_sockets(NULL, e));
    FAILS(HS_BAD_VALUE, hs_parking_open(sockets[0], NULL, e));
    FAILS(HS_BAD_VALUE, hs_park(NULL, file, 5, e));
    FAILS(HS_BAD_VALUE, hs_unpark(NULL, 5, e));
    FAILS(HS_SYSTEM, hs_unpark(parking, 5, e));
    FAILS(HS_BAD_VALUE, hs_parked_files_open(NULL, e));
    FAILS(HS_BAD_VALUE, hs_parked_files_receive(NULL, sockets[1], &more, e));
    FAILS(HS_SYSTEM, hs_parked_files_receive(parked, -1, &more, e));
    hs_parking_free(parking);
    hs_parked_files_free(parked);
    hs_open_files_free(files);
    hs_parking_free(NULL);
    hs_parked_files_free(NULL);
    hs_open_files_free(NULL);
    close(sockets[1]);
    close(memory);
    close(file);
    end(&place);
}

/* Every function with NULL, and with values out of their range. */
static void rubbish(const char *directory)
{
    struct place place = begin(directory, "rubbish");
    hs_store *store = place.store;
    uint64_t id = node_of(&place, "file"), number;
    hs_store_options options = HS_STORE_OPTIONS_INIT;
    hs_store *none;
    hs_file file;
    hs_node node;
    hs_registration registration;
    hs_handle handle = {0};
    hs_pins *pins = NULL;
    uint32_t filesystem;
    size_t count;
    int fd = -1, memory = memfd_create("pins", MFD_CLOEXEC);
    SUCCEEDS(hs_pins_open(store, memory, &pins, e));
    SUCCEEDS(hs_file_at(place.fd, "file", 4, 0, &file, e));

    FAILS(HS_BAD_VALUE, hs_store_open(NULL, NULL, &none, e));
    FAILS(HS_BAD_VALUE, hs_store_open("/nowhere", NULL, NULL, e));
    FAILS(HS_SYSTEM, hs_store_open("/nowhere/at/all", NULL, &none, e));
    FAILS(HS_ALREADY_OPEN, hs_store_open(in(place.directory, "store"), NULL, &none, e));
    options.size = 0;
    FAILS(HS_BAD_VALUE, hs_store_open("/nowhere", &options, &none, e));
    options.size = sizeof options + 8; /* a later version, with an option that is set */
    struct { hs_store_options known; uint64_t later; } later = {options, 1};
    FAILS(HS_BAD_VALUE, hs_store_open_in_memory(&later.known, &none, e));
    later.later = 0;
    SUCCEEDS(hs_store_open_in_memory(&later.known, &none, e));
    hs_store_free(none);
    options.size = sizeof options;
    options.durability = 9;
    FAILS(HS_BAD_VALUE, hs_store_open("/nowhere", &options, &none, e));
    options.durability = HS_DURABILITY_POWER;
    options.retention = 77;
    FAILS(HS_BAD_VALUE, hs_store_open_in_memory(&options, &none, e));
    options.retention = HS_RETAIN_SECONDS;
    options.retention_value = UINT64_MAX;
    FAILS(HS_BAD_VALUE, hs_store_open_in_memory(&options, &none, e));
    options.retention = HS_RETAIN_NODES;
    options.cache_size = options.limbo_limit = UINT64_MAX;
    SUCCEEDS(hs_store_open_in_memory(&options, &none, e));
    hs_store_free(none);
    FAILS(HS_BAD_VALUE, hs_store_open_in_memory(NULL, NULL, e));
    FAILS(HS_BAD_VALUE, hs_store_close(NULL, e));
    FAILS(HS_BAD_VALUE, hs_store_close((hs_store *)pins, e));
    hs_store_free(NULL);
    hs_store_free((hs_store *)pins);
    CHECK(hs_store_generation(NULL) == 0);

    FAILS(HS_BAD_VALUE, hs_attach(NULL, place.fd, &filesystem, e));
    FAILS(HS_BAD_VALUE, hs_attach(store, place.fd, NULL, e));
    FAILS(HS_SYSTEM, hs_attach(store, -1, &filesystem, e));
    FAILS(HS_SYSTEM, hs_attach(store, 2147483647, &filesystem, e));
    FAILS(HS_BAD_VALUE, hs_attach_mounted(NULL, NULL, 0, NULL, e));
    FAILS(HS_BAD_VALUE, hs_attach_mounted(store, NULL, 1, NULL, e));
    SUCCEEDS(hs_attach_mounted(store, NULL, 0, NULL, e));
    FAILS(HS_BAD_VALUE, hs_detach(NULL, 1, e));
    SUCCEEDS(hs_detach(store, 65535, e));
    FAILS(HS_BAD_VALUE, hs_detach(store, 65536, e));

    FAILS(HS_BAD_VALUE, hs_file_of(place.fd, 0, NULL, e));
    FAILS(HS_SYSTEM, hs_file_of(-1, 0, &file, e));
    FAILS(HS_BAD_VALUE, hs_file_at(place.fd, NULL, 4, 0, &file, e));
    FAILS(HS_BAD_VALUE, hs_file_at(place.fd, "file", 4, 0, NULL, e));
    FAILS(HS_BAD_VALUE, hs_file_at(place.fd, "file", 0, 0, &file, e));
    FAILS(HS_SYSTEM, hs_file_at(place.fd, "file", SIZE_MAX, 0, &file, e));
    FAILS(HS_BAD_NAME, hs_file_at(place.fd, "..", 2, 0, &file, e));
    FAILS(HS_BAD_NAME, hs_file_at(place.fd, "a/b", 3, 0, &file, e));
    FAILS(HS_BAD_NAME, hs_file_at(place.fd, "a\0b", 3, 0, &file, e));
    FAILS(HS_SYSTEM, hs_file_at(place.fd, "\xff\xfe", 2, 0, &file, e));
    FAILS(HS_SYSTEM, hs_file_at(-1, "file", 4, 0, &file, e));

    FAILS(HS_BAD_VALUE, hs_register(NULL, 1, &file, NULL, &registration, e));
    FAILS(HS_BAD_VALUE, hs_register(store, 1, NULL, NULL, &registration, e));
    FAILS(HS_BAD_VALUE, hs_register(store, 1, &file, NULL, NULL, e));
    FAILS(HS_BAD_VALUE, hs_register(store, 1, &file, (hs_pins *)store, &registration, e));
    FAILS(HS_UNKNOWN_FILESYSTEM, hs_register(store, 65535, &file, NULL, &registration, e));
    hs_file wrong = file;
    for (uint32_t length = 0; length < 400; length += length < 2 ? 1 : 127) {
        wrong.handle.length = length;
        hs_error error = HS_ERROR_INIT;
        int result = hs_register(store, place.filesystem, &wrong, NULL, &registration, &error);
        CHECK(length >= 1 && length <= 128 ? result == HS_OK || error.code == result
                                           : result == HS_BAD_VALUE);
    }
    wrong.handle.length = UINT32_MAX;
    FAILS(HS_BAD_VALUE, hs_register(store, place.filesystem, &wrong, NULL, &registration, e));
    FAILS(HS_BAD_VALUE, hs_register_batch(NULL, 1, &file, 1, NULL, &registration, e));
    FAILS(HS_BAD_VALUE, hs_register_batch(store, 1, NULL, 1, NULL, &registration, e));
    FAILS(HS_BAD_VALUE, hs_register_batch(store, 1, &file, 1, NULL, NULL, e));
    FAILS(HS_BAD_VALUE, hs_register_batch(store, 1, &file, 65537, NULL, &registration, e));
    FAILS(HS_BAD_VALUE, hs_register_batch(store, 1, &file, SIZE_MAX, NULL, &registration, e));
    SUCCEEDS(hs_register_batch(store, place.filesystem, NULL, 0, NULL, NULL, e));

    FAILS(HS_BAD_VALUE, hs_get(NULL, id, &node, e));
    FAILS(HS_BAD_VALUE, hs_get(store, id, NULL, e));
    FAILS(HS_UNKNOWN_NODE, hs_get(store, 0, &node, e));
    FAILS(HS_UNKNOWN_NODE, hs_get(store, UINT64_MAX, &node, e));
    FAILS(HS_BAD_VALUE, hs_find(NULL, 1, &file.handle, &node, e));
    FAILS(HS_BAD_VALUE, hs_find(store, 1, NULL, &node, e));
    FAILS(HS_BAD_VALUE, hs_find(store, 1, &file.handle, NULL, e));
    FAILS(HS_BAD_VALUE, hs_find(store, 1, &handle, &node, e));
    FAILS(HS_UNKNOWN_FILESYSTEM, hs_find(store, 0, &file.handle, &node, e));
    FAILS(HS_BAD_VALUE, hs_open(NULL, id, HS_OPEN_PATH, &fd, e));
    FAILS(HS_BAD_VALUE, hs_open(store, id, HS_OPEN_PATH, NULL, e));
    FAILS(HS_BAD_VALUE, hs_open(store, id, -1, &fd, e));
    FAILS(HS_BAD_VALUE, hs_open(store, id, 4, &fd, e));
    FAILS(HS_UNKNOWN_NODE, hs_open(store, UINT64_MAX, HS_OPEN_PATH, &fd, e));
    FAILS(HS_BAD_VALUE, hs_retire(NULL, id, NULL, e));
    FAILS(HS_UNKNOWN_NODE, hs_retire(store, UINT64_MAX, NULL, e));
    FAILS(HS_BAD_VALUE, hs_forget(NULL, id, NULL, e));
    SUCCEEDS(hs_forget(store, UINT64_MAX, NULL, e));
    FAILS(HS_BAD_VALUE, hs_evict(NULL, NULL, e));
    SUCCEEDS(hs_evict(store, NULL, e));
    FAILS(HS_BAD_VALUE, hs_list(NULL, 0, 0, 0, &node, 1, &count, &number, e));
    FAILS(HS_BAD_VALUE, hs_list(store, 0, 0, 0, NULL, 1, &count, &number, e));
    FAILS(HS_BAD_VALUE, hs_list(store, 0, 0, 0, &node, 1, NULL, &number, e));
    FAILS(HS_BAD_VALUE, hs_list(store, 0, 0, 0, &node, 1, &count, NULL, e));
    FAILS(HS_BAD_VALUE, hs_list(store, 0, 0, 0, &node, 0, &count, &number, e));
    SUCCEEDS(hs_attach_mounted(store, &filesystem, 1, NULL, e));
    FAILS(HS_BAD_VALUE, hs_list(store, 0, 0, 3, &node, 1, &count, &number, e));
    FAILS(HS_BAD_VALUE, hs_list(store, 0, 0, UINT32_MAX, &node, 1, &count, &number, e));
    SUCCEEDS(hs_list(store, UINT64_MAX, 0, 0, &node, 1, &count, &number, e));
    CHECK(count == 0 && number == 0);

    FAILS(HS_BAD_VALUE, hs_pins_open(NULL, memory, &(hs_pins *){NULL}, e));
    FAILS(HS_BAD_VALUE, hs_pins_open(store, memory, NULL, e));
    FAILS(HS_SYSTEM, hs_pins_open(store, -1, &(hs_pins *){NULL}, e));
    FAILS(HS_BAD_VALUE, hs_pin(NULL, id, 1, pins, NULL, e));
    FAILS(HS_BAD_VALUE, hs_pin(store, id, 1, NULL, NULL, e));
    SUCCEEDS(hs_pin(store, UINT64_MAX, UINT64_MAX, pins, NULL, e));
    FAILS(HS_BAD_VALUE, hs_unpin(NULL, id, 1, NULL, e));
    SUCCEEDS(hs_unpin(pins, UINT64_MAX, UINT64_MAX, NULL, e));
    FAILS(HS_BAD_VALUE, hs_unpin_all(NULL, e));
    FAILS(HS_BAD_VALUE, hs_pin_count(NULL, id, &number, e));
    FAILS(HS_BAD_VALUE, hs_pin_count(pins, id, NULL, e));
    SUCCEEDS(hs_pin_count(pins, UINT64_MAX, &number, e));
    hs_pins_free(NULL);
    hs_pins_free((hs_pins *)store);
    hs_pins_free(pins);
    close(memory);

    /* Without room for an error, or with a struct of another size. */
    CHECK(hs_get(NULL, id, &node, NULL) == HS_BAD_VALUE);
    struct {
        uint32_t size;
        char guard[12];
    } old = {8, "unchanged"};
    CHECK(hs_get(NULL, id, &node, (hs_error *)&old) == HS_BAD_VALUE);
    CHECK(strcmp(old.guard, "unchanged") == 0);
    struct {
        uint32_t size;
        int32_t code, errnum, refusal;
        char text[8], guard[12];
    } shorter = {24, 0, 0, 0, "", "unchanged"};
    CHECK(hs_get(NULL, id, &node, (hs_error *)&shorter) == HS_BAD_VALUE);
    CHECK(shorter.code == HS_BAD_VALUE && strlen(shorter.text) == 7);
    CHECK(strcmp(shorter.guard, "unchanged") == 0);
    hs_store *second;
    hs_pins *foreign;
    int spare = memfd_create("pins", MFD_CLOEXEC);
    SUCCEEDS(hs_store_open_in_memory(NULL, &second, e));
    SUCCEEDS(hs_pins_open(second, spare, &foreign, e));
    FAILS(HS_BAD_VALUE, hs_pin(store, id, 1, foreign, NULL, e));
    FAILS(HS_BAD_VALUE, hs_register(store, place.filesystem, &file, foreign, &registration, e));
    hs_pins_free(foreign);
    hs_store_free(second);
    close(spare);
    CHECK(node_of(&place, "file") == id);
    end(&place);
}

/* What a failed call is about is in its text. */
static void errors_name_the_thing(const char *directory)
{
    struct place place = begin(directory, "texts\nin two lines");
    hs_error error = HS_ERROR_INIT;
    hs_store *second;
    uint32_t filesystem;
    CHECK(hs_attach(place.store, -1, &filesystem, &error) == HS_SYSTEM && error.errnum == EBADF);
    CHECK(strstr(error.text, "-1") != NULL);
    CHECK(hs_store_open(in(place.directory, "store"), NULL, &second, &error) == HS_ALREADY_OPEN);
    CHECK(strstr(error.text, "texts?in two lines/store") != NULL && strchr(error.text, '\n') == NULL);

    /* Members for later versions have to be 0, so that they can get a meaning. */
    hs_file file;
    hs_registration registration;
    SUCCEEDS(hs_file_at(place.fd, "file", 4, 0, &file, e));
    file.reserved[3] = 1;
    FAILS(HS_BAD_VALUE,
          hs_register(place.store, place.filesystem, &file, NULL, &registration, e));
    FAILS(HS_BAD_VALUE,
          hs_register_batch(place.store, place.filesystem, &file, 1, NULL, &registration, e));

    /* A call that succeeds leaves an error alone. */
    hs_error before = error;
    hs_node node;
    uint64_t id = node_of(&place, "file");
    CHECK(hs_get(place.store, id, &node, &error) == HS_OK);
    CHECK(memcmp(&before, &error, sizeof error) == 0);
    end(&place);
}

int main(int count, char **arguments)
{
    if (count != 2)
        return fprintf(stderr, "usage: test DIRECTORY\n"), 2;
    const char *directory = arguments[1];
    versions_and_words();
    a_node_survives(directory);
    batches_and_pages(directory);
    pins_keep_a_node(directory);
    a_store_in_memory(directory);
    a_closed_store(directory);
    a_forked_child(directory);
    an_export_confines(directory);
    watches_end_with_their_file(directory);
    a_copy_keeps_its_node(directory);
    a_store_is_looked_after(directory);
    a_journal_outlives_its_server(directory);
    kept_files_outlive_their_server(directory);
    open_files_outlive_their_server(directory);
    errors_name_the_thing(directory);
    rubbish(directory);
    if (failures > 0)
        return fprintf(stderr, "%d failures\n", failures), 1;
    printf("all passed\n");
    return 0;
}
