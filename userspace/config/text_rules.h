// What texts in the configuration may look like; each is a TextRule. Pure, thread-safe.
#pragma once

#include <string_view>

namespace outrider {

const char* any_text(std::string_view text);
const char* absolute_path(std::string_view text);
/// Or empty: off.
const char* optional_path(std::string_view text);
const char* textfile_path(std::string_view text);
const char* json_path(std::string_view text);
const char* ip_address(std::string_view text);
const char* optional_url(std::string_view text);
/// May have a query.
const char* webhook_url(std::string_view text);
const char* audit_source(std::string_view text);
const char* mail_address(std::string_view text);
/// Or empty.
const char* optional_mail_address(std::string_view text);
const char* metric_prefix(std::string_view text);
const char* basic_user(std::string_view text);
const char* label_name(std::string_view text);

}  // namespace outrider
