/*
 * The C library, loaded by dlopen(3) into a program that uses LMDB itself, and loaded again.
 * Usage: loaded LIBRARY DIRECTORY
 */
#include <dlfcn.h>
#include <handlestore.h>
#include <lmdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int failures;
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%d: not true: %s\n", __LINE__, #condition);                           \
            failures++;                                                                            \
        }                                                                                          \
    } while (0)

static void use(const char *library, const char *store)
{
    void *loaded = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    CHECK(loaded != NULL);
    if (loaded == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return;
    }
    __typeof__(&hs_store_open) open_store;
    __typeof__(&hs_store_free) free_store;
    __typeof__(&hs_version) version;
    *(void **)&open_store = dlsym(loaded, "hs_store_open");
    *(void **)&free_store = dlsym(loaded, "hs_store_free");
    *(void **)&version = dlsym(loaded, "hs_version");
    hs_store *opened = NULL;
    hs_error error = HS_ERROR_INIT;
    CHECK(strcmp(version(), HS_VERSION) == 0);
    int code = open_store(store, NULL, &opened, &error);
    if (code)
        fprintf(stderr, "%s\n", error.text);
    CHECK(code == HS_OK);
    free_store(opened);
    CHECK(dlsym(RTLD_DEFAULT, "swift_retain") == NULL);
    CHECK(dlclose(loaded) == 0);
}

int main(int count, char **arguments)
{
    MDB_env *environment;
    MDB_txn *change;
    MDB_dbi table;
    char own[4096], store[4096];
    if (count != 3)
        return 2;
    snprintf(own, sizeof own, "%s/own", arguments[2]);
    snprintf(store, sizeof store, "%s/store", arguments[2]);
    CHECK(mkdir(own, 0755) == 0);
    CHECK(mdb_env_create(&environment) == 0 && mdb_env_open(environment, own, 0, 0644) == 0);
    CHECK(mdb_txn_begin(environment, NULL, 0, &change) == 0);
    CHECK(mdb_dbi_open(change, NULL, 0, &table) == 0);
    for (int i = 0; i < 2; i++) {
        MDB_val key = {sizeof i, &i}, value = {4, "text"};
        CHECK(mdb_put(change, table, &key, &value, 0) == 0);
        use(arguments[1], store);
    }
    CHECK(mdb_txn_commit(change) == 0);
    mdb_env_close(environment);
    return failures > 0;
}
