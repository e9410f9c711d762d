/* Statements as types: the text of a query is read, normalised and hashed here, so that no literal leaves the kernel.
 * `statement_works`: room for that, a thread's own, for a probe program may be preempted. `statements`: what a fingerprint
 * stands for, written once, when it is met for the first time. */
#ifndef OUTRIDER_BPF_STATEMENTS_H
#define OUTRIDER_BPF_STATEMENTS_H

#include "session.h"
#include "slots.h"
#include "sql_shape.h"

#define STATEMENT_STEP 16 /* characters that one turn of the loop looks at */
#define STATEMENT_ROOM (OUTRIDER_STATEMENT_TEXT + STATEMENT_STEP) /* the last step's rest is zero */
#define STATEMENT_MORE 64 /* pieces of a long text that are counted: it is of the highest class then */

struct statement_work {
	struct sql_normal machine;
	u64 fingerprint; /* of the text that was read last; 0: it says nothing, or none was */
	const char *rest; /* of a long text, beyond what is looked at */
	u64 whole_size;
	u32 limit;       /* bytes that the caller says there are; 0: until the zero */
	u64 whose;       /* differs for those whose statements are to be types of their own */
	u32 by, pad;     /* OUTRIDER_BY_* that `whose` is of */
	struct session_scan session;
	u64 raw[STATEMENT_ROOM / 8]; /* the text, eight characters at a time: the compiler must know how it is aligned */
	struct sql_shapes shapes;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct statement_work);
} statement_works __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, OUTRIDER_MAX_SLOTS);
	__type(key, __u64);
	__type(value, struct outrider_statement_text);
} statements __weak SEC(".maps");

/* What a loop's turn is given has to lie on the stack, of which little is left. */
struct statement_loop {
	struct statement_work *work;
};

/* What the table alone cannot decide, and the slow way of everything else. Global: the verifier looks at it once. */
__weak __noinline int statement_character(struct sql_normal *machine, u32 byte)
{
	if (machine)
		sql_character(machine, byte);
	return 0;
}

/* sql_step_of() of everything; filled by the agent. */
const volatile __u32 sql_steps[SQL_STEPS] __weak = {};

/* The quick way: what most characters are needs no more than the table, and nothing is written. `state` is where its row in
 * the table begins, in bytes. */
static long statement_hash_step(u32 i, struct statement_loop *loop)
{
	struct statement_work *w = loop->work;
	struct sql_normal *m = &w->machine;
	u32 at = i * STATEMENT_STEP;
	u64 state = (u64)m->state << SQL_STEP_STATE_AT & SQL_STEP_STATE;
	u64 hash = m->hash, word = m->word, eight = 0;
	u64 dialect = (u64)m->dialect << SQL_DIALECT_AT;

#pragma unroll
	for (u32 k = 0; k < STATEMENT_STEP; k++) {
		u64 place;
		u32 step;

		if (k % 8 == 0) {
			barrier_var(at);
			eight = w->raw[(at & (OUTRIDER_STATEMENT_TEXT - STATEMENT_STEP)) / 8 + k / 8];
		}
		place = (eight << 2 & 0x3fc) | dialect;
		/* Most characters go on with a word: the processor then need not wait for the step before. */
		if (state == SQL_S_WORD << SQL_STEP_STATE_AT) {
			place |= SQL_S_WORD << SQL_STEP_STATE_AT;
			barrier_var(place);
		} else {
			place |= state;
		}
		barrier_var(place);
		place &= sizeof(sql_steps) - 4; /* the bounds of an `or` Linux 6.1's verifier does not know */
		step = *(const volatile u32 *)((const volatile char *)sql_steps + place);
		if (step & SQL_STEP_EVENT) {
			u32 byte = eight & 0xff;

			m->hash = hash;
			m->word = word;
			m->state = state >> SQL_STEP_STATE_AT;
			if (!byte)
				return 1;
			statement_character(m, byte);
			hash = m->hash;
			word = m->word;
			state = (u64)m->state << SQL_STEP_STATE_AT & SQL_STEP_STATE;
			eight >>= 8;
			continue;
		}
		eight >>= 8;
		state = step & SQL_STEP_STATE;
		if (step & SQL_STEP_NONE)
			continue;
		hash = sql_hash(hash, step >> SQL_STEP_SYMBOL_AT);
		word = word << (step & SQL_STEP_SHIFT) | (step >> SQL_STEP_SYMBOL_AT & 0xff);
	}
	m->hash = hash;
	m->word = word;
	m->state = state >> SQL_STEP_STATE_AT;
	return 0;
}

static long statement_write_step(u32 i, struct statement_loop *loop)
{
	struct statement_work *w = loop->work;
	u8 byte = ((const u8 *)w->raw)[i & (OUTRIDER_STATEMENT_TEXT - 1)];

	if (!byte)
		return 1;
	statement_character(&w->machine, byte);
	return 0;
}

static long statement_match_step(u32 i, struct statement_loop *loop)
{
	return sql_match_turn(&loop->work->shapes, loop->work->raw);
}

