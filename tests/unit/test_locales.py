import re
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from babel.messages.pofile import read_po

from bot.domain import content
from config import catalogues, locales
from config.locales import N_, Texts, Translator

BRUSSELS = ZoneInfo("Europe/Brussels")
START = datetime(2026, 11, 24, 13, 0, tzinfo=UTC)

HEADER = """\
msgid ""
msgstr ""
"Language: {language}\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Plural-Forms: nplurals=2; plural={plural};\\n"

"""
FRENCH = (
    HEADER.format(language="fr", plural="(n > 1)")
    + """\
msgid "{who} has taken {question}."
msgstr "{question} est entre les mains de {who}."

msgid "Starts {when}."
msgstr "Début : {when}."

msgid "{n} question is waiting."
msgid_plural "{n} questions are waiting."
msgstr[0] "{n} question attend."
msgstr[1] "{n} questions attendent."
"""
)
DUTCH = (
    HEADER.format(language="nl", plural="(n != 1)")
    + """\
msgid "{who} has taken {question}."
msgstr "{who} heeft {question} op zich genomen."

msgid "Starts {when}."
msgstr "Begint {when}."

msgid "{n} question is waiting."
msgid_plural "{n} questions are waiting."
msgstr[0] "Er wacht één vraag."
msgstr[1] "Er wachten {n} vragen."
"""
)


def translator(language: str, catalogue: str) -> Translator:
    return Translator(language, locales.compiled(BytesIO(catalogue.encode()), language))


@pytest.fixture(scope="module")
def texts() -> Texts:
    return Texts(
        {
            "fr": translator("fr", FRENCH),
            "nl": translator("nl", DUTCH),
            "en": locales.load(["en"])["en"],
        }
    )


@pytest.mark.parametrize(
    ("language", "said"),
    [("fr", "aujourd’hui à 14:00"), ("nl", "vandaag om 14:00"), ("en", "today at 14:00")],
)
def test_what_is_today_is_not_spelled_out(texts: Texts, language: str, said: str) -> None:
    midnight = datetime(2026, 11, 23, 23, 0, tzinfo=UTC)
    assert texts[language].when(START, BRUSSELS, midnight) == said
    yesterday = midnight - timedelta(minutes=1)
    assert texts[language].when(START, BRUSSELS, yesterday) == texts[language].when(START, BRUSSELS)


# --- texts --------------------------------------------------------------------------------------


def test_each_reader_gets_their_language(texts: Texts) -> None:
    def said(language: str) -> content.Piece:
        who = content.pill("@a:b.org", "Ann")
        return texts[language]("{who} has taken {question}.", who=who, question="<Q12>")

    assert said("fr").body == "<Q12> est entre les mains de Ann."
    assert said("nl").html.endswith("</a> heeft &lt;Q12&gt; op zich genomen.")
    assert said("en").body == "Ann has taken <Q12>."
    assert said("fr").mentions == {"@a:b.org"}


def test_a_language_that_left_the_network_falls_back_to_the_first(texts: Texts) -> None:
    assert texts["de"].language == "fr"
    assert texts.languages == ("fr", "nl", "en")


@pytest.mark.parametrize(
    ("language", "n", "said"),
    [
        ("fr", 0, "0 question attend."),
        ("fr", 1, "1 question attend."),
        ("fr", 12_000, "12\u202f000 questions attendent."),
        ("nl", 0, "Er wachten 0 vragen."),
        ("nl", 1, "Er wacht één vraag."),
        ("nl", 12_000, "Er wachten 12.000 vragen."),
        ("en", 0, "0 questions are waiting."),
        ("en", 12_000, "12,000 questions are waiting."),
    ],
)
def test_plurals_follow_the_language(texts: Texts, language: str, n: int, said: str) -> None:
    piece = texts[language].plural("{n} question is waiting.", "{n} questions are waiting.", n)
    assert piece.body == said


def test_plain_is_for_where_there_is_no_html(texts: Texts) -> None:
    assert texts["en"].plain("{a} & {b}", a="<", b=2) == "< & 2"


def test_marked_messages_are_translated_later(texts: Texts) -> None:
    marked = N_("Starts {when}.")
    assert texts["nl"](marked, when="nu").body == "Begint nu."


