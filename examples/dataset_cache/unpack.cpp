// Unpacking.
//
//  1. Into a directory that is staged beside the wanted one, and gets its place in one step: whoever looks finds all of it or
//     nothing. What a crash leaves is removed by the next unpacking there.
//  2. The note of what was unpacked lies in the tree, so that it comes and goes with it.
//  3. Without --overwrite only an absent name is taken. An empty directory makes way by rmdir, which refuses as soon as
//     anything is in it.
//  4. Nobody is kept waiting: two who unpack the same at once both do the work, and the second finds it done.

#include "unpack.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <locale.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string_view>

#include <lockkit/directory.hpp>
#include <lockkit/error.hpp>
#include <lockkit/publish_directory.hpp>
#include <lockkit/staged_file.hpp>

#include "archive_tree.hpp"
#include "fetching/failure.hpp"
#include "tooling/words.hpp"

namespace dataset_cache {
namespace {

namespace fs = std::filesystem;
using fetching::exit_status;
using fetching::failure;

constexpr const char* note_name = ".dataset_cache";
constexpr std::size_t read_at_once = std::size_t{128} * 1024;

std::string note_for(const lockkit::cache_entry& entry) {
  return fmt::format("unpacked by dataset_cache from the archive of this digest\nsha256 {}\n", entry.sha256());
}

bool holds(const fs::path& directory, const lockkit::cache_entry& entry) {
  const fs::path note = directory / note_name;
  if (!fs::is_directory(fs::symlink_status(directory)) || !fs::is_regular_file(fs::symlink_status(note))) return false;
  std::ifstream in(note);
  return std::string(std::istreambuf_iterator<char>(in), {}) == note_for(entry);
}

bool is_in_the_way(const fs::path& directory) {
  const fs::file_status found = fs::symlink_status(directory);
  return fs::exists(found) && !(fs::is_directory(found) && fs::is_empty(directory));
}

/// libarchive gives names in the locale's characters, and refuses those that it has not: for this thread, it has all.
class utf8_names {
 public:
  utf8_names()
      : locale_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", locale_t{})),
        before_(::uselocale(locale_)) {}  // null, where there is none: the thread's own stays
  ~utf8_names() {
    ::uselocale(before_);
    if (locale_ != locale_t{}) ::freelocale(locale_);
  }
  utf8_names(const utf8_names&) = delete;
  utf8_names& operator=(const utf8_names&) = delete;

 private:
  locale_t locale_;
  locale_t before_;
};

/// Every call of libarchive that goes wrong ends up here.
class archive_reader {
 public:
  explicit archive_reader(const lockkit::cache_entry& entry)
      : label_(entry.key()), file_(reopen(entry)), reader_(archive_read_new(), &archive_read_free) {
    archive_read_support_filter_gzip(reader_.get());
    archive_read_support_filter_xz(reader_.get());
    archive_read_support_filter_zstd(reader_.get());
    archive_read_support_filter_bzip2(reader_.get());
    archive_read_support_format_tar(reader_.get());
    archive_read_support_format_zip(reader_.get());
    check(archive_read_open_fd(reader_.get(), file_.get(), read_at_once));
  }

  /// Null at the end.
  archive_entry* next() {
    archive_entry* member = nullptr;
    const int result = archive_read_next_header(reader_.get(), &member);
    if (result == ARCHIVE_EOF) return nullptr;
    check(result);
    return member;
  }

  /// Null at the end of the member.
  struct block {
    std::span<const char> bytes;
    std::uint64_t offset = 0;
  };
  std::optional<block> read() {
    const void* data = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    const int result = archive_read_data_block(reader_.get(), &data, &size, &offset);
    if (result == ARCHIVE_EOF) return std::nullopt;
    check(result);
    return block{{static_cast<const char*>(data), size}, static_cast<std::uint64_t>(offset)};
  }

 private:
  /// With an offset of its own: the entry's descriptor is shared.
  static tooling::descriptor reopen(const lockkit::cache_entry& entry) {
    const std::string path = fmt::format("/proc/self/fd/{}", entry.native_handle());
    tooling::descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) throw std::system_error(errno, std::system_category(), "cannot read the archive in the cache");
    return file;
  }

  /// A warning (a name that can't be translated, say) means that something of the member is lost: as bad as an error.
  void check(int result) const {
    if (result == ARCHIVE_OK) return;
    const char* why = archive_error_string(reader_.get());
    throw failure(exit_status::bad_data, fmt::format("{}: cannot be unpacked: {}; nothing was", label_,
                                                     tooling::visible(why == nullptr ? "it is damaged" : why)));
  }

