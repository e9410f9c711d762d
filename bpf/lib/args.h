/* Reading a probe site's arguments. `sites`: attach cookie -> what the site means and where its arguments are,
 * written by the agent before it attaches. Registers are read from the context itself (no helper call, and it works
 * under lockdown); memory operands with bpf_probe_read_user. */
#ifndef OUTRIDER_BPF_ARGS_H
#define OUTRIDER_BPF_ARGS_H

#include "common.h"

#define MAX_SITES 4096

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_SITES);
	__type(key, __u32);
	__type(value, struct outrider_site);
} sites __weak SEC(".maps");

/* Inline assembly keeps the compiler from turning the switch into one load at a variable offset of the context,
 * which the verifier refuses. */
#define LOAD(type, member)                                                                         \
	asm volatile("%0 = *(u64 *)(%1 + %2)"                                                      \
		     : "=r"(v)                                                                     \
		     : "r"(ctx), "i"(__builtin_offsetof(type, member)))

#if defined(__TARGET_ARCH_x86)
INLINE u64 read_register(void *ctx, u8 reg)
{
	u64 v = 0;

	switch (reg) {
	case OUTRIDER_REG_DI: LOAD(struct pt_regs, di); break;
	case OUTRIDER_REG_SI: LOAD(struct pt_regs, si); break;
	case OUTRIDER_REG_DX: LOAD(struct pt_regs, dx); break;
	case OUTRIDER_REG_CX: LOAD(struct pt_regs, cx); break;
	case OUTRIDER_REG_R8: LOAD(struct pt_regs, r8); break;
	case OUTRIDER_REG_R9: LOAD(struct pt_regs, r9); break;
	case OUTRIDER_REG_AX: LOAD(struct pt_regs, ax); break;
	case OUTRIDER_REG_BX: LOAD(struct pt_regs, bx); break;
	case OUTRIDER_REG_BP: LOAD(struct pt_regs, bp); break;
	case OUTRIDER_REG_SP: LOAD(struct pt_regs, sp); break;
	case OUTRIDER_REG_R10: LOAD(struct pt_regs, r10); break;
	case OUTRIDER_REG_R11: LOAD(struct pt_regs, r11); break;
	case OUTRIDER_REG_R12: LOAD(struct pt_regs, r12); break;
	case OUTRIDER_REG_R13: LOAD(struct pt_regs, r13); break;
	case OUTRIDER_REG_R14: LOAD(struct pt_regs, r14); break;
	case OUTRIDER_REG_R15: LOAD(struct pt_regs, r15); break;
	case OUTRIDER_REG_IP: LOAD(struct pt_regs, ip); break;
	}
	return v;
}

INLINE u64 stack_pointer(void *ctx)
{
	return read_register(ctx, OUTRIDER_REG_SP);
}
#elif defined(__TARGET_ARCH_arm64)
#define CASE(n) case n: LOAD(struct user_pt_regs, regs[n]); break
INLINE u64 read_register(void *ctx, u8 reg)
{
	u64 v = 0;

	switch (reg) {
	CASE(0); CASE(1); CASE(2); CASE(3); CASE(4); CASE(5); CASE(6); CASE(7);
	CASE(8); CASE(9); CASE(10); CASE(11); CASE(12); CASE(13); CASE(14); CASE(15);
	CASE(16); CASE(17); CASE(18); CASE(19); CASE(20); CASE(21); CASE(22); CASE(23);
	CASE(24); CASE(25); CASE(26); CASE(27); CASE(28); CASE(29); CASE(30);
	case 31: LOAD(struct user_pt_regs, sp); break;
	}
	return v;
}
#undef CASE

INLINE u64 stack_pointer(void *ctx)
{
	return read_register(ctx, 31);
}
#endif
#undef LOAD

/* Where the site is in the target's memory: the probe's own address, whatever instruction it was. */
INLINE u64 site_address(void *ctx)
{
#if defined(__TARGET_ARCH_x86)
	return read_register(ctx, OUTRIDER_REG_IP);
#else
	u64 v;

	asm volatile("%0 = *(u64 *)(%1 + %2)" : "=r"(v) : "r"(ctx), "i"(__builtin_offsetof(struct user_pt_regs, pc)));
	return v;
#endif
}

/* Cuts a value to the argument's size; a negative size is a signed argument. */
INLINE u64 resize(u64 v, s64 size)
{
	switch (size) {
	case 1: return (__u8)v;
	case 2: return (__u16)v;
	case 4: return (__u32)v;
	case -1: return (s64)(__s8)v;
	case -2: return (s64)(__s16)v;
	case -4: return (s64)(__s32)v;
	}
	return v;
}

/* The context. A global function may be given one under this name alone before Linux 6.3, and since then still. */
struct bpf_user_pt_regs_t {
};

/* Global, so that the verifier looks at it once and not for each argument, register and size. */
__weak __noinline int read_one(struct bpf_user_pt_regs_t *ctx, const struct outrider_arg *arg, u64 *out)
{
	u64 v = 0;

	if (!arg || !out)
		return false;
	*out = 0;
	switch (arg->kind) {
	case OUTRIDER_ARG_NONE:
		return true;
	case OUTRIDER_ARG_CONST:
		*out = arg->value;
		return true;
	case OUTRIDER_ARG_REG:
		v = read_register(ctx, arg->reg);
		break;
	case OUTRIDER_ARG_DEREF:
		/* Little-endian: the low bytes are the value whatever its size. Reading past a small
		 * operand could fault at the end of a page, hence the exact size. */
		v = read_register(ctx, arg->reg) + arg->value;
		{
			u64 word = 0;
			u32 size = arg->size < 0 ? -arg->size : arg->size;

			if (size > 8 || bpf_probe_read_user(&word, size, (void *)v))
				return false;
			v = word;
		}
		break;
	}
	v = resize(v, arg->size);
	if (arg->kind == OUTRIDER_ARG_REG && arg->value)
		v &= arg->value;
#pragma unroll
	for (u32 i = 0; i < OUTRIDER_MAX_HOPS; i++) {
		if (i >= arg->hops)
			break;
		if (bpf_probe_read_user(&v, sizeof(v), (void *)(v + arg->hop[i])))
			return false;
	}
	*out = v;
	return true;
}

/* Value of argument `i` (a compile-time constant), 0 when the site does not have it; false when it cannot be read. */
INLINE bool read_arg(void *ctx, const struct outrider_site *site, u32 i, u64 *out)
{
	*out = 0;
	return read_one(ctx, &site->args[i], out);
}

INLINE u32 site_index(void *ctx)
{
	return bpf_get_attach_cookie(ctx);
}

INLINE const struct outrider_site *site_at(u32 index)
{
	return bpf_map_lookup_elem(&sites, &index);
}

INLINE const struct outrider_site *site_of(void *ctx)
{
	return site_at(site_index(ctx));
}

#endif
