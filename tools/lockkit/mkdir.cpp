/// lockkit mkdir DIR | lockkit mkdir --unique PARENT [--prefix P]
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>

#include <lockkit/directory.hpp>

#include "exit_code.hpp"
#include "file_mode.hpp"
#include "options.hpp"
#include "quick_subcommands.hpp"

namespace lockkit_command {
namespace {

constexpr unsigned any_mode = 07777;

struct mkdir_options {
  std::string directory;
  std::string parent;
  std::string prefix;
  std::optional<std::filesystem::perms> mode;
  bool unique = false;
  bool writable = false;
};

/// Nobody could use or remove a directory whose name was never told.
int make_unique(const mkdir_options& options, const lockkit::directory_options& how) {
  const std::filesystem::path made = lockkit::create_unique_directory(options.parent, options.prefix, how);
  const std::string line = made.native() + "\n";
  ::signal(SIGPIPE, SIG_IGN);
  if (std::fputs(line.c_str(), stdout) >= 0 && std::fflush(stdout) == 0) return done;
  const int error = errno;  // the frame says it
  ::rmdir(made.c_str());
  errno = error;
  return io_error;
}

int make_directory(const mkdir_options& options) {
  const lockkit::directory_options how{.mode = options.mode};
  if (options.unique) {
    return make_unique(options, how);
  }
  if (options.writable) {
    lockkit::ensure_writable_directory(options.directory, how);
  } else {
    lockkit::ensure_directory(options.directory, how);
  }
  return done;
}

constexpr const char* about_mkdir =
    "lockkit mkdir DIR makes it and its parents, also where others make and remove the same ones meanwhile. lockkit "
    "mkdir\n"
    "--unique DIR prints the path of a new one in it: PREFIX, the time, and 128 random bits.";

}  // namespace

void add_mkdir(CLI::App& sub, invocation& call) {
  auto options = std::make_shared<mkdir_options>();
  auto* directory = add_path(sub, "directory", options->directory,
                             "Made with its missing parents, while others do the same; no error if it is there already")
                        ->type_name("DIR");
  auto* unique = add_path(sub, "--unique", options->parent,
                          "Make a new directory in this one, under a name that nobody else has, and print its path")
                     ->type_name("DIR")
                     ->excludes(directory);
  sub.add_option("--prefix", options->prefix, "What that name begins with; the time and 128 random bits follow")
      ->type_name("TEXT")
      ->needs(unique);
  sub.add_flag("--writable", options->writable, "Prove that files can be made and written there; none is left")
      ->excludes(unique);
  add_mode(sub, options->mode, any_mode, "Of directories that are made, whatever the umask; others keep theirs");
  sub.footer(about_mkdir);
  sub.callback([options, directory, unique, &call] {
    options->unique = unique->count() > 0;
    if (directory->empty() && !options->unique) throw CLI::RequiredError("DIR or --unique");
    call.exit_code = make_directory(*options);
  });
}

}  // namespace lockkit_command
