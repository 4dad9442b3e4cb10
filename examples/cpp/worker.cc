#include <deferd/worker.h>

#include "count_words.h"

int main(int argc, char** argv) {
  deferd::Worker worker;
  worker.add<CountWords>();
  return worker.run(argc, argv);
}
