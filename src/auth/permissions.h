// What a call may need, and the roles that hold it: the table of Cloud Tasks (CT-spec 11) as data.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>

namespace deferd {

enum class Permission : std::uint8_t {
  queues_create,
  queues_delete,
  queues_get,
  queues_get_iam_policy,
  queues_list,
  queues_pause,
  queues_purge,
  queues_resume,
  queues_set_iam_policy,
  queues_update,
  tasks_create,
  tasks_delete,
  tasks_full_view,
  tasks_get,
  tasks_list,
  tasks_run,
  locations_get,
  locations_list,
  cmek_config_get,
  cmek_config_update,
  server_get,  // deferd's own: settings in force and metrics, which are of all projects
};
constexpr std::size_t permission_count = 21;

// A set of them.
class Permissions {
 public:
  constexpr Permissions() = default;
  constexpr Permissions(Permission one) : bits_(bit(one)) {}  // NOLINT: one is a set too
  constexpr Permissions(std::initializer_list<Permission> all) {
    for (const Permission one : all) bits_ |= bit(one);
  }

  constexpr bool has(Permission one) const { return (bits_ & bit(one)) != 0; }
  constexpr bool has_all(Permissions others) const { return (others - *this).is_empty(); }
  constexpr bool is_empty() const { return bits_ == 0; }
  // The first of a set that is not empty.
  Permission first() const;

  friend constexpr Permissions operator|(Permissions a, Permissions b) {
    return Permissions(a.bits_ | b.bits_);
  }
  friend constexpr Permissions operator-(Permissions a, Permissions b) {
    return Permissions(a.bits_ & ~b.bits_);
  }
  constexpr Permissions& operator|=(Permissions other) { return *this = *this | other; }
  friend constexpr bool operator==(Permissions, Permissions) = default;

 private:
  constexpr explicit Permissions(std::uint32_t bits) : bits_(bits) {}
  static constexpr std::uint32_t bit(Permission one) {
    return std::uint32_t{1} << static_cast<unsigned>(one);
  }

  std::uint32_t bits_ = 0;
};

// "cloudtasks.tasks.create"
std::string_view to_string(Permission permission);
std::optional<Permission> find_permission(std::string_view name);

struct Role {
  std::string_view name;  // "enqueuer", which is roles/cloudtasks.enqueuer
  Permissions permissions;
};
std::span<const Role> roles();
// By either name; null: there is none.
const Role* find_role(std::string_view name);

// What the holder of an application's ticket may do in the project of that name: all that App
// Engine's SDKs do, and nothing that it kept for its console.
constexpr Permissions application_permissions = {
    Permission::queues_get,   Permission::queues_list,     Permission::queues_purge,
    Permission::tasks_create, Permission::tasks_delete,    Permission::tasks_get,
    Permission::tasks_list,   Permission::tasks_full_view, Permission::tasks_run,
};

}  // namespace deferd
