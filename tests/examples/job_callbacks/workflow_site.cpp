#include "examples/job_callbacks/workflow_site.hpp"

#include <stdexcept>
#include <utility>

namespace testing {

namespace fs = std::filesystem;
using nlohmann::json;

workflow_site::workflow_site(std::string prefix, const std::string& more)
    : here_(memory_directory()), prefix_(std::move(prefix)) {
  configure(more);
}

void workflow_site::configure(const std::string& more) const {
  write_file(here_ / "workflow.yaml",
             "root: results\nslurm: {prefix: " + prefix_ + ", settle: 300ms, timeout: 2s}\n" + more);
}

std::vector<std::string> workflow_site::command(const std::vector<std::string>& arguments) const {
  std::vector<std::string> all = {JOB_CALLBACKS_PROGRAM, "--workflow", (here_ / "workflow.yaml").string()};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return all;
}

running_program workflow_site::start(const std::vector<std::string>& arguments) const {
  return {here_, command(arguments)};
}

tool_result workflow_site::run(const std::vector<std::string>& arguments) const {
  return start(arguments).wait();
}

json workflow_site::status(const std::vector<std::string>& more) const {
  std::vector<std::string> arguments = {"status", "--json"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const tool_result result = run(arguments);
  if (result.status != 0) throw std::runtime_error("status failed: " + result.err);
  return json::parse(result.out);
}

json workflow_site::step(const std::string& name) const {
  const json all = status({"--limit", "10000"});
  for (const json& each : all.at("steps")) {
    if (each.at("step").get<std::string>() + "/" + each.at("material").get<std::string>() == name) return each;
  }
  throw std::runtime_error("there is no step " + name);
}

std::size_t workflow_site::count(const std::string& state) const {
  return status({"--limit", "1"}).at("counts").value(state, std::size_t{0});
}

std::vector<std::string> workflow_site::attempt_of(const std::string& job_name) const {
  const std::size_t first = job_name.find('-');
  const std::size_t second = job_name.find('-', first + 1);
  const std::size_t third = job_name.find('-', second + 1);
  return {"--state",   state().string(),
          "--task",    job_name.substr(first + 1, second - first - 1),
          "--attempt", job_name.substr(second + 1, third - second - 1),
          "--claim",   job_name.substr(third + 1)};
}

tool_result workflow_site::live(const std::string& job_name, const std::string& number) const {
  std::vector<std::string> begin = {"begin"};
  std::vector<std::string> end = {"callback"};
  for (const std::string& each : attempt_of(job_name)) {
    begin.push_back(each);
    end.push_back(each);
  }
  begin.insert(begin.end(), {"--job", number, "--restarts", "0"});
  end.insert(end.end(), {"--status", "0"});
  tool_result begun = run(begin);
  return begun.status == 0 ? run(end) : begun;
}

}  // namespace testing
