#include "examples/misbehaving_server.hpp"

#include <unistd.h>

#include "examples/running_program.hpp"

namespace testing {

misbehaving_server::misbehaving_server(const std::vector<std::string>& certificate_and_key) {
  std::vector<std::string> arguments = {"python3", LOCKKIT_TEST_SERVER};
  arguments.insert(arguments.end(), certificate_and_key.begin(), certificate_and_key.end());
  process_ = std::make_unique<child_process>([&]() -> int {
    ::dup2(gate_.read_end(), STDIN_FILENO);
    ::dup2(said_.write_end(), STDOUT_FILENO);
    execute(arguments);
  });
  said_.close_write();
  base_ = (certificate_and_key.empty() ? "http://127.0.0.1:" : "https://127.0.0.1:") + next_line();
}

std::string misbehaving_server::next_line() const {
  std::string line;
  for (char c = said_.receive(); c != '\n'; c = said_.receive()) line += c;
  return line;
}

unsigned misbehaving_server::requests() const {
  unsigned count = 0;
  while (said_.ready(0)) count += next_line().starts_with("GET ") ? 1U : 0U;
  return count;
}

std::string served_content() {
  std::string text;
  for (int n = 0; n < 1000; ++n) text += "0123456\n";
  return text;
}

}  // namespace testing
