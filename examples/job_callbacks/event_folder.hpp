#pragma once
/// Where callbacks leave what happened for the manager that runs: a folder with one small file per event, each made in
/// one step and durably. A file is removed when the queue has it on disk, so that no crash loses one.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <lockkit/task_queue.hpp>

namespace job_callbacks {

struct event {
  lockkit::task_ref ref;  ///< task 0: nothing but that there is something to look at
  int status = 0;         ///< exit status of the step
};

class event_folder {
 public:
  explicit event_folder(const std::filesystem::path& state);

  /// Returns when it is on disk. The same event twice is one.
  void leave(const event& what) const;
  [[nodiscard]] bool is_empty() const;
  [[nodiscard]] std::vector<std::filesystem::path> list() const;
  /// nullopt: it is none.
  [[nodiscard]] static std::optional<event> read(const std::filesystem::path& file);
  static void remove(const std::filesystem::path& file);
  /// What nobody can read must not come up again and again: it goes to the folder `rejected`, for people.
  void reject(const std::filesystem::path& file) const;

 private:
  std::filesystem::path folder_;
  std::filesystem::path rejected_;
};

}  // namespace job_callbacks
