#include "userspace/notify/mail.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "userspace/model/notice_json.h"
#include "userspace/model/snapshot_json.h"
#include "userspace/model/utf8.h"
#include "userspace/notify/notice_text.h"
#include "userspace/notify/process.h"

namespace outrider {
namespace {

constexpr std::size_t kTextBytes = 4000;
constexpr std::size_t kEncodedWord = 39;  // bytes that make 52 of base64: a line has at most 76 with "Subject: "
constexpr std::size_t kBodyLine = 57;     // bytes that make 76 of base64, the longest line

std::string base64(std::string_view text) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 3) {
    const std::size_t given = std::min<std::size_t>(text.size() - i, 3);
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k) bits = bits << 8U | (k < given ? static_cast<unsigned char>(text[i + k]) : 0U);
    for (std::size_t k = 0; k < 4; ++k) out += k <= given ? kDigits[bits >> (18 - 6 * k) & 63U] : '=';
  }
  return out;
}

// A header's value; each encoded word holds whole characters.
std::string encoded_words(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    std::size_t size = std::min(text.size(), kEncodedWord);
    while (size < text.size() && size > 1 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) --size;
    out += fmt::format("{}=?utf-8?B?{}?=", out.empty() ? "" : "\n ", base64(text.substr(0, size)));
    text.remove_prefix(size);
  }
  return out;
}

std::string base64_lines(std::string_view text) {
  std::string out;
  for (; !text.empty(); text.remove_prefix(std::min(text.size(), kBodyLine))) {
    out += base64(text.substr(0, kBodyLine)) + '\n';
  }
  return out;
}

void add(std::string& out, const char* name, const std::string& text) {
  if (!text.empty()) out += fmt::format("  {}: {}\n", name, one_line(text, kTextBytes));
}

void add(std::string& out, const char* name, const std::optional<double>& figure) {
  if (figure) out += fmt::format("  {}: {:g}\n", name, *figure);
}

std::string paragraph(const Notice& notice) {
  std::string out = fmt::format("{}\n", headline(notice));
  add(out, "what", notice.text);
  add(out, "what to do", notice.annotation);
  add(out, "severity", std::string(name_of(notice.severity)));
  add(out, "at", format_timestamp(notice.at_ms));
  add(out, "since", format_timestamp(notice.since_ms));
  add(out, "metric", notice.metric);
  add(out, "value", notice.value);
  add(out, "threshold", notice.threshold);
  add(out, "expected", notice.expected);
  add(out, "cause", notice.cause);
  for (const auto& [name, value] : notice.labels) add(out, one_line(name, kTextBytes).c_str(), value);
  add(out, "id", notice.id);
  return out;
}

bool is_address(std::string_view text) {
  return text.find('@') != std::string_view::npos && std::none_of(text.begin(), text.end(), [](unsigned char c) {
           return c <= 0x20 || c == 0x7f || c == ',' || c == ';' || c == '(' || c == ')' || c == '"';
         });
}

}  // namespace

std::string mail_message(const MailOptions& options, const std::vector<Notice>& group) {
  std::string subject = headline(group.front());
  if (group.size() > 1) subject += fmt::format(" and {} more", group.size() - 1);
  std::vector<std::string> paragraphs;
  paragraphs.reserve(group.size());
  for (const Notice& notice : group) paragraphs.push_back(paragraph(notice));
  std::string out = fmt::format("To: {}\n", fmt::join(options.to, ",\n "));
  if (!options.from.empty()) out += fmt::format("From: {}\n", options.from);
  out += fmt::format("Subject: {}\n", encoded_words(subject));
  // RFC 3834: nobody's absence is to be answered to the agent.
  out += "Auto-Submitted: auto-generated\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n";
  return out + "Content-Transfer-Encoding: base64\n\n" + base64_lines(fmt::format("{}", fmt::join(paragraphs, "\n")));
}

Result<std::unique_ptr<Channel>> MailChannel::make(MailOptions options) {
  if (options.to.empty()) return Error{"a mail needs somebody to go to; set to = [\"name@example.org\"]"};
  std::vector<std::string> addresses = options.to;
  if (!options.from.empty()) addresses.push_back(options.from);
  const auto wrong = std::find_if_not(addresses.begin(), addresses.end(), is_address);
  if (wrong != addresses.end()) {
    return Error{fmt::format("\"{}\" is no plain mail address; write name@example.org", one_line(*wrong, kTextBytes))};
  }
  if (!options.sendmail.starts_with('/')) return Error{"the path of sendmail must be absolute: /usr/sbin/sendmail"};
  return std::unique_ptr<Channel>(new MailChannel(std::move(options)));
}

Delivery MailChannel::deliver(const std::vector<Notice>& group, const GiveUp& give_up) {
  const Status status =
      run_process({{options_.sendmail, "-t", "-i"}, mail_message(options_, group), options_.timeout, give_up});
  return status ? Delivery{} : Delivery{Delivery::Fate::kRetry, status.error().message};
}

}  // namespace outrider
