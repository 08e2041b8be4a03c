#pragma once
/// Contents that say what they are, so that a mix of two, or a part of one, is seen at once.

#include <filesystem>
#include <string>

namespace testing {

/// `lines` lines, each with the name, the number and its own place: "name number line/lines".
std::string self_describing(const std::string& name, long long number, unsigned lines);

struct described {
  bool whole = false;
  std::string name;
  long long number = 0;
};
/// What a content says of itself; `whole` if that is all of it and nothing else.
described describe(const std::string& text);

}  // namespace testing
