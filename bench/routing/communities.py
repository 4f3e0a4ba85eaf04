"""Histories of public communities, as the product would have kept them."""

import gzip
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.domain.routing.ranking import QuestionFacts
from bot.services.encoding import Encoder, Text
from bot.services.routing.knowledge import Vector, evidence
from bot.services.routing.replay import PastAnswer, PastQuestion
from bot.services.routing.router import text_of

LANGUAGE = "en"
_AT_ONCE = 16


async def read(path: Path, encoder: Encoder) -> list[PastQuestion]:
    """In the order they were asked. Answers of deleted users are left out: they are nobody's."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        posts = [json.loads(line) for line in file]
    questions = [post for post in posts if post["type"] == 1]
    answers = [post for post in posts if post["type"] == 2 and post["user"] is not None]
    asked = {post["id"]: _text(post) for post in questions}
    shown = [evidence(asked.get(post["parent"], ""), _text(post)) for post in answers]
    texts = [text_of(each, LANGUAGE) for each in asked.values()]
    texts += [text_of(each, LANGUAGE, titled=False) for each in shown]
    vectors = await encoded(texts, encoder)
    by_question: dict[int, list[PastAnswer]] = {}
    for post, text, vector in zip(answers, shown, vectors[len(questions) :], strict=True):
        given = PastAnswer(str(post["user"]), _at(post), text, vector)
        by_question.setdefault(post["parent"], []).append(given)
    history = [
        PastQuestion(
            QuestionFacts(post["id"], str(post["user"]), path.name, None, LANGUAGE),
            asked[post["id"]],
            _at(post),
            vector,
            tuple(by_question.get(post["id"], ())),
        )
        for post, vector in zip(questions, vectors, strict=False)
    ]
    return sorted(history, key=lambda each: (each.at, each.facts.number))


async def encoded(texts: Sequence[Text], encoder: Encoder) -> list[Vector]:
    found: list[Vector] = []
    for start in range(0, len(texts), _AT_ONCE):
        found.extend(await encoder.encode(texts[start : start + _AT_ONCE]))
    return found


def _text(post: dict[str, Any]) -> str:
    return f"{post['title']}\n{post['body']}".strip()


def _at(post: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(post["t"]).replace(tzinfo=UTC)
