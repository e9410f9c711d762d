// Reads values out of parsed TOML into fields and collects every fault with its place instead of stopping at the
// first. Not thread-safe.
#pragma once

#include <toml++/toml.h>

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/config/schema.h"

namespace outrider {

class Reader {
 public:
  /// `look_at_files`: secrets must be readable and private.
  Reader(std::string file, bool look_at_files) : file_(std::move(file)), look_at_files_(look_at_files) {}

  /// `key` is the full one, "http.port"; it counts as faulty from here on.
  void fault(const toml::source_position& where, const std::string& key, std::string_view what);
  /// Values that do not fit together: told of the first of `keys`, at the place of the first that the file has. Nothing
  /// if one of them was faulty already: what it means is then unknown.
  void cross_fault(const std::vector<std::string>& keys, std::string_view what);

  void read_fields(const toml::table& table, const std::string& prefix, const std::vector<Field>& fields);
  void read_field(const toml::node& node, const std::string& key, const Slot& slot);
  /// Null if absent, or no table (a fault).
  const toml::table* subtable(const toml::table& table, const std::string& prefix, std::string_view key);
  /// The tables of an array; a fault for what is none.
  std::vector<const toml::table*> tables(const toml::node& node, const std::string& key, std::size_t most);
  /// A fault for each key that is none of `known`.
  void check_keys(const toml::table& table, const std::string& prefix, const std::vector<std::string_view>& known);
  void saw(const std::string& key, const toml::source_position& where) { seen_.emplace(key, where); }
  [[nodiscard]] bool has(const std::string& key) const { return seen_.count(key) != 0; }
  [[nodiscard]] std::size_t line_of(const std::string& key) const;

  [[nodiscard]] bool good() const { return faults_.empty(); }
  /// All faults by place, one a line.
  [[nodiscard]] std::string message() const;

 private:
  void check_secret(const toml::node& node, const std::string& key, const Slot& slot);

  std::string file_;
  bool look_at_files_;
  std::map<std::string, toml::source_position> seen_;
  std::set<std::string> faulty_;
  std::multimap<std::pair<std::size_t, std::size_t>, std::string> faults_;  ///< by line and column
};

/// "found 12, expected true or false": how both halves of a message look.
std::string found(const toml::node& node, std::string_view expected);

/// "http.port", "targets[0].pid"; `prefix` may be empty.
std::string join_key(const std::string& prefix, std::string_view key);

}  // namespace outrider
