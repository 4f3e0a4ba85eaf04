import re
from copy import deepcopy
from datetime import time, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from config.catalogues import french_faults
from config.files import parse_yaml
from config.network import (
    LANGUAGES,
    Cluster,
    Desk,
    Forum,
    Network,
    builtin_networks,
    load_network,
    parse_network,
)
from config.problems import ConfigError, Problem

SMALL = """\
key: small
name: {fr: Petit, nl: Klein}
languages: [fr, nl]
timezone: Europe/Brussels
alias_prefix: small-
clusters:
  - key: wood
    name: {fr: Bois, nl: Hout}
    topic: {fr: Le bois, nl: Het hout}
    words: {fr: [bois, scierie], nl: [hout, zagerij]}
desks:
  - key: money
    name: {fr: Argent, nl: Geld}
    topic: {fr: "L’argent", nl: Het geld}
    words: {fr: [argent], nl: [geld]}
    hours: {days: [monday, saturday], start: "08:30", end: 17:00}
"""


@pytest.fixture
def data() -> dict[str, Any]:
    return parse_yaml(SMALL, "small.yaml")


def problems(data: dict[str, Any]) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        parse_network(data, "small.yaml")
    return caught.value.problems


def changed(data: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    copy = deepcopy(data)
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    target: Any = copy
    for parent in parents:
        target = target.setdefault(parent, {}) if isinstance(target, dict) else target[parent]
    target[last] = value
    return copy


# --- what is read -------------------------------------------------------------------------------


def test_a_small_network_takes_the_defaults(data: dict[str, Any]) -> None:
    network = parse_network(data, "small.yaml")
    assert network.access == "public"
    assert network.forum is None
    assert network.zone.key == "Europe/Brussels"
    assert network.questions.offer_time == timedelta(hours=2)
    assert network.questions.reminder_time == timedelta(hours=2)
    assert (network.questions.second_wave, network.questions.max_offers) == (2, 5)
    assert network.questions.urgent.offer_time == timedelta(minutes=30)
    assert network.questions.coordinator_time == timedelta(hours=4)
    assert network.questions.ask_help_after == timedelta(days=2)
    assert network.questions.close_after == timedelta(days=5)
    assert network.questions.reopen_within == timedelta(days=30)
    assert network.events.reminders == (timedelta(days=1), timedelta(hours=1))
    assert network.events.counter_every == timedelta(seconds=10)
    assert (network.activity.digest.weekday, network.activity.digest.time) == (1, time(8, 30))
    assert network.activity.nudge_after == timedelta(hours=8)


def test_hours_of_a_desk(data: dict[str, Any]) -> None:
    desk = parse_network(data, "small.yaml").desks[0]
    assert desk.hours.days == (0, 5)
    assert (desk.hours.start, desk.hours.end) == (time(8, 30), time(17))
    del data["desks"][0]["hours"]
    usual = parse_network(data, "small.yaml").desks[0].hours
    assert (usual.days, usual.start, usual.end) == ((0, 1, 2, 3, 4), time(9), time(17))


def test_a_desk_keeps_the_holidays_of_its_places(data: dict[str, Any]) -> None:
    assert parse_network(data, "small.yaml").desks[0].hours.holidays == ()
    kept = parse_yaml("holidays: [fr-57, BE, UK, NO]", "small.yaml")["holidays"]
    data["desks"][0]["hours"]["holidays"] = kept
    desk = parse_network(data, "small.yaml").desks[0]
    assert desk.hours.holidays == ("FR-57", "BE", "GB", "NO")


def test_rooms_are_found_by_key(data: dict[str, Any]) -> None:
    network = parse_network(data, "small.yaml")
    assert network.cluster("wood") is network.clusters[0]
    assert network.desk("money") is network.desks[0]
    assert network.cluster("money") is None
    assert network.desk("wood") is None


def test_texts_fall_back_to_the_first_language(data: dict[str, Any]) -> None:
    network = parse_network(data, "small.yaml")
    assert network.text(network.name, "nl") == "Klein"
    assert network.text(network.name, "en") == "Petit"


def test_aliases_are_made_of_prefix_and_key(data: dict[str, Any]) -> None:
    assert parse_network(data, "").alias("wood") == "small-wood"
    assert parse_network(data, "").alias("space") == "small-space"
    assert parse_network(changed(data, "space_alias", "small"), "").alias("space") == "small"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("30m", timedelta(minutes=30)),
        ("1h30m", timedelta(minutes=90)),
        ("2d", timedelta(days=2)),
        ("1w", timedelta(weeks=1)),
        ("45s", timedelta(seconds=45)),
    ],
)
def test_lengths_of_time(data: dict[str, Any], written: str, meant: timedelta) -> None:
    network = parse_network(changed(data, "questions.offer_time", written), "")
    assert network.questions.offer_time == meant


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value", "where", "sentence", "remedy"),
    [
        ("key", "Small!", "key", "“Small!” cannot be a key", "small letters"),
        ("clusters.0.key", "x" * 33, "x.key", "cannot be a key", "1 to 32"),
        ("clusters.0.key", "space", "space.key", "reserved", "another key"),
        ("desks.0.key", "wood", "desks.wood", "already that of clusters.wood", "of its own"),
        ("alias_prefix", "Innov ", "alias_prefix", "“Innov ” cannot be part", "“innov-”"),
        ("alias_prefix", "#innov-", "alias_prefix", "cannot be part", "“innov-”"),
        ("timezone", "Europe/Brussel", "timezone", "not a known", "“Europe/Brussels”"),
        ("timezone", "here", "timezone", "not a known time zone", "like Europe/Brussels"),
        ("languages", ["fr", "nl", "de"], "languages no. 3", "“de”", "fr, nl, en"),
        ("languages", ["fr", "fr"], "languages", "twice", "Keep one"),
        ("languages", [], "languages", "no language", "[fr, nl]"),
        ("languages", ["fr", "nl", "en"], "name", "The English text is missing", "“en: …”"),
        ("clusters.0.name", {"fr": "Bois"}, "wood.name", "The Dutch text is missing", "“nl: …”"),
        ("clusters.0.words", {"fr": ["b"], "nl": []}, "wood.words", "Dutch text", "“nl: …”"),
        ("desks.0.topic", {"fr": "x", "nl": " "}, "money.topic.nl", "empty", "each language"),
        ("desks.0.topic.de", "x", "money.topic.de", "does not speak “de”", "fr, nl, en"),
        ("desks.0.topic", "x", "desks.money.topic", "keys of its own", "key: value"),
        ("desks.0.words.fr", "argent", "money.words.fr", "must be a list", "- "),
        ("desks.0.asks", {"fr": ["Qui paie ?"]}, "money.asks", "Dutch text", "“nl: …”"),
        ("desks.0.asks", {"fr": ["a"], "nl": []}, "money.asks", "Dutch text", "“nl: …”"),
        ("desks.0.asks", {"fr": ["a"], "nl": [" "]}, "nl no. 1", "empty", "each language"),
        ("desks.0.asks.de", ["Wer zahlt?"], "money.asks.de", "does not speak “de”", "fr, nl, en"),
        ("clusters.0.asks", {"fr": ["a"], "nl": ["b"]}, "clusters.wood", "asks", "known here"),
        ("desks.0.hours.days", ["moonday"], "days no. 1", "not a day", "“monday”"),
        ("desks.0.hours.days", [], "money.hours", "never opens", "at least one day"),
        ("desks.0.hours.end", "08:30", "money.hours", "never opens", "later than the start"),
        ("desks.0.hours.holidays", ["BEL"], "holidays no. 1", "“BEL” are not known", "“BE”"),
        ("desks.0.hours.holidays", ["FR-58"], "holidays no. 1", "“FR-58” are not", "“FR-57”"),
        ("desks.0.hours.holidays", ["?"], "holidays no. 1", "“?” are not known", "two letters"),
        ("desks.0.hours.end", "24:00", "hours.end", "“24:00” is not a time", "08:30"),
        ("desks.0.hours.end", 17, "hours.end", "“17” is not a time", "08:30"),
        ("questions.offer_time", 2, "offer_time", "“2” is not a length of time", "30m"),
        ("questions.offer_time", "0h", "offer_time", "not a length of time", "30m"),
        ("questions.max_offers", 0, "max_offers", "greater than or equal to 1", "Correct"),
        ("questions.close_after", "1d", "close_after", "close before", "longer"),
        ("access", "open", "access", "not one of the values", "'public', 'knock' or 'invite'"),
        ("clusters", {"wood": 1}, "clusters", "must be a list", "- "),
    ],
)
def test_a_fault_is_a_sentence_with_a_remedy(
    data: dict[str, Any], path: str, value: object, where: str, sentence: str, remedy: str
) -> None:
    found = problems(changed(data, path, value))[0]
    assert found.where.startswith("small.yaml, ")
    assert found.where.endswith(where)
    assert sentence in found.sentence
    assert remedy in found.remedy


