// What is pure in this door: paths, queries, bodies, partial responses, rights.
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "api/http/text.h"
#include "api/taskqueue_rest/access.h"
#include "api/taskqueue_rest/bodies.h"
#include "api/taskqueue_rest/door.h"
#include "api/taskqueue_rest/fields.h"
#include "api/taskqueue_rest/query.h"
#include "api/taskqueue_rest/route.h"
#include "model/push_request.h"

namespace deferd::taskqueue_rest {
namespace {

Route route(std::string_view task = "t") {
  return *parse_route("/taskqueue/v1beta2/projects/app/taskqueues/q/tasks/" + std::string(task),
                      "local");
}

TEST(RestRoute, PathsNameQueuesAndTasks) {
  const std::string q = "/taskqueue/v1beta2/projects/app/taskqueues/q";
  EXPECT_EQ(parse_route(q, "local")->resource, Resource::queue);
  EXPECT_EQ(parse_route(q, "local")->queue.path(), "projects/app/locations/local/queues/q");
  EXPECT_EQ(parse_route(q + "/tasks", "local")->resource, Resource::tasks);
  EXPECT_EQ(parse_route(q + "/tasks/lease", "local")->resource, Resource::lease);
  EXPECT_EQ(parse_route(q + "/tasks/a%2Db", "local")->task, "a-b");
  EXPECT_EQ(parse_route("/discovery/v1/apis/taskqueue/v1beta2/rest", "local")->resource,
            Resource::discovery);
}

TEST(RestRoute, OtherPathsAreNotFoundAndNamesAreChecked) {
  for (const char* path :
       {"/", "/taskqueue/v1beta2/projects/", "/taskqueue/v1beta2/projects/app",
        "/taskqueue/v1beta2/projects/app/taskqueues", "/taskqueue/v1beta2/projects/app/taskqueues/",
        "/taskqueue/v1beta2/projects/app/queues/q", "/taskqueue/v1beta2/projects/app/taskqueues/q/",
        "/taskqueue/v1beta2/projects/app/taskqueues/q/task/t",
        "/taskqueue/v1beta2/projects/app/taskqueues/q/tasks/t/x",
        "/taskqueue/v1beta1/projects/app/taskqueues/q"}) {
    const auto parsed = parse_route(path, "local");
    ASSERT_FALSE(parsed) << path;
    EXPECT_EQ(parsed.error().reason, Reason::not_found) << path;
  }
  for (const char* path : {"/taskqueue/v1beta2/projects/app/taskqueues/a.b",
                           "/taskqueue/v1beta2/projects/a%20b/taskqueues/q",
                           "/taskqueue/v1beta2/projects/app/taskqueues/%q"}) {
    const auto parsed = parse_route(path, "local");
    ASSERT_FALSE(parsed) << path;
    EXPECT_EQ(parsed.error().reason, Reason::invalid) << path;
  }
}

// GAE-216
TEST(RestRoute, ThePartitionOfAnApplicationDoesNotCount) {
  for (const char* project : {"app", "s~app", "e~app", "dev~app", "s%7Eapp"}) {
    const auto parsed =
        parse_route("/taskqueue/v1beta2/projects/" + std::string(project) + "/taskqueues/q", "l");
    ASSERT_TRUE(parsed) << project;
    EXPECT_EQ(parsed->queue.project, "app") << project;
  }
}

TEST(RestQuery, WhatGooglesClientsAddIsIgnored) {
  const auto query = Query::parse(
      "alt=json&key=k&prettyPrint=true&quotaUser=u&userIp=1.2.3.4&oauth_token=t&numTasks=7&x&&y=");
  ASSERT_TRUE(query);
  EXPECT_EQ(*query->integer("numTasks", 1, 1000), 7);
  EXPECT_EQ(query->find("tag"), nullptr);
}

TEST(RestQuery, NumbersAndFlagsAreChecked) {
  const auto query = Query::parse("a=0&b=1001&c=x&d=1.5&e=&f=True&g=maybe&h=99999999999&i=a+b%26");
  ASSERT_TRUE(query);
  for (const char* name : {"a", "b", "c", "d", "e", "h", "missing"}) {
    EXPECT_FALSE(query->integer(name, 1, 1000)) << name;
  }
  EXPECT_TRUE(*query->flag("f", false));
  EXPECT_FALSE(*query->flag("missing", false));
  EXPECT_FALSE(query->flag("g", false));
  EXPECT_EQ(*query->find("i"), "a b&");
  EXPECT_FALSE(Query::parse("a=%4"));
}

std::string body_of(const NewTask& task) {
  return decode_push_request(*task.payload).value_or(PushRequest{}).body;
}

// GAE-213
TEST(RestInsert, PayloadsComeInEitherBase64PaddedOrNot) {
  for (const char* text : {"-_-_AA==", "-_-_AA", "+/+/AA==", "+/+/AA"}) {
    const auto task =
        parse_insert(R"({"payloadBase64":")" + std::string(text) + "\"}", route(), 1 << 20);
    ASSERT_TRUE(task) << text;
    EXPECT_EQ(body_of(*task), std::string("\xfb\xff\xbf\0", 4)) << text;
  }
  for (const char* text : {"-", "AA=", "A A=", "AAAAA", "A\\u00e9AA"}) {
    EXPECT_FALSE(
        parse_insert(R"({"payloadBase64":")" + std::string(text) + "\"}", route(), 1 << 20))
        << text;
  }
  EXPECT_EQ(body_of(*parse_insert(R"({"payloadBase64":""})", route(), 1 << 20)), "");
}

