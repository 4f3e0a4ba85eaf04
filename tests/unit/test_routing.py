from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.routing.lean import (
    Candidate,
    DeskReason,
    QuestionFacts,
    Reason,
    Topic,
    Why,
    choose_cluster,
    choose_desk,
    rank,
    words,
)
from config.network import Cluster, Desk, load_network

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
NETWORK = load_network("innov-eurometropolis")
ANNA, BART, CHLOE = "@anna:example.org", "@bart:example.org", "@chloe:example.org"
QUESTION = QuestionFacts(
    12, "@asker:example.org", "expertise", "materials", "nl", "Wie kan vlasvezels testen?"
)


def described(room: Desk | Cluster) -> Topic:
    listed = (word for words_of in room.words.values() for word in words_of)
    return Topic(room.key, frozenset([*room.name.values(), *room.topic.values(), *listed]))


DESKS = [described(desk) for desk in NETWORK.desks]
CLUSTERS = [described(cluster) for cluster in NETWORK.clusters]


def expert(
    user_id: str,
    languages: str = "",
    clusters: str = "",
    topics: str = "",
    open_load: int = 0,
    rested: timedelta | None = None,
) -> Candidate:
    return Candidate(
        user_id,
        frozenset({"expertise"}),
        clusters=frozenset(clusters.split()),
        languages=frozenset(languages.split()),
        topics=frozenset({topics}),
        open_load=open_load,
        last_offer_at=None if rested is None else NOW - rested,
    )


def order(*candidates: Candidate, question: QuestionFacts = QUESTION) -> list[str]:
    return [each.user_id for each in rank(question, candidates, NOW, ())]


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
    choice = choose_desk(text, DESKS, None, default="forum")
    assert (choice.desk, choice.reason, choice.sure) == (desk, DeskReason.WORDS, True)


def test_the_desk_named_by_the_asker_is_taken() -> None:
    choice = choose_desk("Welke subsidies bestaan er?", DESKS, "project", default="expertise")
    assert (choice.desk, choice.reason, choice.sure) == ("project", DeskReason.EXPLICIT, True)


@pytest.mark.parametrize("text", ["", "👍", "Bonjour, j'ai une question", "xyzzy"])
def test_without_evidence_the_default_is_taken_and_said_so(text: str) -> None:
    choice = choose_desk(text, DESKS, None, default="project")
    assert (choice.desk, choice.reason, choice.sure) == ("project", DeskReason.DEFAULT, False)
    assert choice.runner_up is None


def test_evidence_for_two_desks_is_not_sure() -> None:
    desks = [Topic("a", frozenset({"grant"})), Topic("b", frozenset({"patent"}))]
    choice = choose_desk("A grant for a patent", desks, None, default="b")
    assert (choice.desk, choice.runner_up, choice.sure) == ("b", "a", False)


def test_a_word_of_one_desk_outweighs_a_word_of_several() -> None:
    shared = frozenset({"project", "export"})
    desks = [Topic("a", shared), Topic("b", shared), Topic("c", frozenset({"patent"}))]
    choice = choose_desk("Export project: a patent?", desks, None, default="a")
    assert choice.desk == "c"


def test_a_whole_term_outweighs_its_words() -> None:
    desks = [
        Topic("a", frozenset({"call for projects", "grant"})),
        Topic("b", frozenset({"call for tenders", "project"})),
    ]
    assert choose_desk("Any calls for projects?", desks, None, default="b").desk == "a"
    assert choose_desk("Is this project on call?", desks, None, default="a").desk == "b"


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
    assert choose_cluster(text, CLUSTERS) == cluster


def test_no_cluster_is_chosen_between_equals() -> None:
    clusters = [Topic("a", frozenset({"flax"})), Topic("b", frozenset({"linen"}))]
    assert choose_cluster("flax and linen", clusters) is None


def test_nobody_is_asked_who_must_not_be() -> None:
    asker = expert(QUESTION.asker)
    other_desk = Candidate("@other:example.org", frozenset({"funding"}))
    away = Candidate("@away:example.org", frozenset({"expertise"}), is_away=True)
    ranked = rank(QUESTION, [asker, other_desk, away, expert(ANNA), expert(BART)], NOW, {BART})
    assert [each.user_id for each in ranked] == [ANNA]


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (expert(ANNA, languages="nl"), expert(BART, languages="fr en")),
        (expert(ANNA, languages="nl"), expert(BART)),
        (expert(ANNA), expert(BART, languages="fr")),
        (expert(ANNA, clusters="materials"), expert(BART, clusters="logistics")),
        (expert(ANNA, topics="Vlas, hennep en vlasvezel, testen"), expert(BART, topics="hout")),
        (expert(ANNA), expert(BART, open_load=1)),
        (expert(ANNA), expert(BART, rested=timedelta(days=2))),
        (
            expert(ANNA, rested=timedelta(days=2)),
            expert(BART, rested=timedelta(hours=2)),
        ),
        (
            expert(ANNA, languages="nl", clusters="logistics"),
            expert(BART, languages="fr", clusters="materials"),
        ),
    ],
)
def test_who_fits_better_is_asked_first(better: Candidate, worse: Candidate) -> None:
    assert order(worse, better) == [ANNA, BART]


def test_among_equals_who_has_waited_longest_is_first() -> None:
    months = [expert(ANNA, rested=timedelta(days=30)), expert(BART, rested=timedelta(days=60))]
    assert order(*months) == [BART, ANNA]
    assert order(*months, expert(CHLOE)) == [CHLOE, BART, ANNA]


def test_among_strangers_the_lot_differs_from_question_to_question() -> None:
    people = [expert(ANNA), expert(BART), expert(CHLOE)]
    first = {
        order(
            *people, question=QuestionFacts(n, "@asker:example.org", "expertise", None, "nl", "")
        )[0]
        for n in range(20)
    }
    assert first == {ANNA, BART, CHLOE}


def test_the_reasons_say_what_speaks_for_and_against() -> None:
    candidate = expert(
        ANNA,
        languages="fr nl",
        clusters="materials",
        topics="Hennep, Vlasvezels",
        open_load=2,
        rested=timedelta(days=20, hours=5),
    )
    [ranked] = rank(QUESTION, [candidate], NOW, ())
    assert ranked.reasons == (
        Reason(Why.LANGUAGE, "nl"),
        Reason(Why.CLUSTER, "materials"),
        Reason(Why.TOPICS, "vlasvezels"),
        Reason(Why.LOAD, "2"),
        Reason(Why.RESTED, "20"),
    )


def test_what_does_not_speak_for_somebody_is_no_reason() -> None:
    [busy] = rank(QUESTION, [expert(ANNA, rested=timedelta(days=1))], NOW, ())
    assert busy.reasons == ()
    [new] = rank(QUESTION, [expert(ANNA)], NOW, ())
    assert new.reasons == (Reason(Why.RESTED, ""),)