def test_each_says_it_once_per_language(texts: Texts) -> None:
    piece = texts.each(["fr", "nl"], "Starts {when}.", when=lambda tr: tr.when(START, BRUSSELS))
    assert piece.body == (
        "Début\u00a0: mardi 24 novembre 2026 à 14:00.\nBegint dinsdag 24 november 2026 om 14:00."
    )
    assert piece.html == piece.body.replace("\n", "<br>")


def test_each_says_the_same_words_only_once(texts: Texts) -> None:
    assert texts.each(texts.languages, "Q{n}: {title}", n=12, title="Interreg").body == (
        "Q12: Interreg"
    )


# --- dates, lengths, numbers, lists -------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("fr", "mardi 24 novembre 2026 à 14:00"),
        ("nl", "dinsdag 24 november 2026 om 14:00"),
        ("en", "Tuesday 24 November 2026 at 14:00"),
    ],
)
def test_when(texts: Texts, language: str, said: str) -> None:
    assert texts[language].when(START, BRUSSELS) == said


def test_the_day_is_that_of_the_zone(texts: Texts) -> None:
    late = datetime(2026, 6, 30, 22, 30, tzinfo=UTC)
    assert texts["nl"].date(late, BRUSSELS) == "woensdag 1 juli 2026"
    assert texts["nl"].time(late, BRUSSELS) == "00:30"


def test_the_first_of_the_month_in_french(texts: Texts) -> None:
    first = datetime(2026, 12, 1, 12, tzinfo=UTC)
    assert texts["fr"].date(first, BRUSSELS) == "mardi 1er décembre 2026"


@pytest.mark.parametrize(
    ("delta", "fr", "nl", "en"),
    [
        (timedelta(minutes=90), "1 heure et 30 minutes", "1 uur en 30 minuten", None),
        (timedelta(hours=2), "2 heures", "2 uur", "2 hours"),
        (timedelta(days=1, hours=3, minutes=9), "1 jour et 3 heures", None, "1 day and 3 hours"),
        (
            timedelta(seconds=10),
            "moins d’une minute",
            "minder dan een minuut",
            "less than a minute",
        ),
    ],
)
def test_duration(
    texts: Texts, delta: timedelta, fr: str | None, nl: str | None, en: str | None
) -> None:
    for language, said in (("fr", fr), ("nl", nl), ("en", en)):
        if said is not None:
            assert texts[language].duration(delta).replace("\u00a0", " ") == said


def test_ago(texts: Texts) -> None:
    said = [texts[language].ago(timedelta(hours=2)) for language in texts.languages]
    assert said == ["il y a 2 heures", "2 uur geleden", "2 hours ago"]


def test_numbers(texts: Texts) -> None:
    said = [texts[language].number(1234.5) for language in texts.languages]
    assert said == ["1\u202f234,5", "1.234,5", "1,234.5"]


def test_listing_keeps_pieces(texts: Texts) -> None:
    ann = content.pill("@a:b.org", "Ann")
    piece = texts["fr"].listing([ann, "{p0}", "c"])
    assert piece.body == "Ann, {p0} et c"
    assert piece.mentions == {"@a:b.org"}
    assert texts["nl"].listing(["a", "b"]).body == "a en b"
    assert texts["en"].listing(["a", "b", "c"]).body == "a, b and c"
    assert texts["en"].listing([]).body == ""


# --- the catalogues of this tree ----------------------------------------------------------------


def test_the_catalogues_are_complete() -> None:
    assert catalogues.check(catalogues.ROOT) == []


def test_the_catalogues_can_be_loaded() -> None:
    assert locales.load(["fr", "nl", "en"]).languages == ("fr", "nl", "en")


@pytest.mark.parametrize(("language", "plural"), [("fr", "(n > 1)"), ("nl", "(n != 1)")])
def test_the_catalogues_say_what_they_are(language: str, plural: str) -> None:
    path = catalogues.ROOT / catalogues.LOCALES / language / locales.CATALOGUE
    with path.open("rb") as file:
        headers = dict(read_po(file).mime_headers)
    assert headers["Language"] == language
    assert headers["Plural-Forms"] == f"nplurals=2; plural={plural};"


