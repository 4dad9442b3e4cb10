"""What is deferred must be in a module that pickle can find by name; main is not one under every server."""


def make_report(name: str) -> None:
    print(f"report {name} is made", flush=True)
