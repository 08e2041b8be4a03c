#include "tools/script.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>

#include "support/process.hpp"

namespace testing {
namespace {

void redirect(int stream, const std::filesystem::path& file) {
  const int opened = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (opened < 0 || ::dup2(opened, stream) < 0) throw std::runtime_error("cannot redirect to " + file.string());
}

}  // namespace

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

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace testing
