#include "examples/servers.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace testing {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void execute(const std::vector<std::string>& arguments) {
  std::vector<char*> pointers;
  for (const std::string& each : arguments) pointers.push_back(const_cast<char*>(each.c_str()));
  pointers.push_back(nullptr);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // nothing outlives a test that is killed
  for (const char* proxy : {"http_proxy", "https_proxy", "all_proxy", "ALL_PROXY", "HTTPS_PROXY"}) ::unsetenv(proxy);
  ::execvp(pointers[0], pointers.data());
  throw std::runtime_error("cannot run " + arguments[0]);
}

void redirect(int descriptor, const fs::path& file) {
  const int opened = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (opened < 0 || ::dup2(opened, descriptor) < 0) throw std::runtime_error("cannot redirect to " + file.string());
}

sockaddr_in loopback(unsigned port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

/// Whether somebody listens there.
bool answers(unsigned port) {
  const int connection = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  const bool connected = ::connect(connection, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(connection);
  return connected;
}

/// Checks every 10 ms, for 20 s at the most.
template <class Condition>
bool eventually(Condition condition) {
  for (int n = 0; n < 2000; ++n) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

/// With the master's work in the same process, so that a kill leaves nobody behind.
std::string nginx_configuration(unsigned port, const fs::path& root) {
  std::ostringstream text;
  text << "daemon off; master_process off; pid nginx.pid; error_log error.log;\n"
       << "events { worker_connections 64; }\n"
       << "http { log_format path '$uri'; access_log access.log path;\n";
  for (const char* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) text << kind << "_temp_path temp;\n";
  text << "server { listen 127.0.0.1:" << port << " reuseport; root " << root.string() << ";\n"
       << "location = /moved { return 301 /served; } location = /gone { return 410; }\n"
       << "location = /forbidden { return 403; } } }\n";
  return text.str();
}

}  // namespace

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

reserved_port::reserved_port() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const int yes = 1;
  sockaddr_in address = loopback(0);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::setsockopt(socket_, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes) != 0 || ::bind(socket_, generic, length) != 0 ||
      ::getsockname(socket_, generic, &length) != 0) {
    throw std::runtime_error("cannot reserve a port on 127.0.0.1");
  }
  number_ = ntohs(address.sin_port);
}

reserved_port::~reserved_port() {
  ::close(socket_);
}

nginx_server::nginx_server(const fs::path& root) : base_("http://127.0.0.1:" + std::to_string(port_.number())) {
  write_file(prefix_ / "nginx.conf", nginx_configuration(port_.number(), root));
  process_ = std::make_unique<child_process>([&]() -> int {
    redirect(STDERR_FILENO, prefix_ / "stderr");
    execute({has_program("nginx") ? "nginx" : "/usr/sbin/nginx", "-p", prefix_.path().string(), "-e", "error.log", "-c",
             "nginx.conf"});
  });
  if (!eventually([&] { return answers(port_.number()); })) {
    throw std::runtime_error("nginx does not start: " + read_file(prefix_ / "stderr"));
  }
}

std::size_t nginx_server::requests(const std::string& path) const {
  std::istringstream log(read_file(prefix_ / "access.log"));
  std::size_t count = 0;
  for (std::string line; std::getline(log, line);) count += line == path ? 1U : 0U;
  return count;
}

running_tool::running_tool(const scratch_directory& where, const std::vector<std::string>& arguments) {
  static std::atomic<int> number = 0;
  const std::string name = "output-" + std::to_string(++number);
  out_ = where / (name + ".out");
  err_ = where / (name + ".err");
  std::vector<std::string> command = {DATASET_CACHE_PROGRAM, "--cache", (where / "cache").string()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  process_ = std::make_unique<child_process>([&]() -> int {
    redirect(STDOUT_FILENO, out_);
    redirect(STDERR_FILENO, err_);
    execute(command);
  });
}

bool running_tool::says(const std::string& text) const {
  return eventually([&] { return read_file(err_).find(text) != std::string::npos; });
}

tool_result running_tool::wait() {
  const int status = process_->wait();
  return {status, read_file(out_), read_file(err_)};
}

tool_result run_tool(const scratch_directory& where, const std::vector<std::string>& arguments) {
  return running_tool(where, arguments).wait();
}

std::vector<fs::path> files_below(const fs::path& directory) {
  std::vector<fs::path> result;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) result.push_back(entry.path());
  }
  return result;
}

}  // namespace testing
