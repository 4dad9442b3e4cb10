// defer add QUEUE [TARGET]
#include <CLI/CLI.hpp>
#include <boost/beast/core/detail/base64.hpp>
#include <iostream>
#include <memory>

#include "cli/results.h"
#include "cli/session.h"
#include "cli/table.h"

namespace deferd::cli {
namespace {

constexpr std::size_t data_bytes_max =
    64 << 20;  // above any server's task_bytes_max; that one decides

constexpr Micros wait_forever = std::chrono::hours(24 * 365 * 10);  // as far as an ETA may lie

struct AddOptions {
  std::string queue;
  std::string target;
  std::string method;
  std::vector<std::string> headers;
  std::string data;
  std::string data_json;
  std::string name;
  std::string delay;
  std::string eta;
  std::int32_t priority = -1;
  std::string key;
  std::string timeout;
  std::string max_attempts;
  std::string keep_result;
  std::string callback_url;
  std::string callback_queue;
  bool wait = false;
  bool has_data = false;
};

bool is_utf8(std::string_view text) {
  // Boost.JSON checks UTF-8 when it reads; a text that survives being written and read is one.
  json::error_code error;
  (void)json::parse(json::serialize(json::value(json::string(text))), error);
  return !error;
}

std::string base64(std::string_view bytes) {
  namespace base64 = boost::beast::detail::base64;
  std::string out(base64::encoded_size(bytes.size()), '\0');
  out.resize(base64::encode(out.data(), bytes.data(), bytes.size()));
  return out;
}

int add(Session& session, const AddOptions& options) {
  json::object task;
  if (!options.target.empty()) task["url"] = options.target;
  if (!options.method.empty()) task["method"] = options.method;
  if (!options.headers.empty()) {
    json::object headers;
    for (const std::string& header : options.headers) {
      const std::size_t colon = header.find(':');
      if (colon == std::string::npos || colon == 0) {
        return session.usage("--header: \"" + header +
                             "\" is not a header; write it like 'Content-Type: text/plain'");
      }
      std::string_view value = std::string_view(header).substr(colon + 1);
      while (value.starts_with(' ')) value.remove_prefix(1);
      headers[header.substr(0, colon)] = value;
    }
    task["headers"] = std::move(headers);
  }
  if (options.has_data) {
    std::string data = options.data;
    if (data.starts_with('@')) {
      Outcome<std::string> read = read_all(session, data.substr(1), data_bytes_max);
      if (!read) return session.fail(read.error());
      data = std::move(*read);
    }
    if (is_utf8(data)) {
      task["body"] = data;
    } else {
      task["body_base64"] = base64(data);
    }
  }
  if (!options.data_json.empty()) {
    json::error_code error;
    (void)json::parse(options.data_json, error);
    if (error) return session.usage("--data-json: is not JSON: " + error.message());
  }
  if (!options.name.empty()) task["name"] = options.name;
  if (!options.delay.empty()) task["delay"] = options.delay;
  if (!options.eta.empty()) task["eta"] = options.eta;
  if (options.priority >= 0) task["priority"] = options.priority;
  if (!options.key.empty()) task["key"] = options.key;
  if (!options.timeout.empty()) task["timeout"] = options.timeout;
  if (!options.max_attempts.empty()) {
    json::error_code error;
    json::value number = json::parse(options.max_attempts, error);
    if (error || !number.is_int64()) {
      return session.usage("--max-attempts: \"" + options.max_attempts +
                           "\" is not a whole number");
    }
    task["retry"] = json::object{{"max_attempts", std::move(number)}};
  }
  if (!options.keep_result.empty()) task["keep_result"] = options.keep_result;
  if (!options.callback_url.empty()) task["callback_url"] = options.callback_url;
  if (!options.callback_queue.empty()) task["callback_queue"] = options.callback_queue;
  std::string body = json::serialize(task);
  if (!options.data_json.empty()) {  // as it was written
    body.insert(1, "\"json\":" + options.data_json + (task.empty() ? "" : ","));
  }
  const Outcome<json::value> added =
      session.call_text("POST", session.queue_path(options.queue) + "/tasks", std::move(body));
  if (!added) return session.fail(added.error());
  if (options.wait) return show_result(session, options.queue, text_of(*added, "id"), wait_forever);
  if (session.json()) {
    session.print_json(*added);
  } else {
    session.world.out << "stored " << printable(text_of(*added, "id")) << " in " << options.queue
                      << ", due "
                      << relative(text_of(*added, "eta"), to_micros(session.world.now())) << '\n';
  }
  return exit_done;
}

}  // namespace

void add_add_command(CLI::App& app, Session& session) {
  auto options = std::make_shared<AddOptions>();
  CLI::App* command = app.add_subcommand("add", "Add one task to a queue");
  command->add_option("QUEUE", options->queue, "Its name")->required();
  command->add_option("TARGET", options->target,
                      "Where a push task goes: http://HOST[:PORT]/PATH; none in a pull queue");
  command->add_option("-X,--method", options->method, "POST when not said")->type_name("METHOD");
  command->add_option("-H,--header", options->headers, "'Name: value'; may be repeated")
      ->type_name("HEADER")
      ->expected(1)
      ->take_all();
  CLI::Option* data = command
                          ->add_option("-d,--data", options->data,
                                       "The body: text, @FILE, or @- for standard input")
                          ->type_name("TEXT");
  command->add_option("--data-json", options->data_json, "The body as JSON; sets its content type")
      ->type_name("JSON")
      ->excludes(data);
  command->add_option("--name", options->name,
                      "A name of your own; a second task of that name is refused");
  CLI::Option* delay = command->add_option("--delay", options->delay, "Not before: 30s, 1h30m")
                           ->type_name("DURATION");
  command->add_option("--eta", options->eta, "Not before: 2027-01-31T08:00:00Z")
      ->type_name("TIME")
      ->excludes(delay);
  command->add_option("--priority", options->priority, "0 lowest .. 9 highest")
      ->check(CLI::Range(0, 9))
      ->type_name("N");
  command->add_option("--key", options->key, "The tag that workers lease by");
  command
      ->add_option("--attempt-timeout", options->timeout, "The longest that one attempt may take")
      ->type_name("DURATION");
  command->add_option("--max-attempts", options->max_attempts, "Over the queue's; -1 is no limit")
      ->type_name("N");
  CLI::Option* keep = command
                          ->add_option("--keep-result", options->keep_result,
                                       "How long after its end its result is kept: 1h")
                          ->type_name("DURATION");
  command
      ->add_flag("--wait", options->wait,
                 "Wait for its end, and show its result as defer result does")
      ->needs(keep);
  CLI::Option* callback = command
                              ->add_option("--callback", options->callback_url,
                                           "Where its result is posted to when it ends")
                              ->type_name("URL");
  command
      ->add_option("--callback-queue", options->callback_queue,
                   "The push queue that does so; the task's own if it is push, else default")
      ->type_name("QUEUE")
      ->needs(callback);
  command->footer(
      "Examples:\n"
      "  defer add default http://localhost:9000/hello -d 'good morning' --delay 10s\n"
      "  defer add mail http://localhost:9000/send --data-json '{\"to\":\"ada\"}' --name "
      "welcome-ada\n"
      "  defer add results -d @result.bin --key eu\n"
      "  defer add jobs --data-json '{\"report\":7}' --keep-result 1h --wait");
  command->callback([&session, options, data] {
    options->has_data = data->count() > 0;
    session.action = [&session, options] { return add(session, *options); };
  });
}

}  // namespace deferd::cli