static long statement_learn_step(u32 i, struct statement_loop *loop)
{
	struct statement_work *w = loop->work;
	u8 byte = ((const u8 *)w->raw)[i & (OUTRIDER_STATEMENT_TEXT - 1)];
	u32 before = w->machine.state;

	if (byte)
		statement_character(&w->machine, byte);
	sql_learn(&w->shapes, i, byte, before, w->machine.state);
	return !byte;
}

static long statement_size_step(u32 i, struct statement_loop *loop)
{
	/* Its text is written later, if at all: here is room for what nobody looks at. */
	struct statement_work *w = loop->work;
	long n = bpf_probe_read_user_str(w->machine.out.text, OUTRIDER_STATEMENT_TEXT, w->rest);

	if (n <= 1)
		return 1;
	w->whole_size += n - 1;
	w->rest += n - 1;
	return n < OUTRIDER_STATEMENT_TEXT;
}

/* The fingerprint of a text that has been read, of `size` bytes and a zero. */
static __noinline int statement_hash(struct statement_work *w, const char *text, u32 size)
{
	struct statement_loop loop = {.work = w};
	bool cut = size == OUTRIDER_STATEMENT_TEXT - 1;

	w->rest = text + size;
	w->whole_size = cut && w->limit ? w->limit : size;

	sql_reset(&w->machine, w->machine.dialect, 0);
	bpf_loop(size / STATEMENT_STEP + 1, statement_hash_step, &loop, 0);
	sql_finish(&w->machine);
	if (cut && !w->limit)
		bpf_loop(STATEMENT_MORE, statement_size_step, &loop, 0);
	cut = w->whole_size > OUTRIDER_STATEMENT_TEXT - 1 && !sql_is_over(&w->machine);
	w->fingerprint = sql_says_something(&w->machine) ? sql_fingerprint(&w->machine, cut, sql_size_class(w->whole_size)) : 0;
	return 0;
}

/* The text has the shape of one that the thread has sent before. */
static __noinline int statement_known(struct statement_loop *loop)
{
	struct statement_work *w = loop->work;

	for (u32 guess = 0; guess < SQL_SHAPE_GUESSES; guess++) {
		if (!sql_match_begin(&w->shapes, guess))
			continue;
		bpf_loop(SQL_MATCH_TURNS, statement_match_step, loop, 0);
		if (!w->shapes.match.matches)
			continue;
		w->fingerprint = sql_shape_sent(&w->shapes);
		w->machine.out.flags = 0;
		return 1;
	}
	return 0;
}

/* Behind statement_hash() of a text that is looked at to its end. */
static __noinline int statement_learn(struct statement_loop *loop, u32 size)
{
	struct statement_work *w = loop->work;

	if (!w->fingerprint || !sql_shape_missed(&w->shapes, w->fingerprint, size + 1))
		return 0;
	sql_reset(&w->machine, w->machine.dialect, 0);
	bpf_loop(OUTRIDER_STATEMENT_TEXT, statement_learn_step, loop, 0);
	sql_learnt(&w->shapes, w->fingerprint);
	return 0;
}

/* The first characters of what the text says. Nothing else may be left there: who reads the map reads all of it. */
static __noinline int statement_write(struct statement_loop *loop, u32 characters)
{
	struct statement_work *w = loop->work;

	sql_reset(&w->machine, w->machine.dialect, characters);
	__builtin_memset(w->machine.out.text, 0, sizeof(w->machine.out.text));
	bpf_loop(OUTRIDER_STATEMENT_TEXT, statement_write_step, loop, 0);
	sql_finish(&w->machine);
	return 0;
}

/* A thread serves one client for as long as it lives. Negative: that could not be read now, and is tried again. */
static __noinline int statement_whose(struct statement_work *w, u32 by)
{
	u64 hash = sql_hash(SQL_SEED, by);

	w->whose = 0;
	if (by && session_read(&w->session) < 0)
		return -1;
	w->by = by;
	if (!by || w->session.clients != 1)
		return 0;
	if (by & OUTRIDER_BY_USER)
		hash = sql_hash(hash, w->session.user.hash);
	if (by & OUTRIDER_BY_DATABASE)
		hash = sql_hash(hash, w->session.database.hash);
	hash = (hash ^ hash >> 32) * 0xff51afd7ed558ccdULL; /* MurmurHash3's, so that all bits depend on all */
	w->whose = hash ^ hash >> 32;
	return 0;
}

static __noinline int statement_write_names(struct statement_work *w)
{
	struct outrider_statement_text *out = &w->machine.out;
	const struct session_scan *s = &w->session;
	u32 begin = w->by & OUTRIDER_BY_USER ? s->user.at : s->database.at;
	u32 end = w->by & OUTRIDER_BY_DATABASE ? s->database.end : s->user.end;

	__builtin_memset(out->names, 0, sizeof(out->names));
	out->user_length = 0;
	out->database_at = 0;
	out->database_length = 0;
	if (!w->whose)
		return 0;
	bpf_probe_read_kernel(out->names, (end - begin) & (OUTRIDER_SESSION_NAMES - 1),
			      &s->title[begin & (SESSION_TITLE - 1)]);
	if (w->by & OUTRIDER_BY_USER)
		out->user_length = s->user.end - s->user.at;
	if (w->by & OUTRIDER_BY_DATABASE) {
		out->database_at = s->database.at - begin;
		out->database_length = s->database.end - s->database.at;
	}
	return 0;
}

