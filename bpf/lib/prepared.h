/* What is known of statements that are prepared once and run later: `prepared` keeps the type of each by its key. */
#ifndef OUTRIDER_BPF_PREPARED_H
#define OUTRIDER_BPF_PREPARED_H

#include "here.h"

struct prepared_type {
	char name[OUTRIDER_TYPE_NAME];
	u32 target, generation; /* of another one it may be about another statement at the same address */
};

/* Of statements that are thrown away unseen (a process that ends) there may be many: those that were not used for longest
 * make room. One that is missing is counted under a name that says so. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, OUTRIDER_MAX_PREPARED);
	__type(key, struct outrider_detached_key);
	__type(value, struct prepared_type);
} prepared __weak SEC(".maps");

/* Fills `name` (OUTRIDER_TYPE_NAME - 1 bytes). */
static __noinline int prepared_name(struct here *h, u64 key, char *name)
{
	struct outrider_detached_key id = {.tgid = this_process(), .id = key};
	struct prepared_type *type = bpf_map_lookup_elem(&prepared, &id);

	if (type && type->target == h->target_index && type->generation == h->target->generation)
		__builtin_memcpy(name, type->name, OUTRIDER_TYPE_NAME - 1);
	else
		__builtin_memcpy(name, "PREPARED EARLIER", 17);
	return 0;
}

#endif
