/* The shapes of a thread's last texts: what is the same each time, and where numbers and strings stand in it. A text that
 * differs from one of them in its numbers and strings alone has the same fingerprint, and is found to have it eight characters
 * at a time, instead of one by one in the machine of sql_normal.h. Plain C, as that is.
 *
 * It is so because of the machine's table (sql_table.h): a digit in SQL_S_NUMBER, and in a string all but what may end it,
 * leaves the machine as it was, and any digit that begins a number does the same as any other. So a run of them may be as long as
 * it likes: of digits at least one.
 *
 * What a thread sends next is guessed: what came behind the last text the last time, or the last one again. */
#ifndef OUTRIDER_BPF_SQL_SHAPE_H
#define OUTRIDER_BPF_SQL_SHAPE_H

#include "sql_normal.h"

#define SQL_SHAPES 16       /* a power of two */
#define SQL_SHAPE_PIECE 128 /* bytes: of so many pieces is what is kept of a text */
#define SQL_SHAPE_ROOM (SQL_SHAPES * SQL_SHAPE_PIECE)
#define SQL_SHAPE_RUNS 16 /* a power of two: what comes behind them is looked at as it stands */
#define SQL_SHAPE_GUESSES 2
#define SQL_SHAPE_EVERY 16 /* of so many texts that had to be looked at whole one is learnt, which takes longer still */
#define SQL_MATCH_STEP 16  /* bytes that a turn compares: of both texts so many may be read behind their end */
#define SQL_MATCH_TURNS (OUTRIDER_STATEMENT_TEXT / 8 + SQL_SHAPE_RUNS + 1)

struct sql_run {
	__u16 at, end;
};

struct sql_shape {
	__u64 fingerprint; /* 0: there is none */
	__u16 size;        /* of the text, with the zero at its end; that of shape i begins at piece i */
	__u16 strings;     /* a bit for each run: of a string, else of a number */
	__u8 runs, next;   /* `next`: what the thread sent behind it */
	struct sql_run run[SQL_SHAPE_RUNS];
};

/* Of a comparison: how far it is. */
struct sql_match {
	__u32 known, text; /* in sql_shapes.text, and in the text that is looked at */
	__u32 left;        /* up to the next run, or the end */
	__u32 run;         /* that comes next, or that we are in */
	__u32 within;      /* bytes of the run that were seen, and 1 more; 0: not in a run */
	__u32 matches;
};

struct sql_shapes {
	struct sql_shape of[SQL_SHAPES];
	struct sql_match match;
	__u32 hand;  /* where the next one is put */
	__u32 last;  /* the one that was sent last */
	__u32 tried; /* the one that is being compared, or learnt */
	__u32 whole; /* texts that had to be looked at whole since one was learnt */
	__u64 text[(SQL_SHAPE_ROOM + SQL_MATCH_STEP) / 8];
};

static inline struct sql_shape *sql_shape_at(struct sql_shapes *s, __u32 i)
{
	return &s->of[i & (SQL_SHAPES - 1)];
}

/* To begin with, and where the texts that come are of another dialect. */
static inline void sql_shapes_forget(struct sql_shapes *s)
{
	for (__u32 i = 0; i < SQL_SHAPES; i++)
		s->of[i].fingerprint = 0;
}

/* Eight characters; `room` is a power of two, behind which SQL_MATCH_STEP bytes may still be read. */
static inline __u64 sql_eight(const __u64 *text, __u32 at, __u32 room, __u32 behind)
{
	const char *from = (const char *)text + (at & (room - 1)) + behind;
#ifdef __bpf__
	return *(const volatile __u64 *)from; /* by itself the compiler would read an address of any alignment byte by byte */
#else
	__u64 eight;

	__builtin_memcpy(&eight, from, sizeof(eight));
	return eight;
#endif
}

#define SQL_EACH_BYTE(c) (0x0101010101010101ULL * (c))

