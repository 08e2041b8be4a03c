// Mode, owner, ACL, extended attributes and the seal of what is published.
#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include <lockkit/error.hpp>
#include <lockkit/staged_file.hpp>

#include "fs/staging_support.hpp"
#include "support/catch.hpp"
#include "support/power_cut.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using lockkit::durability;
using lockkit::metadata_policy;
using lockkit::publish_options;
using lockkit::publish_report;
using lockkit::seal_result;
using lockkit::staged_file;
using testing::read_file;
using testing::write_file;

namespace {

namespace fs = std::filesystem;

constexpr publish_options keeping{.metadata = metadata_policy::preserve};
constexpr const char* access_list = "system.posix_acl_access";

struct stat look(const fs::path& file) {
  struct stat found{};
  if (::lstat(file.c_str(), &found) != 0) throw std::runtime_error("no " + file.string());
  return found;
}

unsigned mode_of(const fs::path& file) {
  return look(file).st_mode & 07777U;
}

publish_report replace_with(const fs::path& target, const publish_options& options, std::error_code& ec) {
  staged_file staged(target, options, ec);
  if (!ec) staged.write(testing::bytes("new"), ec);
  if (!ec) staged.commit(durability::visible, ec);
  return staged.report();
}

publish_report replace_with(const fs::path& target, const publish_options& options) {
  std::error_code ec;
  const publish_report report = replace_with(target, options, ec);
  if (ec) throw std::system_error(ec, target.string());
  return report;
}

/// An ACL as the kernel stores it: version 2, then tag, permissions and id of each entry.
using list_entry = std::array<std::uint32_t, 2>;
std::vector<std::uint32_t> access_list_of(std::initializer_list<list_entry> entries) {
  std::vector<std::uint32_t> list = {2};
  for (const list_entry& entry : entries) list.insert(list.end(), entry.begin(), entry.end());
  return list;
}
constexpr std::uint32_t no_id = 0xffffffff;
/// The owner rw, user 1234 rw, the group nothing, mask rw, others nothing.
std::vector<std::uint32_t> one_more_user() {
  return access_list_of(
      {{0x00060001, no_id}, {0x00060002, 1234}, {0x00000004, no_id}, {0x00060010, no_id}, {0x00000020, no_id}});
}
bool set_list(const fs::path& file, const char* kind, const std::vector<std::uint32_t>& list) {
  return ::setxattr(file.c_str(), kind, list.data(), list.size() * sizeof(std::uint32_t), 0) == 0;
}
std::vector<std::uint32_t> list_of(const fs::path& file) {
  std::vector<std::uint32_t> list(64);
  const ssize_t size = ::getxattr(file.c_str(), access_list, list.data(), list.size() * sizeof(std::uint32_t));
  list.resize(size < 0 ? 0 : static_cast<std::size_t>(size) / sizeof(std::uint32_t));
  return list;
}

/// What `body` returns in a child that has become user and group 1000.
int as_user(const std::function<int()>& body) {
  return testing::child_process([&] {
           if (::setgroups(0, nullptr) != 0 || ::setgid(1000) != 0 || ::setuid(1000) != 0) return 98;
           return body();
         })
      .wait();
}

bool is_root() {
  if (::geteuid() == 0) return true;
  WARN("needs root to have files of other users");
  return false;
}

}  // namespace

