"""Filling routing's memory from the database, and making the vectors that are missing.

``load`` reads what is there before anybody is answered. ``rebuild`` encodes what has no vector of
the present encoder: after the encoder was changed or was out of order, and whenever profiles
change. Nothing waits for it; a question without a vector is compared by its words meanwhile.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import structlog
from sqlalchemy import select

from bot.domain.questions import Because, Status
from bot.domain.roles import Role
from bot.services.encoding import Text, Vector
from bot.services.routing.memory import Declared, Past
from bot.services.routing.router import Router, text_of
from bot.services.routing.vectors import digest, packed, unpacked
from storage import answers, members, profiles, routing
from storage.database import Database, Uow
from storage.members import RoleRow
from storage.questions import Offer, Question

log = structlog.get_logger()

BATCH = 32
LOOK_SECONDS = 60.0
"""How often the encoder is asked for what it could not make before."""

QUESTION, PROFILE = "question", "profile"


async def load(router: Router, uow: Uow) -> None:
    """Everything, with the vectors there are."""
    memory, name = router.memory, router.encoding.name or ""
    stored = await routing.vectors(uow.session, QUESTION, name)
    for row in await uow.session.scalars(select(Question).where(Question.text != "")):
        text = text_of(row.text, row.language)
        memory.put(row.id, text, _still(stored, str(row.id), text), past_of(row))
    for number, expert, at, helped in await answers.first_by_each(uow.session):
        memory.answered(number, expert, at)
        memory.helped(number, helped)
    refused = select(Offer).where(Offer.passed_because == Because.FIELD)
    for offer in await uow.session.scalars(refused):
        memory.refused(offer.question_id, offer.expert)
    vectors = await routing.vectors(uow.session, PROFILE, name)
    for user_id, texts in (await declared(uow)).items():
        found = [_still(vectors, _part(user_id, place), each) for place, each in enumerate(texts)]
        memory.declares(user_id, Declared(texts, found))
    ranker = await routing.newest_ranker(uow.session)
    if ranker is not None and ranker.used:
        router.weights = ranker.weights


def past_of(row: Question) -> Past:
    public = not row.private and row.status != Status.WITHDRAWN
    return Past(row.created_at, row.asker, public=public)


async def stored_meaning(uow: Uow, router: Router, number: int, text: Text) -> Vector | None:
    """The vector of a question: as it was stored, else made. Raises ``Unencoded``."""
    name = router.encoding.name
    if name is None:
        return None
    kept = await routing.vector(uow.session, QUESTION, str(number), name)
    found = _still({str(number): kept} if kept else {}, str(number), text)
    return found if found is not None else router.meaning(text)


async def keep_meaning(uow: Uow, router: Router, row: Question) -> None:
    """A question was asked or reworded: store its vector, and remember it once that is done.
    Raises ``Unencoded``."""
    text = text_of(row.text, row.language)
    vector = router.meaning(text)
    if vector is not None and router.encoding.name is not None:
        await routing.save_vector(
            uow.session, QUESTION, str(row.id), router.encoding.name, digest(text), packed(vector)
        )
    uow.then(lambda: router.memory.put(row.id, text, vector, past_of(row)))
    uow.then(router.wake)


async def declared(uow: Uow, user_id: str | None = None) -> dict[str, list[Text]]:
    """What each expert says they know: a text for each desk's topics, and one about themselves."""
    query = select(RoleRow).where(RoleRow.role == Role.EXPERT).order_by(RoleRow.id)
    if user_id is not None:
        query = query.where(RoleRow.user_id == user_id)
    said: dict[str, list[Text]] = {}
    for row in await uow.session.scalars(query):
        texts = said.setdefault(row.user_id, [])
        texts += [Text(row.topics)] if row.topics else []
    for each, texts in said.items():
        profile = await profiles.find(uow.session, each)
        texts += [Text(profile.about)] if profile and profile.about else []
    return said


