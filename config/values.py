"""The types of the configuration's values, with their ranges, as pydantic checks them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, GetPydanticSchema, WrapValidator
from pydantic_core.core_schema import no_info_wrap_validator_function

from utils.arguments import LARGEST_SIDE, MOST_NUMBER, MOST_SEED, MOST_WORKERS
from utils.text import quote_value


def refuse_zero_characters(text: str) -> str:
    """Give a text back unless it holds a character that no path can."""
    if "\0" in text:
        raise ValueError(f"{text[:80]!r} holds a character of value zero, which no path can")
    return text


def keep_undecodable(value: Any, check: Callable[[Any], str]) -> str:
    """Take names of files as the system gives them: pydantic refuses what Python makes of bytes that are not UTF-8."""
    is_name = isinstance(value, str) and any("\udc80" <= letter <= "\udcff" for letter in value)
    return refuse_zero_characters(value) if is_name else check(value)


Text = Annotated[str, Field(min_length=1), AfterValidator(refuse_zero_characters), WrapValidator(keep_undecodable)]
# Files of earlier systems write '' for no value.
OptionalText = Annotated[Text | None, BeforeValidator(lambda value: None if value == "" else value)]


def _refuse_switch(value: Any) -> Any:
    """true and false are 1 and 0 to Python, and a slip where a number is needed."""
    if isinstance(value, bool):
        raise ValueError(f"{str(value).lower()} is no number")
    return value


def _read_one_or_more(value: Any, check: Callable[[Any], tuple[str, ...]]) -> str | tuple[str, ...] | None:
    """Take one text, or a list; a list of one is that text, and an empty one is no value, as '' is."""
    if value is None or value in ("", [], ()):
        return None
    if isinstance(value, str):
        return refuse_zero_characters(value)
    texts = check(value if isinstance(value, (list, tuple)) else [value])
    return texts[0] if len(texts) == 1 else texts


OneOrMore = Annotated[
    str | tuple[str, ...] | None,
    GetPydanticSchema(lambda _, make: no_info_wrap_validator_function(_read_one_or_more, make(tuple[Text, ...]))),
]


def _make_list(value: Any) -> Any:
    """One word stands for a list of it."""
    return [value] if isinstance(value, str) and value else value


def _refuse_repeats(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name} is named twice")
    return names


Augmentations = Annotated[tuple[Literal["flip"], ...], BeforeValidator(_make_list), AfterValidator(_refuse_repeats)]


# The upper ends are far above what anyone needs, and below what no memory holds.
Whole = Annotated[int, BeforeValidator(_refuse_switch)]
Real = Annotated[float, BeforeValidator(_refuse_switch)]
Count = Annotated[Whole, Field(ge=0, le=MOST_NUMBER)]
Positive = Annotated[Whole, Field(ge=1, le=MOST_NUMBER)]
Clips = Annotated[Whole, Field(ge=1, le=2**16)]
Frames = Annotated[Whole, Field(ge=1, le=10_000)]
Weight = Annotated[Real, Field(ge=0, le=10**6)]
Bonus = Annotated[Real, Field(ge=-(10**6), le=10**6)]
Share = Annotated[Real, Field(ge=0, le=1)]
Rate = Annotated[Real, Field(gt=0, le=1000)]
Pixels = Annotated[Whole, Field(ge=64, le=LARGEST_SIDE)]
Channels = Annotated[Whole, Field(ge=2, le=8192, multiple_of=2)]
Epochs = Annotated[tuple[Positive, ...], Field(max_length=1000)]
Stage = Annotated[Whole, Field(ge=2, le=4)]
Chain = Annotated[Literal[0, 1, 2], BeforeValidator(_refuse_switch)]
Seed = Annotated[Whole, Field(ge=0, le=MOST_SEED)]
Workers = Annotated[Whole, Field(ge=0, le=MOST_WORKERS)]


def _keep_auto(value: Any, check: Callable[[Any], int]) -> int | str:
    """Take the word `auto`, and leave everything else to the check of numbers."""
    if value == "auto":
        return "auto"
    if isinstance(value, str):
        is_whole = value.strip().isdecimal()
    else:
        is_whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if not is_whole:
        raise ValueError(f"{quote_value(value)} is not allowed: a whole number or auto is needed")
    return check(value)


def _or_auto(number: Any) -> GetPydanticSchema:
    """The check of a number or the word `auto`.

    It is not the union that the type says, of which pydantic would tell for one mistake what is wrong with each half.
    """
    return GetPydanticSchema(lambda _, make_schema: no_info_wrap_validator_function(_keep_auto, make_schema(number)))


AutoWorkers = Annotated[int | Literal["auto"], _or_auto(Workers)]
AutoMultiple = Annotated[int | Literal["auto"], _or_auto(Annotated[Whole, Field(ge=0, le=1000)])]
