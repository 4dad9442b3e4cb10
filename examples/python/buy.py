"""What calls them, from another process, on any machine."""

from concurrent.futures import as_completed

import shop
from deferd import Executor, TaskFailed

if __name__ == "__main__":
    with Executor() as executor:
        print("3 apples:", executor.submit(shop.price, "apples", amount=3).result())
        print("one of each:", list(executor.map(shop.price, ["apples", "pears"])))
        for future in as_completed([executor.submit(shop.order, 17)]):
            print(future.result())
        try:
            executor.submit(shop.price, "plums").result()
        except KeyError as error:
            print("no", error)
        try:
            executor.submit(shop.order, -1).result()
        except TaskFailed as error:
            print(error.message)
