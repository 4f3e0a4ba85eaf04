"""What the bot writes: a plain body and its HTML, made together so that they cannot drift apart.

Every message has two forms: the body, for notifications and plain clients, and the HTML that most
people read. A `Piece` holds both, with the people it mentions, and the functions below put pieces
together. Three rules follow from making them in one place:

- HTML is only written here. A `str` from outside becomes a piece through `text()`, which escapes
  it, so what people write never becomes a tag. Sanitised HTML (a relayed answer) enters as a
  `Piece`.
- Nobody is mentioned by accident: only `pill()` mentions. `name()` looks the same and rings no
  bell.
- A value is put into a sentence once: braces in what people wrote are never placeholders.

The second half of the module turns a piece into the content of a Matrix event. Each of these
functions returns a new dictionary, and they are meant to be chained in this order:
`message` → `tagged` → one of `threaded`, `replying`, `replacing`.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from html import escape
from string import Formatter
from typing import Any, TypeAlias
from urllib.parse import quote as percent_encoded

Content: TypeAlias = dict[str, Any]

KEY = "org.clusterdesk"
"""Where a message of the bot says, for machines, what it is."""

MAX_BYTES = 48_000
"""Room for body and HTML in JSON. An event has 65,536 bytes, with all that servers add to it."""

_LINE_BREAK = re.compile("\r\n|[\r\x85\u2028\u2029]")
_REMOVED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, but for tab and newline
    "\u202a-\u202e\u2066-\u2069"  # bidirectional embeddings, overrides and isolates
    "\ud800-\udfff]"  # lone surrogates: JSON may carry them, UTF-8 cannot
)
_LINK_SCHEMES = ("https://", "http://", "mailto:", "matrix:")
_BLOCK_STARTS = ("<blockquote>", "<ul>")
_BLOCK_ENDS = ("</blockquote>", "</ul>")


@dataclass(frozen=True, slots=True)
class Piece:
    body: str
    html: str
    mentions: frozenset[str] = frozenset()


def text(value: str) -> Piece:
    clean = _REMOVED.sub("", _LINE_BREAK.sub("\n", value))
    return Piece(clean, _escaped(clean))


def pill(user_id: str, name: str) -> Piece:
    """The person's name, linked; the person is mentioned."""
    return replace(_person(user_id, name), mentions=frozenset({user_id}))


def name(user_id: str, display: str) -> Piece:
    """The person's name, linked; nobody's device rings."""
    return _person(user_id, display)


def link(label: Piece | str, url: str, *, bare: bool = False) -> Piece:
    """The label, linked. With `bare`, the body shows the address too.

    An address that a client should not open (`javascript:`, a relative one) is left out.
    """
    label, url = _piece(label), text(url).body
    if not url.lower().startswith(_LINK_SCHEMES):
        return label
    shown = url if label.body == url else f"{label.body} ({url})"
    html = f'<a href="{escape(url)}">{label.html}</a>'
    return replace(label, body=shown if bare else label.body, html=html)


def room_link(room_id: str, via: Iterable[str] = ()) -> str:
    return f"https://matrix.to/#/{_encoded(room_id)}{_via(via)}"


def event_link(room_id: str, event_id: str, via: Iterable[str] = ()) -> str:
    return f"https://matrix.to/#/{_encoded(room_id)}/{_encoded(event_id)}{_via(via)}"


def bold(piece: Piece | str) -> Piece:
    piece = _piece(piece)
    return replace(piece, html=f"<strong>{piece.html}</strong>")


def code(value: str) -> Piece:
    piece = text(value)
    return replace(piece, html=f"<code>{piece.html}</code>")


def quote(piece: Piece | str) -> Piece:
    piece = _piece(piece)
    body = "\n".join(f"> {line}" for line in piece.body.split("\n"))
    return replace(piece, body=body, html=f"<blockquote>{piece.html}</blockquote>")


def lines(*pieces: Piece | str | None) -> Piece:
    """The pieces below each other; `None` takes no line."""
    kept = [_piece(piece) for piece in pieces if piece is not None]
    return Piece("\n".join(p.body for p in kept), _stacked(p.html for p in kept), _mentions(kept))


def join(separator: str, pieces: Iterable[Piece | str]) -> Piece:
    kept = [_piece(piece) for piece in pieces]
    between = text(separator)
    return Piece(
        between.body.join(p.body for p in kept),
        between.html.join(p.html for p in kept),
        _mentions(kept),
    )


def bullets(pieces: Iterable[Piece | str]) -> Piece:
    kept = [_piece(piece) for piece in pieces]
    if not kept:
        return text("")
    body = "\n".join("• " + p.body.replace("\n", "\n  ") for p in kept)
    items = "".join(f"<li>{p.html}</li>" for p in kept)
    return Piece(body, f"<ul>{items}</ul>", _mentions(kept))


def fill(template: str, /, **values: Piece | str | int) -> Piece:
    """The template with its `{name}` placeholders filled; `{{` and `}}` stand for braces.

    Raises `KeyError` for a placeholder without a value and for a value without a placeholder,
    `ValueError` for a template that is not well-formed.
    """
    pieces = {key: _piece(value) for key, value in values.items()}
    parts = list(_parts(template))
    unused = pieces.keys() - {key for _, key in parts}
    if unused:
        raise KeyError(f"no placeholder for {sorted(unused)} in {template!r}")
    filled = [part for literal, key in parts for part in _filled(literal, key, pieces)]
    return join("", filled)


