/* A library of one function with 400,000 rows of call frame information, none of which is like the one before it: what
 * a sampler of stacks needs to know of some large engines, without their size. Nobody calls it. */
__asm__(
    ".text\n"
    ".globl many_rows\n"
    ".type many_rows, %function\n"
    "many_rows:\n"
    ".cfi_startproc\n"
    ".rept 200000\n"
    "nop\n"
    ".cfi_adjust_cfa_offset 8\n"
    "nop\n"
    ".cfi_adjust_cfa_offset -8\n"
    ".endr\n"
    "ret\n"
    ".cfi_endproc\n"
    ".size many_rows, . - many_rows\n");
