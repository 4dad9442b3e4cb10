#include "config/cron_yaml.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "config/queue_yaml.h"
#include "config/schema_reader.h"
#include "cron/schedule.h"
#include "cron/zone.h"
#include "model/target_url.h"

namespace deferd {
namespace {

using Node = ConfigNode;

constexpr std::size_t description_chars_max = 499;
constexpr std::size_t timezone_chars_max = 100;
constexpr std::size_t service_chars_max = 63;
constexpr std::size_t version_chars_max = 100;
constexpr Micros attempt_deadline_max = std::chrono::hours(24);

// As the SDK prints them when a value does not match.
constexpr std::string_view url_expression = "^(?:^/.*$)$";
constexpr std::string_view timezone_expression = "^(?:^.{0,100}$)$";
constexpr std::string_view description_expression = "^(?:^.{0,499}$)$";
constexpr std::string_view target_expression =
    R"(^(?:^(?:(?:((?!-)[a-z\d\-]{1,63}):)?)((?!-)[a-z\d\-]{1,100})$)$)";

bool is_part(std::string_view text, std::size_t chars_max) {
  return !text.empty() && text.size() <= chars_max && text.front() != '-' &&
         std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
         });
}

bool is_target(std::string_view text) {
  if (const std::size_t colon = text.find(':'); colon != text.npos) {
    return is_part(text.substr(0, colon), service_chars_max) &&
           is_part(text.substr(colon + 1), version_chars_max);
  }
  if (const std::size_t dot = text.find('.'); dot != text.npos) {
    return is_part(text.substr(0, dot), version_chars_max) &&
           is_part(text.substr(dot + 1), service_chars_max);
  }
  return is_part(text, version_chars_max);
}

