#include "config/access_yaml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deferd {
namespace {

using testing::ElementsAre;

const std::string hash(64, 'a');

Result<AccessRules> parse(const std::string& text) {
  return parse_access_yaml({"access.yaml", text});
}
std::string complaint(const std::string& text) {
  const auto rules = parse(text);
  return rules ? "none" : rules.error().message;
}

TEST(AccessYaml, IsReadWhole) {
  const auto rules = parse("keys:\n- name: web@shop.example\n  sha256: " + hash +
                           "\n  roles: [enqueuer, roles/cloudtasks.viewer]\n  project: shop\n"
                           "  queues: [emails]\n- {name: bare, sha256: " +
                           std::string(64, 'b') +
                           "}\nissuers:\n- issuer: https://accounts.google.com\n"
                           "  audiences: [https://tasks.example.com]\n  claim: sub\n"
                           "grants:\n- members: [domain:example.com, allUsers]\n  roles: viewer\n");
  ASSERT_TRUE(rules) << rules.error().message;
  ASSERT_EQ(rules->keys.size(), 2U);
  const Permissions both = find_role("enqueuer")->permissions | find_role("viewer")->permissions;
  EXPECT_EQ(rules->keys[0].name, "web@shop.example");
  EXPECT_EQ(to_string(rules->keys[0].hash), hash);
  EXPECT_THAT(rules->keys[0].grants, ElementsAre(Grant{both, "shop", {"emails"}}));
  EXPECT_TRUE(rules->keys[1].grants.empty());
  ASSERT_EQ(rules->issuers.size(), 1U);
  EXPECT_EQ(rules->issuers[0].claim, "sub");
  EXPECT_THAT(rules->issuers[0].audiences, ElementsAre("https://tasks.example.com"));
  ASSERT_EQ(rules->grants.size(), 1U);
  EXPECT_THAT(rules->grants[0].members, ElementsAre("domain:example.com", "allUsers"));
  EXPECT_EQ(rules->grants[0].grant, (Grant{find_role("viewer")->permissions, {}, {}}));
}

TEST(AccessYaml, EmptyMeansNobody) {
  EXPECT_EQ(*parse(""), AccessRules{});
  EXPECT_EQ(*parse("keys:\n"), AccessRules{});
}

TEST(AccessYaml, WhatIsWrongIsSaidWithItsPlace) {
  const std::string key = "keys:\n- name: a\n  sha256: " + hash + "\n";
  EXPECT_EQ(complaint("key: []\n"),
            "access.yaml:1:1: \"key\" is not known here; did you mean keys?");
  EXPECT_EQ(complaint("keys: {}\n"), "access.yaml:1:7: keys must be a list");
  EXPECT_EQ(complaint("keys:\n- name: a\n"),
            "access.yaml:2:3: sha256 is missing; write it like `defer key new` prints it");
  EXPECT_EQ(complaint(key + "  roles: [boss]\n"),
            "access.yaml:4:10: \"boss\" is not a role; there are viewer, enqueuer, taskRunner, "
            "taskDeleter, queueAdmin, editor, admin");
  EXPECT_EQ(complaint(key + "  queues: [q]\n"),
            "access.yaml:4:11: queues are of a project; say which beside them");
  EXPECT_EQ(complaint(key + "- name: b\n  sha256: " + hash + "\n"),
            "access.yaml:4:3: the keys \"a\" and \"b\" are the same");
  EXPECT_EQ(complaint("grants:\n- roles: [viewer]\n"),
            "access.yaml:2:3: members is missing; write it like [user:ada@example.com]");
  EXPECT_EQ(complaint("grants:\n- {members: [group:x], roles: [viewer]}\n"),
            "access.yaml:2:13: \"group:x\" is nobody; write user:EMAIL, serviceAccount:EMAIL, "
            "domain:DOMAIN, allAuthenticatedUsers or allUsers");
  EXPECT_EQ(complaint("issuers:\n- {issuer: 'https://a', audiences: []}\n"),
            "access.yaml:2:36: audiences must be a list like [a, b]");
  EXPECT_EQ(complaint("issuers:\n- {issuer: 'http://a.example', audiences: [x]}\n"),
            "access.yaml:2:12: issuer must be https, except on this machine");
}

TEST(AccessYaml, NoComplaintRepeatsAKey) {
  for (const std::string text :
       {"keys:\n- name: a\n  sha256: deferd_secret\n", "keys:\n- name: a\n  key: deferd_secret\n",
        "keys:\n- deferd_secret\n"}) {
    EXPECT_THAT(complaint(text), testing::Not(testing::HasSubstr("deferd_secret"))) << text;
    EXPECT_THAT(complaint(text), testing::HasSubstr("access.yaml:"));
  }
}

}  // namespace
}  // namespace deferd