/* Writes down what a type stands for that is about to get a slot; 1: it was not written down yet. */
static __noinline int statement_keep(const char *name)
{
	struct statement_work *w = bpf_task_storage_get(&statement_works, bpf_get_current_task_btf(), 0, 0);
	struct statement_loop loop = {.work = w};
	u64 fingerprint;
	u32 flags, shown;

	if (!w || !name)
		return 0;
	__builtin_memcpy(&fingerprint, name + 1, sizeof(fingerprint));
	if (fingerprint != (w->fingerprint ^ w->whose))
		return 0; /* the thread has read another text since */
	flags = w->machine.out.flags;
	statement_write(&loop, OUTRIDER_STATEMENT_TEXT - 1);
	shown = sql_shown_length(&w->machine, flags & OUTRIDER_STATEMENT_CUT);
	if (shown < w->machine.out.length)
		flags |= OUTRIDER_STATEMENT_UNCERTAIN;
	/* Once more, and no further than that: what was written and taken back may be data. */
	statement_write(&loop, shown);
	w->machine.out.flags |= flags;
	statement_write_names(w);
	return bpf_map_update_elem(&statements, &fingerprint, &w->machine.out, BPF_NOEXIST) == 0;
}

/* Of a type that got no slot: nobody would ever take it away. */
INLINE void statement_drop(const char *name)
{
	u64 fingerprint;

	__builtin_memcpy(&fingerprint, name + 1, sizeof(fingerprint));
	bpf_map_delete_elem(&statements, &fingerprint);
}

/* As slot_for(), of a type that may be a statement. */
INLINE u32 slot_for_text(struct outrider_type_key *key, struct outrider_target *t)
{
	u32 *found = bpf_map_lookup_elem(&types, key), slot;
	bool kept = false;

	if (found)
		return *found;
	if (key->name[0] != OUTRIDER_STATEMENT_MARK)
		return slot_allot(key, t);
	if (t->types < t->max_types && slots_left())
		kept = statement_keep(key->name);
	slot = slot_allot(key, t);
	if (slot - t->other_slot >= 2) {
		if (!kept) /* or whoever had written it down has just dropped it */
			statement_keep(key->name);
	} else if (kept && !bpf_map_lookup_elem(&types, key)) {
		statement_drop(key->name);
	}
	return slot;
}

/* Fills `name` (OUTRIDER_TYPE_NAME - 1 bytes, zeroed by the caller), as sql_type() does. `limit`: of the text's bytes, without
 * a zero at their end; 0: there is one. */
INLINE int statement_type(const struct outrider_target *t, u32 target, const char *text, u32 limit, char *name)
{
	struct statement_work *w = bpf_task_storage_get(&statement_works, bpf_get_current_task_btf(), 0,
							BPF_LOCAL_STORAGE_GET_F_CREATE);
	struct statement_loop loop = {.work = w};
	u32 size, room = OUTRIDER_STATEMENT_TEXT;
	u64 fingerprint;
	char *end;
	long n;

	if (!w)
		return -1;
	if (!text)
		return 0;
	if (w->by != t->by && statement_whose(w, t->by))
		count_loss(target, OUTRIDER_LOSS_ARGUMENT, 1);
	if (w->machine.dialect != t->statements) { /* the text of another target that this thread belongs to */
		w->machine.dialect = t->statements;
		sql_shapes_forget(&w->shapes);
	}
	if (limit && limit < OUTRIDER_STATEMENT_TEXT - 1)
		room = limit + 1;
	barrier_var(room);
	if (room > OUTRIDER_STATEMENT_TEXT) /* which the verifier does not see */
		return -1;
	w->fingerprint = 0;
	n = bpf_probe_read_user_str(w->raw, room, text);
	if (n < 0)
		return -1;
	if (n <= 1)
		return 0;
	size = (n - 1) & (OUTRIDER_STATEMENT_TEXT - 1);
	end = (char *)w->raw + size;
	for (int i = 0; i < STATEMENT_STEP; i++)
		end[i] = 0;
	w->limit = limit;
	if (n == OUTRIDER_STATEMENT_TEXT) { /* how long a longer one is has to be seen each time */
		statement_hash(w, text, size);
	} else if (!statement_known(&loop)) {
		statement_hash(w, text, size);
		statement_learn(&loop, size);
	}
	if (!w->fingerprint)
		return 0;
	fingerprint = w->fingerprint ^ w->whose;
	name[0] = OUTRIDER_STATEMENT_MARK;
	__builtin_memcpy(name + 1, &fingerprint, sizeof(fingerprint));
	return 1;
}

#endif