  std::string label_;
  tooling::descriptor file_;
  std::unique_ptr<archive, decltype(&archive_read_free)> reader_;
};

std::string text_of(const char* own, const char* utf8) {
  if (utf8 != nullptr) return utf8;
  return own == nullptr ? std::string() : own;
}

/// One archive into one staged directory.
class extraction {
 public:
  extraction(const lockkit::cache_entry& entry, int root, const unpack_options& options)
      : reader_(entry), tree_(root, options.limit), stop_(options.stop) {}

  void run() {
    std::size_t members = 0;
    while (archive_entry* member = reader_.next()) {
      add(member);
      ++members;
    }
    if (members == 0) throw failure(exit_status::bad_data, "the archive is empty; nothing was unpacked");
  }

 private:
  void add(archive_entry* member) {
    const std::string name = text_of(archive_entry_pathname(member), archive_entry_pathname_utf8(member));
    const std::string hard = text_of(archive_entry_hardlink(member), archive_entry_hardlink_utf8(member));
    const auto mode = static_cast<unsigned>(archive_entry_perm(member));
    const auto kind = archive_entry_filetype(member);
    if (!hard.empty()) {
      tree_.add_hard_link(name, hard);
    } else if (kind == AE_IFDIR) {
      tree_.add_directory(name, mode);
    } else if (kind == AE_IFLNK) {
      tree_.add_symlink(name, text_of(archive_entry_symlink(member), archive_entry_symlink_utf8(member)));
    } else if (kind == AE_IFREG) {
      add_file(member, name, mode);
    } else {
      throw failure(exit_status::bad_data,
                    fmt::format("the archive's '{}' is a device, a FIFO or a socket; nothing was unpacked",
                                tooling::visible(name)));
    }
    throw_if_stopped();
  }

  void add_file(archive_entry* member, const std::string& name, unsigned mode) {
    tree_.begin_file(name, mode);
    while (const auto block = reader_.read()) {
      tree_.write(block->bytes, block->offset);
      throw_if_stopped();
    }
    const la_int64_t size = archive_entry_size_is_set(member) != 0 ? archive_entry_size(member) : 0;
    tree_.end_file(static_cast<std::uint64_t>(std::max<la_int64_t>(size, 0)), archive_entry_mtime(member));
  }

  void throw_if_stopped() const {
    if (stop_.stop_requested()) throw failure(exit_status::try_later, "stopped; nothing was unpacked");
  }

  utf8_names names_;
  archive_reader reader_;
  archive_tree tree_;
  std::stop_token stop_;
};

void write_note(const fs::path& staged, const lockkit::cache_entry& entry) {
  const fs::path note = staged / note_name;
  if (fs::exists(fs::symlink_status(note))) {
    throw failure(
        exit_status::bad_data,
        fmt::format("the archive holds a file '{}', which is kept for notes; nothing was unpacked", note_name));
  }
  std::ofstream out(note);
  out << note_for(entry);
  if (!out.flush()) throw std::system_error(errno, std::system_category(), "cannot unpack");
}

fs::path parent_of(const fs::path& directory) {
  return directory.has_parent_path() ? directory.parent_path() : fs::path(".");
}

[[noreturn]] void throw_in_the_way(const fs::path& directory) {
  throw lockkit::error("unpack to", directory, make_error_code(lockkit::errc::destination_differs));
}

}  // namespace

unpack_result unpack(const lockkit::cache_entry& archive, const fs::path& directory, const unpack_options& options) {
  const fs::path target = directory.has_filename() ? directory : directory.parent_path();
  if (holds(target, archive)) return unpack_result::already_there;
  if (!options.overwrite && is_in_the_way(target)) throw_in_the_way(target);
  lockkit::ensure_directory(parent_of(target));
  std::error_code left;  // by whom, and that it can't be removed, is no business of this command
  lockkit::sweep_staged(parent_of(target), std::chrono::minutes(1), left);
  lockkit::staged_directory staged(
      target, {.mode = options.overwrite ? lockkit::publish_mode::replace : lockkit::publish_mode::if_absent});
  extraction(archive, staged.native_handle(), options).run();
  write_note(staged.path(), archive);
  if (!options.overwrite) ::rmdir(target.c_str());
  if (staged.commit() == lockkit::publish_result::published) return unpack_result::unpacked;
  if (!holds(target, archive)) throw_in_the_way(target);
  return unpack_result::already_there;
}

std::string without_archive_suffix(const std::string& file_name) {
  static constexpr std::array<std::string_view, 11> suffixes = {
      ".tar.gz", ".tar.xz", ".tar.zst", ".tar.bz2", ".tgz", ".txz", ".tzst", ".tbz2", ".tar", ".zip", ".tbz"};
  for (const std::string_view suffix : suffixes) {
    if (file_name.size() > suffix.size() && file_name.ends_with(suffix)) {
      return file_name.substr(0, file_name.size() - suffix.size());
    }
  }
  return file_name;
}

}  // namespace dataset_cache
