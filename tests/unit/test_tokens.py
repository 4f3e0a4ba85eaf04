import pytest

from commands.tokens import Arguments, Grammar, Takes, read, tokenise

ASK = Grammar({"desk": Takes.WORD, "cluster": Takes.LIST, "private": Takes.NOTHING}, words=0)
EVENT = Grammar(
    {"for": Takes.WORD, "cluster": Takes.LIST, "desc": Takes.TEXT, "dry-run": Takes.NOTHING}
)


def texts(line: str) -> list[str]:
    return [token.text for token in tokenise(line)]


@pytest.mark.parametrize(
    "quoted",
    [
        '"Salon du lin"',
        "'Salon du lin'",
        "“Salon du lin”",
        "„Salon du lin”",
        "‘Salon du lin’",
        "«Salon du lin»",
        "« Salon du lin »",
        "«\xa0Salon du lin\u202f»",
    ],
)
def test_quotes_of_every_kind_group_words(quoted: str) -> None:
    assert texts(f"{quoted} 7") == ["Salon du lin", "7"]


@pytest.mark.parametrize(
    "line",
    [
        "l'appel à projets",
        "pôle d’innovation",
        "'s avonds in Kortrijk",
        "'t Hof",
        '"Salon du lin',
        '“Salon du lin"',
        "Salon« du »lin",
        "rock 'n roll",
        'a 12" rule',
    ],
)
def test_a_quote_without_its_pair_is_a_letter(line: str) -> None:
    assert texts(line) == line.split()


def test_an_apostrophe_does_not_end_a_quoted_phrase() -> None:
    assert texts("'Salon de l'eau' 'Appel d'offres'") == ["Salon de l'eau", "Appel d'offres"]


def test_quotes_follow_an_equals_sign_or_an_at_sign() -> None:
    assert texts('@"Kortrijk Xpo" desc="un deux" place=@« Lille »') == [
        "@Kortrijk Xpo",
        "desc=un deux",
        "place=@Lille",
    ]


def test_the_names_in_mentions_stay_together() -> None:
    tokens = tokenise("Q12 Anna De Vries: vite", {"Anna", "Anna De Vries"})
    assert [token.text for token in tokens] == ["Q12", "Anna De Vries", "vite"]


def test_a_longer_word_is_no_mention() -> None:
    assert [t.text for t in tokenise("Annabelle", {"Anna"})] == ["Annabelle"]


@pytest.mark.parametrize("written", ["--desk", "—desk", "–desk", "–-desk", "--Desk"])
@pytest.mark.parametrize("joint", [" ", "="])
def test_options_are_understood_as_keyboards_write_them(written: str, joint: str) -> None:
    assert read(f"{written}{joint}funding Qui paie ?", ASK) == Arguments(
        options={"desk": "funding"}, text="Qui paie ?"
    )


def test_a_known_name_with_an_equals_sign_is_an_option() -> None:
    assert read("desk=« Desk Projets » Qui paie ?", ASK).options == {"desk": "Desk Projets"}


def test_underscores_are_hyphens() -> None:
    assert read("--dry_run", EVENT).options == {"dry-run": None}


@pytest.mark.parametrize(
    "text",
    [
        "a = b",
        "x=1 is fine",
        "-- so what?",
        "git log --oneline works",
        "— dit-il",
        "2 < 3 -- no",
        "two  spaces\n\n  and lines",
        'say "hello  there"',
        "l'eau  d’ici",
        "why desk=funding?",
    ],
)
def test_text_survives_as_it_was_written(text: str) -> None:
    assert read(f"  --private\n{text} \n", ASK) == Arguments(
        options={"private": None}, text=text, strange=[]
    )


def test_options_may_follow_the_text() -> None:
    assert read("Qui paie ?\nEt quand ?  --private --desk funding", ASK) == Arguments(
        options={"private": None, "desk": "funding"}, text="Qui paie ?\nEt quand ?"
    )


def test_only_options_with_hyphens_may_follow_the_text() -> None:
    assert read("what is desk=funding", ASK).text == "what is desk=funding"


def test_a_quoted_option_is_text() -> None:
    assert read('"--private" is what?', ASK) == Arguments(text='"--private" is what?')


def test_an_option_that_does_not_exist_is_noted_at_both_ends_of_the_text() -> None:
    arguments = read("--desc of the thing --privé", ASK)
    assert arguments.strange == ["desc", "prive"]
    assert arguments.text == "--desc of the thing --privé"


def test_options_stand_anywhere_among_words() -> None:
    assert read('"Salon" --for 90m 2027-03-12 cluster=logistics @Lille', EVENT) == Arguments(
        words=["Salon", "2027-03-12", "@Lille"], options={"for": "90m", "cluster": "logistics"}
    )


def test_a_list_goes_on_after_a_comma() -> None:
    arguments = read("Salon --cluster logistics, materials, --dry-run", EVENT)
    assert arguments.options == {"cluster": "logistics,materials,", "dry-run": None}


def test_an_option_without_its_value_is_given_none() -> None:
    assert read("--for --dry-run", EVENT).options == {"for": None, "dry-run": None}


def test_text_as_an_option_goes_to_the_end_of_the_line() -> None:
    assert read("Salon --desc Une matinée\n pour tous --for 2h", EVENT) == Arguments(
        words=["Salon"], options={"desc": "Une matinée\n pour tous", "for": "2h"}
    )


def test_text_as_an_option_may_be_quoted() -> None:
    assert read("--desc “Une  matinée” Salon", EVENT) == Arguments(
        words=["Salon"], options={"desc": "Une  matinée"}
    )