# --- what the check finds, on a small tree with one fault ---------------------------------------

SOURCE = """\
def show(tr, ctx, texts, languages, n):
    tr("{who} has taken {question}.", who=ctx, question=f"Q{n}")
    texts.each(languages, "Starts {when}.", when=n)
    ctx.tr.plural("{n} question is waiting.", "{n} questions are waiting.", n)
"""


class Tree:
    """A source file and two catalogues, as in this repository."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.source = root / "commands" / "show.py"
        self.write(self.source, SOURCE)
        self.catalogue = {
            language: root / catalogues.LOCALES / language / locales.CATALOGUE
            for language in ("fr", "nl")
        }
        self.write(self.catalogue["fr"], FRENCH)
        self.write(self.catalogue["nl"], DUTCH)

    def write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def change(self, language: str, old: str, new: str) -> None:
        text = self.catalogue[language].read_text(encoding="utf-8")
        assert old in text
        self.write(self.catalogue[language], text.replace(old, new))

    def add_source(self, lines: str) -> None:
        self.write(self.source, SOURCE + lines)

    def faults(self) -> list[str]:
        return catalogues.check(self.root)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_a_complete_tree_has_no_fault(tree: Tree) -> None:
    assert tree.faults() == []


@pytest.mark.parametrize(
    ("language", "old", "new", "fault"),
    [
        ("nl", '"Begint {when}."', '""', "nl: not translated: “Starts {when}.”"),
        ("nl", '"Er wacht één vraag."', '""', "nl: not translated: “{n} question is waiting.”"),
        ("nl", "Begint {when}.", "Begint.", "nl: has no placeholder instead of {when}"),
        ("nl", "Begint {when}.", "{wie} begint {when}.", "nl: has {when}, {wie} instead of {when}"),
        ("nl", "wachten {n} vragen", "wachten vragen", "nl: has no placeholder instead of {n}"),
        ("nl", "Begint {when}.", "Begint {when.", "nl: malformed"),
        ("nl", "Begint {when}.", "Begint {when:d}.", "nl: malformed"),
        ("nl", "Begint {when}.", "Zo'n begin {when}.", "nl: write ’ for the apostrophe"),
        ("nl", 'msgid "Starts', '#, fuzzy\nmsgid "Starts', "nl: fuzzy: “Starts {when}.”"),
        ("nl", 'msgid "Starts', 'msgid "Ends', "nl: missing: “Starts {when}.”"),
        ("nl", 'msgid "Starts', 'msgid "Ends', "nl: unused: “Ends {when}.”"),
        ("nl", 'msgid "Starts', '#~ msgid "Old"\n#~ msgstr "Oud"\n\nmsgid "Starts', "nl: obsolete"),
        ("fr", "{n} question attend", "Une question attend", "fr: has no placeholder instead"),
        ("fr", "Début\u00a0:", "Début :", "fr: put a no-break space (U+00A0) before :"),
        ("fr", "Début\u00a0:", "Début:", "fr: put a no-break space (U+00A0) before :"),
    ],
)
def test_the_check_finds_a_broken_catalogue(
    tree: Tree, language: str, old: str, new: str, fault: str
) -> None:
    tree.change(language, old, new)
    assert any(found.startswith(fault) for found in tree.faults())


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        ('tr("A new one.")', "nl: missing: “A new one.”"),
        ('ctx.tr("A new one.")', "nl: missing: “A new one.”"),
        ('ctx.tr.plain("A new one.")', "nl: missing: “A new one.”"),
        ('texts["nl"]("A new one.")', "nl: missing: “A new one.”"),
        ('instance.tr(language)("A new one.")', "nl: missing: “A new one.”"),
        ('N_("A new one.")', "nl: missing: “A new one.”"),
        ('tr("A " "new " "one.")', "nl: missing: “A new one.”"),
        ('tr(first if n else "A new one.")', "nl: missing: “A new one.”"),
        ('texts.each(["fr", "nl"], "A new one.")', "nl: missing: “A new one.”"),
        ('tr.plural("A new one.", "{n} new.", n)', "nl: missing: “A new one.”"),
        ('tr("It\'s new.")', "commands/show.py:5: write ’ for the apostrophe"),
        ('tr("{when")', "commands/show.py:5: malformed"),
        ('tr("")', "commands/show.py:5: a message must be a plain string"),
        ('tr(f"Starts {when}.")', "commands/show.py:5: a message must be a plain string"),
        ('tr("Starts " + when)', "commands/show.py:5: a message must be a plain string"),
        ('tr("Starts %s" % when)', "commands/show.py:5: a message must be a plain string"),
        ('tr("Starts {when}.".format(when=1))', "commands/show.py:5: a message must be a plain"),
        ('tr(first or "Starts.")', "commands/show.py:5: a message must be a plain string"),
        ("N_(message)", "commands/show.py:5: a message must be a plain string"),
        ('tr.plural("{a} new.", "{n} new.", n)', "commands/show.py:5: singular and plural need"),
    ],
)
def test_the_check_finds_what_the_sources_say(tree: Tree, call: str, fault: str) -> None:
    tree.add_source(f"    {call}\n")
    assert any(found.startswith(fault) for found in tree.faults())


@pytest.mark.parametrize(
    "call", ["tr(message)", 'tr(LABELS["key"])', "tr(await language_of(user))", "texts.each(names)"]
)
def test_variables_are_no_messages(tree: Tree, call: str) -> None:
    tree.add_source(f"    {call}\n")
    assert tree.faults() == []


@pytest.mark.parametrize(
    "french",
    [
        "Bonjour\u202f! Ça va\u202f?",
        "Quoi\u202f?! Tapez !demander, ou https://example.org/?a=1 à 14:00.",
        "Il a dit\u00a0: «\u00a0oui\u00a0»\u202f; voilà.",
    ],
)
def test_french_that_is_well_spaced(french: str) -> None:
    assert list(catalogues.french_faults(french)) == []


@pytest.mark.parametrize(
    "french",
    [
        "Bonjour!",
        "Bonjour !",
        "Bonjour\u00a0!",
        "Ça va?",
        "oui ; non",
        "dit : oui",
        "dit:",
        "« oui »",
    ],
)
def test_french_that_is_badly_spaced(french: str) -> None:
    assert list(catalogues.french_faults(french)) != []


# --- update -------------------------------------------------------------------------------------


def test_update_leaves_a_second_update_nothing_to_do(tree: Tree) -> None:
    assert catalogues.update(tree.root) == list(tree.catalogue.values())
    assert catalogues.update(tree.root) == []
    assert tree.faults() == []


def test_update_adds_drops_and_keeps(tree: Tree) -> None:
    tree.change("nl", 'msgid "Starts {when}."', 'msgid "Long gone, and no word like another"')
    tree.add_source('    tr("Something else entirely")\n')
    catalogues.update(tree.root)
    assert tree.faults() == [
        "fr: not translated: “Something else entirely”",
        "nl: not translated: “Something else entirely”",
        "nl: not translated: “Starts {when}.”",
    ]
    assert "Er wachten {n} vragen." in tree.catalogue["nl"].read_text(encoding="utf-8")


def test_update_offers_the_old_translation_of_a_changed_message(tree: Tree) -> None:
    tree.write(tree.source, SOURCE.replace("has taken", "has now taken"))
    catalogues.update(tree.root)
    assert tree.faults() == [
        f"{language}: fuzzy: “{{who}} has now taken {{question}}.”" for language in ("fr", "nl")
    ]


def test_update_writes_no_line_numbers(tree: Tree) -> None:
    catalogues.update(tree.root)
    written = tree.catalogue["fr"].read_text(encoding="utf-8")
    assert "#: commands/show.py\n" in written
    assert not re.search(r"show\.py:\d", written)


def test_the_command_tells_and_fails(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(catalogues, "ROOT", tree.root)
    assert catalogues.main(["check"]) == 0
    assert capsys.readouterr().out == "The catalogues are complete.\n"
    tree.add_source('    tr("A new one.")\n')
    assert catalogues.main(["check"]) == 1
    assert "fr: missing: “A new one.”" in capsys.readouterr().out
    assert catalogues.main(["update"]) == 0
    assert "updated config/locales/fr/" in capsys.readouterr().out
