// deferd_bench_raw: what the disk and the store below deferd give without deferd. One thread, one
// loop; a line of JSON.
//
//   fdatasync  append 4 KiB, fdatasync; the file grows, or (--recycled) was written once before
//   add        RocksDB: a batch of puts, one entry a task, one synced write
//   cycle      RocksDB: read the next tasks from a remembered mark, then one synced write that
//   deletes them and puts as
//              many new ones behind `--backlog` others
//   open       RocksDB's own open of a folder that deferd left, with the options stored there

#include <fcntl.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/utilities/options_util.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "bench/client/histogram.h"
#include "bench/client/meter.h"
#include "bench/client/script.h"

namespace deferd::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string dir;
  bool recycled = false;
  std::uint32_t batch = 1;
  std::uint32_t payload_bytes = 300;
  std::uint64_t backlog = 10'000;
  double warmup_seconds = 1;
  double seconds = 5;
};

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "deferd_bench_raw: %s\n", what.c_str());
  std::exit(1);
}

void require(const rocksdb::Status& status) {
  if (!status.ok()) die(status.ToString());
}

void print(double per_second, const Histogram& steps, const Meter::Cost& cost) {
  std::printf(
      "{\"per_second\":%.1f,\"p50_ms\":%.4f,\"p99_ms\":%.4f,\"p999_ms\":%.4f,\"seconds\":%.6f,"
      "\"client_cpu\":%.3f,\"server_cpu\":0,\"flushes\":%llu,\"errors\":0}\n",
      per_second, steps.percentile_ms(0.5), steps.percentile_ms(0.99), steps.percentile_ms(0.999),
      cost.seconds, cost.client_cpu, static_cast<unsigned long long>(cost.flushes));
}

// Runs `step`, which commits `tasks` tasks, again and again; reports what came after the warm-up.
template <class Step>
void measure(const Options& options, std::uint32_t tasks, Step step) {
  const auto span = [](double s) {
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(s));
  };
  Histogram steps;
  Meter meter({});
  for (const auto end = Clock::now() + span(options.warmup_seconds); Clock::now() < end;) step();
  meter.start();
  Clock::time_point now = Clock::now();
  for (const auto end = now + span(options.seconds); now < end;) {
    const Clock::time_point begin = now;
    step();
    now = Clock::now();
    steps.add((now - begin).count());
  }
  const Meter::Cost cost = meter.stop();
  print(static_cast<double>(steps.count() * tasks) / cost.seconds, steps, cost);
}

void run_fdatasync(const Options& options) {
  constexpr std::size_t block_bytes = 4096;
  // A recycled log is overwritten from the start once its end is reached, as RocksDB does with its
  // old logs.
  constexpr std::int64_t recycled_blocks = 4096;
  const std::string path = options.dir + "/fdatasync";
  const int fd = ::open(path.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0) die(path + ": " + std::strerror(errno));
  const std::vector<char> block(block_bytes, 'x');
  const auto write_at = [&](std::int64_t index) {
    const auto offset = static_cast<off_t>(index * static_cast<std::int64_t>(block_bytes));
    if (::pwrite(fd, block.data(), block_bytes, offset) != static_cast<ssize_t>(block_bytes)) {
      die(std::string("pwrite: ") + std::strerror(errno));
    }
  };
  if (options.recycled) {
    for (std::int64_t i = 0; i < recycled_blocks; ++i) write_at(i);
    if (::fsync(fd) != 0) die(std::string("fsync: ") + std::strerror(errno));
  }
  std::int64_t next = 0;
  measure(options, 1, [&] {
    write_at(next);
    ++next;
    if (options.recycled) next %= recycled_blocks;
    if (::fdatasync(fd) != 0) die(std::string("fdatasync: ") + std::strerror(errno));
  });
  ::close(fd);
}

// (queue, ETA, sequence), each 8 bytes, most significant first: the order in which tasks are due.
std::string key_of(std::uint64_t sequence) {
  std::string key(24, '\0');
  for (std::size_t i = 0; i < 8; ++i) {
    const char byte = static_cast<char>(sequence >> (56 - 8 * i));
    key[8 + i] = byte;
    key[16 + i] = byte;
  }
  return key;
}

