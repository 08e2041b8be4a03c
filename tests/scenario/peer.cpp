#include "scenario/peer.hpp"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <stdexcept>
#include <utility>

namespace testing {
namespace {

int serve(interpreter which) {
  switch (which) {
    case interpreter::self:
      return obey_as_peer();
    case interpreter::bash:
      return ::execlp("bash", "bash", LOCKKIT_PARTICIPANTS "/peer.sh", nullptr);
    case interpreter::dash:
      return ::execlp("dash", "dash", LOCKKIT_PARTICIPANTS "/peer.sh", nullptr);
    case interpreter::python:
      return ::execl("/usr/bin/python3", "python3", "-B", LOCKKIT_PARTICIPANTS "/peer.py", nullptr);
    case interpreter::node:
      ::setenv("NODE_PATH", "/usr/share/nodejs", 0);  // where Debian's packages lie
      return ::execlp("node", "node", LOCKKIT_PARTICIPANTS "/peer.js", nullptr);
  }
  return 127;
}

reply meaning(const std::string& word) {
  constexpr std::array words = {std::pair("in", reply::in), std::pair("out", reply::out),
                                std::pair("error", reply::error), std::pair("absent", reply::absent),
                                std::pair("left", reply::left)};
  for (const auto& [known, value] : words) {
    if (word == known) return value;
  }
  throw std::runtime_error("a peer answered '" + word + "'");
}

}  // namespace

peer::peer(interpreter which)
    : process_([&] {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::dup2(orders_.read_end(), 0);
        ::dup2(answers_.write_end(), 1);
        orders_.close_write();
        answers_.close_read();
        return serve(which);
      }) {
  orders_.close_read();
  answers_.close_write();
}

peer::~peer() = default;

reply peer::ask(const std::string& kind, const char* verb, const std::filesystem::path& path) {
  for (const char byte : kind + " " + verb + " " + path.string() + "\n") orders_.send(byte);
  std::string answer;
  for (char byte = answers_.receive(); byte != '\n'; byte = answers_.receive()) answer += byte;
  return meaning(answer);
}

void peer::leave(const std::string& kind, const std::filesystem::path& path) {
  if (ask(kind, "leave", path) != reply::left) throw std::runtime_error("a peer did not leave");
}

}  // namespace testing