@pytest.mark.parametrize(
    ("path", "where", "nearest"),
    [
        ("cluster", "small.yaml", "clusters"),
        ("clusters.0.topics", "small.yaml, clusters.wood", "topic"),
        ("desks.0.hours.begin", "small.yaml, desks.money.hours", None),
        ("desks.0.hours.stat", "small.yaml, desks.money.hours", "start"),
        ("activity.digest.day", "small.yaml, activity.digest", "weekday"),
    ],
)
def test_an_unknown_key_names_the_nearest(
    data: dict[str, Any], path: str, where: str, nearest: str | None
) -> None:
    found = problems(changed(data, path, "x"))[0]
    assert found.where == where
    expected = f"Did you mean “{nearest}”?" if nearest else "The keys known here are: days,"
    assert found.remedy.startswith(expected)


def test_a_missing_key_is_shown_with_an_example(data: dict[str, Any]) -> None:
    del data["alias_prefix"]
    del data["clusters"][0]["key"]
    assert [(each.where, each.remedy) for each in problems(data)] == [
        ("small.yaml, alias_prefix", "Add it: “alias_prefix: my-network-”."),
        ("small.yaml, clusters no. 1.key", "Add it: “key: logistics”."),
    ]


def test_all_missing_translations_are_told_at_once(data: dict[str, Any]) -> None:
    found = problems(changed(data, "languages", ["fr", "nl", "en"]))
    assert [each.where.partition(", ")[2] for each in found] == [
        "name",
        "clusters.wood.name",
        "clusters.wood.topic",
        "clusters.wood.words",
        "desks.money.name",
        "desks.money.topic",
        "desks.money.words",
    ]


