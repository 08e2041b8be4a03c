#include "mirror/crowd_content.hpp"

#include <sstream>

namespace testing {

std::string self_describing(const std::string& name, long long number, unsigned lines) {
  std::ostringstream text;
  for (unsigned line = 1; line <= lines; ++line) text << name << ' ' << number << ' ' << line << '/' << lines << '\n';
  return text.str();
}

described describe(const std::string& text) {
  described found;
  std::istringstream first(text.substr(0, text.find('\n')));
  unsigned line = 0;
  unsigned lines = 0;
  char slash = 0;
  first >> found.name >> found.number >> line >> slash >> lines;
  found.whole = !text.empty() && text == self_describing(found.name, found.number, lines);
  return found;
}

}  // namespace testing
