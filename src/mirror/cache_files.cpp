#include "cache_files.hpp"

#include <fcntl.h>

#include "content.hpp"
#include "digest.hpp"
#include "platform/listing.hpp"

namespace lockkit::detail {

namespace fs = std::filesystem;

std::vector<fs::path> list_directory(const fs::path& directory, std::error_code& ec) {
  std::vector<fs::path> found;
  fs::directory_iterator at(directory, ec);
  for (; !ec && at != fs::directory_iterator(); at.increment(ec)) found.push_back(at->path());
  if (ec == std::errc::no_such_file_or_directory) ec.clear();
  if (ec) found.clear();  // a part must not pass for all, where the next call clears the code
  return found;
}

std::vector<fs::path> list_shards(const cache_layout& layout, char part, std::error_code& ec) {
  std::vector<fs::path> shards = list_directory(layout.part_path(part), ec);
  std::erase_if(shards, [](const fs::path& path) { return path.filename().native().size() != 2; });
  return shards;
}

void visit_files(const cache_layout& layout, char part, const std::function<void(const cache_file&)>& visit,
                 std::error_code& ec) {
  for (const fs::path& shard : list_shards(layout, part, ec)) {
    const std::vector<fs::path> files = list_directory(shard, ec);
    if (ec) return;  // passing over it, a sweep would take what its records name
    for (const fs::path& file : files) {
      std::string name = file.filename().native();
      if (is_digest(name)) visit({file.native(), std::move(name)});
      if (ec) return;
    }
  }
}

std::vector<cache_file> files_in_part(const cache_layout& layout, char part, std::error_code& ec) {
  std::vector<cache_file> files;
  ec.clear();
  visit_files(layout, part, [&](const cache_file& file) { files.push_back(file); }, ec);
  return files;
}

file_stamp stamp_at(const std::string& path, std::error_code& ec) {
  const platform::entry_state found = platform::state_at(AT_FDCWD, path.c_str(), platform::freshness::cached, ec);
  return {found.device, found.inode, found.size, found.modified_ns, found.changed_ns};
}

std::chrono::system_clock::time_point time_of(std::int64_t nanoseconds) noexcept {
  using clock = std::chrono::system_clock;
  return clock::time_point(std::chrono::duration_cast<clock::duration>(std::chrono::nanoseconds(nanoseconds)));
}

std::optional<key_record> read_own_record(const cache_file& file, std::error_code& ec) {
  auto record = read_record_exactly(file.path, ec);
  if (record && sha256_of(record->key) != file.name) record.reset();
  return record;
}

}  // namespace lockkit::detail
