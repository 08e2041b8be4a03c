/// lockkit-pages DIR: writes the man pages and the shell completions, when lockkit is built.
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "pages/command_doc.hpp"

namespace {

using namespace lockkit_command;

void write(const std::filesystem::path& file, const std::string& text) {
  std::ofstream out(file, std::ios::binary);
  out << text;
  out.close();
  if (!out) throw std::runtime_error("cannot write " + file.string());
}

void write_pages(const std::filesystem::path& folder) {
  const command_doc program = document_program();
  std::filesystem::create_directories(folder / "man1");
  write(folder / "man1/lockkit.1", man_page(program, program));
  for (const command_doc& command : program.children) {
    write(folder / "man1" / ("lockkit-" + command.name() + ".1"), man_page(program, command));
  }
  write(folder / "lockkit", bash_completion(program));
  write(folder / "_lockkit", zsh_completion(program));
  write(folder / "lockkit.fish", fish_completion(program));
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2) {
    std::fputs("usage: lockkit-pages DIR\n", stderr);
    return 64;
  }
  write_pages(argv[1]);
  return 0;
} catch (const std::exception& failure) {
  std::fprintf(stderr, "lockkit-pages: %s\n", failure.what());
  return 74;
}