async def redeclared(uow: Uow, router: Router, user_id: str) -> None:
    """Somebody's profile has changed: its vectors are made when ``rebuild`` next looks."""
    await uow.session.flush()
    texts = (await declared(uow, user_id)).get(user_id)
    changed = Declared(texts, [None] * len(texts)) if texts else None
    uow.then(lambda: router.memory.declares(user_id, changed))
    uow.then(router.wake)


class Rebuilding:
    """The loop that makes missing vectors."""

    def __init__(self, router: Router, database: Database, clock: Callable[[], datetime]) -> None:
        self._router = router
        self._database = database
        self._clock = clock

    async def run(self) -> None:
        while True:
            self._router.woken.clear()
            await self.once()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._router.woken.wait()

    async def once(self) -> int:
        """Returns how many vectors were made."""
        if self._router.encoding.name is None:
            return 0
        return await self._questions() + await self._profiles()

    async def _questions(self) -> int:
        made = 0
        missing = sorted(self._router.memory.without_vector)
        for start in range(0, len(missing), BATCH):
            texts = await self._texts(missing[start : start + BATCH])
            vectors = await self._router.encoding.vectors(list(texts.values()), keep=False)
            if vectors is None:
                break
            await self._save(QUESTION, {str(n): text for n, text in texts.items()}, list(vectors))
            for (number, text), vector in zip(texts.items(), vectors, strict=True):
                if number in self._router.memory.without_vector:
                    self._router.memory.encoded(number, text, vector)
            made += len(texts)
        if made:
            log.info("vectors_made", kind=QUESTION, count=made, encoder=self._name)
        return made

    async def _texts(self, numbers: Sequence[int]) -> dict[int, Text]:
        async with self._database.uow("rebuild", self._clock()) as uow:
            query = select(Question).where(Question.id.in_(numbers), Question.text != "")
            rows = (await uow.session.scalars(query)).all()
        return {row.id: text_of(row.text, row.language) for row in rows}

    async def _profiles(self) -> int:
        made = 0
        for user_id, known in list(self._router.memory.declared.items()):
            if all(each is not None for each in known.vectors):
                continue
            vectors = await self._router.encoding.vectors(list(known.texts), keep=False)
            if vectors is None:
                break
            if self._router.memory.declared.get(user_id) is not known:
                continue  # changed meanwhile: its turn comes again
            texts = {_part(user_id, place): each for place, each in enumerate(known.texts)}
            await self._save(PROFILE, texts, list(vectors))
            known.vectors = list(vectors)
            made += len(texts)
        return made

    async def _save(self, kind: str, texts: Mapping[str, Text], vectors: Sequence[Vector]) -> None:
        async with self._database.uow("rebuild", self._clock()) as uow:
            for (subject, text), vector in zip(texts.items(), vectors, strict=True):
                await routing.save_vector(
                    uow.session, kind, subject, self._name, digest(text), packed(vector)
                )
            await uow.commit()

    @property
    def _name(self) -> str:
        return self._router.encoding.name or ""


def _part(user_id: str, place: int) -> str:
    return f"{user_id} {place}"


def _still(stored: Mapping[str, tuple[str, bytes]], subject: str, text: Text) -> Vector | None:
    """The stored vector, if it is that of this text."""
    kept = stored.get(subject)
    return unpacked(kept[1]) if kept is not None and kept[0] == digest(text) else None


async def forget(uow: Uow, router: Router, user_id: str, numbers: Sequence[int]) -> None:
    """A person is erased, with the vectors of what they asked and declared."""
    await routing.forget_vectors(uow.session, QUESTION, [str(each) for each in numbers])
    there = await members.roles_of(uow.session, user_id)
    parts = [_part(user_id, place) for place in range(len(there) + 2)]
    await routing.forget_vectors(uow.session, PROFILE, parts)
    uow.then(lambda: router.memory.forget(user_id))
