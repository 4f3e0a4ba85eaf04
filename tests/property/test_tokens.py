from hypothesis import given
from hypothesis import strategies as st

from commands.tokens import Grammar, Takes, read, tokenise

GRAMMARS = [
    Grammar({"desk": Takes.WORD, "private": Takes.NOTHING}, words=0),
    Grammar({"cluster": Takes.LIST, "desc": Takes.TEXT}, words=2),
    Grammar({"for": Takes.WORD, "desc": Takes.TEXT}),
]
anything = st.text(st.characters(exclude_categories=()))
pieces = st.sampled_from(
    [
        *"\"'“”„‘’«» \n\xa0=@,:",
        "--desk",
        "—private",
        "--cluster",
        "--desc",
        "desc=",
        "--for",
        "--private=oui",
        "--unknown",
        "a",
        "l'eau",
        "funding",
        "Anna De Vries",
    ]
)
lines = anything | st.lists(pieces, max_size=40).map("".join)
grammars = st.sampled_from(GRAMMARS)


@given(lines, st.sets(st.sampled_from(["Anna", "Anna De Vries", "", "«"])))
def test_tokens_cover_every_word_in_order(line: str, phrases: set[str]) -> None:
    tokens = tokenise(line, phrases)
    at = 0
    for token in tokens:
        assert line[at : token.start].strip() == ""
        assert at <= token.start < token.end
        at = token.end
    assert line[at:].strip() == ""


@given(lines, grammars)
def test_text_is_a_part_of_the_line(line: str, grammar: Grammar) -> None:
    arguments = read(line, grammar)
    assert arguments.text in line
    assert arguments.text == arguments.text.strip()
    assert arguments.options.keys() <= grammar.options.keys()


@given(lines)
def test_without_options_the_whole_line_is_text(line: str) -> None:
    assert read(line, Grammar({}, words=0)).text == line.strip()


@given(st.lists(st.text("abcé'’,.", min_size=1), min_size=1))
def test_words_in_quotes_come_back_as_they_were(words: list[str]) -> None:
    phrase = " ".join(words)
    assert [token.text for token in tokenise(f"« {phrase} »")] == [phrase]
