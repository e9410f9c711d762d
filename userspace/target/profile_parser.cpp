// parse_profile(): TOML text to Profile, collecting every fault with its line instead of stopping at the first.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <toml++/toml.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdlib>
#include <numeric>
#include <span>

#include "userspace/model/wait_names.h"
#include "userspace/target/profile.h"
#include "userspace/target/role_info.h"

namespace outrider {
namespace {

constexpr std::int64_t kMaxArgumentNumber = 64;

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (const char letter : a) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t changed = diagonal + (letter == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row[b.size()];
}

/// "; did you mean 'x'?" or the whole list.
std::string advice(std::string_view word, const std::vector<std::string_view>& known) {
  for (const std::string_view candidate : known) {
    if (edit_distance(word, candidate) <= 2) return fmt::format("did you mean '{}'?", candidate);
  }
  return fmt::format("expected one of {}", fmt::join(known, ", "));
}

class Reader {
 public:
  explicit Reader(const std::string& source) : source_(source) {}

  [[nodiscard]] const std::vector<std::string>& errors() const { return errors_; }

  void fault(const toml::source_region& where, std::string_view key, std::string_view what) {
    errors_.push_back(fmt::format("{}:{}: {}: {}", source_, where.begin.line, key, what));
  }

  void known_keys(const toml::table& table, const std::vector<std::string_view>& known) {
    for (const auto& [key, value] : table) {
      if (std::find(known.begin(), known.end(), key.str()) != known.end()) continue;
      fault(key.source(), key.str(), fmt::format("unknown key; {}", advice(key.str(), known)));
    }
  }

  std::string text(const toml::table& table, std::string_view key, bool required) {
    const toml::node* node = table.get(key);
    if (node == nullptr) {
      if (required) fault(table.source(), key, "missing; expected a text");
      return "";
    }
    const auto* value = node->as_string();
    if (value == nullptr || value->get().empty()) {
      fault(node->source(), key, "expected a text that is not empty");
      return "";
    }
    return value->get();
  }

  bool flag(const toml::table& table, std::string_view key, bool otherwise = false) {
    const toml::node* node = table.get(key);
    if (node == nullptr) return otherwise;
    if (const auto* value = node->as_boolean()) return value->get();
    fault(node->source(), key, "expected true or false");
    return otherwise;
  }

  std::int64_t integer(const toml::node& node, std::string_view key, std::int64_t low, std::int64_t high) {
    const auto* value = node.as_integer();
    if (value != nullptr && value->get() >= low && value->get() <= high) return value->get();
    fault(node.source(), key, fmt::format("expected a whole number from {} to {}", low, high));
    return low;
  }

