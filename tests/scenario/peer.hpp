#pragma once
/// A process that takes and gives back locks of other people's kinds when told to, over pipes: real programs and
/// libraries, each as its own users use it. What it is told and what it answers stands in participants/peer.sh.

#include <cstdio>
#include <filesystem>
#include <string>

#include "support/process.hpp"

namespace testing {

enum class reply {
  in,
  out,     ///< refused: somebody holds it
  error,   ///< it could not even try: a directory where it wants a file, say
  absent,  ///< not installed
  left,
};

/// Who serves a kind of locks.
enum class interpreter { self, bash, dash, python, node };

class peer {
 public:
  explicit peer(interpreter which);
  ~peer();
  peer(const peer&) = delete;
  peer& operator=(const peer&) = delete;

  reply enter(const std::string& kind, const std::filesystem::path& path) { return ask(kind, "enter", path); }
  void leave(const std::string& kind, const std::filesystem::path& path);

 private:
  reply ask(const std::string& kind, const char* verb, const std::filesystem::path& path);

  signal_pipe orders_;
  signal_pipe answers_;
  child_process process_;
};

/// What interpreter::self does: lockkit's locks and Boost's file_lock, obeying on standard input and output.
int obey_as_peer();

}  // namespace testing
