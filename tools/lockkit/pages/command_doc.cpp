#include "pages/command_doc.hpp"

#include <algorithm>

#include "frame.hpp"
#include "quick_subcommands.hpp"
#include "store_subcommands.hpp"

namespace lockkit_command {
namespace {

value_kind kind_of(const std::string& type) {
  if (type.find('|') != std::string::npos) return value_kind::words;
  if (type == "PATH" || type == "FILE") return value_kind::file;
  if (type == "DIR") return value_kind::directory;
  return type == "PID" ? value_kind::process : value_kind::other;
}

argument_doc document(const CLI::Option& option) {
  argument_doc doc;
  for (const std::string& name : option.get_snames()) doc.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) doc.names.push_back("--" + name);
  doc.help = option.get_description();
  doc.required = option.get_required();
  doc.repeated = option.get_items_expected_max() > 1;
  const bool flag = option.get_items_expected_max() == 0;
  if (!flag) doc.type = option.get_type_name();
  doc.kind = flag ? value_kind::none : kind_of(doc.type);
  if (doc.kind == value_kind::words) doc.words = CLI::detail::split(doc.type, '|');
  if (!option.nonpositional()) {  // shown by its name
    doc.type = option.get_name(true);
    std::ranges::transform(doc.type, doc.type.begin(), [](unsigned char c) { return std::toupper(c); });
  }
  return doc;
}

command_doc document(CLI::App& app, std::vector<std::string> path, const subcommand* row) {
  command_doc doc{.path = std::move(path), .summary = app.get_description(), .text = app.get_footer()};
  doc.runs_command =
      row != nullptr && std::ranges::find(row->command_below, doc.path.back()) != row->command_below.end();
  for (const CLI::Option* option : app.get_options()) {
    (option->nonpositional() ? doc.options : doc.positionals).push_back(document(*option));
  }
  for (CLI::App* child : app.get_subcommands({})) {
    std::vector<std::string> below = doc.path;
    below.push_back(child->get_name());
    doc.children.push_back(document(*child, std::move(below), row));
  }
  return doc;
}

}  // namespace

std::string command_doc::name(const char* between) const {
  std::string all;
  for (const std::string& word : path) all += (all.empty() ? "" : between) + word;
  return all;
}

command_doc document_program() {
  CLI::App app;
  invocation call;
  describe_program(app);
  command_doc program = document(app, {}, nullptr);
  for (const auto& row : quick_subcommands()) {
    const subcommand* const whole = row.add != nullptr ? &row : find_subcommand(store_subcommands(), row.name);
    CLI::App* const sub = app.add_subcommand(std::string(whole->name), whole->summary);
    whole->add(*sub, call);
    program.children.push_back(document(*sub, {std::string(whole->name)}, whole));
  }
  return program;
}

}  // namespace lockkit_command
