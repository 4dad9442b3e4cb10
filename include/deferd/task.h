// Task classes: a type with a name, arguments and run(), which workers run (deferd/worker.h) and
// clients submit (Client::submit).
//
//   struct Resize {
//     static constexpr std::string_view name = "resize";
//     std::string url;
//     int width = 100;
//     std::string run(deferd::Context& context);
//   };
//   BOOST_DESCRIBE_STRUCT(Resize, (), (url, width))
//
// On the wire a task is JSON that the Python library shares:
//   {"task": "resize", "args": [], "kwargs": {"url": "https://example.com/a.png", "width": 50}}
// kwargs are members by name, args members in the order in which they are described; both are read,
// kwargs are written. A member that is not given keeps its default. Members and results are
// whatever Boost.JSON converts: numbers, text, containers, optionals, described structs, types with
// a tag_invoke of one's own.
//
// run() that throws is tried again, as the queue's retry says; one that throws NeverAgain is not.
#pragma once

#include <boost/describe.hpp>
#include <boost/json.hpp>
#include <boost/mp11/algorithm.hpp>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "deferd/future.h"
#include "deferd/models.h"

namespace deferd::inline v1 {

// Trying again is of no use.
class NeverAgain : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What run() is told beside its arguments.
struct Context {
  std::string queue;
  std::string task;          // its name, or its id
  std::int64_t attempt = 1;  // the first is 1
  // Asked to stop when the task was cancelled or its lease is lost. In a sandbox it never is: there
  // the process is killed.
  std::stop_token stop;
};

template <class T>
concept TaskClass = requires(T task, Context& context) {
  { T::name } -> std::convertible_to<std::string_view>;
  task.run(context);
} && boost::describe::has_describe_members<T>::value;

namespace detail {

// The parts of a payload. Throws NeverAgain for one that is none.
struct Payload {
  std::string task;
  boost::json::array args;
  boost::json::object kwargs;
  std::optional<boost::json::array>
      each;                       // instead of args: one call for each list, a list of results
  std::optional<double> timeout;  // seconds; kept to in a sandbox
  std::optional<std::int64_t> max_attempts;  // the last of them fails for good
};
Payload read_payload(std::string_view text);
std::string write_payload(std::string_view task, boost::json::object kwargs);
// The argument of this name or place; nullptr when it is not given. Throws NeverAgain when it is
// given twice.
const boost::json::value* argument(const Payload& payload, std::size_t place,
                                   std::string_view name);
// Throws NeverAgain for arguments that are none of `members`, or more than there are.
void require_known(const Payload& payload, const std::vector<std::string_view>& members);
[[noreturn]] void wrong_argument(const Payload& payload, std::string_view name,
                                 const std::string& why);

template <class T>
using Described = boost::describe::describe_members<T, boost::describe::mod_public |
                                                           boost::describe::mod_inherited>;

template <class T>
struct TaskCode {
  static_assert(TaskClass<T>,
                "a task class has a static name, run(deferd::Context&), and its members in "
                "BOOST_DESCRIBE_STRUCT");

  static std::string write(const T& task) {
    boost::json::object kwargs;
    boost::mp11::mp_for_each<Described<T>>(
        [&](auto member) { kwargs[member.name] = boost::json::value_from(task.*member.pointer); });
    return write_payload(T::name, std::move(kwargs));
  }

  static T read(const Payload& payload) {
    require_known(payload, names());
    T task{};
    std::size_t place = 0;
    boost::mp11::mp_for_each<Described<T>>([&](auto member) {
      if (const boost::json::value* const given = argument(payload, place++, member.name)) {
        using Member = std::remove_reference_t<decltype(task.*member.pointer)>;
        auto value = boost::json::try_value_to<Member>(*given);
        if (!value) wrong_argument(payload, member.name, value.error().message());
        task.*member.pointer = std::move(*value);
      }
    });
    return task;
  }

  // Runs it; its result as JSON.
  static std::string run(const Payload& payload, Context& context) {
    T task = read(payload);
    if constexpr (std::is_void_v<ResultType<T>>) {
      task.run(context);
      return "null";
    } else {
      return boost::json::serialize(boost::json::value_from(task.run(context)));
    }
  }

 private:
  static std::vector<std::string_view> names() {
    std::vector<std::string_view> names;
    boost::mp11::mp_for_each<Described<T>>([&](auto member) { names.push_back(member.name); });
    return names;
  }
};

// The JSON of a result. Throws Error when it is none.
boost::json::value read_result(const TaskResult& result);
[[noreturn]] void wrong_result(const TaskResult& result, const std::string& why);

template <class R>
struct ResultCode {
  static R read(const TaskResult& result) {
    auto value = boost::json::try_value_to<R>(read_result(result));
    if (!value) wrong_result(result, value.error().message());
    return std::move(*value);
  }
};
template <>
struct ResultCode<void> {
  static void read(const TaskResult&) {}
};

}  // namespace detail
}  // namespace deferd::inline v1
