// An engine whose probes are on bare 5-byte nops, which some kernels turn into a call that corrupts whoever passes it:
// two probes with the arguments of outrider's own. Nobody passes them, whatever is attached.
#include <unistd.h>

#include <cstdio>

#define NOTE(name, args)                                                                           \
  asm volatile(                                                                                    \
      "990: .byte 0x0f, 0x1f, 0x44, 0x00, 0x00\n"                                                  \
      ".pushsection .note.stapsdt, \"?\", \"note\"\n .balign 4\n .4byte 992f-991f, 994f-993f, 3\n" \
      "991: .asciz \"stapsdt\"\n 992: .balign 4\n 993: .8byte 990b, _.stapsdt.base, 0\n"           \
      ".asciz \"bare\"\n .asciz \"" name "\"\n .asciz \"" args                                     \
      "\"\n 994: .balign 4\n"                                                                      \
      ".popsection\n"                                                                              \
      ".ifndef _.stapsdt.base\n .pushsection .stapsdt.base, \"aG\", \"progbits\", "                \
      ".stapsdt.base, comdat\n .weak _.stapsdt.base\n .hidden _.stapsdt.base\n"                    \
      "_.stapsdt.base: .space 1\n .size _.stapsdt.base, 1\n .popsection\n .endif\n")

int main(int argc, char** argv) {
#ifdef __x86_64__
  if (argc > 1) {
    NOTE("query__start", "8@%rdi 8@%rsi 8@%rdx");
    NOTE("query__end", "8@%rdi 8@%rsi -8@%rdx 8@%rcx 8@%r8 8@%r9 8@%rax");
  }
#endif
  std::puts(argc > 0 ? argv[0] : "");
  static_cast<void>(std::fflush(stdout));
  pause();
}
