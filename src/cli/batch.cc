// defer batch [QUEUE] [FILE]: tasks from JSON lines, up to 1,000 a call.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <iostream>
#include <memory>

#include "cli/session.h"
#include "cli/table.h"

namespace deferd::cli {
namespace {

constexpr std::size_t call_tasks_max = 1000;     // the server's
constexpr std::size_t call_bytes_max = 4 << 20;  // well below the server's request_bytes_max
constexpr std::size_t line_bytes_max =
    64 << 20;                               // above any server's task_bytes_max; that one decides
constexpr std::size_t complaints_max = 20;  // further refused lines are counted, not printed
constexpr int waits_max = 30;               // of one call that is refused for overload

struct BatchOptions {
  std::string queue = "default";
  std::string file = "-";
};

// Reads lines, sends them in calls, tells on the way. One per run of the command.
class Batch {
 public:
  Batch(Session& session, const BatchOptions& options) : session_(session), options_(options) {}

  int run(std::istream& in) {
    const Wall started = session_.world.now();
    in.seekg(0, std::ios::end);
    if (in.good())
      bytes_total_ = static_cast<std::uint64_t>(std::max<std::streamoff>(0, in.tellg()));
    in.clear();
    in.seekg(0);
    in.clear();
    std::string line;
    for (std::uint64_t number = 1; std::getline(in, line); ++number) {
      bytes_read_ += line.size() + 1;
      if (line.size() > line_bytes_max) return wrong_line(number, "is longer than 64MiB");
      if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
      json::error_code error;
      const json::value task = json::parse(line, error);
      if (error || !task.is_object()) {
        // What came before is as good as stored: a broken line ends the run after the lines before
        // it.
        if (const int sent = send(); sent != exit_done) return sent;
        return wrong_line(number, error ? "is not JSON: " + error.message()
                                        : "is not a task; write {\"url\":...}");
      }
      if (!numbers_.empty() &&
          (numbers_.size() == call_tasks_max || tasks_.size() + line.size() > call_bytes_max)) {
        if (const int sent = send(); sent != exit_done) return sent;
      }
      numbers_.push_back(number);
      if (!tasks_.empty()) tasks_ += ',';
      tasks_ += line;
    }
    if (in.bad()) return session_.usage(options_.file + ": cannot be read");
    if (const int sent = send(); sent != exit_done) return sent;
    end_progress();
    summary(session_.world.now() - started);
    return refused_ == 0 ? exit_done : exit_refused;
  }

 private:
  int wrong_line(std::uint64_t number, const std::string& why) {
    end_progress();
    return session_.usage(where(number) + " " + why + "; the " + with_commas(stored_) +
                          " tasks stored before it stay, nothing after it was sent");
  }

  std::string where(std::uint64_t number) const {
    return (options_.file == "-" ? "line " : options_.file + ": line ") + std::to_string(number);
  }

  int send() {
    if (numbers_.empty()) return exit_done;
    const std::string body = "{\"tasks\":[" + tasks_ + "]}";
    const std::string path = session_.queue_path(options_.queue) + "/tasks:batch";
    Outcome<json::value> answer = session_.call_text("POST", path, body);
    // Overloaded as a whole: nothing of it was taken in, so it may go again.
    for (int waits = 0; !answer && answer.error().exit_code == exit_try_later &&
                        answer.error().retry_after && waits < waits_max;
         ++waits) {
      const Micros wait = std::clamp<Micros>(*answer.error().retry_after, Millis(50), Seconds(30));
      if (!session_.world.sleep(wait)) break;
      answer = session_.call_text("POST", path, body);
    }
    if (!answer) {
      end_progress();
      Failure failure = answer.error();
      failure.message = where(numbers_.front()) + " to " + std::to_string(numbers_.back()) + ": " +
                        failure.message + "; " + with_commas(stored_) +
                        " tasks before them are stored";
      return session_.fail(failure);
    }
    const json::array results = array_of(*answer, "results");
    for (std::size_t i = 0; i < numbers_.size(); ++i) {
      const json::value* error = i < results.size() && results[i].is_object()
                                     ? results[i].as_object().if_contains("error")
                                     : nullptr;
      if (error == nullptr) {
        ++stored_;
        continue;
      }
      if (++refused_ > complaints_max) continue;
      end_progress();
      session_.world.err << "defer: " << where(numbers_[i]) << ": "
                         << printable(text_of(*error, "message"), 500) << '\n';
    }
    numbers_.clear();
    tasks_.clear();
    progress();
    return exit_done;
  }

