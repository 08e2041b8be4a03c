#include "examples/gpu_scheduler/site.hpp"

#include <algorithm>
#include <sstream>
#include <stdexcept>

namespace testing {

namespace fs = std::filesystem;
using nlohmann::json;

scheduler_site::scheduler_site(const std::string& gpus, const std::string& more) : here_(memory_directory()) {
  fs::create_directories(here_ / "new");
  fs::create_directories(witness());
  configure(gpus, more);
}

/// Jobs that still wait for a gate end without their witness; the last ones may write there until then.
scheduler_site::~scheduler_site() {
  std::error_code ignored;
  fs::remove_all(witness(), ignored);
}

void scheduler_site::configure(const std::string& gpus, const std::string& more) {
  write_file(here_ / "config.yaml", "database: cases.db\nfolder: new\nstate: state\nsettle: 30ms\n" + gpus +
                                        "command: ['" LOCKKIT_TEST_JOB "', '" + witness().string() +
                                        "', '{name}', '{gpu_uuid}', '{group}']\n" + more);
}

void scheduler_site::add_case(const std::string& name, const std::string& script, const std::string& wishes) {
  const fs::path made = here_ / ("." + name);
  fs::create_directories(made);
  write_file(made / "do", script + "\n");
  if (!wishes.empty()) write_file(made / "case.yaml", wishes);
  fs::rename(made, here_ / "new" / name);
}

running_program scheduler_site::start() const {
  return {here_, {GPU_SCHEDULER_PROGRAM, "--config", (here_ / "config.yaml").string(), "run"}};
}

tool_result scheduler_site::run(const std::vector<std::string>& arguments) const {
  std::vector<std::string> command = {GPU_SCHEDULER_PROGRAM, "--config", (here_ / "config.yaml").string()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return running_program(here_, command).wait();
}

json scheduler_site::cases() const {
  const tool_result result = run({"status", "--json"});
  if (result.status != 0) throw std::runtime_error("status failed: " + result.err);
  return json::parse(result.out);
}

json scheduler_site::case_named(const std::string& name) const {
  for (const json& each : cases()) {
    if (each.at("case") == name) return each;
  }
  return {{"state", "not there"}, {"result", ""}};
}

std::string scheduler_site::state_of(const std::string& name) const {
  return case_named(name).at("state");
}

bool scheduler_site::becomes(const std::string& name, const std::string& state) const {
  return eventually([&] { return state_of(name) == state; });
}

bool scheduler_site::all_become(const std::string& state, std::size_t count) const {
  return eventually([&] {
    const json all = cases();
    return all.size() == count && std::ranges::all_of(all, [&](const json& each) { return each.at("state") == state; });
  });
}

unsigned scheduler_site::used() const {
  unsigned sum = 0;
  for (const json& each : json::parse(run({"resources", "--json"}).out)) sum += each.at("used").get<unsigned>();
  return sum;
}

std::vector<std::vector<std::string>> scheduler_site::log() const {
  std::vector<std::vector<std::string>> result;
  std::istringstream text(read_file(witness() / "log"));
  for (std::string line; std::getline(text, line);) {
    std::istringstream words(line);
    auto& row = result.emplace_back();
    for (std::string word; words >> word;) row.push_back(word);
  }
  return result;
}

std::size_t scheduler_site::begun(const std::string& name) const {
  const auto all = log();
  return static_cast<std::size_t>(std::ranges::count_if(
      all, [&](const auto& row) { return row.size() > 1 && row[0] == "begin" && row[1] == name; }));
}

bool scheduler_site::begins(const std::string& name) const {
  return eventually([&] { return begun(name) > 0; });
}

int scheduler_site::runner_of(const std::string& name) const {
  const auto id = case_named(name).at("id").get<int>();
  return json::parse(read_file(here_ / "state/runs" / (std::to_string(id) + "-1.begun"))).at("pid");
}

std::string scheduler_site::judge(std::size_t count) const {
  std::map<std::string, std::pair<unsigned, unsigned>> runs;
  for (const auto& row : log()) {
    if (row[0] == "OVERLAP") return "two cases on one GPU: " + row[1] + " on " + row[2];
    ++(row[0] == "begin" ? runs[row[1]].first : runs[row[1]].second);
  }
  for (const auto& [name, times] : runs) {
    if (times != std::pair{1U, 1U}) {
      return name + " began " + std::to_string(times.first) + " times and ended " + std::to_string(times.second);
    }
  }
  return runs.size() == count ? "" : std::to_string(runs.size()) + " of " + std::to_string(count) + " cases ran";
}

}  // namespace testing