// Characters as people count them.
std::size_t chars_of(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

class Reader {
 public:
  explicit Reader(CronYaml& file) : file_(file), reader_(file.source, "job") {}

  Result<void> read(const Node& root) {
    read_root(root);
    if (auto error = reader_.take_error()) return fail(std::move(*error));
    return {};
  }

 private:
  void read_root(const Node& root) {
    constexpr std::string_view keys[] = {"application", "cron"};
    if (root.is_nothing()) return reader_.refuse({}, "", "Empty cron configuration.");
    if (root.kind != Node::Kind::map) {
      return reader_.refuse(root.place, "",
                            "Empty cron configuration. Begin the file with \"cron:\"");
    }
    if (!reader_.check_keys(root, "CronInfoExternal", keys)) return;
    const Node* const jobs = root.find("cron");
    if (jobs == nullptr) {
      return reader_.refuse(root.place, "cron",
                            "Missing required value [cron]. To delete all jobs write \"cron: []\"");
    }
    if (jobs->is_nothing()) return;  // no jobs
    if (jobs->kind != Node::Kind::list) {
      return reader_.refuse_value(
          *jobs, "cron",
          "Value '" + shown_value(*jobs) + "' for cron should be a sequence but is not.");
    }
    for (const Node& entry : jobs->items) {
      reader_.set_subject("");
      if (file_.jobs.size() == cron_jobs_max) {
        return reader_.refuse(entry.place, "cron",
                              "the file has more than " + std::to_string(cron_jobs_max) + " jobs");
      }
      read_entry(entry);
      if (reader_.refused()) return;
    }
  }

  void read_entry(const Node& entry) {
    constexpr std::string_view keys[] = {
        "url",    "schedule",         "timezone",        "description",
        "target", "retry_parameters", "attempt_deadline"};
    if (entry.kind != Node::Kind::map) {
      return reader_.refuse(
          entry.place, "cron",
          "Value element '" + shown_value(entry) + "' for cron must be type CronEntry.");
    }
    const Node* const url = SchemaReader::given(entry, "url");
    if (url != nullptr && url->is_text()) reader_.set_subject(url->text);
    if (!reader_.check_keys(entry, "CronEntry", keys)) return;
    if (url == nullptr) {
      return reader_.refuse(entry.place, "url", "Missing required value [url].");
    }
    DeclaredJob job;
    job.place = url->place;
    read_url(*url, job);
    read_schedule(entry, job);
    read_timezone(entry, job);
    read_description(entry, job);
    if (const Node* const target = SchemaReader::given(entry, "target")) {
      if (!target->is_text() || !is_target(target->text)) {
        return reader_.refuse_expression(*target, "target", target_expression);
      }
      job.target = target->text;
    }
    // An empty block is one: it asks for the default number of retries.
    if (const Node* const retry = entry.find("retry_parameters")) read_retry(*retry, job.retry);
    read_deadline(entry, job);
    if (!reader_.refused()) file_.jobs.push_back(std::move(job));
  }

  void read_url(const Node& url, DeclaredJob& job) {
    if (!url.is_text() || !url.text.starts_with('/')) {
      return reader_.refuse_expression(url, "url", url_expression);
    }
    if (auto ok = check_target_path(url.text); !ok) {
      return reader_.refuse_value(url, "url", ok.error().message);
    }
    job.url = url.text;
  }

  void read_schedule(const Node& entry, DeclaredJob& job) {
    const Node* const value = SchemaReader::given(entry, "schedule");
    if (value == nullptr) {
      return reader_.refuse(job.place, "schedule", "Missing required value [schedule].");
    }
    const auto text = reader_.text(entry, "schedule");
    if (!text) return;
    if (const auto schedule = parse_schedule(*text); !schedule) {
      return reader_.refuse_value(
          *value, "schedule",
          "schedule '" + shown_value(*text) + "' failed to parse: " + schedule.error().message);
    }
    job.schedule = *text;
  }

  void read_timezone(const Node& entry, DeclaredJob& job) {
    const auto text = reader_.text(entry, "timezone");
    if (!text) return;
    const Node& value = *entry.find("timezone");
    if (chars_of(*text) > timezone_chars_max) {
      return reader_.refuse_expression(value, "timezone", timezone_expression);
    }
    if (const auto zone = Zone::find(*text); !zone) {
      return reader_.refuse_value(value, "timezone", zone.error().message);
    }
    job.timezone = *text;
  }

  void read_description(const Node& entry, DeclaredJob& job) {
    const auto text = reader_.text(entry, "description");
    if (!text) return;
    if (chars_of(*text) > description_chars_max) {
      return reader_.refuse_expression(*entry.find("description"), "description",
                                       description_expression);
    }
    job.description = *text;
  }

  void read_retry(const Node& retry, RetryPolicy& policy) {
    constexpr std::string_view keys[] = {"job_retry_limit", "job_age_limit", "min_backoff_seconds",
                                         "max_backoff_seconds", "max_doublings"};
    policy.max_attempts = job_retry_limit_max + 1;
    if (retry.is_nothing()) return;
    if (retry.kind != Node::Kind::map) {
      return reader_.refuse_value(
          retry, "retry_parameters",
          "Value '" + shown_value(retry) + "' for retry_parameters must be type RetryParameters.");
    }
    if (!reader_.check_keys(retry, "RetryParameters", keys)) return;
    if (const auto limit = reader_.integer(retry, "job_retry_limit")) {
      if (*limit < 0 || *limit > job_retry_limit_max) {
        return reader_.refuse(retry.find("job_retry_limit")->place, "job_retry_limit",
                              "job_retry_limit is " + std::to_string(*limit) + "; give 0 to " +
                                  std::to_string(job_retry_limit_max));
      }
      policy.max_attempts = static_cast<std::int32_t>(*limit) + 1;
    }
    if (const auto text = reader_.text(retry, "job_age_limit")) read_age(retry, *text, policy);
    const auto min_backoff = reader_.seconds(retry, "min_backoff_seconds",
                                             "Min backoff seconds must not be less than zero.");
    const auto max_backoff = reader_.seconds(retry, "max_backoff_seconds",
                                             "Max backoff seconds must not be less than zero.");
    if (min_backoff && max_backoff && *min_backoff > *max_backoff) {
      return reader_.refuse(retry.find("min_backoff_seconds")->place, "min_backoff_seconds",
                            "Min backoff sec must not be greater than than max backoff sec.");
    }
    // One that stands alone moves the other's default out of its way.
    policy.min_backoff = min_backoff.value_or(
        std::min(policy.min_backoff, max_backoff.value_or(policy.min_backoff)));
    policy.max_backoff = max_backoff.value_or(std::max(policy.max_backoff, policy.min_backoff));
    if (const auto doublings = reader_.integer(retry, "max_doublings")) {
      constexpr std::int64_t most = 1'000'000'000;
      if (*doublings < 0 || *doublings > most) {
        return reader_.refuse(retry.find("max_doublings")->place, "max_doublings",
                              *doublings < 0 ? "Max doublings must not be less than zero."
                                             : "max_doublings is above " + std::to_string(most));
      }
      policy.max_doublings = static_cast<std::int32_t>(*doublings);
    }
  }

  void read_age(const Node& retry, const std::string& text, RetryPolicy& policy) {
    const auto age = parse_task_age_limit(text);
    if (age) {
      policy.max_age = *age;
      return;
    }
    reader_.refuse_value(*retry.find("job_age_limit"), "job_age_limit",
                         "Value '" + shown_value(text) +
                             "' for job_age_limit is not a valid time value (must be a positive "
                             "number followed by a time unit, such as 1h or 3.5d)");
  }

  void read_deadline(const Node& entry, DeclaredJob& job) {
    constexpr std::string_view key = "attempt_deadline";
    const auto text = reader_.text(entry, key);
    if (!text) return;
    const Node& value = *entry.find(key);
    const std::size_t first = text->find_first_not_of(' ');
    const std::size_t last = text->find_last_not_of(' ');
    const std::string_view trimmed = first == text->npos
                                         ? std::string_view()
                                         : std::string_view(*text).substr(first, last - first + 1);
    const std::string about =
        "Value " + shown_value(*text) + " cannot be assigned to attempt_deadline";
    if (!trimmed.ends_with('s')) {
      return reader_.refuse_value(
          value, key,
          about + ". String should be formatted as a floating point number followed by 's'.");
    }
    double seconds = 0;
    const char* const end = trimmed.data() + trimmed.size() - 1;
    const auto [at, error] = std::from_chars(trimmed.data(), end, seconds);
    if (error != std::errc() || at != end || !std::isfinite(seconds)) {
      return reader_.refuse_value(value, key,
                                  about + ": it is no floating point number followed by 's'");
    }
    if (seconds < 0.001 || seconds > static_cast<double>(attempt_deadline_max / Seconds(1))) {
      return reader_.refuse_value(value, key, about + ": it is outside 0.001s to 86400s");
    }
    job.attempt_deadline = Micros(std::llround(seconds * 1e6));
  }

  CronYaml& file_;
  SchemaReader reader_;
};

}  // namespace

Result<CronYaml> parse_cron_yaml(SourceText source) {
  CronYaml file;
  file.source = std::move(source);
  const auto documents = parse_yaml(file.source);
  if (!documents) return fail(documents.error());
  if (documents->empty()) return fail(file.source.error({}, "Empty cron configuration."));
  if (documents->size() > 1) {
    return fail(
        file.source.error((*documents)[1].place, "Multiple cron sections in configuration."));
  }
  if (auto ok = Reader(file).read(documents->front()); !ok) return fail(ok.error());
  return file;
}

}  // namespace deferd
