/* The generated bindings, compiled so that nothing they allocate has to be freed: all of it lives in memory.c's arena until
 * the call after this one. */
#include <stdlib.h>
#include <string.h>

#include "../weir.h"

#define free(pointer) ((void)(pointer))
#define malloc(size) weir_alloc(size)

#include "../gen/filter.c"

/* The generator would link an object with the world's description in; the encoder tells the world by the exports. */
void __component_type_object_force_link_filter(void) {}
