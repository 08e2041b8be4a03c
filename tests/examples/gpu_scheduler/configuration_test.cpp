// What the gpu_scheduler says to wrong configurations and wrong cases.

#include "examples/gpu_scheduler/site.hpp"
#include "support/catch.hpp"

using testing::scheduler_site;
using testing::tool_result;
using testing::write_file;

namespace {

constexpr const char* good = "database: c.db\nfolder: new\nresources: {a: [g]}\ncommand: [true]\n";

/// What `resources` says to this configuration.
tool_result try_configuration(const std::string& text) {
  const scheduler_site site;
  write_file(site.path("config.yaml"), text);
  return site.run({"resources"});
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

struct wrong {
  const char* text;
  const char* place;
  const char* reason;
};

}  // namespace

TEST_CASE("a wrong configuration is refused with file, line, column and what was expected") {
  const auto [text, place, reason] = GENERATE(values<wrong>({
      {"database: [\n", "config.yaml:2:", "this is not YAML"},
      {"- a\n", "config.yaml:1:1", "expected a map"},
      {"database: c.db\nfolder: x\nresorces: {a: [g]}\ncommand: [true]\n", "config.yaml:3:1",
       "unknown key 'resorces'; did you mean 'resources'?"},
      {"database: c.db\nfolder: x\nresources: {a: [g]}\ncomand: [true]\n", "config.yaml:4:1",
       "did you mean 'command'?"},
      {"folder: x\nresources: {a: [g]}\ncommand: [true]\n", "config.yaml:1:1", "'database' is missing"},
      {"database: c.db\nfolder: x\nresources: {a: [g]}\n", "config.yaml:1:1", "'command' is missing"},
      {"database: c.db\nfolder: x\ncommand: [true]\n", "config.yaml:1:1", "no GPU can be known"},
      {"database: c.db\nfolder: .\nresources: {a: [g]}\ncommand: [true]\n", "config.yaml:2:9",
       "c.db-state' lies inside"},
      {"database: c.db\ndatabase: d.db\n", "config.yaml:2:1", "'database' stands here a second time"},
      {"database: {a: b}\nfolder: x\nresources: {a: [g]}\ncommand: [true]\n", "config.yaml:1:11", "expected a text"},
      {"database: c.db\nfolder: x\nresources: {a: [g]}\ncommand: run.sh --fast\n", "config.yaml:4:10",
       "expected a list of texts"},
      {"database: c.db\nfolder: x\nresources: {a: [g]}\ncommand: [run, '{kase}']\n", "config.yaml:4:16",
       "unknown placeholder '{kase}'; did you mean '{case}'?"},
      {"database: c.db\nfolder: x\nresources: {a: [g]}\ncommand: [run, '{case']\n", "config.yaml:4:16",
       "a brace without its counterpart"},
      {"database: c.db\nfolder: x\nresources: {a: [g]}\ncommand: [true]\nsettle: soon\n", "config.yaml:5:9",
       "expected a time such as 500ms"},
      {"database: c.db\nfolder: x\nresources: {a: {g: {memory: much}}}\ncommand: [true]\n", "config.yaml:3:29",
       "a size such as 80GiB"},
      {"database: c.db\nfolder: x\nresources: {a: {g: {memry: 1}}}\ncommand: [true]\n", "config.yaml:3:21",
       "did you mean 'memory'?"},
      {"database: c.db\nfolder: x\nresources: {a: [g], b: [g]}\ncommand: [true]\n", "config.yaml:3:25",
       "the resource 'g' stands here a second time"},
      {"database: c.db\nfolder: x\nresources: {a: [g]}\ncommand: [true]\nlimits: {attempts: 0}\n", "config.yaml:5:20",
       "expected a whole number from 1"},
      {"database: c.db\nfolder: x\nresources: {a: [g]}\ncommand: [true]\nexecutor: condor\n", "config.yaml:5:11",
       "expected local, pueue, slurm"},
      {"database: c.db\nfolder: x\nresources: {a: [g]}\ncommand: [true]\nexecutor: {slurm: {options: [-p, x]}}\n",
       "config.yaml:5:30", "is no option of one word such as --partition=gpu"},
      {"database: c.db\nfolder: x\nresources: {a: [g]}\ncommand: [a=b]\nexecutor: slurm\n", "config.yaml:4:10",
       "can't have '=' in it"},
      {"database: c.db\nfolder: x\nresources: {a: [g]}\ncommand: [true]\ndiscovery: {foreing: true}\n",
       "config.yaml:5:13", "did you mean 'foreign'?"},
      {"database: c.db\nfolder: x\nresources: {a: [g]}\ncommand: [true]\nenvironment: {A: [b]}\n", "config.yaml:5:18",
       "expected a text for 'A'"},
  }));
  const tool_result result = try_configuration(text);
  INFO(text << result.err);
  CHECK(result.status == 65);
  CHECK(contains(result.err, place));
  CHECK(contains(result.err, reason));
}

TEST_CASE("a configuration that is right has no complaint, and one that is missing is named") {
  CHECK(try_configuration(good).status == 0);
  const scheduler_site site;
  std::filesystem::remove(site.path("config.yaml"));
  const tool_result result = site.run({"status"});
  CHECK(result.status == 66);
  CHECK(contains(result.err, site.path("config.yaml").string()));
}

TEST_CASE("a database of another program is refused and left as it is") {
  const scheduler_site site;
  REQUIRE(testing::run_program({"python3", "-c",
                                "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('CREATE TABLE t(a)')",
                                site.path("cases.db").string()}) == 0);
  const std::string before = testing::read_file(site.path("cases.db"));
  const tool_result result = site.run({"status"});
  INFO(result.err);
  CHECK(result.status == 65);
  CHECK(contains(result.err, "cases.db"));
  CHECK(testing::read_file(site.path("cases.db")) == before);
}

TEST_CASE("a case whose case.yaml is wrong fails with file, line and column") {
  scheduler_site site;
  const auto [text, place] = GENERATE(table<std::string, std::string>({
      {"gropu: any\n", "case.yaml:1:1: case.yaml: unknown key 'gropu'; did you mean 'group'?"},
      {"gpus: many\n", "case.yaml:1:7: gpus: expected a whole number from 1 to 1024"},
      {"memory: {\n", "this is not YAML"},
  }));
  site.add_case("wrong", "true", text);
  const auto daemon = site.start();
  REQUIRE(site.becomes("wrong", "failed"));
  CHECK(contains(site.case_named("wrong").at("result"), place));
  CHECK(site.begun("wrong") == 0);
}

TEST_CASE("a case gets what its case.yaml asks for") {
  scheduler_site site("resources: {small: {s: {memory: 8GiB}}, big: {b0: {memory: 80GiB}, b1: {memory: 80GiB}}}\n");
  site.add_case("big", "true", "memory: 40GiB\n");
  site.add_case("small", "true", "group: small\n");
  site.add_case("any", "true", "# nothing yet\n");
  site.add_case("both", "true", "gpus: 2\none_group: true\n");
  const auto daemon = site.start();
  REQUIRE(site.all_become("done", 4));
  CHECK(site.case_named("big").at("group") == "big");
  CHECK(site.case_named("small").at("gpus") == nlohmann::json{"s"});
  CHECK(site.case_named("both").at("gpus").size() == 2);
  CHECK(site.case_named("both").at("group") == "big");
  for (const auto& row : site.log()) {
    if (row[0] == "begin" && row[1] == "both") CHECK((row[5] == "b0,b1" || row[5] == "b1,b0"));
  }
}

TEST_CASE("a case that no set of GPUs could ever serve says so when asked why") {
  scheduler_site site;
  site.add_case("huge", "true", "gpus: 3\n");
  const auto daemon = site.start();
  REQUIRE(site.becomes("huge", "ready"));
  const tool_result why = site.run({"why", "huge"});
  INFO(why.out << why.err);
  CHECK(why.status == 0);
  CHECK(contains(why.out, "gpu"));
}