TEST(RestInsert, NameAndTagAreTakenAndTheRestIgnored) {
  const auto task = parse_insert(
      R"({"kind":"taskqueues#task","id":"n-1","tag":"red","queueName":"q","payloadBase64":"YQ==",)"
      R"("enqueueTimestamp":"5","leaseTimestamp":"0","retry_count":7,"other":[1]})",
      route(), 1 << 20);
  ASSERT_TRUE(task);
  EXPECT_EQ(task->options->name, "n-1");
  EXPECT_EQ(task->options->key, "red");
  EXPECT_FALSE(task->has_target);
}

TEST(RestInsert, WhatIsWrongIsSaid) {
  const auto refusal = [](const std::string& body, std::uint64_t bytes_max = 1 << 20) {
    const auto task = parse_insert(body, route(), bytes_max);
    return task ? Error{} : task.error();
  };
  EXPECT_EQ(refusal("{}").message, "payloadBase64 must be specified.");
  EXPECT_EQ(refusal(R"({"payloadBase64":null})").message, "payloadBase64 must be specified.");
  EXPECT_EQ(refusal("").reason, Reason::invalid);
  EXPECT_EQ(refusal("[]").reason, Reason::invalid);
  EXPECT_EQ(refusal("{").reason, Reason::invalid);
  EXPECT_EQ(refusal(R"({"payloadBase64":5})").message, "payloadBase64 must be a string");
  EXPECT_EQ(refusal(R"({"payloadBase64":"","id":"a b"})").reason, Reason::invalid);
  EXPECT_EQ(refusal(R"({"payloadBase64":"","queueName":"other"})").reason, Reason::invalid);
  const std::string tag(500, 'x');
  EXPECT_TRUE(parse_insert(R"({"payloadBase64":"","tag":")" + tag + "\"}", route(), 1 << 20));
  EXPECT_EQ(refusal(R"({"payloadBase64":"","tag":")" + tag + "x\"}").reason, Reason::invalid);
  EXPECT_EQ(refusal(R"({"payloadBase64":"AAAAAAAAAAAA"})", 8).reason, Reason::too_large);
}

