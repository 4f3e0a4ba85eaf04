"""Words and terms: what counts beside the meaning of a text, and alone without an encoder."""

import pytest

from bot.domain.routing.desks import DeskChoice, DeskReason
from bot.domain.routing.terms import Topic, words
from bot.services.routing.desks import ClusterMatcher, Described, DeskMatcher, describe
from config.network import load_network

NETWORK = load_network("innov-eurometropolis")
DESKS = [describe(desk) for desk in NETWORK.desks]
CLUSTERS = [describe(cluster) for cluster in NETWORK.clusters]


def described(*topics: Topic) -> list[Described]:
    return [Described(topic.key, topic, ()) for topic in topics]


def chosen(
    text: str, desks: list[Described], default: str, explicit: str | None = None
) -> DeskChoice:
    return DeskMatcher(desks).choose(text, None, explicit, default)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("projet", "Projets"),
        ("project", "projecten"),
        ("subsidy", "subsidies"),
        ("subsidie", "subsidies"),
        ("bedrijf", "bedrijven"),
        ("aanvraag", "aanvragen"),
        ("vak", "vakken"),
        ("matériau", "matériaux"),
        ("européen", "europees"),
        ("international", "internationale"),
        ("l’œuvre", "œuvres"),
        ("IA", "ia"),
    ],
)
def test_forms_of_a_word_have_one_stem(one: str, other: str) -> None:
    assert words(one) == words(other) != []


@pytest.mark.parametrize(
    "text",
    [
        "Bonjour à tous, est-ce que quelqu'un connaît…",
        "Goedemorgen, wie kent er een goede",
        "Does anyone know where to find…",
        "👍 … 5",
    ],
)
def test_words_that_say_nothing_are_left_out(text: str) -> None:
    assert words(text) == []


def test_french_talk_is_told_from_what_people_ask_about() -> None:
    assert words("J'ai de l'AI") == ["ai"]
    assert words("J’aurais besoin d’aide pour une aide") == words("aurais besoin aide")


@pytest.mark.parametrize(
    ("desk", "text"),
    [
        ("funding", "Quelles aides pour financer un prototype en Wallonie ?"),
        ("funding", "Welke subsidies bestaan er voor een kmo die wil digitaliseren?"),
        ("funding", "What is the funding rate for Interreg?"),
        ("project", "On cherche un partenaire flamand pour monter un consortium"),
        ("project", "Lopen er al projecten rond vlas?"),
        ("project", "We are looking for partners for a pilot on cargo bikes"),
        ("expertise", "Quel laboratoire peut tester la résistance au feu d'un textile ?"),
        ("expertise", "Waar kan ik een stagiair informatica vinden?"),
        ("expertise", "How do I protect my invention with a patent?"),
        ("international", "Comment exporter de la bière au Canada ?"),
        ("international", "Is er een Europese aanbesteding voor ziekenhuislinnen?"),
        ("international", "Any upcoming call for proposals, or calls for tenders?"),
    ],
)
def test_a_question_goes_to_the_desk_its_words_speak_of(desk: str, text: str) -> None:
    choice = chosen(text, DESKS, default="forum")
    assert (choice.desk, choice.reason, choice.sure) == (desk, DeskReason.WORDS, True)


def test_the_desk_named_by_the_asker_is_taken() -> None:
    choice = chosen("Welke subsidies bestaan er?", DESKS, "expertise", "project")
    assert (choice.desk, choice.reason, choice.sure) == ("project", DeskReason.EXPLICIT, True)


@pytest.mark.parametrize("text", ["", "👍", "Bonjour, j'ai une question", "xyzzy"])
def test_without_evidence_the_default_is_taken_and_said_so(text: str) -> None:
    choice = chosen(text, DESKS, default="project")
    assert (choice.desk, choice.reason, choice.sure) == ("project", DeskReason.DEFAULT, False)
    assert choice.runner_up is None


def test_evidence_for_two_desks_is_not_sure() -> None:
    desks = [Topic("a", frozenset({"grant"})), Topic("b", frozenset({"patent"}))]
    choice = chosen("A grant for a patent", described(*desks), default="b")
    assert (choice.desk, choice.runner_up, choice.sure) == ("b", "a", False)


def test_a_word_of_one_desk_outweighs_a_word_of_several() -> None:
    shared = frozenset({"project", "export"})
    desks = [Topic("a", shared), Topic("b", shared), Topic("c", frozenset({"patent"}))]
    choice = chosen("Export project: a patent?", described(*desks), default="a")
    assert choice.desk == "c"


def test_a_whole_term_outweighs_its_words() -> None:
    desks = [
        Topic("a", frozenset({"call for projects", "grant"})),
        Topic("b", frozenset({"call for tenders", "project"})),
    ]
    assert chosen("Any calls for projects?", described(*desks), default="b").desk == "a"
    assert chosen("Is this project on call?", described(*desks), default="a").desk == "b"


@pytest.mark.parametrize(
    ("cluster", "text"),
    [
        ("agro-health", "Quelqu'un connaît un producteur de chicorée bio ?"),
        ("materials", "Wie kan vlas verwerken tot garen?"),
        ("logistics", "How do we deliver pallets by barge to Lille?"),
        ("imaging-ict", "J'ai besoin d'un développeur pour une application mobile"),
        (None, "J'ai une question"),
    ],
)
def test_the_cluster_is_the_one_the_words_speak_of(cluster: str | None, text: str) -> None:
    assert ClusterMatcher(CLUSTERS).choose(text, None) == cluster


def test_no_cluster_is_chosen_between_equals() -> None:
    clusters = [Topic("a", frozenset({"flax"})), Topic("b", frozenset({"linen"}))]
    assert ClusterMatcher(described(*clusters)).choose("flax and linen", None) is None
