#include "config/access_yaml.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>
#include <utility>

#include "auth/key_set.h"
#include "config/nearest_name.h"
#include "model/target_url.h"

namespace deferd {
namespace {

using Node = ConfigNode;
using Kind = ConfigNode::Kind;

std::string quoted(std::string_view text) { return "\"" + std::string(text.substr(0, 80)) + "\""; }

// Without the line itself, which other readers of files quote: it may hold a key.
Error wrong(const SourceText& source, TextPlace place, const std::string& message) {
  return {Reason::invalid,
          source.name + ":" + std::to_string(place.line) + ":" + std::to_string(place.column) +
              ": " + message,
          "access_yaml", std::nullopt};
}

// The first thing that is wrong is kept and ends the reading.
class Reader {
 public:
  explicit Reader(const SourceText& source) : source_(source) {}

  Result<AccessRules> read(const Node& top) {
    AccessRules rules;
    if (top.is_nothing()) return rules;
    check_keys(top, "access.yaml", {"keys", "issuers", "grants"});
    each(top, "keys", [&](const Node& node) { rules.keys.push_back(key(node)); });
    each(top, "issuers", [&](const Node& node) { rules.issuers.push_back(issuer(node)); });
    each(top, "grants", [&](const Node& node) { rules.grants.push_back(grant(node)); });
    if (!error_) check_unique(top, rules);
    if (error_) return fail(std::move(*error_));
    return rules;
  }

 private:
  void refuse(const Node& at, const std::string& message) { refuse(at.place, message); }
  void refuse(TextPlace place, const std::string& message) {
    if (!error_) error_ = wrong(source_, place, message);
  }

  bool check_keys(const Node& map, std::string_view what,
                  std::initializer_list<std::string_view> known) {
    if (map.kind != Kind::map) {
      refuse(map, std::string(what) + " must be a table of keys and values");
      return false;
    }
    std::vector<std::string_view> seen;
    for (const ConfigMember& member : map.members) {
      if (std::ranges::find(known, member.key) == known.end()) {
        const std::vector<std::string_view> names(known);
        const auto nearest = nearest_name(member.key, names);
        refuse(member.place, quoted(member.key) + " is not known here" +
                                 (nearest ? "; did you mean " + std::string(*nearest) + "?" : ""));
      }
      if (std::ranges::find(seen, member.key) != seen.end())
        refuse(member.place, member.key + " is there twice");
      seen.push_back(member.key);
    }
    return !error_;
  }

  // The items of a list of tables.
  template <class Take>
  void each(const Node& top, std::string_view key, Take take) {
    const Node* list = top.find(key);
    if (list == nullptr || list->is_nothing()) return;
    if (list->kind != Kind::list) return refuse(*list, std::string(key) + " must be a list");
    for (const Node& item : list->items) {
      if (error_) return;
      take(item);
    }
  }

  std::string text(const Node& map, std::string_view key) {
    const Node* value = map.find(key);
    if (value == nullptr) return {};
    if (!value->is_text() || value->text.empty()) {
      refuse(*value, std::string(key) + " must be a text");
      return {};
    }
    return value->text;
  }
  std::string needed_text(const Node& map, std::string_view key, std::string_view like) {
    std::string value = text(map, key);
    if (value.empty())
      refuse(map, std::string(key) + " is missing; write it like " + std::string(like));
    return value;
  }

  // A list of texts, or one alone.
  std::vector<std::string> texts(const Node& map, std::string_view key) {
    const Node* value = map.find(key);
    std::vector<std::string> all;
    if (value == nullptr) return all;
    if (value->is_text()) return {text(map, key)};
    if (value->kind != Kind::list || value->items.empty()) {
      refuse(*value, std::string(key) + " must be a list like [a, b]");
      return all;
    }
    for (const Node& item : value->items) {
      if (!item.is_text() || item.text.empty()) refuse(item, std::string(key) + " must hold texts");
      all.push_back(item.text);
    }
    return all;
  }

  // roles, project and queues of a key or a grant.
  Grant where(const Node& map) {
    Grant grant;
    for (const std::string& name : texts(map, "roles")) {
      const Role* role = find_role(name);
      if (role == nullptr) {
        std::string all;
        for (const Role& each : roles()) all += (all.empty() ? "" : ", ") + std::string(each.name);
        refuse(*map.find("roles"), quoted(name) + " is not a role; there are " + all);
        return grant;
      }
      grant.permissions |= role->permissions;
    }
    grant.project = text(map, "project");
    grant.queues = texts(map, "queues");
    if (!grant.project.empty() && !QueueName::parse(grant.project, "local", "default")) {
      refuse(*map.find("project"),
             quoted(grant.project) + " is not a project; use 1 to 100 of A-Z a-z 0-9 . _ : -");
    }
    if (!grant.queues.empty() && grant.project.empty())
      refuse(*map.find("queues"), "queues are of a project; say which beside them");
    for (const std::string& queue : grant.queues) {
      if (!QueueName::parse("default", "local", queue)) {
        refuse(*map.find("queues"),
               quoted(queue) + " is not a queue; use 1 to 100 of A-Z a-z 0-9 - _");
      }
    }
    return grant;
  }

