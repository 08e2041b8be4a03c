#include "examples/servers.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sstream>
#include <stdexcept>

namespace testing {
namespace {

namespace fs = std::filesystem;

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

/// With the master's work in the same process, so that a kill leaves nobody behind.
std::string nginx_configuration(unsigned port, const fs::path& root) {
  std::ostringstream text;
  text << "daemon off; master_process off; pid nginx.pid; error_log error.log;\n"
       << "events { worker_connections 64; }\n"
       << "http { log_format path '$uri $status $body_bytes_sent $http_range'; access_log access.log path;\n"
       << "map $http_range $speed { default 0; '' 64k; }\n";
  for (const char* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) text << kind << "_temp_path temp;\n";
  text << "server { listen 127.0.0.1:" << port << " reuseport; root " << root.string() << ";\n"
       << "location = /moved { return 301 /served; } location = /gone { return 410; }\n"
       << "location /slow/ { limit_rate_after 1m; limit_rate $speed; }\n"
       << "location /fresh/ { expires 1h; } location /old/ { expires -1; }\n"
       << "location = /forbidden { return 403; } } }\n";
  return text.str();
}

}  // namespace

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
  std::size_t count = 0;
  for (const served_request& each : log()) count += each.path == path ? 1U : 0U;
  return count;
}

std::vector<served_request> nginx_server::log() const {
  std::istringstream lines(read_file(prefix_ / "access.log"));
  std::vector<served_request> all;
  for (served_request each; lines >> each.path >> each.status >> each.body_bytes >> each.range;) all.push_back(each);
  return all;
}

python_server::python_server(const fs::path& root, unsigned port) {
  const std::string program =
      "import functools, http.server as h, sys\n"
      "class Server(h.ThreadingHTTPServer):\n"
      "  allow_reuse_port = True\n"
      "Server(('127.0.0.1', int(sys.argv[2])),\n"
      "       functools.partial(h.SimpleHTTPRequestHandler, directory=sys.argv[1])).serve_forever()\n";
  process_ = std::make_unique<child_process>([&]() -> int {
    redirect(STDERR_FILENO, "/dev/null");
    execute({"python3", "-c", program, root.string(), std::to_string(port)});
  });
  if (!eventually([&] { return answers(port); })) throw std::runtime_error("Python's web server does not start");
}

running_tool::running_tool(const scratch_directory& where, const std::vector<std::string>& arguments)
    : running_program(where, [&] {
        std::vector<std::string> command = {DATASET_CACHE_PROGRAM, "--cache", (where / "cache").string()};
        command.insert(command.end(), arguments.begin(), arguments.end());
        return command;
      }()) {}

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
