"""The command `python -m dataset.synthetic`."""

import sys

from dataset.synthetic.generate import main, parse_args
from utils.errors import InputError

# Workers that are spawned import this file again under another name.
if __name__ == "__main__":
    try:
        main(parse_args())
    except (ValueError, OSError, InputError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted: the folder is incomplete, remove it before the next try")