 private:
  const std::string& source_;
  std::vector<std::string> errors_;
};

std::optional<outrider_role> read_role(Reader& reader, const toml::table& table) {
  const std::string word = reader.text(table, "role", true);
  if (word.empty()) return std::nullopt;
  std::vector<std::string_view> known;
  for (std::size_t i = 0; i < kRoles.size(); ++i) {
    if (kRoles[i].name == word) return static_cast<outrider_role>(i);
    known.push_back(kRoles[i].name);
  }
  reader.fault(table.get("role")->source(), "role", fmt::format("unknown role '{}'; {}", word, advice(word, known)));
  return std::nullopt;
}

void read_group(Reader& reader, const toml::table& table, ProfileProbe& probe) {
  probe.group = kRoles[probe.role].group;
  const std::string word = reader.text(table, "group", false);
  if (word.empty()) return;
  const auto* found = std::find(kGroupNames.begin(), kGroupNames.end(), word);
  if (found != kGroupNames.end()) {
    probe.group = static_cast<ProbeGroup>(found - kGroupNames.begin());
    return;
  }
  reader.fault(table.get("group")->source(), "group",
               fmt::format("unknown group '{}'; {}", word, advice(word, {kGroupNames.begin(), kGroupNames.end()})));
}

void read_follow(Reader& reader, const toml::table& table, const std::string& key, ArgSource& arg) {
  const toml::node* node = table.get("follow");
  if (node == nullptr) return;
  const auto* offsets = node->as_array();
  if (offsets == nullptr || offsets->empty() || offsets->size() > OUTRIDER_MAX_HOPS) {
    return reader.fault(node->source(), key + ".follow",
                        fmt::format("expected one to {} offsets such as [0, 8]", OUTRIDER_MAX_HOPS));
  }
  for (const toml::node& offset : *offsets) {
    const std::int64_t bytes = reader.integer(offset, key + ".follow", INT16_MIN, INT16_MAX);
    arg.follow.push_back(static_cast<std::int16_t>(bytes));
  }
}

ArgSource read_arg(Reader& reader, const toml::node& node, const std::string& key) {
  ArgSource arg;
  const toml::node* place = &node;
  if (const auto* table = node.as_table()) {
    reader.known_keys(*table, {"const", "argument", "follow", "mask"});
    const toml::node* value = table->get("const");
    if (value != nullptr && value->is_integer() && table->size() == 1) {
      arg.kind = ArgSource::Kind::kConstant;
      arg.value = value->as_integer()->get();
      return arg;
    }
    place = table->get("argument");
    read_follow(reader, *table, key, arg);
    if (const toml::node* mask = table->get("mask")) {
      arg.mask = reader.integer(*mask, key + ".mask", 1, INT64_MAX);
      if (!arg.follow.empty()) reader.fault(mask->source(), key + ".mask", "means nothing with follow");
    }
  }
  const auto* number = place == nullptr ? nullptr : place->as_integer();
  if (number == nullptr || number->get() == 0 || std::abs(number->get()) > kMaxArgumentNumber) {
    reader.fault(node.source(), key,
                 "expected the number of the probe's argument (1 is the first, -1 the last), { const = NUMBER } or "
                 "{ argument = NUMBER, follow = [OFFSET], mask = BITS }");
    return arg;
  }
  arg.kind = ArgSource::Kind::kArgument;
  arg.number = static_cast<int>(number->get());
  return arg;
}

void read_args(Reader& reader, const toml::table& table, ProfileProbe& probe) {
  const toml::node* node = table.get("args");
  if (node == nullptr) return;
  if (!node->is_table()) return reader.fault(node->source(), "args", "expected a table such as { id = 1, type = 2 }");
  const auto& fields = kRoles[probe.role].fields;
  const std::vector<std::string_view> known(fields.begin(), std::find(fields.begin(), fields.end(), ""));
  for (const auto& [key, value] : *node->as_table()) {
    const auto found = std::find(known.begin(), known.end(), key.str());
    const std::string name = fmt::format("args.{}", key.str());
    if (found == known.end()) {
      const std::string what = known.empty() ? "expected no fields" : advice(key.str(), known);
      reader.fault(key.source(), name, fmt::format("the role '{}' has no such field; {}", role_name(probe.role), what));
      continue;
    }
    probe.args[static_cast<std::size_t>(found - known.begin())] = read_arg(reader, value, name);
  }
}

/// Being on a CPU, waiting for one and not knowing are for the scheduler to say, not for an engine.
std::optional<std::uint8_t> wait_class(Reader& reader, const toml::node& node, const std::string& key) {
  const std::vector<std::string_view> known(kWaitNames.begin() + OUTRIDER_WAIT_DISK,
                                            kWaitNames.begin() + OUTRIDER_WAIT_UNATTRIBUTED);
  const std::string word = node.value_or(std::string());
  const auto found = std::find(known.begin(), known.end(), word);
  if (found != known.end()) return static_cast<std::uint8_t>(OUTRIDER_WAIT_DISK + (found - known.begin()));
  reader.fault(node.source(), key, fmt::format("unknown wait class '{}'; {}", word, advice(word, known)));
  return std::nullopt;
}

void read_wait(Reader& reader, const toml::table& table, ProfileProbe& probe) {
  const toml::node* node = table.get("wait");
  if (node == nullptr) return;
  if (probe.role != OUTRIDER_ROLE_WAIT_START && probe.role != OUTRIDER_ROLE_WAIT_END) {
    return reader.fault(node->source(), "wait", "only for the roles wait_start and wait_end");
  }
  const auto* wait = node->as_table();
  if (wait == nullptr) return reader.fault(node->source(), "wait", "expected a table such as { class = \"lock\" }");
  reader.known_keys(*wait, {"class"});
  if (reader.text(*wait, "class", true).empty()) return;
  const auto found = wait_class(reader, *wait->get("class"), "wait.class");
  if (found) probe.args[0] = {.kind = ArgSource::Kind::kConstant, .value = *found};
}

void read_flags(Reader& reader, const toml::table& table, ProfileProbe& probe) {
  constexpr std::pair<const char*, std::uint32_t> kFlags[] = {
      {"outermost", OUTRIDER_SITE_OUTERMOST},           {"forgets_key", OUTRIDER_SITE_FORGETS_KEY},
      {"same_stack", OUTRIDER_SITE_SAME_STACK},         {"text_is_name", OUTRIDER_SITE_TEXT_IS_NAME},
      {"type_is_sql", OUTRIDER_SITE_TYPE_IS_SQL},       {"type_is_key", OUTRIDER_SITE_TYPE_IS_KEY},
      {"type_is_number", OUTRIDER_SITE_TYPE_IS_NUMBER}, {"type_from_statement", OUTRIDER_SITE_TYPE_FROM_STATEMENT},
      {"tentative", OUTRIDER_SITE_TENTATIVE},           {"until_statement", OUTRIDER_SITE_UNTIL_STATEMENT}};
  for (const auto& [key, bit] : kFlags) {
    if (!reader.flag(table, key)) continue;
    probe.flags |= bit;
    if ((kRoles[probe.role].flags & bit) == 0) {
      reader.fault(table.get(key)->source(), key,
                   fmt::format("means nothing for the role '{}'", role_name(probe.role)));
    }
  }
  if (const toml::node* node = table.get("tag")) {
    probe.tag = static_cast<std::uint32_t>(reader.integer(*node, "tag", 0, UINT32_MAX));
  }
}

void read_type_is_function(Reader& reader, const toml::table& table, ProfileProbe& probe) {
  probe.type_is_function = reader.flag(table, "type_is_function");
  const bool start = probe.role == OUTRIDER_ROLE_QUERY_START && probe.probe.provider == kFunctionProvider;
  if (!probe.type_is_function || start) return;
  reader.fault(table.get("type_is_function")->source(), "type_is_function",
               "only for the role query_start of the provider function");
}

void read_unless(Reader& reader, const toml::table& table, ProfileProbe& probe) {
  probe.unless = reader.text(table, "unless", false);
  if (probe.unless.empty() || probe.role == OUTRIDER_ROLE_STATEMENT) return;
  reader.fault(table.get("unless")->source(), "unless", "only for the role statement");
}

void read_phase(Reader& reader, const toml::table& table, ProfileProbe& probe) {
  probe.label = reader.text(table, "phase", false);
  if (probe.label.empty()) return;
  if (probe.role != OUTRIDER_ROLE_PHASE_START && probe.role != OUTRIDER_ROLE_PHASE_END) {
    reader.fault(table.get("phase")->source(), "phase", "only for the roles phase_start and phase_end");
  }
  if (probe.label.size() >= OUTRIDER_TYPE_NAME) {
    reader.fault(table.get("phase")->source(), "phase",
                 fmt::format("expected at most {} bytes", OUTRIDER_TYPE_NAME - 1));
  }
}

/// What a role cannot do without.
void require_fields(Reader& reader, const toml::table& table, const ProfileProbe& probe, QueryKey threads) {
  const auto has = [&](std::size_t field) { return probe.args[field].kind != ArgSource::Kind::kNone; };
  const auto need = [&](bool present, std::string_view key, std::string_view why) {
    if (!present) reader.fault(table.source(), key, fmt::format("missing; {}", why));
  };
  if (threads == QueryKey::kId && (probe.role == OUTRIDER_ROLE_QUERY_START || probe.role == OUTRIDER_ROLE_QUERY_END)) {
    need(has(0), "args.id", "with threads = \"id\" a query needs args = { id = N }");
  }
  switch (probe.role) {
    case OUTRIDER_ROLE_QUERY_START:
      return need(has(1) || probe.type_is_function || (probe.flags & OUTRIDER_SITE_TYPE_FROM_STATEMENT) != 0,
                  "args.type", "a query_start needs args = { type = N } or type_from_statement = true");
    case OUTRIDER_ROLE_QUERY_SWITCH:
      return need(has(0), "args.id", "a query_switch needs args = { id = N }");
    case OUTRIDER_ROLE_STATEMENT:
      return need(has(0), "args.text", "a statement needs args = { text = N }");
    case OUTRIDER_ROLE_PHASE_START:
    case OUTRIDER_ROLE_PHASE_END:
      return need(has(0) || !probe.label.empty(), "phase", "a phase needs phase = \"NAME\" or args = { name = N }");
    case OUTRIDER_ROLE_CACHE:
      return need(has(0), "args.hit", "a cache needs args = { hit = N } or { hit = { const = 1 } }");
    case OUTRIDER_ROLE_PREPARE:
      return need(has(0) && has(1) != has(2), "args", "a prepare needs args = { text = N } and one of key and key_at");
    case OUTRIDER_ROLE_STEP:
    case OUTRIDER_ROLE_STEPS_OVER:
      return need(has(0), "args.key", "it needs args = { key = N }");
    case OUTRIDER_ROLE_STEP_END:
      return need(has(0) && has(1) && has(2), "args", "a step_end needs args = { result = N, more = ..., done = ... }");
    case OUTRIDER_ROLE_WAIT_START:
      return need(has(0), "wait", "a wait_start needs wait = { class = \"...\" }");
    default:
      return;
  }
}

void read_probe(Reader& reader, const toml::table& table, Profile& profile) {
  reader.known_keys(
      table, {"provider",         "name",        "role",           "args",         "wait",        "phase",
              "forgets_key",      "outermost",   "same_stack",     "text_is_name", "type_is_sql", "type_from_statement",
              "type_is_function", "type_is_key", "type_is_number", "tentative",    "tag",         "group",
              "required",         "unless",      "until_statement"});
  ProfileProbe probe;
  probe.probe.provider = reader.text(table, "provider", true);
  probe.probe.name = reader.text(table, "name", true);
  probe.required = reader.flag(table, "required");
  if (probe.probe.provider == kReturnProvider && !profile.c_return_probes_ok) {
    reader.fault(table.source(), "provider",
                 "a probe at a return aborts an engine whose exceptions or longjmp leave the function; only with "
                 "c_return_probes_ok = true");
  }
  const auto role = read_role(reader, table);
  if (!role) return;
  probe.role = *role;
  read_group(reader, table, probe);
  read_args(reader, table, probe);
  read_wait(reader, table, probe);
  read_flags(reader, table, probe);
  read_unless(reader, table, probe);
  read_type_is_function(reader, table, probe);
  read_phase(reader, table, probe);
  require_fields(reader, table, probe, profile.threads);
  profile.probes.push_back(std::move(probe));
}

void read_wait_classes(Reader& reader, const toml::table& table, WaitWord& word) {
  const toml::node* node = table.get("classes");
  const auto* classes = node == nullptr ? nullptr : node->as_table();
  if (classes == nullptr || classes->empty()) {
    return reader.fault(node == nullptr ? table.source() : node->source(), "wait_word.classes",
                        "expected a table such as { 3 = \"lock\" }");
  }
  for (const auto& [key, value] : *classes) {
    const std::string name = fmt::format("wait_word.classes.{}", key.str());
    std::uint32_t number = OUTRIDER_WAIT_WORD_CLASSES;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.length(), number);
    if (error != std::errc{} || end != key.data() + key.length() || number >= OUTRIDER_WAIT_WORD_CLASSES) {
      reader.fault(key.source(), name, fmt::format("expected a number from 0 to {}", OUTRIDER_WAIT_WORD_CLASSES - 1));
      continue;
    }
    if (const auto found = wait_class(reader, value, name))
      word.classes[number] = static_cast<std::uint8_t>(*found + 1);
  }
}

void read_wait_word(Reader& reader, const toml::table& root, Profile& profile) {
  const toml::node* node = root.get("wait_word");
  if (node == nullptr) return;
  const auto* table = node->as_table();
  if (table == nullptr) return reader.fault(node->source(), "wait_word", "expected a table; write [wait_word]");
  reader.known_keys(*table, {"symbol", "indirect", "mask", "classes"});
  WaitWord word;
  word.symbol = reader.text(*table, "symbol", true);
  word.indirect = reader.flag(*table, "indirect");
  const toml::node* mask = table->get("mask");
  if (mask == nullptr) {
    reader.fault(table->source(), "wait_word.mask",
                 "missing; expected the bits that tell the class, such as 0xff000000");
  } else {
    const auto bits = static_cast<std::uint32_t>(reader.integer(*mask, "wait_word.mask", 1, UINT32_MAX));
    word.shift = static_cast<std::uint32_t>(std::countr_zero(bits));
    word.mask = bits >> word.shift;
  }
  read_wait_classes(reader, *table, word);
  profile.wait_word = word;
}

void read_detect(Reader& reader, const toml::table& root, Profile& profile) {
  const toml::node* node = root.get("detect");
  if (node == nullptr) return;
  if (!node->is_array()) return reader.fault(node->source(), "detect", "expected a list of \"provider:name\"");
  for (const toml::node& entry : *node->as_array()) {
    const std::string word = entry.value_or(std::string());
    const auto colon = word.find(':');
    if (colon == 0 || colon == std::string::npos || colon + 1 == word.size()) {
      reader.fault(entry.source(), "detect", "expected \"provider:name\"");
      continue;
    }
    profile.detect.push_back({word.substr(0, colon), word.substr(colon + 1)});
  }
}

outrider_sql_dialect read_dialect(Reader& reader, const toml::table& root) {
  const std::string word = reader.text(root, "sql_dialect", false);
  if (word.empty()) return OUTRIDER_SQL_NONE;
  if (word == "postgresql") return OUTRIDER_SQL_POSTGRESQL;
  if (word == "mysql") return OUTRIDER_SQL_MYSQL;
  if (word == "sqlite") return OUTRIDER_SQL_SQLITE;
  reader.fault(root.get("sql_dialect")->source(), "sql_dialect", R"(expected "postgresql", "mysql" or "sqlite")");
  return OUTRIDER_SQL_NONE;
}

bool read_titles(Reader& reader, const toml::table& root) {
  const std::string word = reader.text(root, "process_title", false);
  if (word.empty() || word == "postgresql") return !word.empty();
  reader.fault(root.get("process_title")->source(), "process_title", R"(expected "postgresql", or nothing)");
  return false;
}

void read_threads(Reader& reader, const toml::table& root, Profile& profile) {
  const std::string word = reader.text(root, "threads", false);
  if (word == "id") profile.threads = QueryKey::kId;
  if (word.empty() || word == "id" || word == "task") return;
  reader.fault(root.get("threads")->source(), "threads", R"(expected "task" or "id")");
}

void read_probes(Reader& reader, const toml::table& root, Profile& profile) {
  const toml::node* node = root.get("probe");
  if (node == nullptr || !node->is_array()) {
    return reader.fault(node == nullptr ? root.source() : node->source(), "probe", "expected [[probe]] entries");
  }
  const std::size_t faults = reader.errors().size();
  for (const toml::node& entry : *node->as_array()) {
    if (const auto* table = entry.as_table()) {
      read_probe(reader, *table, profile);
    } else {
      reader.fault(entry.source(), "probe", "expected a table; write [[probe]]");
    }
  }
  const bool ends = std::any_of(profile.probes.begin(), profile.probes.end(), [](const ProfileProbe& probe) {
    return probe.role == OUTRIDER_ROLE_QUERY_END || probe.role == OUTRIDER_ROLE_STEP_END;
  });
  if (!ends && reader.errors().size() == faults) {
    reader.fault(node->source(), "probe", "no entry has the role query_end or step_end; nothing could be counted");
  }
}

}  // namespace

Result<Profile> parse_profile(std::string_view text, const std::string& source) try {
  const toml::table root = toml::parse(text, source);
  Reader reader(source);
  reader.known_keys(root, {"name", "description", "engine", "forks", "threads", "c_return_probes_ok", "sql_dialect",
                           "process_title", "detect", "probe", "wait_word"});
  Profile profile;
  profile.source = source;
  profile.name = reader.text(root, "name", true);
  profile.description = reader.text(root, "description", false);
  profile.engine = reader.text(root, "engine", false);
  profile.forks = reader.flag(root, "forks");
  profile.c_return_probes_ok = reader.flag(root, "c_return_probes_ok");
  read_threads(reader, root, profile);
  profile.sql_dialect = read_dialect(reader, root);
  profile.postgresql_titles = read_titles(reader, root);
  read_detect(reader, root, profile);
  read_probes(reader, root, profile);
  read_wait_word(reader, root, profile);
  if (!reader.errors().empty()) return Error{fmt::format("{}", fmt::join(reader.errors(), "\n"))};
  return profile;
} catch (const toml::parse_error& error) {
  return Error{fmt::format("{}:{}: TOML: {}", source, error.source().begin.line, error.description())};
}

}  // namespace outrider
