// The discovery document: what Google's client libraries build themselves from. Names, paths and
// types are those of taskqueue/v1beta2; the descriptions are ours.
#include <algorithm>
#include <array>

#include "api/http/json_writer.h"
#include "api/taskqueue_rest/door.h"

namespace deferd::taskqueue_rest {
namespace {

struct Parameter {
  std::string_view name;
  std::string_view type;  // "integer" is an int32
  bool in_path;
  bool required;
  std::string_view text;
};

constexpr Parameter project{"project", "string", true, true,
                            "The application, with its partition (s~app) or without."};
constexpr Parameter taskqueue{"taskqueue", "string", true, true, "The name of a pull queue."};
constexpr Parameter task{"task", "string", true, true, "The name of a task."};
constexpr Parameter get_stats{"getStats", "boolean", false, false,
                              "Whether the answer holds statistics."};
constexpr Parameter num_tasks{"numTasks", "integer", false, true,
                              "How many tasks to lease at most: 1 to 1000."};
constexpr Parameter lease_secs{"leaseSecs", "integer", false, true,
                               "How long the lease holds, in seconds: 0 to 604800."};
constexpr Parameter group_by_tag{"groupByTag", "boolean", false, false,
                                 "Whether all tasks leased must have one tag."};
constexpr Parameter tag{"tag", "string", false, false,
                        "With groupByTag: that tag. Left out: the tag of the oldest task."};
constexpr Parameter new_lease{
    "newLeaseSeconds", "integer", false, true,
    "How long the lease holds from now on, in seconds; 0 gives the task back."};

// What every call takes. All but `fields` are ignored.
constexpr std::array common = {
    Parameter{"alt", "string", false, false, "The format of the answer; it is always JSON."},
    Parameter{"fields", "string", false, false, "Which members the answer is to have."},
    Parameter{"key", "string", false, false, "An API key; ignored."},
    Parameter{"oauth_token", "string", false, false, "An OAuth token."},
    Parameter{"prettyPrint", "boolean", false, false, "Ignored."},
    Parameter{"quotaUser", "string", false, false, "Ignored."},
    Parameter{"userIp", "string", false, false, "Ignored."},
};

struct ApiMethod {
  std::string_view resource;
  std::string_view name;
  std::string_view http_method;
  std::string_view path;
  std::string_view request;   // a schema; empty: no body
  std::string_view response;  // a schema; empty: no body
  std::string_view text;
  std::array<const Parameter*, 6> parameters;  // required ones in the order of a client's arguments
};

constexpr std::string_view queue_path = "{project}/taskqueues/{taskqueue}";
constexpr std::string_view tasks_path = "{project}/taskqueues/{taskqueue}/tasks";
constexpr std::string_view lease_path = "{project}/taskqueues/{taskqueue}/tasks/lease";
constexpr std::string_view task_path = "{project}/taskqueues/{taskqueue}/tasks/{task}";

constexpr std::array api_methods = {
    ApiMethod{"taskqueues",
              "get",
              "GET",
              queue_path,
              "",
              "TaskQueue",
              "Describes a pull queue.",
              {&project, &taskqueue, &get_stats}},
    ApiMethod{"tasks",
              "delete",
              "DELETE",
              task_path,
              "",
              "",
              "Deletes a task, leased or not.",
              {&project, &taskqueue, &task}},
    ApiMethod{"tasks",
              "get",
              "GET",
              task_path,
              "",
              "Task",
              "Gets one task.",
              {&project, &taskqueue, &task}},
    ApiMethod{"tasks",
              "insert",
              "POST",
              tasks_path,
              "Task",
              "Task",
              "Adds a task to a queue.",
              {&project, &taskqueue}},
    ApiMethod{"tasks",
              "lease",
              "POST",
              lease_path,
              "",
              "Tasks",
              "Leases tasks that are due, oldest first.",
              {&project, &taskqueue, &num_tasks, &lease_secs, &group_by_tag, &tag}},
    ApiMethod{"tasks",
              "list",
              "GET",
              tasks_path,
              "",
              "Tasks2",
              "Lists up to 100 tasks, leased or not, without their payloads.",
              {&project, &taskqueue}},
    ApiMethod{"tasks",
              "patch",
              "PATCH",
              task_path,
              "Task",
              "Task",
              "Changes how long a lease holds. The body names the queue.",
              {&project, &taskqueue, &task, &new_lease}},
    ApiMethod{"tasks",
              "update",
              "POST",
              task_path,
              "Task",
              "Task",
              "Changes how long a lease holds. The body holds id and leaseTimestamp.",
              {&project, &taskqueue, &task, &new_lease}},
};

constexpr std::string_view schemas = R"({
"Task":{"id":"Task","type":"object","properties":{
"enqueueTimestamp":{"type":"string","format":"int64","description":"When the task was added, in microseconds since 1970."},
"id":{"type":"string","description":"The name of the task; chosen by the server if left out."},
"kind":{"type":"string","default":"taskqueues#task"},
"leaseTimestamp":{"type":"string","format":"int64","description":"When the lease ends, in microseconds since 1970; 0: not leased."},
"payloadBase64":{"type":"string","description":"The payload, in URL-safe base64."},
"queueName":{"type":"string","description":"The queue of the task."},
"retry_count":{"type":"integer","format":"int32","description":"How often the task was leased."},
"tag":{"type":"string","description":"The tag by which it may be leased."}}},
"TaskQueue":{"id":"TaskQueue","type":"object","properties":{
"acl":{"type":"object","description":"Who may use the queue.","properties":{
"adminEmails":{"type":"array","items":{"type":"string"}},
"consumerEmails":{"type":"array","description":"Who may lease, list, update and delete tasks.","items":{"type":"string"}},
"producerEmails":{"type":"array","description":"Who may add tasks.","items":{"type":"string"}}}},
"id":{"type":"string","description":"The name of the queue."},
"kind":{"type":"string","default":"taskqueues#taskqueue"},
"maxLeases":{"type":"integer","format":"int32","description":"How often a task is leased before it is dropped; left out: no limit."},
"stats":{"type":"object","properties":{
"leasedLastHour":{"type":"string","format":"int64"},
"leasedLastMinute":{"type":"string","format":"int64"},
"oldestTask":{"type":"string","format":"int64","description":"The earliest ETA of all tasks, in seconds since 1970; 0: there is no task."},
"totalTasks":{"type":"integer","format":"int32"}}}}},
"Tasks":{"id":"Tasks","type":"object","description":"What was leased.","properties":{
"items":{"type":"array","items":{"$ref":"Task"}},
"kind":{"type":"string","default":"taskqueue#tasks"}}},
"Tasks2":{"id":"Tasks2","type":"object","description":"What is in a queue.","properties":{
"items":{"type":"array","items":{"$ref":"Task"}},
"kind":{"type":"string","default":"taskqueues#tasks"}}}})";

