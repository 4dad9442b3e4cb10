// From the tree of a file to the queues it declares. Which keys there are and what they may hold
// stands here in the order of GAE-spec 8.1; forms of single values are in queue_yaml_values.cc.
#include "config/queue_yaml.h"

#include <algorithm>
#include <set>

#include "config/queue_xml.h"
#include "config/schema_reader.h"
#include "model/appengine_defaults.h"

namespace deferd {
namespace {

constexpr std::size_t queue_name_chars_max = 100;
constexpr std::size_t acl_entries_max = 1000;
constexpr std::size_t email_chars_max = 320;  // 64 + @ + 255, as RFC 5321 allows
constexpr std::size_t app_engine_queues_max = 100;

// As the SDK prints them when a value does not match.
constexpr std::string_view application_expression =
    R"(^(?:(?:[a-z\d\-]{1,100}\~)?(?:(?!\-)[a-z\d\-\.]{1,100}:)?(?!-)[a-z\d\-]{0,99}[a-z\d])$)";
constexpr std::string_view name_expression = R"(^(?:^[A-Za-z0-9-]{0,499}$)$)";
constexpr std::string_view rate_expression = R"(^(?:^(0|[0-9]+(\.[0-9]*)?/[smhd]))$)";
constexpr std::string_view storage_expression = R"(^(?:^([0-9]+(\.[0-9]*)?[BKMGT]?))$)";
constexpr std::string_view mode_expression = R"(^(?:(pull)|(push))$)";
constexpr std::string_view target_expression =
    R"(^(?:^(?:(?:((?!-)[a-z\d\-]{1,100})\.)?)((?!-)[a-z\d\-]{1,63})$)$)";

bool is_lower_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool only_lower(std::string_view text, std::string_view extra, std::size_t chars_max) {
  return !text.empty() && text.size() <= chars_max && std::ranges::all_of(text, [extra](char c) {
    return is_lower_alnum(c) || extra.find(c) != extra.npos;
  });
}

bool is_application(std::string_view text) {
  if (const std::size_t tilde = text.find('~'); tilde != text.npos) {
    if (!only_lower(text.substr(0, tilde), "-", 100)) return false;
    text.remove_prefix(tilde + 1);
  }
  if (const std::size_t colon = text.find(':'); colon != text.npos) {
    const std::string_view domain = text.substr(0, colon);
    if (!only_lower(domain, "-.", 100) || domain.front() == '-') return false;
    text.remove_prefix(colon + 1);
  }
  return only_lower(text, "-", 100) && text.front() != '-' && text.back() != '-';
}

// "[version.]service"; an instance in front makes three parts, which no queue can have.
bool is_target(std::string_view text) {
  const std::size_t dot = text.find('.');
  if (dot != text.npos) {
    const std::string_view version = text.substr(0, dot);
    if (!only_lower(version, "-", 100) || version.front() == '-') return false;
    text.remove_prefix(dot + 1);
  }
  return only_lower(text, "-", 63) && text.front() != '-';
}

bool is_queue_name(std::string_view text) {
  return !text.empty() && text.size() <= queue_name_chars_max && queue_yaml_can_name(text);
}

struct Bounds {
  std::int64_t rate_per_second;
  std::int64_t bucket_size;
  std::int64_t concurrent;
  std::size_t queues;
};

Bounds bounds_of(QueueYamlLimits limits) {
  if (limits == QueueYamlLimits::app_engine) return {500, 500, 5000, app_engine_queues_max};
  return {rate_per_second_max, 1'000'000, 100'000, config_nodes_max};
}

// Reads one file.
class Reader : private SchemaReader {
 public:
  Reader(QueueYaml& file, QueueYamlLimits limits, bool is_xml)
      : SchemaReader(file.source, "queue"),
        file_(file),
        bounds_(bounds_of(limits)),
        is_xml_(is_xml) {}

  Result<void> read(const ConfigNode& root) {
    read_root(root);
    if (auto error = take_error()) return fail(std::move(*error));
    return {};
  }

 private:
  using SchemaReader::integer;
  std::optional<std::int32_t> integer(const Node& map, std::string_view key, std::int64_t low,
                                      std::int64_t high) {
    const auto number = integer(map, key);
    if (!number) return std::nullopt;
    if (*number < low || *number > high) {
      refuse(map.find(key)->place, key,
             std::string(key) + " is " + std::to_string(*number) + "; give " + std::to_string(low) +
                 " to " + std::to_string(high));
      return std::nullopt;
    }
    return static_cast<std::int32_t>(*number);
  }

  // ---- The file

  void read_root(const Node& root) {
    constexpr std::string_view keys[] = {"application", "queue", "total_storage_limit",
                                         "resume_paused_queues"};
    if (root.is_nothing()) return refuse({}, "", "Empty queue configuration.");
    if (root.kind != Node::Kind::map)
      return refuse(root.place, "", "Empty queue configuration. Begin the file with \"queue:\"");
    if (!check_keys(root, "QueueInfoExternal", keys)) return;
    const Node* const application = given(root, "application");
    if (application != nullptr && (!application->is_text() || !is_application(application->text)))
      return refuse_expression(*application, "application", application_expression);
    read_storage_limit(root);
    read_resume(root);
    const Node* const queues = given(root, "queue");
    if (refused() || queues == nullptr) return;
    if (queues->kind != Node::Kind::list) {
      return refuse_value(
          *queues, "queue",
          "Value '" + shown_value(*queues) + "' for queue should be a sequence but is not.");
    }
    for (const Node& entry : queues->items) {
      set_subject("");
      if (file_.queues.size() == bounds_.queues) {
        return refuse(entry.place, "queue",
                      "the file has more than " + std::to_string(bounds_.queues) + " queues");
      }
      read_entry(entry);
      if (refused()) return;
    }
  }

  void read_storage_limit(const Node& root) {
    constexpr std::string_view key = "total_storage_limit";
    const Node* const value = given(root, key);
    if (value == nullptr) return;
    const auto bytes = parse_storage_limit(value->text);
    if (bytes) {
      file_.total_storage_limit = *bytes;
      return;
    }
    // What the schema lets through the parser refuses alone.
    const std::string& why = bytes.error().message;
    std::string_view digits = value->text;
    if (!digits.empty() && std::string_view("BKMGT").find(digits.back()) != digits.npos)
      digits.remove_suffix(1);
    const bool fits_schema =
        !digits.empty() && digits.front() != '.' &&
        std::ranges::all_of(digits, [](char c) { return c == '.' || (c >= '0' && c <= '9'); }) &&
        std::ranges::count(digits, '.') <= 1;
    if (fits_schema) return refuse(value->place, key, why);
    refuse_expression(*value, key, storage_expression, why);
  }

  void read_resume(const Node& root) {
    constexpr std::string_view key = "resume_paused_queues";
    const Node* const value = given(root, key);
    if (value == nullptr) return;
    const std::string_view text = value->text;
    const bool yes = text == "True" || text == "true" || text == "TRUE";
    if (!yes && text != "False" && text != "false" && text != "FALSE") {
      return refuse_value(*value, key,
                          "Value '" + shown_value(*value) +
                              "' for resume_paused_queues is not of the expected type bool");
    }
    file_.resume_paused_queues = yes;
  }

  // ---- One queue

  void read_entry(const Node& entry) {
    constexpr std::string_view keys[] = {
        "name",   "mode", "rate", "bucket_size", "max_concurrent_requests", "retry_parameters",
        "target", "acl"};
    if (entry.kind != Node::Kind::map) {
      return refuse(
          entry.place, "queue",
          "Value element '" + shown_value(entry) + "' for queue must be type QueueEntry.");
    }
    const Node* const name = given(entry, "name");
    if (name != nullptr && name->is_text()) set_subject(name->text);
    if (!check_keys(entry, "QueueEntry", keys)) return;
    if (name == nullptr) {
      return refuse(entry.place, "name",
                    is_xml_ ? "Queue entry must have a name." : "Missing required value [name].");
    }
    if (!name->is_text() || !is_queue_name(name->text)) {
      return refuse_expression(*name, "name", name_expression,
                               name->is_text() && queue_yaml_can_name(name->text)
                                   ? "a name has 1 to 100 characters"
                                   : "");
    }
    if (!names_.insert(name->text).second)
      return refuse(name->place, "name", "Queue entry has duplicate name.");

    DeclaredQueue queue;
    queue.name = name->text;
    queue.place = name->place;
    queue.settings = app_engine_defaults(read_mode(entry));
    if (refused()) return;
    if (queue.settings.mode == QueueMode::push) {
      read_push(entry, queue.settings);
    } else {
      read_pull(entry, queue.settings);
    }
    if (refused()) return;
    if (auto ok = queue.settings.check(); !ok)
      return refuse(queue.place, ok.error().field, ok.error().message);
    file_.queues.push_back(std::move(queue));
  }

  QueueMode read_mode(const Node& entry) {
    const Node* const mode = given(entry, "mode");
    if (mode == nullptr || mode->text == "push") return QueueMode::push;
    if (mode->text == "pull") return QueueMode::pull;
    if (is_xml_) {
      refuse(mode->place, "mode", "mode must be either 'push' or 'pull'");
    } else {
      refuse_expression(*mode, "mode", mode_expression);
    }
    return QueueMode::push;
  }

  void read_push(const Node& entry, QueueSettings& settings) {
    if (const Node* const acl = given(entry, "acl")) {
      return refuse(acl->place, "acl",
                    "Acl must not be specified for push queue; it says who may lease over REST");
    }
    read_rate(entry, settings);
    if (const auto size = integer(entry, "bucket_size")) {
      if (*size > bounds_.bucket_size) {
        return refuse(entry.find("bucket_size")->place, "bucket_size",
                      "Maximum bucket size is " + std::to_string(bounds_.bucket_size) + ".");
      }
      if (*size < 1) {
        return refuse(entry.find("bucket_size")->place, "bucket_size",
                      "bucket_size is " + std::to_string(*size) +
                          "; give 1 or more, and rate 0 to stop the queue");
      }
      settings.burst = static_cast<std::int32_t>(*size);
    }
    if (const auto most = integer(entry, "max_concurrent_requests", 1, bounds_.concurrent))
      settings.concurrency = *most;
    if (const Node* const target = given(entry, "target")) {
      if (!target->is_text() || !is_target(target->text))
        return refuse_expression(*target, "target", target_expression);
      settings.appengine.target = target->text;
    }
    if (const Node* const retry = retry_of(entry)) read_push_retry(*retry, settings.retry);
  }

  void read_rate(const Node& entry, QueueSettings& settings) {
    const Node* const value = given(entry, "rate");
    if (value == nullptr) {
      return refuse(entry.find("name")->place, "rate", "A queue rate is required for push queue.");
    }
    const auto rate = parse_queue_rate(value->text);
    if (!value->is_text() || !rate)
      return refuse_expression(*value, "rate", rate_expression, rate ? "" : rate.error().message);
    if (rate->per_second() > static_cast<double>(bounds_.rate_per_second)) {
      return refuse(value->place, "rate",
                    "Refill rate must not exceed " + std::to_string(bounds_.rate_per_second) +
                        " per second (is " + value->text + ").");
    }
    settings.rate = *rate;
    settings.appengine.rate_text = value->text;
  }

  const Node* retry_of(const Node& entry) {
    constexpr std::string_view keys[] = {"task_retry_limit", "task_age_limit",
                                         "min_backoff_seconds", "max_backoff_seconds",
                                         "max_doublings"};
    const Node* const retry = given(entry, "retry_parameters");
    if (refused() || retry == nullptr) return nullptr;
    if (retry->kind != Node::Kind::map) {
      refuse_value(*retry, "retry_parameters",
                   "Value " + shown_value(*retry) +
                       " for retry_parameters is not of the expected type RetryParameters");
      return nullptr;
    }
    return check_keys(*retry, "RetryParameters", keys) ? retry : nullptr;
  }

  std::optional<std::int32_t> retry_limit(const Node& retry) {
    constexpr std::string_view key = "task_retry_limit";
    const auto limit = integer(retry, key);
    if (!limit) return std::nullopt;
    if (*limit < 0) {
      refuse(retry.find(key)->place, key, "Task retry limit must not be less than zero.");
      return std::nullopt;
    }
    return integer(retry, key, 0, 1'000'000'000);
  }

  void read_push_retry(const Node& retry, RetryPolicy& policy) {
    // A retry limit counts what follows the first attempt.
    if (const auto limit = retry_limit(retry)) policy.max_attempts = *limit + 1;
    if (const Node* const age = given(retry, "task_age_limit")) read_age_limit(*age, policy);
    const auto min_backoff =
        seconds(retry, "min_backoff_seconds", "Min backoff seconds must not be less than zero.");
    const auto max_backoff =
        seconds(retry, "max_backoff_seconds", "Max backoff seconds must not be less than zero.");
    if (const auto doublings = integer(retry, "max_doublings")) {
      if (*doublings < 0) {
        refuse(retry.find("max_doublings")->place, "max_doublings",
               "Max doublings must not be less than zero.");
      }
      policy.max_doublings = integer(retry, "max_doublings", 0, 1'000'000'000).value_or(0);
    }
    if (min_backoff && max_backoff && *min_backoff > *max_backoff) {
      refuse(retry.find("min_backoff_seconds")->place, "min_backoff_seconds",
             "Min backoff sec must not be greater than than max backoff sec.");
    }
    if (refused()) return;
    // One that stands alone moves the other's default out of its way.
    policy.min_backoff = min_backoff.value_or(
        std::min(policy.min_backoff, max_backoff.value_or(policy.min_backoff)));
    policy.max_backoff = max_backoff.value_or(std::max(policy.max_backoff, policy.min_backoff));
  }

  void read_age_limit(const Node& value, RetryPolicy& policy) {
    constexpr std::string_view key = "task_age_limit";
    constexpr std::string_view form =
        " (must be a non-negative number followed by a time unit, such as 1h or 3.5d)";
    const auto age = value.is_text() ? parse_task_age_limit(value.text) : Result<Micros>(Micros(0));
    if (value.is_text() && age) {
      policy.max_age = *age;
      return;
    }
    const std::string about = "Value '" + shown_value(value) + "' for task_age_limit";
    const std::string& text = value.text;
    const bool is_number = !value.quoted && !text.empty() &&
                           text.find_first_not_of("+-.0123456789") == std::string::npos;
    if (!value.is_text() || is_number)
      return refuse_value(value, key, about + " is not a string" + std::string(form));
    const std::string& why = age.error().message;
    if (text.find_first_not_of(" \t") == std::string::npos) {
      return refuse_value(value, key, "Value for task_age_limit is empty" + std::string(form), why);
    }
    if (std::string_view("smhd").find(text.back()) == std::string_view::npos) {
      return refuse_value(value, key,
                          about +
                              " must end with a time unit, one of s (seconds), m (minutes), "
                              "h (hours), or d (days)",
                          why);
    }
    if (text.front() == '-')
      return refuse_value(value, key, about + " is negative" + std::string(form));
    if (why.find("must be greater") != std::string::npos ||
        why.find("century") != std::string::npos)
      return refuse(value.place, key, why);
    refuse_value(value, key, about + " is not a valid time value" + std::string(form), why);
  }

  void read_pull(const Node& entry, QueueSettings& settings) {
    constexpr std::pair<std::string_view, std::string_view> push_only[] = {
        {"rate", "Rate"},
        {"bucket_size", "Bucket size"},
        {"max_concurrent_requests", "MaxConcurrentRequests"},
        {"target", "Target"}};
    constexpr std::pair<std::string_view, std::string_view> push_only_retry[] = {
        {"task_age_limit", "Age limit"},
        {"min_backoff_seconds", "Min backoff"},
        {"max_backoff_seconds", "Max backoff"},
        {"max_doublings", "Max doublings"}};
    const auto check_none = [this](const Node& map, const auto& keys) {
      for (const auto& [key, word] : keys) {
        const Node* const value = given(map, key);
        if (value == nullptr) continue;
        refuse(value->place, key, std::string(word) + " must not be specified for pull queue.");
      }
    };
    check_none(entry, push_only);
    if (const Node* const retry = retry_of(entry)) {
      check_none(*retry, push_only_retry);
      // The number of leases. With 0 a task could never be leased: taken as no limit, as it is when
      // a task says so (GAE-spec 17, row 9).
      if (const auto limit = retry_limit(*retry)) {
        settings.retry.max_attempts = *limit == 0 ? -1 : *limit;
      }
    }
    if (const Node* const acl = given(entry, "acl")) read_acl(*acl, settings.appengine);
  }

  void read_acl(const Node& acl, AppEngineSettings& settings) {
    constexpr std::string_view keys[] = {"user_email", "writer_email"};
    if (acl.kind != Node::Kind::list) {
      return refuse_value(
          acl, "acl", "Value '" + shown_value(acl) + "' for acl should be a sequence but is not.");
    }
    if (acl.items.size() > acl_entries_max) {
      return refuse(acl.place, "acl",
                    "acl has more than " + std::to_string(acl_entries_max) + " entries");
    }
    for (const Node& item : acl.items) {
      if (item.kind != Node::Kind::map) {
        return refuse(item.place, "acl",
                      "Value element '" + shown_value(item) + "' for acl must be type Acl.");
      }
      if (!check_keys(item, "Acl", keys)) return;
      read_email(item, "user_email", settings.user_emails);
      read_email(item, "writer_email", settings.writer_emails);
      if (refused()) return;
    }
  }

  void read_email(const Node& item, std::string_view key, std::vector<std::string>& emails) {
    const Node* const value = given(item, key);
    if (value == nullptr) return;
    if (!value->is_text() || value->text.empty() || value->text.size() > email_chars_max) {
      return refuse_value(*value, key,
                          "Value '" + shown_value(*value) + "' for " + std::string(key) +
                              " is not an address of 1 to " + std::to_string(email_chars_max) +
                              " characters");
    }
    if (std::ranges::find(emails, value->text) == emails.end()) emails.push_back(value->text);
  }

  QueueYaml& file_;
  const Bounds bounds_;
  const bool is_xml_;
  std::set<std::string> names_;
};

}  // namespace

bool queue_yaml_can_name(std::string_view queue) {
  return std::ranges::all_of(queue, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  });
}

QueueSettings DeclaredQueue::over(const QueueSettings& existing) const {
  QueueSettings after = settings;
  after.timeout = existing.timeout;
  after.priority = existing.priority;
  after.max_tasks = existing.max_tasks;
  after.max_bytes = existing.max_bytes;
  after.tombstone = existing.tombstone;
  after.task_ttl = existing.task_ttl;
  return after;
}

Result<QueueYaml> parse_queue_yaml(SourceText source, QueueYamlLimits limits) {
  QueueYaml file;
  file.source = std::move(source);
  const std::size_t first = file.source.text.find_first_not_of("\xef\xbb\xbf \t\r\n");
  const bool is_xml = first != std::string::npos && file.source.text[first] == '<';
  auto documents = is_xml ? parse_queue_xml(file.source) : parse_yaml(file.source);
  if (!documents) return fail(documents.error());
  if (documents->empty()) return fail(file.source.error({}, "Empty queue configuration."));
  if (documents->size() > 1) {
    return fail(
        file.source.error((*documents)[1].place, "Multiple queue: sections in configuration."));
  }
  if (auto ok = Reader(file, limits, is_xml).read(documents->front()); !ok) return fail(ok.error());
  return file;
}

}  // namespace deferd
