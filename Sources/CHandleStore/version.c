#include "handlestore.h"

/* In C and not in Swift, so that the version stands in one place. */
const char *hs_version(void) { return HS_VERSION; }
