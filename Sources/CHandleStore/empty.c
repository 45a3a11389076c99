/* The header is this target's only content. */
#include "handlestore.h"
