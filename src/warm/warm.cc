// The library of warm handlers (include/deferd/warm.h): waits in the loaded program for the
// worker's orders, and forks into the sandboxes that it names. Nothing but the C library.
//
//   template ──vfork──▶ helper: enters control groups and namespaces ──fork──▶ the task's process
//
// The helper shares the template's memory, so that this is copied once a task, and by a process
// that is already in the task's control group. It ends at once; the task's process is then left to
// the keeper of the sandboxes (worker/keeper_main.cc), which tells the worker how it ends.
#include "deferd/warm.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <string_view>

#include "warm/task_fork.h"
#include "worker/warm_wire.h"

namespace deferd {
namespace {

constexpr int tell_fd = 3;
constexpr int task_fd = 4;
constexpr unsigned task_user = 1000;  // sandbox_user of worker/sandbox_plan.h
constexpr unsigned filter_size_max = 4096;

enum class State { unknown, ready, in_task, over };
State state = State::unknown;
int control = -1;
WarmHello hello;
sock_filter filter[filter_size_max];
// The helper's, which shares our memory.
volatile int helper_error = 0;
volatile pid_t helper_child = 0;
const char* volatile helper_step = "";

// What each task's process writes to, together: every page that it writes to is copied first.
struct Variable {
  std::string_view name;
  char text[600];  // of the environment, "NAME=value"
};
struct TaskMemory {
  Variable queue = {"DEFERD_QUEUE", "DEFERD_QUEUE="};
  Variable task = {"DEFERD_TASK", "DEFERD_TASK="};
  Variable attempt = {"DEFERD_ATTEMPT", "DEFERD_ATTEMPT="};
  std::size_t used = 0;  // of:
  char texts[6 << 10];
};
alignas(4096) TaskMemory memory;

int fail_with(int error) {
  errno = error;
  return -1;
}

// ---- The template's side

bool begin(int socket) {
  control = socket;
  static char message[sizeof hello + sizeof filter];
  const ssize_t size = ::recv(control, message, sizeof message, 0);
  if (size < 0) return false;
  if (static_cast<std::size_t>(size) < sizeof hello) return fail_with(EPROTO) == 0;
  std::memcpy(&hello, message, sizeof hello);
  if (hello.version != warm_version || hello.filter_size > filter_size_max ||
      static_cast<std::size_t>(size) != sizeof hello + hello.filter_size * sizeof(sock_filter))
    return fail_with(EPROTO) == 0;
  std::memcpy(filter, message + sizeof hello, hello.filter_size * sizeof(sock_filter));
  ::fcntl(control, F_SETFD, FD_CLOEXEC);
  for (Variable* variable : {&memory.queue, &memory.task, &memory.attempt})
    ::putenv(variable->text);
  state = State::ready;
  return true;
}

void answer(std::uint64_t number, pid_t process, int error, const char* step) {
  WarmAnswer text;
  text.number = number;
  text.process = process;
  text.error = error;
  std::strncpy(text.step, step, sizeof text.step - 1);
  (void)!::send(control, &text, sizeof text, MSG_NOSIGNAL);
}

struct Order {
  std::uint64_t number = 0;
  int count = 0;
  int fds[warm_descriptors_max];

