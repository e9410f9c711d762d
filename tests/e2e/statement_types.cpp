// statement-types DIALECT: for each text on standard input, ended by a zero byte, the type that it is an execution of,
// on a line.
#include <iostream>
#include <map>
#include <string>

#include "userspace/model/statement.h"

int main(int argc, char** argv) {
  const std::map<std::string, outrider_sql_dialect> dialects = {
      {"postgresql", OUTRIDER_SQL_POSTGRESQL}, {"mysql", OUTRIDER_SQL_MYSQL}, {"sqlite", OUTRIDER_SQL_SQLITE}};
  const auto dialect = dialects.find(argc == 2 ? argv[1] : "");
  if (dialect == dialects.end()) {
    std::cerr << "usage: statement-types postgresql|mysql|sqlite\n";
    return 2;
  }
  for (std::string text; std::getline(std::cin, text, '\0');) {
    const auto statement = outrider::statement_of(text, dialect->second);
    std::cout << (statement ? outrider::statement_type(statement->fingerprint, statement->text) : "") << '\n';
  }
  return std::cout.flush() ? 0 : 1;
}
