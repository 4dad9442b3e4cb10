// Counts the words of each argument in a worker, and prints them.
#include <deferd/client.h>

#include <iostream>
#include <vector>

#include "count_words.h"

int main(int argc, char** argv) try {
  deferd::Client client;  // $DEFERD_URL, else http://127.0.0.1:8123
  client.put_queue(CountWords::queue, {.mode = deferd::QueueMode::pull});

  std::vector<deferd::Future<std::map<std::string, int>>> counts;
  for (int i = 1; i < argc; ++i) counts.push_back(client.submit<CountWords>(argv[i]));
  for (const auto& count : counts) {
    try {
      for (const auto& [word, times] : count.get()) std::cout << word << ' ' << times << '\n';
    } catch (const deferd::TaskFailed& error) {
      std::cout << "failed: " << error.what() << '\n';
    }
  }
  return 0;
} catch (const deferd::Error& error) {
  std::cerr << "error: " << error.what() << '\n';
  return 1;
}
