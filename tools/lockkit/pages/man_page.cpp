/// A man page in the classic macros (man(7)), for groff and mandoc alike.
#include <fmt/format.h>

#include <lockkit/version.hpp>

#include "exit_code.hpp"
#include "pages/command_doc.hpp"

namespace lockkit_command {
namespace {

/// Text that roff takes for nothing else. Dashes are those that can be copied into a shell.
std::string roff(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const bool line_start = result.empty() || result.back() == '\n';
    if (line_start && (c == '.' || c == '\'')) result += "\\&";
    if (c == '\\') {
      result += "\\e";
    } else if (c == '-') {
      result += "\\-";
    } else {
      result += c;
    }
  }
  return result;
}

/// Paragraphs are parted by empty lines; lines that begin with two spaces are shown as they are.
std::string paragraphs(const std::string& text) {
  std::string result;
  bool literal = false;
  for (const std::string& line : CLI::detail::split(text, '\n')) {
    const bool shown = line.starts_with("  ");
    if (shown != literal) result += shown ? ".PP\n.nf\n" : ".fi\n";
    literal = shown;
    result += line.empty() ? ".PP\n" : roff(shown ? line.substr(2) : line) + "\n";
  }
  return result + (literal ? ".fi\n" : "");
}

std::string term(const argument_doc& argument) {
  std::string names;
  for (const std::string& name : argument.names)
    names += (names.empty() ? "" : ", ") + fmt::format("\\fB{}\\fR", roff(name));
  if (!argument.type.empty()) names += (names.empty() ? "" : " ") + fmt::format("\\fI{}\\fR", roff(argument.type));
  return fmt::format(".TP\n{}\n{}\n", names, roff(argument.help));
}

std::string terms(const std::vector<argument_doc>& arguments) {
  std::string result;
  for (const argument_doc& argument : arguments) result += term(argument);
  return result;
}

std::string usage(const command_doc& command) {
  std::string line = fmt::format(R"(\fBlockkit {}\fR [\fIOPTIONS\fR])", roff(command.name()));
  for (const argument_doc& each : command.positionals) {
    const std::string shown = fmt::format("\\fI{}\\fR{}", roff(each.type), each.repeated ? "..." : "");
    line += each.required || command.runs_command ? " " + shown : " [" + shown + "]";
  }
  if (command.runs_command) line += R"( \-\- \fICOMMAND\fR...)";
  return line + (command.children.empty() ? "\n" : " \\fIsubcommand\\fR ...\n");
}

std::string heading(const command_doc& command) {
  const std::string name = command.path.empty() ? "lockkit" : "lockkit-" + command.name("-");
  std::string upper = name;
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return fmt::format(".TH {} 1 \"\" \"lockkit {}\" \"lockkit\"\n.SH NAME\n{} \\- {}\n", roff(upper), LOCKKIT_VERSION,
                     roff(name), roff(command.summary));
}

/// Nested commands stand on their parent's page.
std::string nested(const command_doc& command) {
  std::string result;
  for (const command_doc& child : command.children) {
    result += fmt::format(".SS \"lockkit {}\"\n{}.PP\n{}.\n", roff(child.name()), usage(child), roff(child.summary));
    if (!child.text.empty()) result += ".PP\n" + paragraphs(child.text);
    result += terms(child.positionals) + terms(child.options) + nested(child);
  }
  return result;
}

std::string program_page(const command_doc& program) {
  std::string page = heading(program) + ".SH SYNOPSIS\n\\fBlockkit\\fR \\fIsubcommand\\fR ...\n.SH DESCRIPTION\n";
  page += roff(
      "Paths may begin with '-' after '--'. Times are seconds, or a number with ms, s, m, h or d, or never.\n"
      "Answers for programs are asked for with --json: one document on the standard output, always valid UTF-8; "
      "what\nis not known is null. Where a name is not valid UTF-8, a second member, its name followed by _hex, "
      "holds its bytes\nin hexadecimal digits.\n");
  page += ".SH SUBCOMMANDS\n";
  for (const command_doc& child : program.children) {
    page += fmt::format(".TP\n\\fBlockkit\\-{}\\fR(1)\n{}\n", roff(child.name()), roff(child.summary));
  }
  return page + ".SH OPTIONS\n" + terms(program.options);
}

std::string subcommand_page(const command_doc& command) {
  std::string page = heading(command) + ".SH SYNOPSIS\n" + usage(command) + ".SH DESCRIPTION\n";
  page += roff(command.summary) + ".\n";
  if (!command.text.empty()) page += ".PP\n" + paragraphs(command.text);
  if (!command.positionals.empty()) page += ".SH ARGUMENTS\n" + terms(command.positionals);
  page += ".SH OPTIONS\n" + terms(command.options);
  if (!command.children.empty()) page += ".SH SUBCOMMANDS\n" + nested(command);
  return page;
}

}  // namespace

std::string man_page(const command_doc& program, const command_doc& command) {
  const bool whole = command.path.empty();
  std::string page = whole ? program_page(program) : subcommand_page(command);
  page += ".SH EXIT STATUS\n" + paragraphs(exit_codes_text());
  page += ".SH SEE ALSO\n" + std::string(whole ? ".BR flock (1)\n" : ".BR lockkit (1)\n");
  return page;
}

}  // namespace lockkit_command