/* Bit 7 of each byte that is 0; of bytes behind the first such one that may be wrong. */
static inline __u64 sql_zeros(__u64 eight)
{
	return (eight - SQL_EACH_BYTE(1)) & ~eight & SQL_EACH_BYTE(0x80);
}

/* The same of each that may end a string, or begin something else in it. */
static inline __u64 sql_string_ends(__u64 eight)
{
	return sql_zeros(eight) | sql_zeros(eight ^ SQL_EACH_BYTE('\'')) | sql_zeros(eight ^ SQL_EACH_BYTE('"')) |
	       sql_zeros(eight ^ SQL_EACH_BYTE('\\'));
}

/* The same of each that is no digit. */
static inline __u64 sql_number_ends(__u64 eight)
{
	__u64 digits = eight ^ SQL_EACH_BYTE('0');

	return ((digits + SQL_EACH_BYTE(0x76)) | digits) & SQL_EACH_BYTE(0x80);
}

/* Bytes before the first one whose bit 7 is set. */
static inline __u32 sql_bytes_before(__u64 ends)
{
	return (((((ends & -ends) >> 7) - 1) & SQL_EACH_BYTE(1)) * SQL_EACH_BYTE(1)) >> 56;
}

static inline int sql_is_digit(__u32 c)
{
	return c >= '0' && c <= '9';
}

static inline struct sql_run *sql_run_at(struct sql_shape *shape, __u32 i)
{
	return &shape->run[i & (SQL_SHAPE_RUNS - 1)];
}

/* What is fixed goes on at `from`, up to run number `run`. */
static inline void sql_match_fixed(struct sql_shapes *s, struct sql_shape *shape, __u32 from, __u32 run)
{
	s->match.known = s->tried * SQL_SHAPE_PIECE + from;
	s->match.left = (run < shape->runs ? sql_run_at(shape, run)->at : shape->size) - from;
	s->match.run = run;
	s->match.within = 0;
}

/* Guess number `guess`. False: there is none such. */
static inline int sql_match_begin(struct sql_shapes *s, __u32 guess)
{
	__u32 next = sql_shape_at(s, s->last)->next;
	struct sql_shape *shape;

	if (guess && next == s->last)
		return 0;
	s->tried = guess ? s->last : next;
	shape = sql_shape_at(s, s->tried);
	s->match.matches = 0;
	s->match.text = 0;
	sql_match_fixed(s, shape, 0, 0);
	return shape->fingerprint != 0;
}

/* True: they differ. */
static inline int sql_match_sixteen(struct sql_shapes *s, const __u64 *text)
{
	struct sql_match *m = &s->match;
	__u64 first = sql_eight(s->text, m->known, SQL_SHAPE_ROOM, 0) ^ sql_eight(text, m->text, OUTRIDER_STATEMENT_TEXT, 0);
	__u64 second = sql_eight(s->text, m->known, SQL_SHAPE_ROOM, 8) ^ sql_eight(text, m->text, OUTRIDER_STATEMENT_TEXT, 8);
	__u32 left = m->left < SQL_MATCH_STEP ? m->left : SQL_MATCH_STEP;

	if (left <= 8) {
		second = 0;
		first = left ? first << (64 - left * 8) : 0;
	} else {
		second <<= (SQL_MATCH_STEP - left) * 8;
	}
	m->known += left;
	m->text += left;
	m->left -= left;
	return (first | second) != 0;
}

/* A turn of a comparison with `text`, which has OUTRIDER_STATEMENT_TEXT bytes and SQL_MATCH_STEP, zero from its end on. True: it
 * is over, and sql_match.matches says how. */
