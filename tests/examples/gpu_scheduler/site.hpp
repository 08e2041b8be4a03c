#pragma once
/// A folder of cases, a configuration and GPUs to try the gpu_scheduler with, and witnesses of what ran.

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "examples/running_program.hpp"

namespace testing {

class scheduler_site {
 public:
  /// `gpus` is the YAML of `resources`, or of whatever stands in its place ("discovery: ..."); `more` is appended.
  explicit scheduler_site(const std::string& gpus = "resources: {any: [g0, g1]}\n", const std::string& more = "");
  ~scheduler_site();
  scheduler_site(const scheduler_site&) = delete;
  scheduler_site& operator=(const scheduler_site&) = delete;

  [[nodiscard]] const scratch_directory& directory() const { return here_; }
  [[nodiscard]] std::filesystem::path path(const std::string& name) const { return here_ / name; }
  void configure(const std::string& gpus, const std::string& more);
  /// A directory that does what `script` says; `wishes` becomes case.yaml.
  void add_case(const std::string& name, const std::string& script = "true", const std::string& wishes = "");

  [[nodiscard]] tool_result run(const std::vector<std::string>& arguments) const;
  [[nodiscard]] running_program start() const;
  /// Lets go on what waits for it.
  void open_gate(const std::string& name) const { write_file(witness() / name, ""); }

  [[nodiscard]] nlohmann::json cases() const;
  [[nodiscard]] nlohmann::json case_named(const std::string& name) const;
  [[nodiscard]] std::string state_of(const std::string& name) const;
  [[nodiscard]] bool becomes(const std::string& name, const std::string& state) const;
  [[nodiscard]] bool all_become(const std::string& state, std::size_t count) const;
  [[nodiscard]] unsigned used() const;

  [[nodiscard]] std::filesystem::path witness() const { return here_ / "witness"; }
  /// Lines of the witness, each as its words.
  [[nodiscard]] std::vector<std::vector<std::string>> log() const;
  [[nodiscard]] std::size_t begun(const std::string& name) const;
  [[nodiscard]] bool begins(const std::string& name) const;
  /// The runner's pid of the first attempt.
  [[nodiscard]] int runner_of(const std::string& name) const;
  /// Each of `count` cases ran once, to its end, and no GPU had two at once. Says what was wrong; empty: nothing.
  [[nodiscard]] std::string judge(std::size_t count) const;

 private:
  scratch_directory here_;
};

}  // namespace testing
