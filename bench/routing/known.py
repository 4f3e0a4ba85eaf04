"""Known answers: is the earlier question that people linked among the first five?

Queries are questions that a link leads from to an earlier question; what is searched is all that
was asked before. BM25 over the same words is the baseline. ``shown`` is how often the product would
show anything, at its threshold, and ``shown_right`` how often what it shows has the linked one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from bench.routing import communities
from bench.routing.encoders import DEFAULT, encoder
from bot.domain.routing.lexical import Bm25
from bot.services.routing.knowledge import Knowledge
from bot.services.routing.replay import PastQuestion
from bot.services.routing.words import tokens

FIRST = 5


async def run(questions: Path, links: Path, *, encoder_name: str = DEFAULT) -> dict[str, Any]:
    chosen = encoder(encoder_name)
    history = await communities.read(questions, chosen)
    linked = _linked(history, _read(links))
    knowledge, index = Knowledge(), Bm25()
    ours, words_alone, shown = list[int](), list[int](), list[bool | None]()
    for question in history:
        number, words = question.facts.number, tokens(question.text, communities.LANGUAGE)
        if wanted := linked.get(number):
            scores = index.scores(words)
            words_alone.append(_place(sorted(scores, key=lambda n: (-scores[n], n)), wanted))
            asked = (question.text, communities.LANGUAGE, question.vector)
            everything = range(max(linked) + 1)
            found = knowledge.closest(*asked, everything, most=len(history), only_sure=False)
            ours.append(_place([each.number for each in found], wanted))
            offered = knowledge.closest(*asked, everything)
            right = any(each.number in wanted for each in offered)
            shown.append(right if offered else None)
        knowledge.put(number, question.text, communities.LANGUAGE, question.vector)
        index.add(number, words)
    return {
        "part": "known",
        "encoder": chosen.name,
        "questions": len(ours),
        **_figures(ours),
        "shown": round(sum(each is not None for each in shown) / max(len(shown), 1), 3),
        "shown_right": round(shown.count(True) / max(len(shown) - shown.count(None), 1), 3),
        "baselines": {"bm25": _figures(words_alone)},
    }


def _read(path: Path) -> Iterator[tuple[int, int]]:
    for row in ElementTree.parse(path).getroot():
        yield int(row.attrib["PostId"]), int(row.attrib["RelatedPostId"])


def _linked(
    history: Sequence[PastQuestion], links: Iterable[tuple[int, int]]
) -> Mapping[int, set[int]]:
    """Of each question the earlier ones, whichever of the two has the link."""
    place = {each.facts.number: order for order, each in enumerate(history)}
    found: dict[int, set[int]] = {}
    for pair in links:
        if pair[0] in place and pair[1] in place and pair[0] != pair[1]:
            earlier, later = sorted(pair, key=lambda number: place[number])
            found.setdefault(later, set()).add(earlier)
    return found


def _place(order: Sequence[int], wanted: set[int]) -> int:
    """Of the first that was wanted; 0 if none was found."""
    return next((n for n, number in enumerate(order, 1) if number in wanted), 0)


def _figures(places: Sequence[int]) -> dict[str, float]:
    return {
        "mrr": round(sum(1 / place for place in places if place) / max(len(places), 1), 3),
        "hit5": round(sum(0 < place <= FIRST for place in places) / max(len(places), 1), 3),
    }
