#include "bench/client/script.h"

#include <random>

#include "bench/client/scripts.h"

namespace deferd::bench {

std::string_view next_payload(std::uint32_t bytes) {
  // A window that slides over a pool of random letters. The step is prime, so that neighbours share
  // nothing and the same window does not come back soon; letters alone need no escaping in any of
  // the protocols.
  constexpr std::uint32_t pool_bytes = 1 << 20;
  constexpr std::uint32_t step = 7919;
  static std::string pool;
  static std::uint32_t at = 0;
  if (pool.size() < pool_bytes + bytes) {
    static constexpr std::string_view letters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::minstd_rand random(1);
    while (pool.size() < pool_bytes + bytes) pool += letters[(random() >> 8) % letters.size()];
  }
  at = (at + step) % pool_bytes;
  return std::string_view(pool).substr(at, bytes);
}

std::unique_ptr<Script> make_script(const ScriptOptions& options, Role role, std::uint32_t caller) {
  const bool producer = role == Role::producer;
  switch (options.target) {
    case Target::http:
      return http_post(options);
    case Target::deferd:
      return producer ? deferd_producer(options) : deferd_consumer(options);
    case Target::appengine:
      return appengine_producer(options);
    case Target::grpc_create:
      return grpc_create(options);
    case Target::rest_create:
      return rest_create(options);
    case Target::redis_list:
    case Target::redis_stream:
      return producer ? redis_producer(options) : redis_consumer(options, caller);
    case Target::beanstalkd:
      return producer ? beanstalkd_producer(options) : beanstalkd_consumer(options);
  }
  return nullptr;
}

}  // namespace deferd::bench
