// Names that a watched process may choose for its query types, and what they could break: the same for every output.
// tests/web/nasty_strings.py reads them from here, for the page and the log: one a line.
#pragma once

#include <string>
#include <vector>

namespace outrider {

/// Each is another name, also where what is no UTF-8 has been replaced. No NUL in them: C strings end there.
inline const std::vector<std::string>& nasty_strings() {
  static const std::vector<std::string> kStrings = {
      "plain",
      "quote\"quote'`",
      "line\nllmkg_queries_total 666",
      "carriage\rreturn\r\n",
      R"(back\slash\n\")",
      "ends in a backslash\\",
      "no UTF-8: \xff\xc3(\xed\xa0\x80",
      "<script>alert(1)</script>",
      "</title></svg><b onload=\"x\">&amp;&#0;]]>",
      "line\xe2\x80\xa8separator\xe2\x80\xa9paragraph",
      "right\xe2\x80\xae to left \xe2\x81\xa6isolated",
      "zero\xe2\x80\x8bwidth\xef\xbb\xbf",
      std::string("ten thousand bytes ") + std::string(10'000, 'x'),
      "{}",
      "{le=\"+Inf\"} 1 # {} 2",
      "comma,equals=space and,more=1i 1700000000000000000",
      "title\x1b]0;owned\x07",
      "clear\x1b[2J\x1b[H",
      std::string("c1 \xc2\x9b") + "2J",
      "tab\ttab",
      "semi;colon 5",
      "%s%n${jndi:x}$(id)`id`",
      "delete\x7f",
      "not a character \xef\xbf\xbf",
      "caf\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x99\x82",
      " blanks at both ends ",
      "__proto__",
      "# HELP llmkg_queries_total x",
      "=?utf-8?B?eA==?=",
      "\r\n.\r\nBcc: everybody@example.org\r\n",
      "<img src onerror=alert(1)>",
  };
  return kStrings;
}

}  // namespace outrider
