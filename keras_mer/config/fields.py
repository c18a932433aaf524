"""The types of recipe values: each has its bounds, and the words by which an error names them."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field


def _number(value: Any) -> Any:
    """Numeric text as a float: YAML 1.1 reads 1e-4 as text."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _different(values: list) -> list:
    if len(set(values)) != len(values):
        raise ValueError("a value is there twice")
    return values


def _adds_up(shares: Sequence[float]) -> Sequence[float]:
    if abs(sum(shares) - 1) > 1e-6 or shares[0] == 0:
        raise ValueError("not the shares of a whole")
    return shares


def _rising(ends: Sequence[float]) -> Sequence[float]:
    if ends[0] > ends[1]:
        raise ValueError("the smallest one comes first")
    return ends


_Float = Annotated[float, BeforeValidator(_number)]

Positive = Annotated[_Float, Field(gt=0, description="a number above 0")]
NotNegative = Annotated[_Float, Field(ge=0, description="a number of at least 0")]
Share = Annotated[_Float, Field(ge=0, le=1, description="a number from 0 to 1")]
ShareAbove0 = Annotated[_Float, Field(gt=0, le=1, description="a number above 0, at most 1")]
ShareBelow1 = Annotated[_Float, Field(ge=0, lt=1, description="a number from 0 to below 1")]
Factor = Annotated[_Float, Field(gt=0, lt=1, description="a number above 0 and below 1")]
Degrees = Annotated[_Float, Field(ge=0, le=180, description="degrees, from 0 to 180")]

Count = Annotated[int, Field(ge=1, description="an integer of at least 1")]
CountOr0 = Annotated[int, Field(ge=0, description="an integer of at least 0")]
Folds = Annotated[int, Field(ge=3, description="an integer of at least 3")]
# NumPy's and Keras's seeds end at 2 ** 32, and those of later epochs and networks are larger.
Seed = Annotated[int, Field(ge=0, lt=2**31, description="an integer from 0 to 2147483647")]
Seeds = Annotated[
    list[Annotated[int, Field(ge=0, le=1_000_000)]],
    Field(min_length=1, description="a non-empty list of different integers, 0 to 1000000"),
    AfterValidator(_different),
]

Text = Annotated[str, Field(min_length=1, description="a text that is not empty")]
Texts = Annotated[list[Annotated[str, Field(min_length=1)]], Field(description="a list of texts")]
Mapping = Annotated[dict[str, Any], Field(description="a mapping")]
Vocabulary = Annotated[
    str | Annotated[list[str], Field(min_length=1)],
    Field(description="the name of a vocabulary, or a non-empty list of classes"),
]
Fractions = Annotated[
    list[Share],
    Field(
        min_length=3,
        max_length=3,
        description="three shares (train above 0, validation, test) that add up to 1",
    ),
    AfterValidator(_adds_up),
]
Scale = Annotated[
    list[ShareAbove0],
    Field(
        min_length=2,
        max_length=2,
        description="the smallest and the largest area, two rising numbers above 0, at most 1",
    ),
    AfterValidator(_rising),
]
Blocks = Annotated[
    Literal["all"] | Annotated[int, Field(ge=0)],
    Field(description="'all', or a number of blocks of at least 0"),
]
SearchSpace = Annotated[
    dict[str, Annotated[list[Any], Field(min_length=1)]],
    Field(description="a mapping of recipe keys to non-empty lists of values"),
]
Widths = Annotated[
    list[Annotated[int, Field(ge=1)]],
    Field(min_length=1, description="a non-empty list of integers of at least 1"),
]
WidthsOrNone = Annotated[
    list[Annotated[int, Field(ge=1)]], Field(description="a list of integers of at least 1")
]
Channels = Annotated[Literal[1, 3], Field(description="1 (gray) or 3 (color)")]
Variants = Annotated[
    list[Literal["float32", "float16", "dynamic", "int8"]],
    Field(min_length=1, description="a non-empty list of float32, float16, dynamic, int8"),
    AfterValidator(_different),
]
