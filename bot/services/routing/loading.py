"""Filling routing's memory from the database, and keeping vectors there.

``load`` reads what is there before anybody is answered. Questions, answers, profiles and the
descriptions of rooms have vectors, each stored with its encoder's name and a digest of its text;
what has none that fits is made later (bot.services.routing.rebuilding).
"""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from sqlalchemy import select

from bot.domain.questions import Because, Status
from bot.domain.roles import Role
from bot.services.encoding import Text, Vector, Vectors
from bot.services.language import detect
from bot.services.routing.knowledge import evidence
from bot.services.routing.memory import Declared, Past
from bot.services.routing.router import Router, text_of
from bot.services.routing.vectors import digest, packed, unpacked
from storage import answers, profiles, questions, routing
from storage.answers import Answer, Consent
from storage.database import Uow
from storage.members import RoleRow
from storage.questions import Offer, Question

LANGUAGES = ("fr", "nl", "en")
"""Those the language of a text is told among; a network may speak fewer."""

QUESTION, ANSWER, PROFILE, ROOM = "question", "answer", "profile", "room"
CHOSEN_BY_PEOPLE = ("asker", "coordinator")

Stored = Mapping[str, tuple[str, bytes]]


async def load(router: Router, uow: Uow) -> None:
    """Everything, with the vectors there are."""
    await _load_questions(router, uow)
    await _load_answers(router, uow)
    refused = select(Offer).where(Offer.passed_because == Because.FIELD)
    for offer in await uow.session.scalars(refused):
        router.memory.refused(offer.question_id, offer.expert)
    await _load_profiles(router, uow)
    await _load_rooms(router, uow)
    ranker = await routing.newest_ranker(uow.session)
    if ranker is not None and ranker.used and ranker.weights.keys() == router.formula.keys():
        router.weights = ranker.weights


async def _load_questions(router: Router, uow: Uow) -> None:
    stored = await _stored(router, uow, QUESTION)
    for row in await uow.session.scalars(select(Question).where(Question.text != "")):
        text = text_of(row.text, row.language)
        vector = still(stored, str(row.id), text)
        router.memory.put(row.id, text, vector, past_of(row))
        if row.status == Status.MERGED:
            router.memory.drop(row.id)
        if (row.choice or {}).get("by") in CHOSEN_BY_PEOPLE:
            router.memory.corrected(row.id, row.desk, vector)
    refused = select(Consent.question_id).where(Consent.answer == "no")
    for number in await uow.session.scalars(refused):
        router.memory.hide(number)


async def _load_answers(router: Router, uow: Uow) -> None:
    stored = await _stored(router, uow, ANSWER)
    given: dict[tuple[int, str], list[Answer]] = {}
    asked: dict[int, str] = {}
    query = select(Answer, Question.text).join(Question, Question.id == Answer.question_id)
    for row, question in (await uow.session.execute(query.order_by(Answer.id))).all():
        given.setdefault((row.question_id, row.expert), []).append(row)
        asked[row.question_id] = question
    for (number, expert), rows in given.items():
        key, text = rows[0].id, joined(asked[number], rows)
        router.memory.answered(number, expert, key, rows[0].at)
        if text.words:
            router.memory.put_answer(key, text, still(stored, str(key), text))


async def _load_profiles(router: Router, uow: Uow) -> None:
    stored = await _stored(router, uow, PROFILE)
    for user_id, texts in (await declared(uow, router)).items():
        found = [still(stored, part(user_id, n), each) for n, each in enumerate(texts)]
        router.memory.declares(user_id, Declared(tuple(texts), _all(found)))


async def _load_rooms(router: Router, uow: Uow) -> None:
    stored = await _stored(router, uow, ROOM)
    found = [still(stored, digest(each), each) for each in router.descriptions()]
    if (vectors := _all(found)) is not None:
        router.described(vectors)


async def _stored(router: Router, uow: Uow, kind: str) -> Stored:
    return await routing.vectors(uow.session, kind, router.encoding.name or "")


def _all(found: Sequence[Vector | None]) -> Vectors | None:
    """None while one is missing."""
    there = [each for each in found if each is not None]
    return np.stack(there) if there and len(there) == len(found) else None


def past_of(row: Question) -> Past:
    return Past(row.asker, public=not row.private and row.status != Status.WITHDRAWN)


def joined(question: str, rows: Sequence[Answer]) -> Text:
    """What one expert answered to one question, as one text that shows what they know."""
    said = "\n".join(each.text for each in rows if each.text)
    if not said:
        return Text("")
    words = evidence(question, said)
    return text_of(words, detect(words, LANGUAGES).language, titled=False)


def still(stored: Stored, subject: str, text: Text) -> Vector | None:
    """The stored vector, if it is that of this text."""
    kept = stored.get(subject)
    return unpacked(kept[1]) if kept is not None and kept[0] == digest(text) else None


