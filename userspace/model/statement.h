// Which statement an SQL text is an execution of: the same for all that differ in their data alone. Pure, thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "bpf/abi/statement.h"
#include "userspace/model/single_query.h"

namespace outrider {

struct SqlStatement {
  std::uint64_t fingerprint = 0;
  std::string text;  ///< without literals, words in lower case; "..." at its end where not all was looked at. UTF-8
};

/// Of the first 1023 bytes of `sql`, by the machine that programs in the kernel use
/// (bpf/lib/sql_normal.h says what counts as the same). Nothing where there is nothing but blanks and comments.
std::optional<SqlStatement> statement_of(std::string_view sql, outrider_sql_dialect dialect);

/// A text as a program in the kernel has written it.
std::string shown_statement(const outrider_statement_text& written);

/// Whose executions alone it is about; nothing: anybody's.
std::optional<ClientSession> session_of_statement(const outrider_statement_text& written);

/// "user alice, database bench: ", or nothing: what stands before the statement of a type.
std::string whose(const std::shared_ptr<const ClientSession>& session);

/// The name of a statement's type: its first word in capitals, and twelve digits of its fingerprint, "SELECT
/// 3f2a9c81d0e4".
std::string statement_type(std::uint64_t fingerprint, std::string_view text);

/// Whether a type's name is one that statement_type() makes.
bool is_statement_type(std::string_view type);

/// Whether a query of `type` is meant by somebody who asks for `wanted`: the type itself, or the first word of its
/// statement.
bool is_of_type(std::string_view type, std::string_view wanted);

}  // namespace outrider