# --- where networks come from -------------------------------------------------------------------


def test_a_network_file_is_read_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine"
    path.write_text(SMALL)
    assert load_network(path).key == "small"
    assert load_network(str(path)).key == "small"


def test_a_network_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.yaml: There is no such file"):
        load_network(str(tmp_path / "gone.yaml"))


@pytest.mark.parametrize("name", ["innov-eurometropol", "lille"])
def test_an_unknown_name_gets_the_built_in_ones(name: str) -> None:
    with pytest.raises(ConfigError, match="innov-eurometropolis") as caught:
        load_network(name)
    assert "There is no built-in network of that name." in str(caught.value)


# --- the default network ------------------------------------------------------------------------

NAMES = {
    "agro-health": (
        "Agro-nutrition-santé",
        "Agro-voeding/gezondheid",
        "Agro-food and health",
    ),
    "materials": (
        "Textile, matériaux innovants et design",
        "Innoverende materialen/textiel/design",
        "Innovative materials, textile and design",
    ),
    "logistics": ("Logistique", "Logistiek", "Logistics"),
    "imaging-ict": ("Image et TIC", "Beeldvorming/ICT", "Imaging and ICT"),
    "funding": ("Desk Financement", "Financieringsdesk", "Funding desk"),
    "project": ("Desk Projets", "Projectdesk", "Project desk"),
    "expertise": ("Desk Expertise", "Expertisedesk", "Expertise desk"),
    "international": ("Desk International", "Internationale desk", "International desk"),
    "forum": (
        "FORUM de l’Eurométropole",
        "FORUM van de Eurometropool",
        "FORUM of the Eurometropolis",
    ),
}


@pytest.fixture(scope="module")
def default() -> Network:
    return load_network("innov-eurometropolis")


def test_the_default_network_is_built_in() -> None:
    assert "innov-eurometropolis" in builtin_networks()


