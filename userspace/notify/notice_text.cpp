#include "userspace/notify/notice_text.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "userspace/model/notice_json.h"
#include "userspace/model/utf8.h"

namespace outrider {
namespace {

constexpr std::size_t kHeadlineBytes = 250;
constexpr int kFormatVersion = 1;

const char* in_capitals(Notice::What what) {
  switch (what) {
    case Notice::What::kFiring:
      return "FIRING";
    case Notice::What::kWorse:
      return "WORSE";
    case Notice::What::kResolved:
      break;
  }
  return "RESOLVED";
}

}  // namespace

std::string one_line(std::string_view text, std::size_t most) {
  std::string line = valid_utf8(text);
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  if (line.size() <= most) return line;
  // Not in the middle of a character.
  while (most > 0 && (static_cast<unsigned char>(line[most]) & 0xC0U) == 0x80U) --most;
  return line.substr(0, most);
}

std::string headline(const Notice& notice) {
  std::string text = std::string(in_capitals(notice.what)) + ' ' + notice.name + ": " + notice.target;
  if (!notice.type.empty()) text += ", type " + notice.type;
  return one_line(text, kHeadlineBytes);
}

std::string group_json(const std::vector<Notice>& group) {
  nlohmann::ordered_json json = {{"version", kFormatVersion}, {"alerts", nlohmann::ordered_json::array()}};
  for (const Notice& notice : group) json["alerts"].push_back(to_json(notice));
  return json.dump();
}

}  // namespace outrider
