#include "tools/script.hpp"

#include <unistd.h>

#include <cstdlib>

#include "examples/running_program.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"

namespace testing {

script_result run_script(const std::string& shell, const scratch_directory& place, const std::string& text) {
  const scratch_directory output;
  child_process child([&] {
    redirect(STDOUT_FILENO, output / "out");
    redirect(STDERR_FILENO, output / "err");
    std::filesystem::current_path(place.path());
    const auto programs = std::filesystem::path(LOCKKIT_COMMAND).parent_path().string();
    ::setenv("PATH", (programs + ":" + std::getenv("PATH")).c_str(), 1);
    for (const char* each : {"LOCKKIT_DB", "LOCKKIT_CACHE", "http_proxy", "all_proxy"}) ::unsetenv(each);
    ::execlp(shell.c_str(), shell.c_str(), "-c", text.c_str(), static_cast<char*>(nullptr));
    return 127;
  });
  const int status = child.wait();
  return {status, read_file(output / "out"), read_file(output / "err")};
}

std::string a_shell() {
  return GENERATE(std::string("bash"), std::string("dash"));
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace testing