TEST_CASE("what is replaced keeps its mode, its owner and its attributes on request, and loses them otherwise") {
  const testing::scratch_directory place;
  const fs::path f = place / "f";
  const auto prepare = [&] {
    write_file(f, "old");
    fs::permissions(f, fs::perms(0640));
    if (::geteuid() == 0) REQUIRE(::chown(f.c_str(), 1000, 1001) == 0);
    return ::setxattr(f.c_str(), "user.note", "kept", 4, 0) == 0;
  };
  const bool attributes = prepare();
  const publish_report report = replace_with(f, keeping);
  CHECK((report.owner_kept && report.attributes_kept));
  CHECK(read_file(f) == "new");
  CHECK(mode_of(f) == 0640U);
  if (::geteuid() == 0) CHECK((look(f).st_uid == 1000U && look(f).st_gid == 1001U));
  std::array<char, 8> note{};
  if (attributes) CHECK(::getxattr(f.c_str(), "user.note", note.data(), note.size()) == 4);
  replace_with(f, {});
  CHECK(look(f).st_uid == ::geteuid());
  CHECK(::getxattr(f.c_str(), "user.note", note.data(), note.size()) == -1);
  replace_with(place / "new", keeping);
  replace_with(place / "plain", {});
  CHECK(mode_of(place / "new") == mode_of(place / "plain"));
}

TEST_CASE("an ACL is kept whole, and one that the directory would have added is not") {
  const testing::scratch_directory place;
  write_file(place / "listed", "old");
  write_file(place / "plain", "old");
  fs::permissions(place / "plain", fs::perms(0660));
  const auto inherited = access_list_of(
      {{0x00070001, no_id}, {0x00070002, 4321}, {0x00070004, no_id}, {0x00070010, no_id}, {0x00070020, no_id}});
  if (!set_list(place / "listed", access_list, one_more_user()) ||
      !set_list(place.path(), "system.posix_acl_default", inherited)) {
    WARN("no ACL on this filesystem");
    return;
  }
  CHECK(replace_with(place / "listed", keeping).attributes_kept);
  CHECK(list_of(place / "listed") == one_more_user());
  CHECK(replace_with(place / "plain", keeping).attributes_kept);
  CHECK(list_of(place / "plain").empty());
  CHECK(mode_of(place / "plain") == 0660U);
}

TEST_CASE("who may not give files away publishes his own, whose group has no more rights than everybody") {
  if (!is_root()) return;
  const testing::scratch_directory place;
  fs::permissions(place.path(), fs::perms(0777));
  const fs::path f = place / "f";
  write_file(f, "old");
  REQUIRE(::chown(f.c_str(), 1001, 1001) == 0);
  fs::permissions(f, fs::perms(06674));
  const auto result = as_user([&] {
    std::error_code ec;
    replace_with(f, {.metadata = metadata_policy::preserve_or_fail}, ec);
    if (ec != std::errc::operation_not_permitted) return 1;
    if (read_file(f) != "old") return 2;
    const publish_report report = replace_with(f, keeping, ec);
    return !ec && !report.owner_kept && report.attributes_kept ? 0 : 3;
  });
  CHECK(result == 0);
  CHECK(read_file(f) == "new");
  CHECK(mode_of(f) == 0644U);  // the old group's 7 is not for the new one; no set-ID
  CHECK(look(f).st_uid == 1000U);
  CHECK(place.names().size() == 1);
}

TEST_CASE("rights that an unreadable file's ACL might have withheld are not given to its group") {
  if (!is_root()) return;
  const testing::scratch_directory place;
  fs::permissions(place.path(), fs::perms(0777));
  write_file(place / "f", "old");
  fs::permissions(place / "f", fs::perms(0260));
  REQUIRE(::chown((place / "f").c_str(), 1000, 1000) == 0);
  const auto result = as_user([&] {
    std::error_code ec;
    const publish_report report = replace_with(place / "f", keeping, ec);
    return !ec && report.owner_kept && !report.attributes_kept ? 0 : 1;
  });
  CHECK(result == 0);
  CHECK((mode_of(place / "f") & 0077U) == 0U);
}

