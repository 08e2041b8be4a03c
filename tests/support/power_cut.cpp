#include "support/power_cut.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>

#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"
#include "support/syscall_sweep.hpp"

namespace testing {
namespace {

namespace fs = std::filesystem;

/// An open directory or file for fsync and syncfs.
class open_path {
 public:
  open_path(const fs::path& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0600)) {
    if (fd_ < 0) throw std::runtime_error("cannot open " + path.string());
  }
  ~open_path() { ::close(fd_); }
  open_path(const open_path&) = delete;
  open_path& operator=(const open_path&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

void sync_everything(const fs::path& root) {
  if (::syncfs(open_path(root, O_RDONLY).get()) != 0) throw std::runtime_error("syncfs failed");
}

/// Every write to the file has another content: one that changes nothing need not reach the journal.
void sync_own_file(const fs::path& root, std::size_t turn) {
  const open_path file(root / "bystander", O_WRONLY | O_CREAT);
  const std::string text = std::to_string(turn);
  if (::pwrite(file.get(), text.data(), text.size(), 0) < 0 || ::fsync(file.get()) != 0) {
    throw std::runtime_error("the bystander cannot sync");
  }
}

void stand_by(bystander other, const fs::path& root, std::size_t turn) {
  if (other == bystander::syncs_a_file) sync_own_file(root, turn);
  if (other == bystander::syncs_everything) sync_everything(root);
}

/// The device under a mount, such as "loop3"; empty if it can't be told.
std::string device_under(const fs::path& mounted) {
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream words(line);
    std::string word;
    for (int field = 0; field < 5; ++field) words >> word;
    if (word != mounted.string()) continue;
    while (words >> word && word != "-") {
    }
    words >> word >> word;  // the filesystem's kind, the device
    return fs::path(word).filename();
  }
  return {};
}

/// How often anything was written to or discarded on the device: a copy would be the one before while this stays.
std::string writes_to(const std::string& device) {
  std::ifstream statistics("/sys/block/" + device + "/stat");
  std::vector<std::string> fields;
  for (std::string field; statistics >> field;) fields.push_back(field);
  constexpr std::size_t written = 4;
  constexpr std::size_t discarded = 11;
  return fields.size() > discarded ? fields[written] + "/" + fields[discarded] : std::string();
}

struct saved_image {
  fs::path file;
  std::size_t calls;
  bool finished;
};

/// The copies of one run.
class image_album {
 public:
  explicit image_album(const scratch_mount& mount)
      : image_(mount.image()), device_(device_under(mount.path())), directory_(memory_directory()) {}

  void take(std::size_t calls, bool finished) {
    const std::string writes = writes_to(device_);
    const bool changed = images_.empty() || writes.empty() || writes != writes_;
    writes_ = writes;
    if (changed || finished) save(calls, finished);
  }
  [[nodiscard]] const std::vector<saved_image>& images() const { return images_; }

 private:
  void save(std::size_t calls, bool finished) {
    const fs::path copy = directory_ / std::to_string(images_.size());
    if (run_program({"cp", "--sparse=always", image_.string(), copy.string()}) != 0) {
      throw std::runtime_error("cannot copy the image");
    }
    images_.push_back({copy, calls, finished});
  }

  fs::path image_;
  std::string device_;
  std::string writes_;
  std::vector<saved_image> images_;
  scratch_directory directory_;
};

/// A copy, mounted.
class mounted_copy {
 public:
  mounted_copy(const std::string& kind, const fs::path& image) {
    // btrfs would find the original by its identity, and xfs refuse a second filesystem of one identity.
    if (kind == "btrfs") capture_program({"btrfs", "device", "scan", "--forget"});
    const std::string options = kind == "xfs" ? "loop,nouuid" : "loop";
    if (run_program({"mount", "-o", options, image.string(), directory_.path().string()}) != 0) {
      throw std::runtime_error("cannot mount a copy of " + kind);
    }
  }
  ~mounted_copy() {
    if (::umount2(directory_.path().c_str(), 0) != 0) ::umount2(directory_.path().c_str(), MNT_DETACH);
  }
  mounted_copy(const mounted_copy&) = delete;
  mounted_copy& operator=(const mounted_copy&) = delete;
  [[nodiscard]] const fs::path& root() const { return directory_.path(); }

 private:
  scratch_directory directory_;
};

bool is_long() {
  return std::getenv("LOCKKIT_TEST_LONG") != nullptr;
}

/// A bystander changes something at each look, so that each is a cut: only where the steps may have.
watch_at where_to_look(bystander other) {
  return is_long() && other == bystander::none ? watch_at::every_call : watch_at::changes;
}

/// The original is unmounted when this returns: a copy of btrfs can't be mounted beside it. Null: not to be had here.
std::unique_ptr<image_album> run_steps(const std::string& kind, bystander other,
                                       const std::function<void(const fs::path&)>& prepare,
                                       const std::function<void(const fs::path&)>& steps) {
  const scratch_mount mount(kind);
  if (!mount.mounted()) return {};
  prepare(mount.path());
  stand_by(other, mount.path(), 0);
  sync_everything(mount.path());
  auto album = std::make_unique<image_album>(mount);
  const traced_run run = run_watched(
      where_to_look(other), [&] { steps(mount.path()); },
      [&](std::size_t calls, bool finished) {
        stand_by(other, mount.path(), calls + 1);
        album->take(calls, finished);
      });
  if (run.status != 0) throw std::runtime_error("the steps failed by themselves");
  return album;
}

}  // namespace

std::optional<std::size_t> for_each_power_cut(const std::string& kind, bystander other,
                                              const std::function<void(const fs::path&)>& prepare,
                                              const std::function<void(const fs::path&)>& steps,
                                              const std::function<void(const power_cut&)>& check) {
  const std::unique_ptr<image_album> album = run_steps(kind, other, prepare, steps);
  if (!album) return std::nullopt;
  for (const saved_image& saved : album->images()) {
    const mounted_copy copy(kind, saved.file);
    check({kind, other, saved.calls, saved.finished, copy.root()});
  }
  return album->images().size();
}

void on_every_power_cut(const std::vector<bystander>& others, const std::function<void(const fs::path&)>& prepare,
                        const std::function<void(const fs::path&)>& steps,
                        const std::function<void(const power_cut&)>& check) {
  for (const char* kind : {"ext4", "xfs", "btrfs"}) {
    for (const bystander other : others) {
      if (for_each_power_cut(kind, other, prepare, steps, check)) continue;
      WARN("skipped: " << kind << " can't be made and mounted here");
      break;
    }
  }
}

std::vector<bystander> bystanders_to_try() {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  if (!is_long()) return {bystander::none};  // what the disk holds does not depend on how the program was compiled
#endif
  if (!is_long()) return {bystander::none, bystander::syncs_a_file};
  return {bystander::none, bystander::syncs_a_file, bystander::syncs_everything};
}

std::string describe(const power_cut& cut) {
  static constexpr const char* others[] = {"", ", somebody else syncing a file", ", somebody else syncing everything"};
  return cut.filesystem + ", power cut " + (cut.finished ? "at the end, after " : "after ") +
         std::to_string(cut.calls) + " calls" + others[static_cast<std::size_t>(cut.other)];
}

}  // namespace testing