  // "[=========>          ] 47 %  1,234,000 stored", on a terminal only and over itself.
  void progress() {
    if (!session_.world.err_is_terminal) return;
    std::ostream& err = session_.world.err;
    err << '\r';
    if (bytes_total_ > 0) {
      constexpr std::size_t width = 30;
      const double part =
          std::min(1.0, static_cast<double>(bytes_read_) / static_cast<double>(bytes_total_));
      const auto full = static_cast<std::size_t>(part * width);
      err << '[' << std::string(full, '=') << (full < width ? ">" : "")
          << std::string(full < width ? width - full - 1 : 0, ' ') << "] "
          << static_cast<int>(part * 100) << " %  ";
    }
    err << with_commas(stored_) << " stored"
        << (refused_ > 0 ? ", " + with_commas(refused_) + " refused" : "") << "\033[K"
        << std::flush;
    progress_shown_ = true;
  }

  void end_progress() {
    if (progress_shown_) session_.world.err << '\n';
    progress_shown_ = false;
  }

  void summary(Micros took) {
    if (refused_ > complaints_max) {
      session_.world.err << "defer: " << with_commas(refused_ - complaints_max)
                         << " more lines were refused\n";
    }
    if (session_.json()) {
      session_.print_json(json::object{{"stored", stored_}, {"refused", refused_}});
      return;
    }
    const double seconds = static_cast<double>(took.count()) / 1e6;
    session_.world.out << "stored " << with_commas(stored_) << " tasks in " << options_.queue;
    if (refused_ > 0) session_.world.out << ", " << with_commas(refused_) << " were refused";
    if (seconds > 0.1) {
      session_.world.out << " ("
                         << with_commas(
                                static_cast<std::uint64_t>(static_cast<double>(stored_) / seconds))
                         << "/s)";
    }
    session_.world.out << '\n';
  }

  Session& session_;
  const BatchOptions& options_;
  std::vector<std::uint64_t> numbers_;  // of the lines in tasks_
  std::string tasks_;                   // as they were written, with commas between
  std::uint64_t bytes_total_ = 0;       // 0: not known, as of a pipe
  std::uint64_t bytes_read_ = 0;
  std::uint64_t stored_ = 0;
  std::uint64_t refused_ = 0;
  bool progress_shown_ = false;
};

int batch(Session& session, const BatchOptions& options) {
  if (options.file == "-") {
    if (session.world.in_is_terminal)
      return session.usage(
          "give a file, or tasks on standard input: defer batch QUEUE < tasks.jsonl");
    return Batch(session, options).run(session.world.in);
  }
  std::ifstream file(options.file, std::ios::binary);
  if (!file) return session.usage(options.file + ": cannot be read");
  return Batch(session, options).run(file);
}

}  // namespace

void add_batch_command(CLI::App& app, Session& session) {
  auto options = std::make_shared<BatchOptions>();
  CLI::App* command =
      app.add_subcommand("batch", "Add many tasks: one JSON object a line, up to 1,000 a call");
  command->add_option("QUEUE", options->queue, "Its name; the queue default when not given");
  command->add_option("FILE", options->file, "JSON lines; standard input when not given");
  command->footer(
      "A line is what POST /v1/queues/QUEUE/tasks takes: "
      "{\"url\":\"http://...\",\"json\":{...},\"delay\":\"10s\"}.\n"
      "A refused line is told with its number and does not hold up the others; the exit code is "
      "then 1.\n"
      "\nExamples:\n  defer batch < tasks.jsonl\n  defer batch mail < tasks.jsonl\n  defer batch "
      "mail tasks.jsonl");
  command->callback([&session, options] {
    session.action = [&session, options] { return batch(session, *options); };
  });
}

}  // namespace deferd::cli
