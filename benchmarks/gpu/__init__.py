import utils  # noqa: F401  it checks the environment, before anything else is imported
