// For each text on standard input, ended by a zero byte: the type that it is an execution of, on a line.
#include <iostream>
#include <string>

#include "userspace/model/statement.h"

int main() {
  for (std::string text; std::getline(std::cin, text, '\0');) {
    const auto statement = outrider::statement_of(text);
    std::cout << (statement ? outrider::statement_type(statement->fingerprint, statement->text) : "") << '\n';
  }
  return std::cout.flush() ? 0 : 1;
}
