"""The command `python -m dataset.synthetic`."""

import sys

from dataset.synthetic.generate import main, parse_args
from utils.output import run_command


def generate() -> None:
    """Render what the command line asks for; exits with one message where that is impossible."""
    try:
        main(parse_args())
    except ValueError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted: the folder is incomplete, remove it before the next try")


# Workers that are spawned import this file again under another name.
if __name__ == "__main__":
    run_command(generate)
