// What the options want done to a staged file, and when.
//
//  1. Explicit owner and mode at once, while it is empty; so that it is never readable to more than in the end. Where the
//     old file's are to be kept, nobody but the owner may read it until they are.
//  2. The old file's metadata is taken over at the end: what stands there then is what will be replaced.
//  3. Sealing comes last: it gives up the means to write.
//  4. A copy in place of a file that still has a writer is of what stood in it at that moment, as its name says.
#include "publication.hpp"

#include <lockkit/directory.hpp>
#include <lockkit/error.hpp>

#include "metadata.hpp"
#include "platform/attributes.hpp"
#include "platform/inode.hpp"

namespace lockkit::detail {
namespace {

constexpr unsigned any_file = 0666;
constexpr unsigned own_file = 0600;
constexpr int attempts = 32;  // others may remove what was made; as often as ensure_directory bears that

}  // namespace

publish_target locate(const std::filesystem::path& path, const publish_options& options, std::error_code& ec) {
  publish_target found = find_target(path, options.symlinks, ec);
  const std::filesystem::path parent = path.parent_path();
  for (int attempt = 0; attempt < attempts && options.create_parents && !parent.empty(); ++attempt) {
    if (ec != std::errc::no_such_file_or_directory) break;
    ensure_directory(parent, {}, ec);
    if (ec) return {};
    found = find_target(path, options.symlinks, ec);
  }
  return found;
}

/// To create with: at no time more than in the end.
unsigned publication::creation_mode(std::error_code& ec) const noexcept {
  if (options_.permissions) return static_cast<unsigned>(*options_.permissions) & any_file;
  if (options_.metadata == metadata_policy::fresh) return any_file;
  static_cast<void>(platform::facts_at(directory_, name(), ec));
  const bool nothing = ec == std::errc::no_such_file_or_directory;
  if (nothing) ec.clear();
  return nothing ? any_file : own_file;
}

void publication::open(std::error_code& ec) {
  for (int attempt = 0; attempt < attempts; ++attempt) {
    target_ = locate(path_, options_, ec);
    if (ec) return;
    open_in(target_.directory.get(), std::string(target_.name), ec);
    if (!options_.create_parents || ec != std::errc::no_such_file_or_directory) return;
  }
}

void publication::open_in(int directory, std::string name, std::error_code& ec) {
  directory_ = directory;
  target_.name = std::move(name);
  ec.clear();
  const unsigned mode = creation_mode(ec);
  if (!ec) file_ = staging(directory_, target_.name, ec, {.mode = mode});
  if (!ec) dress(file_, ec);
}

/// Owner first: a change of owner takes set-ID bits away.
void publication::dress(staging& file, std::error_code& ec) const noexcept {
  const file_owner& owner = options_.owner;
  if (owner.user || owner.group) {
    file.set_owner(owner.user.value_or(platform::same_owner), owner.group.value_or(platform::same_owner), ec);
  }
  if (!ec && options_.permissions) file.set_permissions(static_cast<unsigned>(*options_.permissions), ec);
}

void publication::take_over(staging& file, std::error_code& ec) {
  if (options_.metadata == metadata_policy::fresh) return;
  take_over_metadata(directory_, name(), options_.metadata, file, report_, ec);
  if (!ec) dress(file, ec);
}

void publication::complete(std::error_code& ec) {
  ec.clear();
  take_over(file_, ec);
  if (!ec && options_.seal) seal(ec);
}

void publication::seal(std::error_code& ec) {
  switch (file_.seal(ec)) {
    case seal_state::sealed:
      report_.seal = seal_result::sealed;
      break;
    case seal_state::unknown:
      report_.seal = seal_result::unsealed;
      break;
    case seal_state::writer_remains:
      copy_to_fresh_file(ec);
      break;
  }
}

/// Rule 4.
void publication::copy_to_fresh_file(std::error_code& ec) {
  const platform::inode_facts given_up = platform::facts(file_.fd(), ec);
  if (ec) return;
  staging fresh(directory_, target_.name, ec, {.mode = given_up.mode & own_file});
  if (ec) return;
  const std::uint64_t copied = platform::copy_file(file_.fd(), fresh.fd(), ec);
  fresh.written_elsewhere();
  if (!ec && copied != given_up.size) ec = errc::integrity_mismatch;
  if (!ec) fresh.set_permissions(given_up.mode & 07777U, ec);
  if (!ec) dress(fresh, ec);
  if (!ec) take_over(fresh, ec);
  if (!ec && fresh.seal(ec) == seal_state::writer_remains) {
    ec = std::make_error_code(std::errc::device_or_resource_busy);
  }
  if (ec) return;
  file_ = std::move(fresh);
  report_.seal = seal_result::copied;
}

publish_result publication::commit(durability level, std::error_code& ec) {
  complete(ec);
  return ec ? publish_result::published : file_.publish_as(directory_, name(), options_.mode, level, ec);
}

void publication::discard() noexcept {
  file_.discard();
  target_.directory.reset();
}

}  // namespace lockkit::detail
