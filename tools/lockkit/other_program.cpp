#include "other_program.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "exit_code.hpp"
#include "message.hpp"

namespace lockkit_command {

int run_other_program(char** argv) {
  std::error_code ec;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", ec);
  const std::filesystem::path here = self.parent_path();
  const std::filesystem::path installed =
      ec ? std::filesystem::path(LOCKKIT_STORE_INSTALLED) : (here / LOCKKIT_STORE_FROM_HERE).lexically_normal();
  if (!ec) ::execv((here / "lockkit-store").c_str(), argv);
  ::execv(installed.c_str(), argv);
  say("'{}' needs the program {}: {}; install all of lockkit", argv[1], in_quotes(installed), std::strerror(errno));
  return unsupported;
}

}  // namespace lockkit_command
