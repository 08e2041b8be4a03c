#include "examples/running_program.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <stdexcept>
#include <thread>

namespace testing {

void execute(const std::vector<std::string>& arguments) {
  std::vector<char*> pointers;
  for (const std::string& each : arguments) pointers.push_back(const_cast<char*>(each.c_str()));
  pointers.push_back(nullptr);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // nothing outlives a test that is killed
  for (const char* proxy : {"http_proxy", "https_proxy", "all_proxy", "ALL_PROXY", "HTTPS_PROXY"}) ::unsetenv(proxy);
  ::execvp(pointers[0], pointers.data());
  throw std::runtime_error("cannot run " + arguments[0]);
}

void redirect(int descriptor, const std::filesystem::path& file) {
  const int opened = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (opened < 0 || ::dup2(opened, descriptor) < 0) throw std::runtime_error("cannot redirect to " + file.string());
}

bool eventually(const std::function<bool()>& condition) {
  for (int n = 0; n < 2000; ++n) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

running_program::running_program(const scratch_directory& where, const std::vector<std::string>& command) {
  static std::atomic<int> number = 0;
  const std::string name = "output-" + std::to_string(++number);
  out_ = where / (name + ".out");
  err_ = where / (name + ".err");
  write_file(out_, "");
  write_file(err_, "");  // read before the child has made it
  process_ = std::make_unique<child_process>([&]() -> int {
    redirect(STDOUT_FILENO, out_);
    redirect(STDERR_FILENO, err_);
    execute(command);
  });
}

bool running_program::says(const std::string& text) const {
  return eventually([&] { return errors().find(text) != std::string::npos; });
}

bool running_program::prints(const std::string& text) const {
  return eventually([&] { return read_file(out_).find(text) != std::string::npos; });
}

tool_result running_program::wait() {
  const int status = process_->wait();
  return {status, read_file(out_), read_file(err_)};
}

}  // namespace testing
