"""Whatever people write, the bot's HTML stays the bot's, and only pills mention."""

from functools import reduce
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from bot.domain import content
from bot.domain.content import Piece

OURS = {"a", "strong", "code", "blockquote", "ul", "li", "br"}
ALICE = "@alice:example.org"

nasty = st.sampled_from(
    [
        "<script>",
        "</a>",
        '"><img src=x onerror=1>',
        "{who}",
        "{{",
        "}",
        "{0}",
        "&lt;",
        "&#60;b&#62;",
    ]
)
words = st.lists(st.one_of(st.text(), nasty), max_size=4).map("".join)
leaves = st.one_of(
    words.map(content.text),
    words.map(content.code),
    st.builds(content.name, words, words),
    st.builds(content.link, words, st.one_of(words, words.map("https://example.org/{}".format))),
    st.builds(content.link, words, words.map("https://example.org/".__add__), bare=st.booleans()),
)
pieces = st.recursive(
    leaves,
    lambda inner: st.one_of(
        inner.map(content.bold),
        inner.map(content.quote),
        st.lists(inner, max_size=3).map(content.bullets),
        st.lists(inner, max_size=3).map(lambda some: content.lines(*some)),
        st.builds(content.join, words, st.lists(inner, max_size=3)),
        st.builds(lambda a, b: content.fill("{a} & <{b}>", a=a, b=b), inner, inner),
    ),
    max_leaves=6,
)


class Tags(HTMLParser):
    """Reads HTML strictly: what opens is closed, and nothing but our tags and `href` is there."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.shown: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in OURS
        assert [name for name, _ in attrs] == (["href"] if tag == "a" else [])
        assert all((value or "").lower().startswith(("http", "mailto:")) for _, value in attrs)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.shown.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(decl)

    def handle_pi(self, data: str) -> None:
        raise AssertionError(data)

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(data)


def read(html: str) -> str:
    tags = Tags()
    tags.feed(html)
    tags.close()
    assert not tags.open
    return "".join(tags.shown)


@given(pieces)
def test_html_holds_no_tag_that_is_not_ours(piece: Piece) -> None:
    read(piece.html)


@given(words)
def test_html_shows_what_the_body_says(value: str) -> None:
    piece = content.text(value)
    assert read(piece.html) == piece.body.replace("\n", "")


@given(st.lists(pieces, max_size=3), words)
def test_only_pills_mention(others: list[Piece], name: str) -> None:
    pill = content.pill(ALICE, name)
    without = content.message(content.lines(*others))
    with_pill = content.message(reduce(content.lines, others, pill))
    assert without["m.mentions"] == {"user_ids": []}
    assert with_pill["m.mentions"] == {"user_ids": [ALICE]}


@given(words, words)
def test_fill_never_expands_braces_in_values(first: str, second: str) -> None:
    filled = content.fill("{who}|{what}", who=first, what=second)
    assert filled.body == f"{content.text(first).body}|{content.text(second).body}"


@given(words)
def test_escaped_braces_come_back(value: str) -> None:
    template = value.replace("{", "{{").replace("}", "}}")
    assert content.fill(template).body == value


@given(pieces)
def test_every_content_can_be_sent(piece: Piece) -> None:
    message = content.message(piece)
    assert str(message).encode()
    assert ("formatted_body" in message) == ("format" in message)
    assert content.replacing(message, "$a")["m.new_content"] == message