static inline int sql_match_turn(struct sql_shapes *s, const __u64 *text)
{
	struct sql_match *m = &s->match;
	struct sql_shape *shape = sql_shape_at(s, s->tried);
	__u32 bytes, string;
	__u64 eight;

	if (!m->within) {
		if (sql_match_sixteen(s, text))
			return 1;
		if (m->left)
			return 0;
		if (m->run == shape->runs) {
			m->matches = 1;
			return 1;
		}
		m->within = 1;
	}
	eight = sql_eight(text, m->text, OUTRIDER_STATEMENT_TEXT, 0);
	string = shape->strings >> m->run & 1;
	bytes = sql_bytes_before(string ? sql_string_ends(eight) : sql_number_ends(eight));
	m->text += bytes;
	m->within += bytes;
	if (bytes == 8)
		return 0;
	if (m->within == 1 && !string)
		return 1;
	sql_match_fixed(s, shape, sql_run_at(shape, m->run)->end, m->run + 1);
	return 0;
}

/* The text that was compared has turned out to be the one that was tried. */
static inline __u64 sql_shape_sent(struct sql_shapes *s)
{
	sql_shape_at(s, s->last)->next = s->tried;
	s->last = s->tried;
	return sql_shape_at(s, s->tried)->fingerprint;
}

/* A text of that fingerprint had to be looked at whole. Guesses the better of it the next time, if a shape of such a text is there
 * that was not tried. True: it is to be learnt, has `size` bytes with the zero at its end, and shape `tried` is its; that it may have
 * one already does no harm. */
static inline int sql_shape_missed(struct sql_shapes *s, __u64 fingerprint, __u32 size)
{
	__u32 pieces = (size + SQL_SHAPE_PIECE - 1) / SQL_SHAPE_PIECE, next = sql_shape_at(s, s->last)->next;

	if (++s->whole < SQL_SHAPE_EVERY) {
		for (__u32 i = 0; i < SQL_SHAPES; i++) {
			if (s->of[i].fingerprint == fingerprint && i != s->last && i != next) {
				s->tried = i;
				sql_shape_sent(s);
				return 0;
			}
		}
		return 0;
	}
	s->whole = 0;
	if (s->hand + pieces > SQL_SHAPES)
		s->hand = 0;
	for (__u32 i = 0; i < OUTRIDER_STATEMENT_TEXT / SQL_SHAPE_PIECE; i++) {
		if (i < pieces)
			sql_shape_at(s, s->hand + i)->fingerprint = 0;
	}
	s->tried = s->hand & (SQL_SHAPES - 1);
	s->hand += pieces;
	sql_shape_at(s, s->tried)->size = size;
	sql_shape_at(s, s->tried)->runs = 0;
	sql_shape_at(s, s->tried)->strings = 0;
	return 1;
}

/* Character `at` of the text that is learnt, or the zero at its end: it took the machine from state `before` to `behind`. What
 * is in a run is not kept. Either quote ends one, though within the other it need not. */
static inline void sql_learn(struct sql_shapes *s, __u32 at, unsigned char c, __u32 before, __u32 behind)
{
	struct sql_shape *shape = sql_shape_at(s, s->tried);
	unsigned char *kept = &((unsigned char *)s->text)[(s->tried * SQL_SHAPE_PIECE + at) & (SQL_SHAPE_ROOM - 1)];
	__u32 string = before == behind && (behind == SQL_S_STRING || behind == SQL_S_ESCAPED);
	struct sql_run *run = sql_run_at(shape, shape->runs - 1);

	*kept = c;
	if (string ? !c || c == '\'' || c == '"' || c == '\\' : behind != SQL_S_NUMBER || !sql_is_digit(c))
		return;
	if (!shape->runs || run->end != at) {
		if (shape->runs >= SQL_SHAPE_RUNS)
			return;
		run = sql_run_at(shape, shape->runs);
		run->at = at;
		shape->strings |= string << shape->runs;
		shape->runs++;
	}
	run->end = at + 1;
	*kept = 0;
}

static inline void sql_learnt(struct sql_shapes *s, __u64 fingerprint)
{
	sql_shape_at(s, s->tried)->fingerprint = fingerprint;
	sql_shape_sent(s);
}

#endif
