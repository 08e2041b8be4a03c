#include "examples/slurm/stand_in.hpp"

#include <sstream>

namespace testing {

namespace fs = std::filesystem;

slurm_stand_in::slurm_stand_in() : here_(memory_directory()) {
  write_file(here_ / "accepted", "");
  set("sbatch", R"(for word; do case $word in --job-name=*) echo "${word#*=}" >>"$here/accepted";; esac; done
wc -l <"$here/accepted")");
  set("squeue", R"(n=0; while read -r name; do n=$((n + 1)); echo "$n PENDING 0 $name"; done <"$here/accepted")");
  set("sacct", "");
  set("scancel", "echo \"$*\" >>\"$here/cancelled\"");
}

void slurm_stand_in::set(const std::string& program, const std::string& script) const {
  const fs::path made = here_ / ("." + program);
  write_file(made, "here='" + here_.path().string() + "'\n" + script + "\n");
  fs::rename(made, here_ / program);
}

std::vector<std::string> slurm_stand_in::prefix() const {
  return {"sh", "-c", "program=$1; shift; . \"$0/$program\"", here_.path().string()};
}

std::string slurm_stand_in::yaml_prefix() const {
  return "[sh, -c, 'program=$1; shift; . \"$0/$program\"', '" + here_.path().string() + "']";
}

std::vector<std::string> slurm_stand_in::accepted() const {
  std::vector<std::string> result;
  std::istringstream lines(read_file(here_ / "accepted"));
  for (std::string line; std::getline(lines, line);) result.push_back(line);
  return result;
}

std::string queue_line(const std::string& id, const std::string& state, const std::string& name, int status) {
  const auto column = [](std::string word) { return word.append(24 - word.size(), ' '); };
  return column(id) + column(state) + column(std::to_string(status << 8)) + name + "   \n";
}

std::string accounting_line(const std::string& id, const std::string& state, const std::string& name,
                            const std::string& exit) {
  return id + "|" + state + "|" + exit + "|" + name + "\n";
}

std::string printing(const std::string& text) {
  return "cat <<'END'\n" + text + "END";
}

}  // namespace testing
