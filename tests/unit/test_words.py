import pytest

from bot.services.routing.words import tokens


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("fr", "financements européens", "Financement européen"),
        ("fr", "l’œuvre", "œuvres"),
        ("fr", "matériau", "materiau"),
        ("nl", "de vezels", "een vezel"),
        ("nl", "ideeën", "ideeen"),
        ("en", "funding", "funded"),
        (None, "subsidies", "subsidie"),
        ("de", "Subventionen", "subvention"),
    ],
)
def test_forms_of_a_word_are_one_token(language: str | None, one: str, other: str) -> None:
    assert tokens(one, language) == tokens(other, language) != []


def test_function_words_and_signs_are_left_out() -> None:
    assert tokens("Qui est-ce ? 👍 …", "fr") == []
    assert tokens("Wie is er van de AI?", None) == ["ai"]


def test_what_means_something_in_one_language_stays_where_it_is_not_a_function_word() -> None:
    assert tokens("dans", "fr") == []
    assert tokens("dans", "nl") != []


def test_names_and_numbers_stay_whole() -> None:
    assert tokens("Interreg 2027", "nl") == ["interreg", "2027"]


def test_a_long_text_is_read_from_its_beginning() -> None:
    assert len(tokens("vlas " * 10_000, "nl")) < 2_000
