#include "repository.hpp"

#include <fmt/format.h>

#include "git.hpp"
#include "text.hpp"
#include "tooling/failure.hpp"

namespace status_board {

namespace fs = std::filesystem;
using tooling::exit_status;
using tooling::failure;

namespace {

[[noreturn]] void refuse(const fs::path& path, std::string_view reason) {
  throw failure(exit_status::no_input, fmt::format("'{}': {}", printable(path.native()), reason));
}

fs::path ask(const git& program, const char* which) {
  return program.text({.arguments = {"rev-parse", "--path-format=absolute", which}});
}

}  // namespace

repository open_repository(const fs::path& path) {
  std::error_code ec;
  repository found;
  found.checkout = fs::canonical(path, ec);
  if (ec) refuse(path, ec.message());
  clean_environment(found.checkout.parent_path());
  const fs::path dot_git = found.checkout / ".git";
  const fs::file_status kind = fs::status(dot_git, ec);
  if (fs::is_directory(kind)) {
    found.git_dir = found.common_dir = fs::canonical(dot_git, ec);
    if (ec) refuse(path, ec.message());
    return found;
  }
  if (!fs::is_regular_file(kind)) {
    const bool bare = fs::exists(found.checkout / "HEAD", ec) && fs::is_directory(found.checkout / "objects", ec);
    refuse(path, bare ? "it is a bare repository; give a checkout" : "it is not the top of a git checkout (no .git)");
  }
  const git program(found.checkout);
  found.git_dir = ask(program, "--git-dir");
  found.common_dir = ask(program, "--git-common-dir");
  return found;
}

}  // namespace status_board
