"""What a training skips because it is told to: clips that cannot be read, steps whose loss is not finite."""

from __future__ import annotations

from collections.abc import Sequence

from dataset.batch import Batch
from utils import ranks
from utils.errors import InputError
from utils.log import LOGGER
from utils.text import plural


def count_unreadable(batches: Sequence[Batch]) -> int:
    """The number of clips that could not be read in a step, in all processes; they are logged.

    Every process is to call this, with the batches that it has in the step.
    """
    own = [message for batch in batches for message in batch.unreadable]
    everywhere = [message for messages in ranks.all_gather(own) for message in messages]
    for message in everywhere:
        LOGGER.info("another clip stands in for an unreadable one: %s", message)
    return len(everywhere)


def check_skips(skipped: int, limit: int) -> None:
    """Raise InputError if more steps and clips were skipped than `max_skips` allows."""
    if skipped > limit:
        count = plural(skipped, "step or clip was", "steps and clips were")
        raise InputError(f"{count} skipped, more than max_skips {limit}: the log names them")
