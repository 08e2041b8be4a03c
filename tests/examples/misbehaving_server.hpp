#pragma once
/// A web server that does what web servers should not.

#include <memory>
#include <string>
#include <vector>

#include "support/process.hpp"

namespace testing {

/// misbehaving_server.py on a port of its own; with certificate and key it speaks https.
class misbehaving_server {
 public:
  explicit misbehaving_server(const std::vector<std::string>& certificate_and_key = {});
  /// http://127.0.0.1:PORT/path
  [[nodiscard]] std::string url(const std::string& path) const { return base_ + path; }
  /// The next line that the server says: "GET /path" for a request.
  [[nodiscard]] std::string next_line() const;
  /// How many more requests it has got by now.
  [[nodiscard]] unsigned requests() const;
  /// Lets /gate go on.
  void open_gate() const { gate_.send(); }

 private:
  signal_pipe said_;
  signal_pipe gate_;
  std::unique_ptr<child_process> process_;
  std::string base_;
};

/// What misbehaving_server serves where it behaves.
[[nodiscard]] std::string served_content();

}  // namespace testing