TEST(RestUpdate, TheBodysIdAndLeaseTimestampCount) {
  const auto update =
      parse_update(R"({"id":"other","leaseTimestamp":"1442000000000001"})", route("t"));
  ASSERT_TRUE(update);
  EXPECT_EQ(update->task, TaskRef(std::string("other")));
  EXPECT_TRUE(update->end->matches(wall_from_micros(1'442'000'000'000'001)));
  EXPECT_FALSE(update->end->matches(wall_from_micros(1'442'000'000'000'002)));
  EXPECT_FALSE(parse_update(R"({"id":"t"})", route()));
  EXPECT_FALSE(parse_update(R"({"leaseTimestamp":"1"})", route()));
  EXPECT_FALSE(parse_update(R"({"id":"t","leaseTimestamp":"soon"})", route()));
  EXPECT_FALSE(parse_update(R"({"id":"t","leaseTimestamp":-1})", route()));
  EXPECT_FALSE(parse_update(R"({"id":"t","leaseTimestamp":1.5})", route()));
}

TEST(RestUpdate, SecondsAreToldFromMicrosecondsBySize) {
  const auto update = parse_update(R"({"id":"t","leaseTimestamp":1442000000})", route());
  ASSERT_TRUE(update);
  EXPECT_TRUE(update->end->in_seconds);
  EXPECT_TRUE(update->end->matches(wall_from_micros(1'442'000'000'999'999)));
  EXPECT_FALSE(update->end->matches(wall_from_micros(1'442'000'001'000'000)));
}

// GAE-214
TEST(RestPatch, QueueAndIdMayNotChange) {
  const auto text = [](const std::string& body) {
    const auto update = parse_patch(body, route("t"));
    return update ? "" : update.error().message;
  };
  EXPECT_EQ(text(R"({"queueName":"q"})"), "");
  EXPECT_EQ(text(R"({"queueName":"projects/s~app/taskqueues/q","id":"t"})"), "");
  EXPECT_EQ(text("{}"), "queueName is invalid.");
  EXPECT_EQ(text(R"({"queueName":"other"})"), "queueName cannot be updated.");
  EXPECT_EQ(text(R"({"queueName":"projects/b/taskqueues/q"})"), "queueName cannot be updated.");
  EXPECT_EQ(text(R"({"queueName":"q","id":"u"})"), "Task ID cannot be updated.");
}

std::string kept(std::string_view fields, const Shape& shape, const std::string& json) {
  const auto selection = Selection::parse(fields, shape);
  return selection ? selection->apply(json) : selection.error().message;
}

TEST(RestFields, NamedMembersAreKept) {
  const std::string tasks =
      R"({"kind":"k","items":[{"id":"a","tag":"x","retry_count":1},{"id":"b","retry_count":2}]})";
  EXPECT_EQ(kept("kind", tasks_shape, tasks), R"({"kind":"k"})");
  EXPECT_EQ(kept("items(id)", tasks_shape, tasks), R"({"items":[{"id":"a"},{"id":"b"}]})");
  EXPECT_EQ(kept("items/id", tasks_shape, tasks), R"({"items":[{"id":"a"},{"id":"b"}]})");
  EXPECT_EQ(kept("kind,items(id,tag)", tasks_shape, tasks),
            R"({"kind":"k","items":[{"id":"a","tag":"x"},{"id":"b"}]})");
  EXPECT_EQ(kept("items/id,items/tag", tasks_shape, tasks),
            R"({"items":[{"id":"a","tag":"x"},{"id":"b"}]})");
  EXPECT_EQ(kept("items", tasks_shape, tasks),
            R"({"items":[{"id":"a","tag":"x","retry_count":1},{"id":"b","retry_count":2}]})");
  EXPECT_EQ(kept("*", tasks_shape, tasks), tasks);
  EXPECT_EQ(kept("items(*)", tasks_shape, R"({"items":[{"id":"a"}]})"),
            R"({"items":[{"id":"a"}]})");
  EXPECT_EQ(
      kept("stats/totalTasks,acl(adminEmails)", queue_shape,
           R"({"id":"q","stats":{"totalTasks":1,"oldestTask":"0"},"acl":{"adminEmails":[]}})"),
      R"({"stats":{"totalTasks":1},"acl":{"adminEmails":[]}})");
}

TEST(RestFields, WhatAnAnswerCannotHaveIsRefused) {
  EXPECT_EQ(kept("ide", task_shape, "{}"), "Invalid field selection ide");
  for (const char* text : {"", ",", "id,", "id(", "id()", "id(kind)", "id/kind", "items", "id)",
                           "id kind", "id,,tag", "(id)", "/id"}) {
    EXPECT_FALSE(Selection::parse(text, task_shape)) << text;
  }
  for (const char* text : {"items(", "items()", "items(id", "items(id))", "items/", "items/x"}) {
    EXPECT_FALSE(Selection::parse(text, tasks_shape)) << text;
  }
}

// GAE-217
TEST(RestAccess, UsersWorkAndWritersInsert) {
  AppEngineSettings acl;
  acl.user_emails = {"user@example.com"};
  acl.writer_emails = {"writer@example.com"};
  struct Case {
    const char* email;
    bool see, work, insert;
  };
  for (const Case& each :
       {Case{"user@example.com", true, true, false}, Case{"User@Example.com", true, true, false},
        Case{"writer@example.com", true, false, true},
        Case{"other@example.com", false, false, false}, Case{"", false, false, false}}) {
    EXPECT_EQ(may(acl, each.email, Right::see), each.see) << each.email;
    EXPECT_EQ(may(acl, each.email, Right::work), each.work) << each.email;
    EXPECT_EQ(may(acl, each.email, Right::insert), each.insert) << each.email;
  }
  const AppEngineSettings nobody;
  EXPECT_FALSE(may(nobody, "user@example.com", Right::work));
}

TEST(RestDiscovery, TheDocumentNamesTheServerAsTheCallerDid) {
  const auto document = boost::json::parse(discovery_json("tasks.example:8123"));
  EXPECT_EQ(document.at("rootUrl").as_string(), "http://tasks.example:8123/");
  EXPECT_EQ(document.at("servicePath").as_string(), "taskqueue/v1beta2/projects/");
  const auto hostile = boost::json::parse(discovery_json("evil\"/<"));
  EXPECT_EQ(hostile.at("rootUrl").as_string(), "http://localhost/");
}

// Every schema that is referred to is there, and every {part} of a path is a parameter.
TEST(RestDiscovery, TheDocumentIsConsistent) {
  const auto document = boost::json::parse(discovery_json("h"));
  const auto& schemas = document.at("schemas").as_object();
  int methods = 0;
  for (const auto& resource : document.at("resources").as_object()) {
    for (const auto& each : resource.value().at("methods").as_object()) {
      ++methods;
      const auto& method = each.value().as_object();
      for (const char* body : {"request", "response"}) {
        if (const auto* schema = method.if_contains(body)) {
          EXPECT_TRUE(schemas.contains(schema->at("$ref").as_string())) << each.key();
        }
      }
      const std::string_view path = method.at("path").as_string();
      for (const auto& parameter : method.at("parameterOrder").as_array()) {
        const auto& described = method.at("parameters").at(parameter.as_string());
        const bool in_path = path.find("{" + std::string(parameter.as_string()) + "}") != path.npos;
        EXPECT_EQ(described.at("location").as_string() == "path", in_path);
      }
    }
  }
  EXPECT_EQ(methods, 8);
}

TEST(RestText, Base64UrlIsWrittenPadded) {
  std::string out = "+";
  append_base64url(out, "\xfb\xff\xbf");
  append_base64url(out, "a");
  EXPECT_EQ(out, "+-_-_YQ==");  // what was there stays
  EXPECT_EQ(valid_utf8("caf\xc3\xa9"), "caf\xc3\xa9");
  EXPECT_EQ(valid_utf8("caf\xc3"), "caf?");
}

}  // namespace
}  // namespace deferd::taskqueue_rest