constexpr std::string_view scopes[][2] = {
    {"https://www.googleapis.com/auth/taskqueue", "Add, lease and delete tasks."},
    {"https://www.googleapis.com/auth/taskqueue.consumer", "Lease and delete tasks."}};

void write_parameter(JsonWriter& json, const Parameter& parameter) {
  json.key(parameter.name).begin_object();
  json.member("type", parameter.type);
  if (parameter.type == "integer") json.member("format", "int32");
  json.member("description", parameter.text);
  if (parameter.required) json.member("required", true);
  json.member("location", parameter.in_path ? "path" : "query");
  json.end_object();
}

void write_method(JsonWriter& json, const ApiMethod& method) {
  json.key(method.name).begin_object();
  json.member("id", "taskqueue." + std::string(method.resource) + "." + std::string(method.name));
  json.member("path", method.path).member("httpMethod", method.http_method);
  json.member("description", method.text);
  json.key("parameters").begin_object();
  for (const Parameter* parameter : method.parameters) {
    if (parameter != nullptr) write_parameter(json, *parameter);
  }
  json.end_object();
  json.key("parameterOrder").begin_array();
  for (const Parameter* parameter : method.parameters) {
    if (parameter != nullptr && parameter->required) json.value(parameter->name);
  }
  json.end_array();
  if (!method.request.empty())
    json.key("request").begin_object().member("$ref", method.request).end_object();
  if (!method.response.empty())
    json.key("response").begin_object().member("$ref", method.response).end_object();
  json.key("scopes").begin_array();
  for (const auto& scope : scopes) json.value(scope[0]);
  json.end_array().end_object();
}

bool is_host(std::string_view text) {
  constexpr std::size_t host_chars_max = 255;
  return !text.empty() && text.size() <= host_chars_max && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view(".-_:[]").find(c) != std::string_view::npos;
  });
}

}  // namespace

std::string discovery_json(std::string_view host) {
  const std::string root = "http://" + std::string(is_host(host) ? host : "localhost") + "/";
  const std::string service(projects_path.substr(1));
  std::string body;
  JsonWriter json(body);
  json.begin_object();
  json.member("kind", "discovery#restDescription").member("discoveryVersion", "v1");
  json.member("id", "taskqueue:v1beta2").member("name", "taskqueue").member("version", "v1beta2");
  json.member("revision", "1").member("title", "Task queue API");
  json.member("description", "App Engine's pull queues over HTTP, served by deferd.");
  json.member("protocol", "rest");
  json.member("rootUrl", root).member("servicePath", service);
  json.member("baseUrl", root + service).member("basePath", projects_path);
  json.key("parameters").begin_object();
  for (const Parameter& parameter : common) write_parameter(json, parameter);
  json.end_object();
  json.key("auth").begin_object().key("oauth2").begin_object().key("scopes").begin_object();
  for (const auto& scope : scopes)
    json.key(scope[0]).begin_object().member("description", scope[1]).end_object();
  json.end_object().end_object().end_object();
  json.key("schemas").raw(schemas);
  json.key("resources").begin_object();
  for (const std::string_view resource : {"taskqueues", "tasks"}) {
    json.key(resource).begin_object().key("methods").begin_object();
    for (const ApiMethod& method : api_methods) {
      if (method.resource == resource) write_method(json, method);
    }
    json.end_object().end_object();
  }
  json.end_object().end_object();
  return body;
}

}  // namespace deferd::taskqueue_rest
