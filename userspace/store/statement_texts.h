// What types say that are statements, kept beside the points that bear their names; and those names, which are
// forgotten with the last point. Internal to store/; used inside the transactions of HistoryWriter, on its thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/model/single_query.h"
#include "userspace/store/database.h"

namespace outrider {

/// What a type says that is a statement, and whose queries alone are of it; null: anybody's.
struct TypeText {
  std::shared_ptr<const std::string> text;
  std::shared_ptr<const ClientSession> session;
};

/// By the names of types.
using TypeTexts = std::map<std::string, TypeText>;

class StatementTexts {
 public:
  /// `most`: texts that are kept; of further statements the name alone is.
  Status prepare(const Database& database, std::size_t most);

  /// That a point bears the type's name, and what the type says; null: that is not known now, or it is no statement.
  Status note(std::int64_t type, const TypeText* text, std::int64_t now_ms);

  /// Looks at some of those that were noted before `before_ms` and forgets whoever has no point in the tiers 1 to
  /// `tiers` of `targets`; `forgot`: there were some. False: there are more to look at.
  Result<bool> forget(std::size_t tiers, const std::vector<std::int64_t>& targets, std::int64_t before_ms,
                      bool& forgot);

  /// The transaction is undone.
  void roll_back() { noted_.clear(); }

 private:
  struct Noted {
    std::int64_t at_ms = 0;
    bool with_text = false;
  };

  Status count();
  Result<bool> has_points(std::size_t tiers, const std::vector<std::int64_t>& targets, std::int64_t type);

  Statement add_, note_, count_, next_, find_point_, forget_text_, forget_name_;
  std::map<std::int64_t, Noted> noted_;  ///< what need not be written again
  std::int64_t looked_at_ = 0;           ///< the last type that forget() saw
  std::size_t texts_ = 0, most_ = 0;
};

}  // namespace outrider