def placeholders(template: str) -> frozenset[str]:
    """The names a template needs. Raises `ValueError` when it is not well-formed."""
    return frozenset(key for _, key in _parts(template) if key is not None)


def message(piece: Piece | str, *, msgtype: str = "m.notice") -> Content:
    """The content of an `m.room.message`, cut if it would not fit into an event."""
    piece = _fitting(_piece(piece))
    content: Content = {"msgtype": msgtype, "body": piece.body}
    if piece.html != _escaped(piece.body):
        content |= {"format": "org.matrix.custom.html", "formatted_body": piece.html}
    return content | {"m.mentions": {"user_ids": sorted(piece.mentions)}}


def tagged(content: Content, kind: str, /, **fields: Any) -> Content:
    return content | {KEY: {"v": 1, "kind": kind, **fields}}


def threaded(content: Content, root: str, reply_to: str | None = None) -> Content:
    """In the thread of `root`. Without `reply_to`, the reply is a fallback for old clients only."""
    return content | {
        "m.relates_to": {
            "rel_type": "m.thread",
            "event_id": root,
            "is_falling_back": reply_to is None,
            "m.in_reply_to": {"event_id": reply_to or root},
        }
    }


def replying(content: Content, event_id: str) -> Content:
    return content | {"m.relates_to": {"m.in_reply_to": {"event_id": event_id}}}


def replacing(content: Content, event_id: str, already: Collection[str] = frozenset()) -> Content:
    """An edit of `event_id`. Only those who were not mentioned `already` are rung.

    Client-server API, "User and room mentions": the new content lists everybody, the edit
    around it only those who are new. An edit keeps the relation of what it replaces.
    """
    new = {key: value for key, value in content.items() if key != "m.relates_to"}
    fresh = [user for user in new["m.mentions"]["user_ids"] if user not in already]
    return _edit_fallback(new) | {
        "m.mentions": {"user_ids": fresh},
        "m.new_content": new,
        "m.relates_to": {"rel_type": "m.replace", "event_id": event_id},
    }


def reaction(event_id: str, key: str) -> Content:
    return {"m.relates_to": {"rel_type": "m.annotation", "event_id": event_id, "key": key}}


def _piece(value: Piece | str | int) -> Piece:
    return value if isinstance(value, Piece) else text(str(value))


def _escaped(value: str) -> str:
    return escape(value, quote=False).replace("\n", "<br>")


def _person(user_id: str, display: str) -> Piece:
    shown = text(" ".join(display.split()) or user_id)
    shown = shown if shown.body else text(user_id)
    address = "https://matrix.to/#/" + _encoded(user_id, safe="@:")
    return replace(shown, html=f'<a href="{escape(address)}">{shown.html}</a>')


def _encoded(identifier: str, safe: str = "!") -> str:
    return percent_encoded(identifier, safe=safe, errors="replace")


def _via(servers: Iterable[str]) -> str:
    query = "&".join(f"via={_encoded(server)}" for server in servers)
    return query and f"?{query}"


def _mentions(pieces: Iterable[Piece]) -> frozenset[str]:
    return frozenset().union(*(piece.mentions for piece in pieces))


def _stacked(htmls: Iterable[str]) -> str:
    """Lines of HTML. Blocks break the line by themselves."""
    stack = ""
    for position, html in enumerate(htmls):
        broken = position == 0 or stack.endswith(_BLOCK_ENDS) or html.startswith(_BLOCK_STARTS)
        stack += html if broken else f"<br>{html}"
    return stack


def _parts(template: str) -> Iterator[tuple[str, str | None]]:
    """Literal text, each with the placeholder that follows it."""
    for literal, key, spec, conversion in Formatter().parse(template):
        if spec or conversion or (key is not None and not key.isidentifier()):
            raise ValueError(f"only plain {{name}} placeholders are known, in {template!r}")
        yield literal, key


def _filled(literal: str, key: str | None, values: dict[str, Piece]) -> Iterator[Piece]:
    yield Piece(literal, _escaped(literal))
    if key is not None:
        yield values[key]


def _size(value: str) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def _fitting(piece: Piece) -> Piece:
    """The piece, without its HTML or its end if there is no room for them."""
    if _size(piece.body) + _size(piece.html) <= MAX_BYTES:
        return piece
    body = _cut(piece.body, MAX_BYTES)
    return Piece(body, _escaped(body), piece.mentions)


def _cut(body: str, room: int) -> str:
    if _size(body) <= room:
        return body
    while (size := _size(body + "…")) > room:
        body = body[: len(body) * room // size]
    return body + "…"


def _edit_fallback(new: Content) -> Content:
    """What a client that knows no edits shows; shortened when both copies would not fit."""
    spare = MAX_BYTES - _size(new["body"]) - _size(new.get("formatted_body", ""))
    if spare < MAX_BYTES / 2:
        rest = {key: new[key] for key in new.keys() - {"format", "formatted_body"}}
        return rest | {"body": "* " + _cut(new["body"], max(spare, 1_000))}
    starred = {key: f"* {new[key]}" for key in ("body", "formatted_body") if key in new}
    return new | starred
