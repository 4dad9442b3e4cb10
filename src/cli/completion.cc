// defer completion bash|zsh|fish, and the hidden command that the scripts call: `defer complete --
// WORD...` prints what the last word may become, one a line. The candidates come from the parser
// itself, and queue names from the server, so there is nothing to keep up to date.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "cli/session.h"

namespace deferd::cli {
namespace {

constexpr Micros names_timeout = Millis(500);  // a person waits at the tab key

constexpr std::string_view bash_script = R"(# bash: source <(defer completion bash)
_defer() {
  local IFS=$'\n'
  COMPREPLY=($(defer complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _defer defer
)";
constexpr std::string_view zsh_script = R"(#compdef defer
# zsh: defer completion zsh > "${fpath[1]}/_defer"
_defer() {
  local -a candidates
  candidates=("${(@f)$(defer complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "${candidates[*]}" ]]; then compadd -a candidates; else _files; fi
}
compdef _defer defer
)";
constexpr std::string_view fish_script =
    R"(# fish: defer completion fish > ~/.config/fish/completions/defer.fish
function __defer_complete
  set -l words (commandline -opc) (commandline -ct)
  defer complete -- $words[2..-1] 2>/dev/null
end
complete -c defer -a '(__defer_complete)'
)";

const CLI::App* find_command(const CLI::App& app, const std::string& name) {
  const auto found =
      app.get_subcommands([&](const CLI::App* command) { return command->get_name() == name; });
  return found.empty() ? nullptr : found.front();
}

}  // namespace

int complete(Session& session, const CLI::App& app, std::span<const std::string> words) {
  const std::string last = words.empty() ? "" : words.back();
  const CLI::App* at = &app;
  std::size_t positionals = 0;
  bool value_follows = false;
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    const std::string& word = words[i];
    if (value_follows) {
      value_follows = false;
    } else if (word.starts_with('-')) {
      const CLI::Option* option = at->get_option_no_throw(word);
      if (option == nullptr) option = app.get_option_no_throw(word);
      value_follows = option != nullptr && option->get_items_expected_max() > 0;
    } else if (const CLI::App* next = find_command(*at, word);
               next != nullptr && positionals == 0) {
      at = next;
    } else {
      ++positionals;
    }
  }
  if (value_follows) return exit_done;  // a value of which we know nothing; the shell offers files
  std::vector<std::string> candidates;
  if (last.starts_with('-')) {
    for (const CLI::App* owner : {at, &app}) {
      for (const CLI::Option* option : owner->get_options()) {
        if (!option->get_lnames().empty())
          candidates.push_back("--" + option->get_lnames().front());
      }
      if (at == &app) break;
    }
  } else if (positionals == 0) {
    for (const CLI::App* command : at->get_subcommands([](const CLI::App*) { return true; })) {
      if (!command->get_group().empty()) candidates.push_back(command->get_name());
    }
    if (at->get_option_no_throw("QUEUE") != nullptr) {
      session.timeout = names_timeout;
      const Outcome<void> walked =
          each_page(session, session.queues_path(), "queues", [&](const json::array& queues) {
            for (const json::value& queue : queues) candidates.push_back(text_of(queue, "name"));
            return candidates.size() < 1000;
          });
      if (!walked) return exit_done;  // completion has nothing to complain about
    }
  }
  for (const std::string& candidate : candidates) {
    if (candidate.starts_with(last)) session.world.out << candidate << '\n';
  }
  return exit_done;
}

void add_completion_commands(CLI::App& app, Session& session) {
  auto shell = std::make_shared<std::string>();
  CLI::App* completion =
      app.add_subcommand("completion", "A script that completes defer's words in your shell");
  completion->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  completion->footer(
      "Examples:\n  source <(defer completion bash)\n  defer completion zsh > "
      "\"${fpath[1]}/_defer\"\n"
      "  defer completion fish > ~/.config/fish/completions/defer.fish");
  completion->callback([&session, shell] {
    session.action = [&session, shell] {
      session.world.out << (*shell == "bash"  ? bash_script
                            : *shell == "zsh" ? zsh_script
                                              : fish_script);
      return exit_done;
    };
  });
}

}  // namespace deferd::cli
