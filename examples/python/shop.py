"""What the worker runs: any function at the top of a module."""

import deferd

PRICES = {"apples": 1.5, "pears": 2.0}


def price(fruit, amount=1):
    print(f"somebody asks for {amount} {fruit}")  # into the log of this attempt
    return PRICES[fruit] * amount


@deferd.task(retry={"max_attempts": 3, "min_backoff": "100ms"})
def order(number):
    """Options of @deferd.task say what becomes of all calls: here, three attempts."""
    if number < 0:
        raise deferd.NeverAgain(f"there is no order {number}")
    return f"order {number} is on its way"
