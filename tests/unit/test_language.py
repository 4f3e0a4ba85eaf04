import pytest

from bot.domain.language import guess, is_question_like, locale_from

LANGUAGES = ("fr", "nl", "en")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Bonjour à tous, je travaille dans une PME textile à Roubaix.", "fr"),
        ("Nous cherchons un partenaire flamand pour un projet Interreg.", "fr"),
        ("Merci beaucoup pour la réponse !", "fr"),
        ("Le salon aura lieu à Lille Grand Palais", "fr"),
        ("L’appel est-il déjà ouvert ?", "fr"),
        ("Goedemorgen iedereen, ik werk bij een textielbedrijf in Kortrijk.", "nl"),
        ("Wij zoeken een Franse partner voor een Interreg-project.", "nl"),
        ("Hartelijk dank voor het antwoord!", "nl"),
        ("Waar vind ik steun voor export", "nl"),
        ("Good morning everyone, I work for a textile company in Ghent.", "en"),
        ("We are looking for a French partner for an Interreg project.", "en"),
        ("Thanks a lot for the answer!", "en"),
    ],
)
def test_a_sentence_shows_its_language(text: str, language: str | None) -> None:
    assert guess(text, LANGUAGES) == language


@pytest.mark.parametrize(
    "text",
    [
        "",
        "👍👍",
        "ok",
        "Interreg VI",
        "Marie Dupont",
        "x = foo(bar)",
        "```for the in and of this: print(that)```",
        "https://example.org/the/list/of/things/that/you/have",
        "> This is what they said to us, not what I say",
    ],
)
def test_what_does_not_show_is_not_guessed(text: str) -> None:
    assert guess(text, LANGUAGES) is None


def test_only_languages_of_the_network_are_guessed() -> None:
    assert guess("Does anyone know a lab to test composites?", ("fr", "nl")) is None
    assert guess("Does anyone know a lab to test composites?", ("de", "en")) == "en"


def test_what_the_writer_is_known_for_tips_the_scales() -> None:
    assert guess("Ok bedankt", LANGUAGES) is None
    assert guess("Ok bedankt", LANGUAGES, prior="nl") == "nl"


@pytest.mark.parametrize("text", ["Interreg VI", "👍", "Does anyone know a lab for this?"])
def test_what_the_writer_is_known_for_does_not_decide(text: str) -> None:
    assert guess(text, LANGUAGES, prior="nl") != "nl"


@pytest.mark.parametrize(
    ("tag", "language"),
    [("fr-BE", "fr"), ("nl_BE.UTF-8", "nl"), ("EN", "en"), (" en-GB ", "en"), ("de@euro", "de")],
)
def test_a_locale_names_its_language(tag: str, language: str) -> None:
    assert locale_from(tag) == language


QUESTIONS = {
    "fr": [
        "Quelqu'un connaît un labo pour tester des composites ?",
        "Quelqu’un connaît un bon avocat en propriété intellectuelle",
        "Bonjour à tous, on cherche un stagiaire en cybersécurité pour septembre",
        "Bonjour, est-ce que le prochain appel Interreg est déjà ouvert",
        "Petite question : qui a déjà travaillé avec VLAIO ?",
        "Je voudrais savoir comment déposer un brevet en Belgique",
        "Comment trouver un partenaire wallon",
        "J'ai besoin d'un labo pour des essais de traction",
        "Qui connaît le programme « LIFE » ?",
    ],
    "nl": [
        "Wie kent er een goede octrooigemachtigde in West-Vlaanderen",
        "Dag allemaal, we zoeken een Frans bedrijf dat vlas verwerkt",
        "Hallo, weet iemand wanneer de volgende Interreg-oproep opent",
        "Ik vraag me af of er steun bestaat voor cargofietsen",
        "Beste collega's, heeft iemand ervaring met RFID in het magazijn?",
        "Welk bedrijf kan 3D-printen in metaal",
        "Wij zijn op zoek naar een stageplaats voor een student logistiek",
    ],
    "en": [
        "Does anyone know a good patent attorney in Lille",
        "Hi all, we're looking for a Belgian partner for a Horizon call",
        "Anyone here who has worked with EIC Accelerator?",
        "Where can we test cold-chain packaging",
        "I need help with a grant application",
        "Thanks for the talk! What was the name of that lab in Roubaix? Regards, An",
        "Interreg pays 60%, is that right for Kortrijk too?",
    ],
}


@pytest.mark.parametrize(
    ("language", "text"), [(key, text) for key, texts in QUESTIONS.items() for text in texts]
)
def test_who_wants_an_answer_is_heard(language: str, text: str) -> None:
    assert is_question_like(text)
    assert is_question_like(text, language)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ok?",
        "???",
        "👍",
        "Vraiment ?",
        "Echt waar?",
        "Ça va ?",
        "How are you?",
        "Hoe gaat het met jullie?",
        "Great idea, isn't it?",
        "C'est une bonne idée, n'est-ce pas ?",
        "Mooi zo, toch?",
    ],
)
def test_courtesies_and_rhetoric_want_no_answer(text: str) -> None:
    assert not is_question_like(text)


@pytest.mark.parametrize(
    "text",
    [
        "!ask does anyone know a lab for composites?",
        " !questions open or waiting?",
        "https://example.org/search?q=who+knows+a+lab",
        "> Does anyone know a lab?",
        "> Quelqu'un connaît un labo ?\n\nOui, à Roubaix.",
        "« Quelqu'un connaît un labo ? »",
        "`who knows a good lab?`",
        "Le programme est en ligne : https://example.org/?id=3",
    ],
)
def test_commands_quotes_and_links_are_not_the_writer_s_questions(text: str) -> None:
    assert not is_question_like(text)


@pytest.mark.parametrize(
    "text",
    [
        "On se retrouve demain à Tournai",
        "Merci beaucoup pour votre aide",
        "De vergadering is morgen om 14 uur",
        "Voor wie het gemist heeft: de oproep staat online",
        "We will look into it",
        "Welcome to the network, everyone",
    ],
)
def test_statements_want_no_answer(text: str) -> None:
    assert not is_question_like(text)


def test_an_opening_counts_in_its_own_language_only() -> None:
    text = "Wie kent een labo om composieten te testen"
    assert is_question_like(text, "nl")
    assert not is_question_like(text, "fr")
    assert is_question_like(text, "de"), "in a language without openings, those of all count"
