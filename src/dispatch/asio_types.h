// One spelling of Asio for this room (for its .cc files and private headers only): the executor is
// a concrete type, so no step of a coroutine pays for type erasure, and errors come as values.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>

namespace deferd {

namespace asio = boost::asio;

using ErrorCode = boost::system::error_code;
using Executor = asio::io_context::executor_type;
template <class T>
using Co = asio::awaitable<T, Executor>;
using Steady = std::chrono::steady_clock;
using Timer = asio::basic_waitable_timer<Steady, asio::wait_traits<Steady>, Executor>;
using Tcp = asio::ip::tcp;
using Socket = asio::basic_stream_socket<Tcp, Executor>;

// co_await operation(..., awaiting) gives (error, results...).
inline constexpr auto awaiting = asio::as_tuple(asio::use_awaitable_t<Executor>{});

}  // namespace deferd
