import json

import pytest

from bot.domain import content
from bot.domain.content import Piece, pill, text

ALICE = "@alice:example.org"
BOB = "@bob:example.org"


def test_text_escapes_and_keeps_lines() -> None:
    assert text("a < b & c\r\nd") == Piece("a < b & c\nd", "a &lt; b &amp; c<br>d")


@pytest.mark.parametrize("sign", ["\x00", "\x1b", "\x85\x9f", "\u202e", "\u2066", "\ud800"])
def test_text_drops_what_misleads_readers_or_machines(sign: str) -> None:
    assert "".join(text(f"ab{sign}cd").body.split()) == "abcd"


def test_a_pill_mentions_and_a_name_does_not() -> None:
    html = '<a href="https://matrix.to/#/@alice:example.org">Alice</a>'
    assert pill(ALICE, "Alice") == Piece("Alice", html, frozenset({ALICE}))
    assert content.name(ALICE, "Alice") == Piece("Alice", html)


@pytest.mark.parametrize("display", ["", "  \n", "\x00"])
def test_somebody_without_a_name_is_called_by_their_address(display: str) -> None:
    assert pill(ALICE, display).body == ALICE


def test_a_person_takes_one_line_and_stays_inside_the_link() -> None:
    piece = pill('@"><b>:example.org', "Al\nice <3")
    assert piece.body == "Al ice <3"
    assert piece.html == (
        '<a href="https://matrix.to/#/@%22%3E%3Cb%3E:example.org">Al ice &lt;3</a>'
    )


def test_link_shows_the_address_only_when_bare() -> None:
    url = "https://example.org/?a=1&b=2"
    html = '<a href="https://example.org/?a=1&amp;b=2">programme</a>'
    assert content.link("programme", url) == Piece("programme", html)
    assert content.link("programme", url, bare=True) == Piece(f"programme ({url})", html)
    assert content.link(url, url, bare=True).body == url


def test_link_keeps_what_its_label_says_and_mentions() -> None:
    assert content.link(content.bold("Q12"), "https://example.org") == Piece(
        "Q12", '<a href="https://example.org"><strong>Q12</strong></a>'
    )


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//example.org", ""])
def test_link_leaves_out_addresses_nobody_should_open(url: str) -> None:
    assert content.link("here", url) == text("here")


def test_matrix_links_are_percent_encoded() -> None:
    assert content.room_link("!a:b.org") == "https://matrix.to/#/!a%3Ab.org"
    assert content.room_link("#innov-space:b.org") == "https://matrix.to/#/%23innov-space%3Ab.org"
    assert content.event_link("!a:b.org", "$x/y+z", ["b.org", "c.org:8448"]) == (
        "https://matrix.to/#/!a%3Ab.org/%24x%2Fy%2Bz?via=b.org&via=c.org%3A8448"
    )


def test_marks_wrap_the_html_only() -> None:
    assert content.bold("a<") == Piece("a<", "<strong>a&lt;</strong>")
    assert content.code("!ask <x>") == Piece("!ask <x>", "<code>!ask &lt;x&gt;</code>")


def test_quote_prefixes_each_line() -> None:
    quoted = content.quote(content.lines(pill(ALICE, "Alice"), "hello"))
    assert quoted.body == "> Alice\n> hello"
    assert quoted.html.startswith("<blockquote><a href=")
    assert quoted.html.endswith("</a><br>hello</blockquote>")
    assert quoted.mentions == {ALICE}


def test_lines_skip_none_and_break_once_around_blocks() -> None:
    piece = content.lines("a", None, content.quote("b"), "c", "d")
    assert piece == Piece("a\n> b\nc\nd", "a<blockquote>b</blockquote>c<br>d")


def test_join_escapes_its_separator_and_gathers_mentions() -> None:
    piece = content.join(" & ", [pill(ALICE, "Alice"), pill(BOB, "Bob"), "all"])
    assert piece.body == "Alice & Bob & all"
    assert "</a> &amp; <a" in piece.html
    assert piece.mentions == {ALICE, BOB}


def test_bullets_indent_what_goes_on() -> None:
    assert content.bullets(["a\nb", "c"]) == Piece(
        "• a\n  b\n• c", "<ul><li>a<br>b</li><li>c</li></ul>"
    )
    assert content.bullets([]) == text("")


