"""A user's key=value reaches a dataclass's field in the same way however the field writes that None is allowed."""

from dataclasses import make_dataclass
from typing import Any, Literal, Optional, Union

import pytest

from stlora_ext.errors import UserError
from stlora_ext.fields import checked

OPTIONAL_FLOATS = [float | None, None | float, Optional[float], Union[float, None]]  # noqa: UP007, UP045


def settings(hint: Any) -> type:
    return make_dataclass("Settings", [("rate", hint)])


@pytest.mark.parametrize("hint", OPTIONAL_FLOATS, ids=str)
def test_an_optional_field_takes_none_and_its_type(hint: Any) -> None:
    assert checked(settings(hint), {"rate": None}) == {"rate": None}
    value = checked(settings(hint), {"rate": 1})["rate"]
    assert isinstance(value, float)


@pytest.mark.parametrize("hint", OPTIONAL_FLOATS, ids=str)
@pytest.mark.parametrize("value", ["fast", True, float("nan"), [0.1]], ids=str)
def test_an_optional_field_refuses_another_type(hint: Any, value: Any) -> None:
    with pytest.raises(UserError, match="rate="):
        checked(settings(hint), {"rate": value})


@pytest.mark.parametrize("hint", ["int | None", "tuple[int, ...] | None"])
def test_an_annotation_kept_as_text_is_read(hint: str) -> None:
    value = 3 if hint.startswith("int") else [3]
    assert checked(settings(hint), {"rate": value})["rate"] in (3, (3,))
    with pytest.raises(UserError, match="rate="):
        checked(settings(hint), {"rate": "three"})


@pytest.mark.parametrize("hint", [Literal["slow", "fast"], Literal["slow", "fast"] | None], ids=str)
def test_a_field_that_lists_its_values_takes_no_other(hint: Any) -> None:
    assert checked(settings(hint), {"rate": "fast"}) == {"rate": "fast"}
    for value in ("fest", 1, ["fast"]):
        with pytest.raises(UserError, match=r"rate=.*fast"):
            checked(settings(hint), {"rate": value})
