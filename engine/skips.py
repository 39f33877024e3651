"""What a training leaves out because it is told to: clips that cannot be read, steps whose loss is not finite."""

from __future__ import annotations

from collections.abc import Sequence

from dataset.batch import Batch
from utils import ranks
from utils.errors import InputError
from utils.log import LOGGER


class TooManySkipsError(InputError, RuntimeError):
    """More steps and clips were skipped than `max_skips` allows."""


def count_unreadable(batches: Sequence[Batch]) -> int:
    """Clips that could not be read in a step, in all processes, each of which is to call this; they are logged."""
    own = [message for batch in batches for message in batch.unreadable]
    everywhere = [message for messages in ranks.all_gather(own) for message in messages]
    for message in everywhere:
        LOGGER.info("another clip stands in for an unreadable one: %s", message)
    return len(everywhere)


def check_skips(skipped: int, limit: int) -> None:
    """Raise TooManySkipsError if more was skipped than that."""
    if skipped > limit:
        raise TooManySkipsError(
            f"{skipped} steps and clips were skipped, more than max_skips {limit}: the log names them"
        )