def test_fill_escapes_template_and_values_alike() -> None:
    piece = content.fill("{who} & {{co}}\n{n}: {what}", who=pill(ALICE, "Al"), n=1200, what="<b>")
    assert piece.body == "Al & {co}\n1200: <b>"
    assert piece.html == (
        '<a href="https://matrix.to/#/@alice:example.org">Al</a> &amp; {co}<br>1200: &lt;b&gt;'
    )
    assert piece.mentions == {ALICE}


def test_fill_never_reads_a_value_as_a_template() -> None:
    assert content.fill("{a} {b}", a="{b}", b="{a} {{").body == "{b} {a} {{"


@pytest.mark.parametrize("values", [{}, {"a": "x", "b": "y"}, {"b": "y"}])
def test_fill_wants_exactly_its_values(values: dict[str, str]) -> None:
    with pytest.raises(KeyError):
        content.fill("say {a}", **values)


@pytest.mark.parametrize("template", ["{", "{}", "{0}", "{a.b}", "{a:>9}", "{a!r}", "}"])
def test_fill_knows_plain_placeholders_only(template: str) -> None:
    with pytest.raises(ValueError, match=r"placeholder|format string|encountered"):
        content.fill(template, a="x")


def test_placeholders_are_named() -> None:
    assert content.placeholders("{a}, {b} and {a}; {{c}}") == {"a", "b"}


def test_message_in_plain_text_has_no_html() -> None:
    assert content.message("1 < 2\nyes") == {
        "msgtype": "m.notice",
        "body": "1 < 2\nyes",
        "m.mentions": {"user_ids": []},
    }


def test_message_with_marks_has_both_forms_and_mentions() -> None:
    piece = content.join(" ", [pill(BOB, "Bob"), pill(ALICE, "Alice")])
    assert content.message(piece, msgtype="m.text") == {
        "msgtype": "m.text",
        "body": "Bob Alice",
        "format": "org.matrix.custom.html",
        "formatted_body": piece.html,
        "m.mentions": {"user_ids": [ALICE, BOB]},
    }


def size(event_content: content.Content) -> int:
    return len(json.dumps(event_content, ensure_ascii=False).encode())


@pytest.mark.parametrize("long", ["é" * 60_000, '"\n' * 30_000, "word " * 9_000])
def test_a_message_always_fits_into_an_event(long: str) -> None:
    message = content.message(content.bold(long))
    assert size(message) < content.MAX_BYTES + 500
    assert size(content.replacing(message, "$a")) < content.MAX_BYTES + 3_000
    assert long.startswith(message["body"].removesuffix("…"))


def test_a_long_message_loses_its_marks_before_its_words() -> None:
    words = "word " * 6_000
    assert content.message(content.bold(words))["body"] == words
    assert "formatted_body" not in content.message(content.bold(words))


def test_thread_falls_back_to_a_reply() -> None:
    message = content.message("hello")
    relation = content.threaded(message, "$root")["m.relates_to"]
    assert relation == {
        "rel_type": "m.thread",
        "event_id": "$root",
        "is_falling_back": True,
        "m.in_reply_to": {"event_id": "$root"},
    }
    reply = content.threaded(message, "$root", "$other")["m.relates_to"]
    assert reply["is_falling_back"] is False
    assert reply["m.in_reply_to"] == {"event_id": "$other"}
    assert "m.relates_to" not in message


def test_reply_and_reaction() -> None:
    assert content.replying({}, "$a") == {"m.relates_to": {"m.in_reply_to": {"event_id": "$a"}}}
    assert content.reaction("$a", "✅") == {
        "m.relates_to": {"rel_type": "m.annotation", "event_id": "$a", "key": "✅"}
    }


def test_edit_rings_only_those_who_are_new() -> None:
    piece = content.join(" ", [pill(ALICE, "Alice"), pill(BOB, "Bob")])
    message = content.tagged(content.message(piece), "event.update", event=7)
    edit = content.replacing(content.threaded(message, "$root"), "$old", already={ALICE})
    assert edit["m.mentions"] == {"user_ids": [BOB]}
    assert edit["m.new_content"] == message
    assert edit["m.relates_to"] == {"rel_type": "m.replace", "event_id": "$old"}
    assert edit["body"] == "* Alice Bob"
    assert edit["formatted_body"] == f"* {piece.html}"
    assert edit[content.KEY] == {"v": 1, "kind": "event.update", "event": 7}
