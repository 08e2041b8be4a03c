/// lockkit publish TARGET < data, or lockkit publish TARGET -- COMMAND…
///
///  1. The target changes after the end of the data was seen, and only if nothing went wrong until then: an input that
///     can't be read, a full disk, an input of another length than --size says, a COMMAND that fails.
///  2. A pipe whose writer was killed ends like one whose writer has finished. Who can't know the length gives the
///     COMMAND to us: its exit code tells.
///  3. A standard input that is closed is no empty input.
///  4. What --preserve could not keep is said, and no error: the file is as good as this user could make it.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <optional>

#include <lockkit/if_unchanged.hpp>
#include <lockkit/staged_file.hpp>

#include "bytes.hpp"
#include "exit_code.hpp"
#include "file_mode.hpp"
#include "message.hpp"
#include "options.hpp"
#include "piped_command.hpp"
#include "positionals.hpp"
#include "quick_subcommands.hpp"

namespace lockkit_command {
namespace {

constexpr unsigned file_modes = 0777;
constexpr std::uint64_t any_size = std::numeric_limits<std::uint64_t>::max();

struct publish_arguments {
  std::string target;
  lockkit::durability level = lockkit::durability::consistent;
  bool if_absent = false;
  bool create_parents = false;
  bool preserve = false;
  bool print_version = false;
  std::optional<lockkit::file_version> if_unchanged;
  lockkit::rivals rivals = lockkit::rivals::cooperating;
  std::chrono::nanoseconds timeout = std::chrono::seconds(60);
  std::optional<std::filesystem::perms> mode;
  std::uint64_t size = any_size;
  std::vector<std::string> command;
};

std::string unchanged(const publish_arguments& given) {
  return in_quotes(given.target) + " is left as it was";
}

/// Waits where the descriptor was set not to block by somebody who shares it.
bool may_try_again(int descriptor) noexcept {
  if (errno == EINTR) return true;
  if (errno != EAGAIN && errno != EWOULDBLOCK) return false;
  pollfd waited = {descriptor, POLLIN, 0};
  return ::poll(&waited, 1, -1) >= 0 || errno == EINTR;
}

/// Whether `stop` can be read, before there is anything to copy. -1: never.
bool is_stopped(int descriptor, int stop) noexcept {
  std::array<pollfd, 2> waited = {{{descriptor, POLLIN, 0}, {stop, POLLIN, 0}}};
  return stop >= 0 && ::poll(waited.data(), waited.size(), -1) > 0 && waited[0].revents == 0;
}

/// To the end, or until `stop` can be read; 0, or the error of reading.
int copy_all(int descriptor, lockkit::staged_file& out, int stop = -1) {
  std::array<std::byte, 65536> buffer{};
  while (!is_stopped(descriptor, stop)) {
    const ssize_t got = ::read(descriptor, buffer.data(), buffer.size());
    if (got == 0) return 0;
    if (got > 0) {
      out.write(std::span(buffer.data(), static_cast<std::size_t>(got)));
    } else if (!may_try_again(descriptor)) {
      return errno;
    }
  }
  return 0;
}

int say_other_version(const publish_arguments& given, const lockkit::unchanged_outcome& outcome) {
  if (outcome.result == lockkit::unchanged_result::busy) {
    say("others were publishing {} all the time; it is as they left it: try again", in_quotes(given.target));
    return not_in_time;
  }
  say("{} is not the version that --if-unchanged names: it was left alone", in_quotes(given.target));
  if (!outcome.displaced.empty()) {
    say("two others replaced it in this moment: the latest is there, the other one in {}",
        in_quotes(outcome.displaced));
  }
  return answer_is_no;
}

int commit_if_unchanged(const publish_arguments& given, lockkit::staged_file& out) {
  const lockkit::unchanged_outcome outcome = lockkit::commit_if_unchanged(
      out, *given.if_unchanged, {.level = given.level, .against = given.rivals, .timeout = given.timeout});
  return outcome.result == lockkit::unchanged_result::published ? done : say_other_version(given, outcome);
}

int commit_in_any_case(const publish_arguments& given, lockkit::staged_file& out) {
  if (out.commit(given.level) == lockkit::publish_result::published) return done;
  say("{} exists already, and --if-absent was asked for: nothing was changed", in_quotes(given.target));
  return answer_is_no;
}

/// Rule 4.
void say_what_was_not_kept(const publish_arguments& given, const lockkit::publish_report& report) {
  if (!report.owner_kept)
    say("{} has another owner or group now: this user may not give it away", in_quotes(given.target));
  if (!report.attributes_kept) say("not all attributes of {} could be kept", in_quotes(given.target));
}

int commit(const publish_arguments& given, lockkit::staged_file& out) {
  if (given.size != any_size && out.size() != given.size) {
    say("cannot publish {}: {} bytes were promised by --size, but {} came; {}", in_quotes(given.target), given.size,
        out.size(), unchanged(given));
    return bad_data;
  }
  const int code = given.if_unchanged ? commit_if_unchanged(given, out) : commit_in_any_case(given, out);
  if (code == done) say_what_was_not_kept(given, out.report());
  return code;
}

int say_unreadable(const publish_arguments& given, const char* what, int error) {
  say("cannot read {} for {}: {}; {}", what, in_quotes(given.target), std::strerror(error), unchanged(given));
  return io_error;
}

int publish_input(const publish_arguments& given, lockkit::staged_file& out) {
  const int error = copy_all(STDIN_FILENO, out);
  return error == 0 ? commit(given, out) : say_unreadable(given, "standard input", error);
}

int publish_output(const publish_arguments& given, lockkit::staged_file& out) {
  int error = 0;
  const int code = run_piped(given.command, [&](int output, int stop) { error = copy_all(output, out, stop); });
  if (error != 0) return say_unreadable(given, "the command's output", error);
  if (code == 0) return commit(given, out);
  say("{} failed with {}; {}", in_quotes(given.command[0]), code, unchanged(given));
  return code;
}

int print_version(const publish_arguments& given) {
  fmt::print("{}\n", lockkit::version_of(given.target).text());
  return done;
}

int publish(const publish_arguments& given) {
  // What the frame opened in place of a closed one would not survive an exec; no stream that was handed to us is so.
  const bool has_input = (::fcntl(STDIN_FILENO, F_GETFD) & FD_CLOEXEC) == 0;
  if (!has_input && given.command.empty()) return say_unreadable(given, "standard input", EBADF);  // rule 3
  lockkit::publish_options how{.permissions = given.mode, .create_parents = given.create_parents};
  if (given.preserve) how.metadata = lockkit::metadata_policy::preserve;
  if (given.if_absent) how.mode = lockkit::publish_mode::if_absent;
  lockkit::staged_file out(given.target, how);
  return given.command.empty() ? publish_input(given, out) : publish_output(given, out);
}

constexpr const char* about_publish =
    "Readers see the old content or the new, never a part. The file changes after the end of the data was seen, and "
    "only if\n"
    "nothing went wrong until then: an input that can't be read or is not as long as --size says, a full disk, a "
    "COMMAND that\n"
    "fails (its exit code is passed on, so that 1 with --if-absent may be COMMAND's) leave it as it was. A pipe whose "
    "writer was killed ends like any other: where "
    "that\n"
    "matters, give the COMMAND to publish instead of a pipe. A symbolic link is replaced itself. A FILE that begins "
    "with '-':\n"
    "publish -- FILE, or publish -- FILE -- COMMAND.\n"
    "\n"
    "To change a file that others change, too, take its version before reading it, and say it when publishing; exit "
    "code "
    "1 means that\n"
    "somebody was quicker, and the file was left alone:\n"
    "  version=$(lockkit publish --print-version FILE); edit < FILE > new; lockkit publish --if-unchanged $version "
    "FILE "
    "< new\n"
    "With --rivals any, programs that rename a file of theirs over it are not overwritten either; that needs a "
    "filesystem "
    "that can\n"
    "exchange names. The hidden file .FILE.update.guard stays.";

CLI::Option* add_version(CLI::App& sub, publish_arguments& given) {
  const auto parse = [&given](const std::string& text) {
    given.if_unchanged = lockkit::file_version::parse(text);
    if (!given.if_unchanged) throw CLI::ValidationError("--if-unchanged", "'" + text + "' is no version of a file");
  };
  return sub
      .add_option_function<std::string>(
          "--if-unchanged", parse,
          "Only if the file is still this version, as --print-version says it; exit code 1 if it is not")
      ->type_name("VERSION");
}

void add_conditions(CLI::App& sub, publish_arguments& given) {
  using lockkit::rivals;
  CLI::Option* const absent =
      sub.add_flag("--if-absent", given.if_absent, "Only if nothing is there yet; exit code 1 if something is");
  CLI::Option* const version = add_version(sub, given)->excludes(absent);
  add_choice<rivals>(sub, "--rivals", given.rivals, {{"cooperating", rivals::cooperating}, {"any", rivals::any}},
                     "Whom --if-unchanged minds: those who use it, too, or whoever replaces the file; default: "
                     "cooperating")
      ->needs(version);
  add_duration(sub, "--timeout", given.timeout, "How long --if-unchanged waits for others who publish; default: 60")
      ->needs(version);
  sub.add_flag("--print-version", given.print_version,
               "Publish nothing, print the version of the file: one word, \"absent\" if it does not exist");
}

}  // namespace

void add_publish(CLI::App& sub, invocation& call) {
  using lockkit::durability;
  auto given = std::make_shared<publish_arguments>();
  CLI::Option* const target =
      add_path(sub, "target", given->target, "The file that gets the standard input, or what COMMAND prints")
          ->type_name("FILE");
  add_choice<durability>(
      sub, "--durability", given->level,
      {{"visible", durability::visible},
       {"consistent", durability::consistent},
       {"durable", durability::durable},
       {"durable_path", durability::durable_path}},
      "What a power cut may leave: an empty file, the old or the new, only the new, only the new in new directories; "
      "default: consistent");
  add_conditions(sub, *given);
  sub.add_flag("--create-parents", given->create_parents, "Make missing directories of the path");
  sub.add_flag("--preserve", given->preserve,
               "Keep the mode, owner, ACL and attributes of the file that is replaced, as far as this user may");
  add_bytes(sub, "--size", given->size, "So much must come, or the file stays as it was");
  add_mode(sub, given->mode, file_modes, "Of the file; default: as the umask says");
  sub.footer(about_publish);
  sub.callback([given, target, &call] {
    given->command = std::move(call.command);
    complete({{target, &given->target}}, given->command);
    call.exit_code = given->print_version ? print_version(*given) : publish(*given);
  });
}

}  // namespace lockkit_command