  ApiKeyRule key(const Node& map) {
    ApiKeyRule rule;
    if (!check_keys(map, "a key", {"name", "sha256", "roles", "project", "queues"})) return rule;
    rule.name = needed_text(map, "name", "web@shop.example");
    if (std::ranges::any_of(rule.name, [](char c) { return c <= ' ' || c == 0x7f; }))
      refuse(*map.find("name"), "a name has no spaces");
    const std::string hash = needed_text(map, "sha256", "`defer key new` prints it");
    if (error_) return rule;
    const auto parsed = parse_key_hash(hash);
    if (parsed) {
      rule.hash = *parsed;
    } else {  // perhaps somebody put the key itself here: it is not repeated
      refuse(*map.find("sha256"), "sha256 of the key " + quoted(rule.name) +
                                      " is not 64 hex digits; `defer key new` prints it");
    }
    Grant grant = where(map);
    if (!grant.permissions.is_empty()) rule.grants.push_back(std::move(grant));
    return rule;
  }

  // Keys come over TLS, or from this machine: whoever could change them could be anybody.
  void check_url(const Node& map, std::string_view key, const std::string& url) {
    const Result<TargetUrl> parsed = parse_target_url(url);
    if (!parsed) return refuse(*map.find(key), std::string(key) + ": " + parsed.error().message);
    const bool near = parsed->host == "localhost" || parsed->host == "127.0.0.1" ||
                      parsed->host == "[::1]" || parsed->host == "::1";
    if (!parsed->tls && !near)
      refuse(*map.find(key), std::string(key) + " must be https, except on this machine");
  }

  IssuerRule issuer(const Node& map) {
    IssuerRule rule;
    if (!check_keys(map, "an issuer", {"issuer", "audiences", "jwks_url", "jwks_file", "claim"}))
      return rule;
    rule.issuer = needed_text(map, "issuer", "https://accounts.google.com");
    rule.audiences = texts(map, "audiences");
    rule.jwks_url = text(map, "jwks_url");
    const std::string jwks_file = text(map, "jwks_file");
    if (const std::string claim = text(map, "claim"); !claim.empty()) rule.claim = claim;
    if (error_) return rule;
    if (rule.audiences.empty()) {
      refuse(map,
             "audiences is missing: a token that was made for another server is none for this "
             "one; name what callers put there, like [https://tasks.example.com]");
    }
    if (!rule.jwks_url.empty() && !jwks_file.empty())
      refuse(*map.find("jwks_file"), "jwks_url and jwks_file are both given; one is enough");
    if (!rule.jwks_url.empty()) check_url(map, "jwks_url", rule.jwks_url);
    if (rule.jwks_url.empty() && jwks_file.empty()) check_url(map, "issuer", rule.issuer);
    if (!jwks_file.empty()) {
      auto file = read_config_file(jwks_file);
      const auto keys = file ? parse_key_set(file->text) : Result<KeySet>(fail(file.error()));
      if (!keys) refuse(*map.find("jwks_file"), jwks_file + ": " + keys.error().message);
      if (keys) rule.jwks = std::move(file->text);
    }
    return rule;
  }

  GrantRule grant(const Node& map) {
    GrantRule rule;
    if (!check_keys(map, "a grant", {"members", "roles", "project", "queues"})) return rule;
    rule.members = texts(map, "members");
    rule.grant = where(map);
    if (error_) return rule;
    if (rule.members.empty())
      refuse(map, "members is missing; write it like [user:ada@example.com]");
    if (rule.grant.permissions.is_empty()) refuse(map, "roles is missing; write it like [viewer]");
    for (const std::string& member : rule.members) {
      if (const std::string wrong = member_complaint(member); !wrong.empty())
        refuse(*map.find("members"), wrong);
    }
    return rule;
  }

  void check_unique(const Node& top, const AccessRules& rules) {
    for (std::size_t i = 0; i < rules.keys.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (rules.keys[i].hash == rules.keys[j].hash) {
          return refuse(top.find("keys")->items[i], "the keys " + quoted(rules.keys[j].name) +
                                                        " and " + quoted(rules.keys[i].name) +
                                                        " are the same");
        }
      }
    }
    for (std::size_t i = 0; i < rules.issuers.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (rules.issuers[i].issuer == rules.issuers[j].issuer)
          return refuse(top.find("issuers")->items[i], "the issuer is there twice");
      }
    }
  }

  const SourceText& source_;
  std::optional<Error> error_;
};

}  // namespace

Result<AccessRules> parse_access_yaml(const SourceText& source) {
  auto documents = parse_yaml(source);
  if (!documents) return fail(documents.error());
  if (documents->empty()) return AccessRules{};
  if (documents->size() > 1)
    return fail(wrong(source, (*documents)[1].place, "there is more than one document"));
  return Reader(source).read(documents->front());
}

Result<AccessRules> read_access_yaml(const std::string& path) {
  const auto source = read_config_file(path);
  if (!source) return fail(source.error());
  return parse_access_yaml(*source);
}

}  // namespace deferd