TEST_CASE("while it is written nobody may read it who may not read the file that it replaces") {
  const testing::scratch_directory place;
  write_file(place / "f", "old");
  fs::permissions(place / "f", fs::perms(0600));
  const mode_t before = ::umask(0);
  const staged_file kept(place / "f", keeping);
  const staged_file fresh(place / "g", keeping);
  ::umask(before);
  const auto staged_mode = [](const staged_file& staged) {
    struct stat found{};
    ::fstat(staged.native_handle(), &found);
    return found.st_mode & 0777U;
  };
  CHECK(staged_mode(kept) == 0600U);
  CHECK(staged_mode(fresh) == 0666U);
}

#if defined(LOCKKIT_FAULT_INJECTION)
TEST_CASE("what is kept is all of one file, though another takes its place in that moment") {
  const testing::scratch_directory place(testing::memory_directory());
  for (std::uint64_t i = 1; i <= 4; ++i) {
    testing::write_file(place / "f", "has no attribute");
    testing::write_file(place / "g", "has one");
    fs::permissions(place / "f", fs::perms(0660));
    fs::permissions(place / "g", fs::perms(0600));
    if (::setxattr((place / "g").c_str(), "trusted.lockkit", "1", 1, 0) != 0) {
      WARN("no attributes here");
      return;
    }
    const testing::signal_pipe reached;
    const testing::signal_pipe resume;
    testing::child_process child([&] {
      lockkit::staged_file staged(place / "f", {.metadata = lockkit::metadata_policy::preserve});
      lockkit::platform::fault::arm({.what = lockkit::platform::fault::action::stop,
                                     .nth = i,
                                     .announce_fd = reached.write_end(),
                                     .resume_fd = resume.read_end()});
      staged.commit(lockkit::durability::visible);
      return 0;
    });
    reached.receive();
    fs::rename(place / "g", place / "f");
    resume.send();
    CHECK(child.wait() == 0);
    const bool has_attribute = ::getxattr((place / "f").c_str(), "trusted.lockkit", nullptr, 0) == 1;
    INFO("replaced before call " << i);
    CHECK(fs::status(place / "f").permissions() == fs::perms(has_attribute ? 0600 : 0660));
    fs::remove(place / "f");
  }
}
#endif

TEST_CASE("an owner that was asked for is had before the first byte, or nothing is staged") {
  if (!is_root()) return;
  const testing::scratch_directory place;
  fs::permissions(place.path(), fs::perms(0777));
  const publish_options theirs{.permissions = fs::perms(04750), .owner = {.user = 1000, .group = 1001}};
  {
    const staged_file staged(place / "f", theirs);
    struct stat found{};
    REQUIRE(::fstat(staged.native_handle(), &found) == 0);
    CHECK((found.st_uid == 1000U && found.st_gid == 1001U && found.st_size == 0));
  }
  replace_with(place / "f", theirs);
  CHECK((look(place / "f").st_uid == 1000U && look(place / "f").st_gid == 1001U));
  CHECK(mode_of(place / "f") == 04750U);
  CHECK(as_user([&] {
          std::error_code ec;
          replace_with(place / "g", {.owner = {.user = 1001}}, ec);
          return ec == std::errc::operation_not_permitted ? 0 : 1;
        }) == 0);
  CHECK(place.names() == std::set<std::string>{"f"});
}

TEST_CASE("what is asked for goes before what is preserved") {
  const testing::scratch_directory place;
  write_file(place / "f", "old");
  fs::permissions(place / "f", fs::perms(0600));
  replace_with(place / "f", {.permissions = fs::perms(0640), .metadata = metadata_policy::preserve});
  CHECK(mode_of(place / "f") == 0640U);
}

