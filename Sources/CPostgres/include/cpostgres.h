/* libpq, loaded when it is first needed (dlopen(3)). Linked, it and the twenty libraries that it needs would
 * make each start of a program 15 ms slower, also of one that uses no database; and nobody else has to
 * install it. The functions have the names and the meaning that they have in libpq. */
#ifndef CPOSTGRES_H
#define CPOSTGRES_H

#include <stdio.h> /* which the header of libpq includes, too: its functions are not hidden */

/* Hidden, so that libpq does not call these functions instead of its own. */
#pragma GCC visibility push(hidden)
#if __has_include(<libpq-fe.h>)
#include <libpq-fe.h>
#else
#include <postgresql/libpq-fe.h>
#endif

/* Loads libpq, once. Returns NULL, or why it cannot be loaded. No other function may be called before it has
 * returned NULL. Any thread. */
const char *cpostgres_load(void);
#pragma GCC visibility pop

#endif
