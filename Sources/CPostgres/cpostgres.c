#include "cpostgres.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

/* The functions that the wall calls: what each returns, its name, its parameters, and their names. */
#define FUNCTIONS(F)                                                                                       \
    F(PGconn *, PQconnectStartParams,                                                                      \
      (const char *const *keywords, const char *const *values, int expand), (keywords, values, expand))    \
    F(PostgresPollingStatusType, PQconnectPoll, (PGconn * c), (c))                                         \
    F(void, PQfinish, (PGconn * c), (c))                                                                   \
    F(PQconninfoOption *, PQconninfoParse, (const char *info, char **message), (info, message))            \
    F(PQconninfoOption *, PQconninfo, (PGconn * c), (c))                                                   \
    F(void, PQconninfoFree, (PQconninfoOption * options), (options))                                       \
    F(ConnStatusType, PQstatus, (const PGconn *c), (c))                                                    \
    F(PGTransactionStatusType, PQtransactionStatus, (const PGconn *c), (c))                                \
    F(char *, PQerrorMessage, (const PGconn *c), (c))                                                      \
    F(int, PQsocket, (const PGconn *c), (c))                                                               \
    F(PQnoticeReceiver, PQsetNoticeReceiver, (PGconn * c, PQnoticeReceiver receiver, void *argument),      \
      (c, receiver, argument))                                                                             \
    F(int, PQsetnonblocking, (PGconn * c, int on), (c, on))                                                \
    F(int, PQenterPipelineMode, (PGconn * c), (c))                                                         \
    F(int, PQpipelineSync, (PGconn * c), (c))                                                              \
    F(int, PQsendPrepare,                                                                                  \
      (PGconn * c, const char *name, const char *text, int count, const Oid *types),                       \
      (c, name, text, count, types))                                                                       \
    F(int, PQsendQueryPrepared,                                                                            \
      (PGconn * c, const char *name, int count, const char *const *values, const int *lengths,             \
       const int *formats, int format),                                                                    \
      (c, name, count, values, lengths, formats, format))                                                  \
    F(int, PQflush, (PGconn * c), (c))                                                                     \
    F(int, PQconsumeInput, (PGconn * c), (c))                                                              \
    F(int, PQisBusy, (PGconn * c), (c))                                                                    \
    F(PGresult *, PQgetResult, (PGconn * c), (c))                                                          \
    F(void, PQclear, (PGresult * r), (r))                                                                  \
    F(ExecStatusType, PQresultStatus, (const PGresult *r), (r))                                            \
    F(char *, PQresultErrorField, (const PGresult *r, int field), (r, field))                              \
    F(int, PQntuples, (const PGresult *r), (r))                                                            \
    F(int, PQnfields, (const PGresult *r), (r))                                                            \
    F(int, PQfformat, (const PGresult *r, int column), (r, column))                                        \
    F(Oid, PQftype, (const PGresult *r, int column), (r, column))                                          \
    F(char *, PQcmdTuples, (PGresult * r), (r))                                                            \
    F(char *, PQgetvalue, (const PGresult *r, int row, int column), (r, row, column))                      \
    F(int, PQgetlength, (const PGresult *r, int row, int column), (r, row, column))                        \
    F(int, PQgetisnull, (const PGresult *r, int row, int column), (r, row, column))

static struct {
#define MEMBER(type, name, parameters, arguments) __typeof__(&name) name;
    FUNCTIONS(MEMBER)
} libpq;

#define WRAPPER(type, name, parameters, arguments) \
    type name parameters { return libpq.name arguments; }
FUNCTIONS(WRAPPER)

static char problem[256];

static void load(void)
{
    void *library = dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        snprintf(problem, sizeof problem, "%s", dlerror());
        return;
    }
#define SYMBOL(type, name, parameters, arguments)                                  \
    if ((libpq.name = (__typeof__(&name))dlsym(library, #name)) == NULL) {         \
        snprintf(problem, sizeof problem, "libpq.so.5 is older than version 14");  \
        return;                                                                    \
    }
    FUNCTIONS(SYMBOL)
}

const char *cpostgres_load(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    return problem[0] == 0 ? NULL : problem;
}
