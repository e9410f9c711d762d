#include "userspace/target/session_scan.h"

#include <string.h>

#include "bpf/lib/session_title.h"

struct outrider_session_words outrider_scan_title(const char *title, size_t size)
{
	struct outrider_session_words words = {0};
	struct session_scan scan;

	if (size >= SESSION_TITLE)
		return words;
	memset(&scan, 0, sizeof(scan));
	memcpy(scan.title, title, size);
	if (!session_is_server(&scan))
		return words;
	session_begin_word(&scan, SESSION_SERVER);
	for (size_t at = SESSION_SERVER; at < SESSION_TITLE && !session_character(&scan, (__u32)at); at++) {
	}
	if (scan.clients != 1)
		return words;
	words.user = scan.user.at;
	words.user_length = scan.user.end - scan.user.at;
	words.database = scan.database.at;
	words.database_length = scan.database.end - scan.database.at;
	words.client = scan.client.at;
	words.client_length = scan.client.end - scan.client.at;
	return words;
}
