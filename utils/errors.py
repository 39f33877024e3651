"""The base of all errors that come from input, not from the program."""


class InputError(Exception):
    """Something given by the user is wrong: the message names the value and the remedy, and needs no traceback."""