std::unique_ptr<rocksdb::DB> open_new(const Options& options) {
  rocksdb::Options settings;
  settings.create_if_missing = true;
  settings.error_if_exists = true;
  settings.recycle_log_file_num = 4;
  rocksdb::DB* db = nullptr;
  require(rocksdb::DB::Open(settings, options.dir + "/rocksdb", &db));
  return std::unique_ptr<rocksdb::DB>(db);
}

void run_add(const Options& options) {
  const auto db = open_new(options);
  rocksdb::WriteOptions synced;
  synced.sync = true;
  std::uint64_t sequence = 0;
  rocksdb::WriteBatch batch;
  measure(options, options.batch, [&] {
    batch.Clear();
    for (std::uint32_t i = 0; i < options.batch; ++i) {
      const std::string_view payload = next_payload(options.payload_bytes);
      require(batch.Put(key_of(++sequence), {payload.data(), payload.size()}));
    }
    require(db->Write(synced, &batch));
  });
}

void run_cycle(const Options& options) {
  const auto db = open_new(options);
  std::uint64_t sequence = 0;
  rocksdb::WriteBatch batch;
  const auto put = [&] {
    const std::string_view payload = next_payload(options.payload_bytes);
    require(batch.Put(key_of(++sequence), {payload.data(), payload.size()}));
  };
  while (sequence < options.backlog) {
    batch.Clear();
    for (int i = 0; i < 1000; ++i) put();
    require(db->Write({}, &batch));
  }
  rocksdb::WriteOptions synced;
  synced.sync = true;
  std::string mark = key_of(1);
  std::size_t payload_bytes = 0;
  measure(options, options.batch, [&] {
    batch.Clear();
    const std::unique_ptr<rocksdb::Iterator> next(db->NewIterator({}));
    next->Seek(mark);
    for (std::uint32_t i = 0; i < options.batch; ++i, next->Next()) {
      if (!next->Valid()) die("the backlog ran dry: " + next->status().ToString());
      payload_bytes += next->value().size();
      require(batch.SingleDelete(next->key()));
    }
    if (next->Valid()) mark = next->key().ToString();
    for (std::uint32_t i = 0; i < options.batch; ++i) put();
    require(db->Write(synced, &batch));
  });
  if (payload_bytes == 0) die("no payload was read");
}

void run_open(const Options& options) {
  rocksdb::DBOptions settings;
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  rocksdb::ConfigOptions config;
  config.ignore_unknown_options = true;
  const auto begin = Clock::now();
  require(rocksdb::LoadLatestOptions(config, options.dir, &settings, &families));
  settings.error_if_exists = false;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  require(rocksdb::DB::Open(settings, options.dir, families, &handles, &opened));
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  const std::unique_ptr<rocksdb::DB> db(opened);
  std::printf("{\"seconds\":%.6f,\"families\":%zu}\n", seconds, families.size());
  std::fflush(stdout);
  for (rocksdb::ColumnFamilyHandle* handle : handles)
    require(db->DestroyColumnFamilyHandle(handle));
}

int run(int argc, char** argv) {
  Options options;
  CLI::App app("Raw limits below deferd.");
  app.require_subcommand(1);
  const auto subcommand = [&](const char* name, const char* about, void (*body)(const Options&)) {
    CLI::App* sub = app.add_subcommand(name, about);
    sub->add_option("--dir", options.dir, "a folder on the disk under test")->required();
    if (body != run_open) {
      sub->add_option("--warmup", options.warmup_seconds);
      sub->add_option("--seconds", options.seconds);
    }
    sub->callback([&options, body] { body(options); });
    return sub;
  };
  subcommand("fdatasync", "append 4 KiB and fdatasync", run_fdatasync)
      ->add_flag("--recycled", options.recycled, "into blocks that were written before");
  subcommand("open", "RocksDB's own open of a folder", run_open);
  CLI::App* rocksdb_loops[] = {subcommand("add", "RocksDB puts", run_add),
                               subcommand("cycle", "RocksDB take, finish and add", run_cycle)};
  for (CLI::App* sub : rocksdb_loops) {
    sub->add_option("--batch", options.batch)->check(CLI::Range(1, 10'000));
    sub->add_option("--payload", options.payload_bytes)->check(CLI::Range(1, 1 << 20));
  }
  rocksdb_loops[1]->add_option("--backlog", options.backlog);
  CLI11_PARSE(app, argc, argv);
  return 0;
}

}  // namespace
}  // namespace deferd::bench

int main(int argc, char** argv) { return deferd::bench::run(argc, argv); }
