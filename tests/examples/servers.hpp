#pragma once
/// Servers to fetch from, and the tool under test.

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "examples/misbehaving_server.hpp"
#include "examples/running_program.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

namespace testing {

/// A free port of the loopback interface that nobody else is given: bound, but not listened on; the server that it is
/// for shares it (SO_REUSEPORT).
class reserved_port {
 public:
  reserved_port();
  ~reserved_port();
  reserved_port(const reserved_port&) = delete;
  reserved_port& operator=(const reserved_port&) = delete;
  [[nodiscard]] unsigned number() const { return number_; }

 private:
  int socket_;
  unsigned number_ = 0;
};

/// A request as nginx saw it.
struct served_request {
  std::string path;
  int status = 0;
  std::uint64_t body_bytes = 0;
  std::string range;  ///< what was asked for; "-": everything
};

/// A real nginx that serves `root` and writes an access log. What lies in `root`/slow comes slowly behind its first MiB,
/// unless a range is asked for.
class nginx_server {
 public:
  explicit nginx_server(const std::filesystem::path& root);
  [[nodiscard]] std::string url(const std::string& path) const { return base_ + path; }
  /// Requests for `path` seen so far.
  [[nodiscard]] std::size_t requests(const std::string& path) const;
  /// All that have come to their end, in that order.
  [[nodiscard]] std::vector<served_request> log() const;
  void stop() { process_.reset(); }
  [[nodiscard]] unsigned port() const { return port_.number(); }

 private:
  reserved_port port_;
  scratch_directory prefix_;
  std::unique_ptr<child_process> process_;
  std::string base_;
};

/// Python's own web server, which knows no ranges, on a port that somebody has reserved.
class python_server {
 public:
  python_server(const std::filesystem::path& root, unsigned port);

 private:
  std::unique_ptr<child_process> process_;
};

/// dataset_cache, running, with a cache in `where`/cache.
class running_tool : public running_program {
 public:
  running_tool(const scratch_directory& where, const std::vector<std::string>& arguments);
};

/// Runs dataset_cache with a cache in `where`/cache.
[[nodiscard]] tool_result run_tool(const scratch_directory& where, const std::vector<std::string>& arguments);

/// Every regular file below `directory`.
[[nodiscard]] std::vector<std::filesystem::path> files_below(const std::filesystem::path& directory);

}  // namespace testing
