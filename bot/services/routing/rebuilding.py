"""Making the vectors that are missing: after the encoder was changed or was out of order, and for
answers and profiles, which nobody waits for.

Nothing waits for this. What has no vector is compared by its words meanwhile.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.services.encoding import Text, Vector, Vectors
from bot.services.routing.loading import ANSWER, PROFILE, QUESTION, ROOM, joined, part, save
from bot.services.routing.memory import Declared
from bot.services.routing.router import Router, text_of
from bot.services.routing.vectors import digest
from storage.answers import Answer
from storage.database import Database
from storage.questions import Question

log = structlog.get_logger()

BATCH = 32
LOOK_SECONDS = 60.0
"""How often the encoder is asked for what it could not make before."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """Questions, or answers. ``read`` finds their texts as they are now, by their numbers."""

    name: str
    missing: set[int]
    read: Callable[[AsyncSession, Sequence[int]], Awaitable[dict[int, Text]]]
    put: Callable[[int, Text, Vector], None]


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
        made = await self._rooms() + await self._profiles()
        memory = self._router.memory
        for kind in (
            _Kind(
                QUESTION, memory.questions_without_vector, _texts_of_questions, memory.put_question
            ),
            _Kind(ANSWER, memory.answers_without_vector, _texts_of_answers, memory.put_answer),
        ):
            made += await self._missing(kind)
        return made

    async def _rooms(self) -> int:
        if self._router.is_described:
            return 0
        texts = {digest(each): each for each in self._router.descriptions()}
        vectors = await self._made(list(texts.values()))
        if vectors is None:
            return 0
        await self._save(ROOM, texts, vectors)
        place = {each: n for n, each in enumerate(texts)}
        order = [place[digest(each)] for each in self._router.descriptions()]
        self._router.described(vectors[order])
        return len(texts)

    async def _profiles(self) -> int:
        made = 0
        memory = self._router.memory
        for user_id, known in list(memory.declared.items()):
            if known.vectors is not None:
                continue
            vectors = await self._made(known.texts)
            if vectors is None:
                break
            if memory.declared.get(user_id) is not known:
                continue  # changed meanwhile: its turn comes again
            texts = {part(user_id, n): each for n, each in enumerate(known.texts)}
            await self._save(PROFILE, texts, vectors)
            memory.declares(user_id, Declared(known.texts, vectors))
            made += len(texts)
        return made

    async def _missing(self, kind: _Kind) -> int:
        made = 0
        for some in _batches(kind.missing):
            async with self._database.uow("rebuild", self._clock()) as uow:
                texts = await kind.read(uow.session, some)
            vectors = await self._made(list(texts.values()))
            if vectors is None:
                break
            made += await self._keep(kind, texts, vectors)
        return self._told(kind.name, made)

    async def _keep(self, kind: _Kind, texts: Mapping[int, Text], vectors: Vectors) -> int:
        """Of the texts that are still what they were: one may have been edited, taken back or
        erased while it was encoded."""
        made = 0
        async with self._database.uow("rebuild", self._clock()) as uow:
            now = await kind.read(uow.session, list(texts))
            for (number, text), vector in zip(texts.items(), vectors, strict=True):
                if number in kind.missing and now.get(number) == text:
                    await save(uow, self._router, kind.name, str(number), text, vector)
                    uow.then(partial(kind.put, number, text, vector))
                    made += 1
            await uow.commit()
        return made

    async def _made(self, texts: Sequence[Text]) -> Vectors | None:
        return await self._router.encoding.vectors(texts, keep=False)

    async def _save(self, kind: str, texts: Mapping[str, Text], vectors: Vectors) -> None:
        async with self._database.uow("rebuild", self._clock()) as uow:
            for (subject, text), vector in zip(texts.items(), vectors, strict=True):
                await save(uow, self._router, kind, subject, text, vector)
            await uow.commit()

    def _told(self, kind: str, made: int) -> int:
        if made:
            log.info("vectors_made", kind=kind, count=made, encoder=self._router.encoding.name)
        return made


async def _texts_of_questions(session: AsyncSession, numbers: Sequence[int]) -> dict[int, Text]:
    query = select(Question).where(Question.id.in_(numbers), Question.text != "")
    return {row.id: text_of(row.text, row.language) for row in await session.scalars(query)}


async def _texts_of_answers(session: AsyncSession, keys: Sequence[int]) -> dict[int, Text]:
    """What the expert of each of these first messages answered, altogether."""
    first = (await session.scalars(select(Answer).where(Answer.id.in_(keys)))).all()
    numbers = [row.question_id for row in first]
    query = select(Answer).where(Answer.question_id.in_(numbers)).order_by(Answer.id)
    rows = (await session.scalars(query)).all()
    asked = await session.execute(
        select(Question.id, Question.text).where(Question.id.in_(numbers))
    )
    texts = {each[0]: each[1] for each in asked.all()}
    given: dict[tuple[int, str], list[Answer]] = {}
    for row in rows:
        given.setdefault((row.question_id, row.expert), []).append(row)
    return {
        row.id: joined(texts.get(row.question_id, ""), given[row.question_id, row.expert])
        for row in first
    }


def _batches(numbers: set[int]) -> list[list[int]]:
    ordered = sorted(numbers)
    return [ordered[start : start + BATCH] for start in range(0, len(ordered), BATCH)]