  void close_all() const {
    for (int i = 0; i < count; ++i) ::close(fds[i]);
  }
};

// False when there will be none.
bool receive(Order& order) {
  WarmOrder text;
  iovec part = {&text, sizeof text};
  alignas(cmsghdr) char room[CMSG_SPACE(sizeof order.fds)];
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = room;
  message.msg_controllen = sizeof room;
  ssize_t size = 0;
  do {
    size = ::recvmsg(control, &message, MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  if (size != sizeof text) return false;
  order.number = text.number;
  const cmsghdr* const head = CMSG_FIRSTHDR(&message);
  if (head == nullptr || head->cmsg_type != SCM_RIGHTS) return false;
  order.count = static_cast<int>((head->cmsg_len - CMSG_LEN(0)) / sizeof(int));
  std::memcpy(order.fds, CMSG_DATA(head), static_cast<std::size_t>(order.count) * sizeof(int));
  return order.count >= static_cast<int>(warm_pipes);
}

// In the helper: true when all is entered.
bool enter(const Order& order) {
  helper_step = "enter the control group";
  for (int i = warm_pipes; i < order.count; ++i) {
    if (::write(order.fds[i], "0", 1) != 1) return false;
  }
  helper_step = "enter the namespaces";
  const int all = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS;
  return ::setns(order.fds[0], hello.network != 0 ? all : all | CLONE_NEWNET) == 0;
}

// ---- The task's side

void tell(WarmTellHeader::Kind kind, const char* text, std::size_t size) {
  const WarmTellHeader header = {kind, static_cast<std::uint32_t>(size)};
  char message[sizeof header + error_bytes_max];
  std::memcpy(message, &header, sizeof header);
  std::memcpy(message + sizeof header, text, size);
  (void)!::write(tell_fd, message, sizeof header + size);
}

}  // namespace

void give_up(const char* step) {
  char text[200];
  const int size = std::snprintf(text, sizeof text, "%s: %s", step, std::strerror(errno));
  tell(WarmTellHeader::Kind::not_started, text, static_cast<std::size_t>(size));
  ::_exit(127);
}

namespace {

void check(long status, const char* step) {
  if (status < 0) give_up(step);
}

void limit(int what, rlim_t value) {
  rlimit now = {};
  const auto which = static_cast<__rlimit_resource>(what);
  if (::getrlimit(which, &now) == 0 && now.rlim_max < value) value = now.rlim_max;
  const rlimit both = {value, value};
  check(::setrlimit(which, &both), "set a limit");
}

// Descriptors 0 to 4: nothing, out, err, tell, in. All others, the template's, are closed.
void take_descriptors(const Order& order) {
  int above[warm_pipes];
  for (unsigned i = 1; i < warm_pipes; ++i) {
    above[i] = ::fcntl(order.fds[i], F_DUPFD_CLOEXEC, 16);
    check(above[i], "take a descriptor");
  }
  check(::dup2(above[4], tell_fd), "take a descriptor");
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  check(nothing, "/dev/null");
  if (nothing != 0) check(::dup2(nothing, 0), "stdin");
  check(::dup2(above[2], 1), "stdout");
  check(::dup2(above[3], 2), "stderr");
  check(::dup2(above[1], task_fd), "take a descriptor");
  check(::syscall(SYS_close_range, task_fd + 1U, ~0U, 0), "close what was open");
  ::fcntl(0, F_SETFD, 0);
  ::fcntl(tell_fd, F_SETFD, FD_CLOEXEC);
  ::fcntl(task_fd, F_SETFD, FD_CLOEXEC);
}

void drop_rights() {
  ::setsid();
  check(::chdir("/tmp"), "enter /tmp");
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_NOFILE, hello.limits.open_files);
  limit(RLIMIT_FSIZE, hello.limits.file_bytes);
  if (hello.limits.cpu_seconds > 0) limit(RLIMIT_CPU, hello.limits.cpu_seconds);
  // Not setresuid(3), which would tell threads that we have not.
  check(::syscall(SYS_setresgid, task_user, task_user, task_user), "set the group");
  check(::syscall(SYS_setresuid, task_user, task_user, task_user), "set the user");
  for (int capability = 0; capability <= CAP_LAST_CAP; ++capability) {
    if (::prctl(PR_CAPBSET_DROP, capability) != 0 && errno != EINVAL) give_up("drop a capability");
  }
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  check(::syscall(SYS_capset, &header, none), "drop capabilities");
  // The change of user has closed /proc/self to us.
  check(::prctl(PR_SET_DUMPABLE, 1), "be open to ourselves");
  check(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "gain no rights");
  const sock_fprog program = {static_cast<unsigned short>(hello.filter_size), filter};
  check(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program), "load the seccomp filter");
}

void read_exactly(void* to, std::size_t size) {
  auto* at = static_cast<char*>(to);
  while (size > 0) {
    const ssize_t got = ::read(task_fd, at, size);
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) errno = EPIPE;
    if (got <= 0) give_up("read the task");
    at += got;
    size -= static_cast<std::size_t>(got);
  }
}

char* read_text(std::size_t size) {
  const bool fits = size < sizeof memory.texts - memory.used;
  auto* const text = fits ? memory.texts + memory.used : static_cast<char*>(std::malloc(size + 1));
  if (text == nullptr) give_up("read the task");
  if (fits) memory.used += size + 1;
  read_exactly(text, size);
  text[size] = '\0';
  return text;
}

void set_variable(Variable& variable, std::string_view value) {
  char* const at = variable.text + variable.name.size() + 1;
  if (value.size() < static_cast<std::size_t>(variable.text + sizeof variable.text - at)) {
    std::memcpy(at, value.data(), value.size());
    at[value.size()] = '\0';
  } else {
    ::setenv(variable.name.data(), value.data(), 1);
  }
}

void become_task(const Order& order) {
  state = State::in_task;
  take_descriptors(order);
  drop_rights();
}

}  // namespace

