/* Log-linear latency histogram: 32 linear sub-buckets in every octave, so that a bucket's midpoint is
 * never further than 1/64 (1.6 %) from any value in it. Values below 64 ns have a bucket each; values from
 * 2^42 ns (73 min) on lie in the last bucket.
 *
 * Pure functions on fixed-width integers: compiled for BPF and for the host. `__builtin_clzll` crashes
 * clang 14 and 16 for BPF, hence the branchless search for the highest bit. */
#ifndef OUTRIDER_ABI_HISTOGRAM_H
#define OUTRIDER_ABI_HISTOGRAM_H

#define OUTRIDER_HIST_SUB_BITS 5
#define OUTRIDER_HIST_SUB (1 << OUTRIDER_HIST_SUB_BITS)
#define OUTRIDER_HIST_MIN_BITS 5
#define OUTRIDER_HIST_MAX_BITS 42
/* linear part, octaves, one overflow bucket; 1217 in all */
#define OUTRIDER_HIST_BUCKETS                                                                      \
	(OUTRIDER_HIST_SUB + (OUTRIDER_HIST_MAX_BITS - OUTRIDER_HIST_MIN_BITS) * OUTRIDER_HIST_SUB + 1)

#ifdef __cplusplus /* shared with C: its casts are the only ones there are */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"
#endif

static inline unsigned int outrider_msb64(unsigned long long v)
{
	unsigned int r, s;

	r = (v > 0xffffffffULL) << 5;
	v >>= r;
	s = (v > 0xffff) << 4;
	v >>= s;
	r |= s;
	s = (v > 0xff) << 3;
	v >>= s;
	r |= s;
	s = (v > 0xf) << 2;
	v >>= s;
	r |= s;
	s = (v > 0x3) << 1;
	v >>= s;
	r |= s;
	return r | (unsigned int)(v >> 1);
}

/* Index of the bucket that holds `ns`; always below OUTRIDER_HIST_BUCKETS. */
static inline unsigned int outrider_hist_index(unsigned long long ns)
{
	unsigned int msb;

	if (ns < (1ULL << OUTRIDER_HIST_MIN_BITS))
		return (unsigned int)(ns >> (OUTRIDER_HIST_MIN_BITS - OUTRIDER_HIST_SUB_BITS));
	if (ns >= (1ULL << OUTRIDER_HIST_MAX_BITS))
		return OUTRIDER_HIST_BUCKETS - 1;
	msb = outrider_msb64(ns);
	return OUTRIDER_HIST_SUB + (msb - OUTRIDER_HIST_MIN_BITS) * OUTRIDER_HIST_SUB +
	       (unsigned int)((ns >> (msb - OUTRIDER_HIST_SUB_BITS)) & (OUTRIDER_HIST_SUB - 1));
}

/* Smallest value, in ns, that falls into bucket `index`. The bucket ends where the next one begins. */
static inline unsigned long long outrider_hist_lower(unsigned int index)
{
	unsigned int octave, sub;

	if (index < OUTRIDER_HIST_SUB)
		return (unsigned long long)index << (OUTRIDER_HIST_MIN_BITS - OUTRIDER_HIST_SUB_BITS);
	if (index >= OUTRIDER_HIST_BUCKETS - 1)
		return 1ULL << OUTRIDER_HIST_MAX_BITS;
	octave = (index - OUTRIDER_HIST_SUB) / OUTRIDER_HIST_SUB;
	sub = (index - OUTRIDER_HIST_SUB) % OUTRIDER_HIST_SUB;
	return (unsigned long long)(OUTRIDER_HIST_SUB + sub)
	       << (octave + OUTRIDER_HIST_MIN_BITS - OUTRIDER_HIST_SUB_BITS);
}

#ifdef __cplusplus
#pragma GCC diagnostic pop
#endif

#endif