def test_the_default_network_has_the_names_of_the_platform(default: Network) -> None:
    assert default.forum is not None
    rooms: list[Cluster | Desk | Forum] = [*default.clusters, *default.desks, default.forum]
    assert {room.key: tuple(room.name[each] for each in LANGUAGES) for room in rooms} == NAMES


def test_the_default_network_is_open_and_bilingual_plus_one(default: Network) -> None:
    assert default.access == "public"
    assert default.languages == ("fr", "nl", "en")
    assert default.timezone == "Europe/Brussels"
    assert default.alias("logistics") == "innov-logistics"


@pytest.mark.parametrize("kind", ["clusters", "desks"])
@pytest.mark.parametrize("language", list(LANGUAGES))
def test_words_tell_rooms_apart(default: Network, kind: str, language: str) -> None:
    rooms = getattr(default, kind)
    words = [word.casefold() for room in rooms for word in room.words[language]]
    assert len(words) == len(set(words))
    assert all(len(room.words[language]) >= 30 for room in rooms)


def test_no_word_is_an_everyday_word_of_another_language(default: Network) -> None:
    """Such as EEN, a network, and "een", the Dutch article: the language is a guess at times."""
    rooms: list[Cluster | Desk] = [*default.clusters, *default.desks]
    words = {word.casefold() for room in rooms for each in room.words.values() for word in each}
    everyday = "ai eu en train former recherche projet een kant stof werk it fit life us example"
    assert words.isdisjoint(everyday.split())


@pytest.mark.parametrize(
    ("word", "desk"),
    [
        ("feder", "funding"),
        ("efro", "funding"),
        ("subsidie", "funding"),
        ("appel à projets", "funding"),
        ("consortium", "project"),
        ("samenwerking", "project"),
        ("brevet", "expertise"),
        ("octrooi", "expertise"),
        ("keuring", "expertise"),
        ("stage", "expertise"),
        ("laboratoire", "expertise"),
        ("marché public", "international"),
        ("aanbesteding", "international"),
        ("horizon europe", "international"),
    ],
)
def test_people_find_the_right_desk_with_their_own_words(
    default: Network, word: str, desk: str
) -> None:
    found = {
        each.key
        for each in default.desks
        for words in each.words.values()
        if word in (listed.casefold() for listed in words)
    }
    assert found == {desk}


def test_topics_are_short_and_well_spaced(default: Network) -> None:
    assert default.topic is not None
    assert default.forum is not None
    topics = [default.topic, default.forum.topic]
    topics += [cluster.topic for cluster in default.clusters]
    topics += [desk.topic for desk in default.desks]
    assert [text for each in topics for text in each.values() if len(text) > 140] == []
    assert [text for each in topics for text in each.values() if "'" in text] == []
    assert [text for each in topics if (text := each["fr"]) and list(french_faults(text))] == []


@pytest.mark.parametrize("language", list(LANGUAGES))
def test_every_desk_shows_what_is_asked_there(default: Network, language: str) -> None:
    """Parallel, and no sentence twice: one of two desks would be learned wrongly."""
    asks = [desk.asks or {} for desk in default.desks]
    assert all(len(each[language]) == len(each["en"]) >= 20 for each in asks)
    sentences = [sentence for each in asks for sentence in each[language]]
    assert len(sentences) == len(set(sentences))


def test_a_desk_needs_no_asks(data: dict[str, Any]) -> None:
    assert parse_network(data, "small.yaml").desks[0].asks is None
    asks = {"fr": ["Qui paie ?"], "nl": ["Wie betaalt?", "Hoeveel?"]}
    desk = parse_network(changed(data, "desks.0.asks", asks), "small.yaml").desks[0]
    assert desk.asks == {"fr": ("Qui paie ?",), "nl": ("Wie betaalt?", "Hoeveel?")}


def test_the_file_shows_every_knob_with_its_default(default: Network) -> None:
    bare = default.model_dump(exclude={"questions", "events", "activity"})
    bare["questions"] = {"default_desk": "expertise"}  # the one thing it decides
    assert Network.model_validate(bare) == default
    file = files("config").joinpath("networks", "innov-eurometropolis.yaml").read_text("utf-8")
    for knobs in ("questions", "events", "activity"):
        for key in type(getattr(default, knobs)).model_fields:
            assert re.search(rf"^  {key}:", file, re.MULTILINE), key