int next_fork(int socket) {
  if (state == State::in_task) return fail_with(EINVAL);
  if (state == State::over) return 0;
  if (state == State::unknown && !begin(socket)) return -1;
  answer(0, 0, 0, "");
  Order order;
  while (receive(order)) {
    helper_error = 0;
    const pid_t helper = ::vfork();
    if (helper == 0) {
      if (!enter(order)) {
        helper_error = errno;
        ::_exit(1);
      }
      const pid_t child = ::fork();
      if (child == 0) {
        become_task(order);
        return 1;
      }
      helper_step = "fork";
      helper_error = child < 0 ? errno : 0;
      helper_child = child;
      ::_exit(0);
    }
    const int error = helper < 0 ? errno : helper_error;
    answer(order.number, helper_child, error, helper < 0 ? "make a process" : helper_step);
    order.close_all();
    if (helper > 0) {
      while (::waitpid(helper, nullptr, 0) < 0 && errno == EINTR) {
      }
    }
  }
  state = State::over;
  return 0;
}

TaskRest read_facts(deferd_warm_task& task) {
  WarmTaskHeader header;
  read_exactly(&header, sizeof header);
  task.queue = read_text(header.queue_size);
  task.id = read_text(header.id_size);
  task.name = read_text(header.name_size);
  task.attempt = header.attempt;
  task.keep_result = header.keep_result != 0;
  task.payload_size = header.payload_size;
  char* const arguments = read_text(header.arguments_size);
  char attempt[24];
  const char* const end = std::to_chars(attempt, attempt + sizeof attempt, task.attempt).ptr;
  set_variable(memory.queue, {task.queue, header.queue_size});
  set_variable(memory.task, header.name_size > 0 ? std::string_view(task.name, header.name_size)
                                                 : std::string_view(task.id, header.id_size));
  set_variable(memory.attempt, {attempt, static_cast<std::size_t>(end - attempt)});
  return {arguments, header.arguments_size, task_fd};
}

}  // namespace deferd

extern "C" {

using namespace deferd;

__attribute__((visibility("default"))) int deferd_warm_next(deferd_warm_task* task) {
  const char* const given = ::getenv("DEFERD_WARM_FD");
  if (given == nullptr && state == State::unknown) return fail_with(ENOTCONN);
  const int socket = given == nullptr ? -1 : ::atoi(given);
  for (const char* name : {"DEFERD_WARM", "DEFERD_WARM_FD", "DEFERD_WARM_LIBRARY"})
    ::unsetenv(name);
  const int is = next_fork(socket);
  if (is != 1) return is;
  read_facts(*task);
  task->payload = read_text(task->payload_size);
  ::close(task_fd);
  return 1;
}

__attribute__((visibility("default"))) int deferd_warm_content_type(const char* type) {
  const std::size_t size = std::strlen(type);
  if (state != State::in_task || size > content_type_bytes_max) return fail_with(EINVAL);
  tell(WarmTellHeader::Kind::content_type, type, size);
  return 0;
}

__attribute__((visibility("default"))) int deferd_warm_error(const char* text, size_t size) {
  if (state != State::in_task) return fail_with(EINVAL);
  tell(WarmTellHeader::Kind::error, text, size < error_bytes_max ? size : error_bytes_max);
  return 0;
}

__attribute__((visibility("default"))) int deferd_warm_retry_after(uint64_t milliseconds) {
  if (state != State::in_task) return fail_with(EINVAL);
  char text[sizeof milliseconds];
  std::memcpy(text, &milliseconds, sizeof text);
  tell(WarmTellHeader::Kind::retry_after, text, sizeof text);
  return 0;
}
}
