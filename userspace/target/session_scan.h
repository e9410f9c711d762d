/* Where a process's title has whose work it does, by the rules that the programs in the kernel have
 * (bpf/lib/session_title.h explains them). In C, which both are compiled as. Pure, thread-safe. */
#ifndef OUTRIDER_TARGET_SESSION_SCAN_H
#define OUTRIDER_TARGET_SESSION_SCAN_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Offsets and lengths in bytes; all zero: it is nobody's. */
struct outrider_session_words {
  size_t user, user_length;
  size_t database, database_length;
  size_t client, client_length;
};

struct outrider_session_words outrider_scan_title(const char *title, size_t size);

#ifdef __cplusplus
}
#endif

#endif