async def stored_meaning(uow: Uow, router: Router, number: int, text: Text) -> Vector | None:
    """The vector of a question: as it was stored, else made. Raises ``Unencoded``."""
    name = router.encoding.name
    if name is None:
        return None
    kept = await routing.vector(uow.session, QUESTION, str(number), name)
    found = still({str(number): kept} if kept else {}, str(number), text)
    return found if found is not None else router.meaning(text)


async def save(
    uow: Uow, router: Router, kind: str, subject: str, text: Text, vector: Vector
) -> None:
    if (name := router.encoding.name) is not None:
        await routing.save_vector(uow.session, kind, subject, name, digest(text), packed(vector))


async def keep_meaning(uow: Uow, router: Router, row: Question) -> None:
    """A question was asked or reworded: store its vector, and remember it once that is done.
    Raises ``Unencoded``."""
    text = text_of(row.text, row.language)
    vector = router.meaning(text)
    if vector is not None:
        await save(uow, router, QUESTION, str(row.id), text, vector)
    uow.then(partial(router.memory.put, row.id, text, vector, past_of(row)))
    uow.then(router.wake)


async def keep_correction(uow: Uow, router: Router, row: Question) -> None:
    """A person said which desk it belongs to: questions like it will go there."""
    text = text_of(row.text, row.language)
    vector = await stored_meaning(uow, router, row.id, text)
    uow.then(partial(router.memory.corrected, row.id, row.desk, vector))


async def keep_answer(uow: Uow, router: Router, row: Answer) -> None:
    """An expert answered, or changed their answer: its vector is made in the background."""
    await uow.session.flush()
    given = await answers.of(uow.session, row.question_id)
    theirs = [each for each in given if each.expert == row.expert]
    question = await questions.get(uow.session, row.question_id)
    key, text = theirs[0].id, joined(question.text if question else "", theirs)
    uow.then(partial(router.memory.answered, row.question_id, row.expert, key, theirs[0].at))
    if text.words:
        uow.then(partial(router.memory.put_answer, key, text, None))
    uow.then(router.wake)


async def forget_asked(uow: Uow, router: Router, number: int) -> None:
    """A question was taken back: its answers are known by their own words alone."""
    given = await answers.of(uow.session, number)
    await routing.forget_vectors(uow.session, ANSWER, [str(each.id) for each in given])
    for first in {each.expert: each for each in reversed(given)}.values():
        await keep_answer(uow, router, first)


async def drop_answer(uow: Uow, router: Router, row: Answer) -> None:
    """An answer was taken back."""
    await answers.forget(uow.session, row.event_id)
    await routing.forget_vectors(uow.session, ANSWER, [str(row.id)])
    uow.then(partial(router.memory.unanswered, row.question_id, row.expert))
    left = await answers.of(uow.session, row.question_id)
    if theirs := [each for each in left if each.expert == row.expert]:
        await keep_answer(uow, router, theirs[0])


async def declared(uow: Uow, router: Router, user_id: str | None = None) -> dict[str, list[Text]]:
    """What each expert says they know: a text for each desk's topics, and one about themselves."""
    query = select(RoleRow).where(RoleRow.role == Role.EXPERT).order_by(RoleRow.id)
    if user_id is not None:
        query = query.where(RoleRow.user_id == user_id)
    said: dict[str, list[str]] = {}
    for row in await uow.session.scalars(query):
        known = said.setdefault(row.user_id, [])
        if row.topics and row.topics not in known:
            known.append(row.topics)
    for each, words in said.items():
        profile = await profiles.find(uow.session, each)
        words += [profile.about] if profile and profile.about else []
    return {each: [_spoken(words) for words in known] for each, known in said.items() if known}


def _spoken(words: str) -> Text:
    return text_of(words, detect(words, LANGUAGES).language)


async def redeclared(uow: Uow, router: Router, user_id: str) -> None:
    """Somebody's profile has changed: its vectors are made in the background."""
    await uow.session.flush()
    texts = (await declared(uow, router, user_id)).get(user_id)
    changed = Declared(tuple(texts)) if texts else None
    uow.then(partial(router.memory.declares, user_id, changed))
    uow.then(router.wake)


async def forget(uow: Uow, router: Router, user_id: str, numbers: Sequence[int]) -> None:
    """A person is erased, with the vectors of what they asked, answered and declared."""
    await routing.forget_vectors(uow.session, QUESTION, [str(each) for each in numbers])
    given = select(Answer.id).where(Answer.expert == user_id)
    keys = [str(each) for each in await uow.session.scalars(given)]
    await routing.forget_vectors(uow.session, ANSWER, keys)
    await routing.forget_vectors(uow.session, PROFILE, [part(user_id, n) for n in range(_PARTS)])
    uow.then(partial(router.memory.forget, user_id))


_PARTS = 32
"""More texts than a person declares: one for each desk, and one about themselves."""


def part(user_id: str, number: int) -> str:
    return f"{user_id} {number}"
