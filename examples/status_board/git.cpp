#include "git.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

#include "text.hpp"
#include "tooling/client_call.hpp"
#include "tooling/descriptor.hpp"
#include "tooling/failure.hpp"

namespace status_board {

using tooling::descriptor;
using tooling::exit_status;
using tooling::failure;

namespace {

[[noreturn]] void fail(const char* call) {
  throw std::system_error(errno, std::system_category(), call);
}

/// A file in memory, so that nobody has to write while somebody reads.
descriptor file_with(std::string_view text) {
  descriptor file(::memfd_create("input", MFD_CLOEXEC));
  if (!file) fail("memfd_create");
  while (!text.empty()) {
    const ssize_t count = ::write(file.get(), text.data(), text.size());
    if (count < 0 && errno != EINTR) fail("write");
    if (count > 0) text.remove_prefix(static_cast<std::size_t>(count));
  }
  if (::lseek(file.get(), 0, SEEK_SET) != 0) fail("lseek");
  return file;
}

/// Of the whole call, for messages: the first word that is no option.
std::string name_of(const git::call& what) {
  return fmt::format("git {}", what.arguments.front());
}

}  // namespace

void clean_environment(const std::filesystem::path& ceiling) {
  std::vector<std::string> unwanted = {"SSH_ASKPASS"};
  for (char** each = environ; *each != nullptr; ++each) {
    const std::string_view entry = *each;
    if (entry.starts_with("GIT_")) unwanted.emplace_back(entry.substr(0, entry.find('=')));
  }
  for (const std::string& name : unwanted) ::unsetenv(name.c_str());
  for (const auto& [name, value] : std::map<std::string, std::string>{{"LC_ALL", "C"},
                                                                      {"GIT_TERMINAL_PROMPT", "0"},
                                                                      {"GIT_OPTIONAL_LOCKS", "0"},
                                                                      {"GIT_LITERAL_PATHSPECS", "1"},
                                                                      {"GIT_NO_REPLACE_OBJECTS", "1"},
                                                                      {"GIT_CEILING_DIRECTORIES", ceiling.native()},
                                                                      {"SSH_ASKPASS_REQUIRE", "never"}}) {
    ::setenv(name.c_str(), value.c_str(), 1);
  }
}

std::string git_answer::complaint() const {
  std::string_view said = err.empty() ? std::string_view(out) : std::string_view(err);
  while (said.ends_with('\n')) said.remove_suffix(1);
  std::string line = printable(said.substr(0, 1000));
  for (std::size_t at = 0; (at = line.find("\\x0a", at)) != std::string::npos;) line.replace(at, 4, "; ");
  return line.empty() ? fmt::format("exit status {}", status) : line;
}

git_answer git::run(const call& what) const {
  std::vector<std::string> words = {"git",
                                    "-C",
                                    checkout_.native(),
                                    "-c",
                                    "core.hooksPath=/dev/null",
                                    "-c",
                                    "core.askPass=",
                                    "-c",
                                    "core.fsmonitor=false",
                                    "-c",
                                    "gc.auto=0",
                                    "-c",
                                    "maintenance.auto=false",
                                    "-c",
                                    "core.quotePath=false",
                                    "-c",
                                    "advice.detachedHead=false"};
  words.insert(words.end(), what.arguments.begin(), what.arguments.end());
  const descriptor input = file_with(what.input);
  tooling::client_answer said = tooling::call_program({.arguments = words,
                                                       .environment = what.environment,
                                                       .directory = {},
                                                       .descriptors = {{input.get(), STDIN_FILENO}}},
                                                      what.timeout);
  if (!said.started) throw failure(exit_status::unavailable, said.errors);
  if (!said.ended) {
    throw failure(exit_status::unavailable, fmt::format("{} did not end within {} s", name_of(what),
                                                        std::chrono::duration<double>(what.timeout).count()));
  }
  return {said.status, std::move(said.output), std::move(said.errors)};
}

std::string git::text(const call& what) const {
  git_answer answer = run(what);
  if (!answer.ok()) throw failure(exit_status::io_error, fmt::format("{}: {}", name_of(what), answer.complaint()));
  if (answer.out.ends_with('\n')) answer.out.pop_back();
  return answer.out;
}

std::vector<std::string> split_at_nul(std::string_view output) {
  std::vector<std::string> parts;
  while (!output.empty()) {
    const std::size_t end = output.find('\0');
    parts.emplace_back(output.substr(0, end));
    if (end == std::string_view::npos) break;
    output.remove_prefix(end + 1);
  }
  return parts;
}

}  // namespace status_board
