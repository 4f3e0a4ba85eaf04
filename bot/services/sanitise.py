"""What people wrote, made safe to be said again by the bot."""

import nh3

from bot.domain import content
from bot.domain.content import Piece

# The specification's list ("m.room.message msgtypes") without images, which would load from
# anywhere, and without what only decorates.
TAGS = {
    *("b", "strong", "i", "em", "u", "s", "del", "code", "pre", "blockquote", "br", "p", "hr"),
    *("ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6", "a", "sub", "sup", "span"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {"a": {"href"}, "ol": {"start"}, "code": {"class"}, "span": {"data-mx-spoiler"}}
SCHEMES = {"http", "https", "mailto", "matrix"}


def people_html(body: str, html: str | None) -> Piece:
    """Somebody's message: their formatting is kept, nobody is mentioned."""
    plain = content.text(body)
    if html is None:
        return plain
    clean = nh3.clean(html, tags=TAGS, attributes=ATTRIBUTES, url_schemes=SCHEMES, link_rel=None)
    return Piece(plain.body, clean)