TEST_CASE("sealed means that nobody can write to what was published, a forked child that kept it open included") {
  const testing::scratch_directory place;
  const publish_options sealing{.permissions = fs::perms(0640), .seal = true};
  CHECK(replace_with(place / "f", {}).seal == seal_result::not_asked);
  CHECK(replace_with(place / "f", sealing).seal == seal_result::sealed);
  for (const durability level : testing::every_level) {
    staged_file staged(place / "f", sealing);
    staged.write("the content");
    testing::signal_pipe published;
    testing::signal_pipe ready;
    testing::child_process writer([&] {
      ready.send();
      published.receive();
      return ::pwrite(staged.native_handle(), "XXX", 3, 0) == 3 ? 0 : 1;  // it has it open still
    });
    ready.receive();
    staged.commit(level);
    CHECK(staged.report().seal == seal_result::copied);
    published.send();
    CHECK(writer.wait() == 0);
    CHECK(read_file(place / "f") == "the content");
    CHECK(mode_of(place / "f") == 0640U);
    CHECK(place.names() == std::set<std::string>{"f"});
  }
}

#if defined(LOCKKIT_FAULT_INJECTION)
TEST_CASE(
    "each call of publishing with everything asked for failing once leaves the old file or the new one, complete") {
  namespace fault = lockkit::platform::fault;
  const testing::scratch_directory place(testing::memory_directory());
  const fs::path f = place / "f";
  const publish_options everything{.metadata = metadata_policy::preserve, .seal = true};
  const auto prepare = [&] {
    fs::remove(f);
    write_file(f, "old");
    fs::permissions(f, fs::perms(0640));
    static_cast<void>(set_list(f, access_list, one_more_user()));
  };
  prepare();
  fault::start_recording();
  replace_with(f, everything);
  const auto calls = fault::stop_recording();
  for (std::uint64_t i = 1; i <= calls.size(); ++i) {
    for (const int error : {EIO, EPERM, EOPNOTSUPP, ENOSPC, EINTR}) {
      prepare();
      const auto descriptors = testing::open_descriptors();
      std::error_code ec;
      fault::arm({.what = fault::action::fail, .nth = i, .error = error});
      const publish_report report = replace_with(f, everything, ec);
      fault::disarm();
      INFO(calls[i - 1] << " (call " << i << ") fails with " << error << ": " << ec.message());
      CHECK(read_file(f) == (ec ? "old" : "new"));
      CHECK((mode_of(f) & 0007U) == 0U);
      const bool no_attributes_here = calls[i - 1] == "flistxattr" && error == EOPNOTSUPP;
      const bool kept = list_of(f) == one_more_user() || no_attributes_here;
      CHECK((ec || kept || !report.attributes_kept));
      if (!ec && !kept) CHECK((mode_of(f) & 0070U) == 0U);
      CHECK(place.names() == std::set<std::string>{"f"});
      CHECK(testing::open_descriptors() == descriptors);
    }
  }
}
#endif

TEST_CASE("after a power cut a file published with everything asked for is the old or the new one, with its metadata") {
  if (!is_root()) return;
  const std::vector<testing::bystander> others = testing::bystanders_to_try();
  const bool in_full = others.size() > 2;
  for (const durability level : {durability::durable, durability::consistent}) {
    if (level == durability::consistent && !in_full) break;
    testing::on_every_power_cut(
        in_full ? others : std::vector{testing::bystander::syncs_a_file},
        [](const fs::path& root) {
          write_file(root / "f", "old");
          fs::permissions(root / "f", fs::perms(0640));
          REQUIRE(::chown((root / "f").c_str(), 1000, 1001) == 0);
          static_cast<void>(set_list(root / "f", access_list, one_more_user()));
        },
        [&](const fs::path& root) {
          lockkit::publish(root / "f", std::string_view("new"), level,
                           {.metadata = metadata_policy::preserve_or_fail, .seal = true});
        },
        [&](const testing::power_cut& cut) {
          INFO(describe(cut) << ", level " << static_cast<int>(level));
          const std::string found = read_file(cut.root / "f");
          CHECK((found == "old" || found == "new"));
          if (cut.finished && level == durability::durable) CHECK(found == "new");
          CHECK((look(cut.root / "f").st_uid == 1000U && look(cut.root / "f").st_gid == 1001U));
          CHECK(list_of(cut.root / "f") == one_more_user());
        });
  }
}
