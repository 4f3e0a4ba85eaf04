"""Making the vectors that are missing: after the encoder was changed or was out of order, and for
answers and profiles, which nobody waits for.

Nothing waits for this. What has no vector is compared by its words meanwhile.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import structlog
from sqlalchemy import select

from bot.services.encoding import Text, Vectors
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
        return made + await self._questions() + await self._answers()

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

    async def _questions(self) -> int:
        memory = self._router.memory
        made = 0
        for some in _batches(memory.questions_without_vector):
            texts = await self._texts_of_questions(some)
            vectors = await self._made(list(texts.values()))
            if vectors is None:
                break
            await self._save(QUESTION, {str(n): text for n, text in texts.items()}, vectors)
            for (number, text), vector in zip(texts.items(), vectors, strict=True):
                if number in memory.questions_without_vector:
                    memory.put_question(number, text, vector)
            made += len(texts)
        return self._told(QUESTION, made)

    async def _answers(self) -> int:
        memory = self._router.memory
        made = 0
        for some in _batches(memory.answers_without_vector):
            texts = await self._texts_of_answers(some)
            vectors = await self._made(list(texts.values()))
            if vectors is None:
                break
            await self._save(ANSWER, {str(n): text for n, text in texts.items()}, vectors)
            for (key, text), vector in zip(texts.items(), vectors, strict=True):
                if key in memory.answers_without_vector:
                    memory.put_answer(key, text, vector)
            made += len(texts)
        return self._told(ANSWER, made)

    async def _texts_of_questions(self, numbers: Sequence[int]) -> dict[int, Text]:
        async with self._database.uow("rebuild", self._clock()) as uow:
            query = select(Question).where(Question.id.in_(numbers), Question.text != "")
            rows = (await uow.session.scalars(query)).all()
        return {row.id: text_of(row.text, row.language) for row in rows}

    async def _texts_of_answers(self, keys: Sequence[int]) -> dict[int, Text]:
        """What the expert of each of these first messages answered, altogether."""
        async with self._database.uow("rebuild", self._clock()) as uow:
            first = (await uow.session.scalars(select(Answer).where(Answer.id.in_(keys)))).all()
            numbers = [row.question_id for row in first]
            query = select(Answer).where(Answer.question_id.in_(numbers)).order_by(Answer.id)
            rows = (await uow.session.scalars(query)).all()
            asked = await uow.session.execute(
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


def _batches(numbers: set[int]) -> list[list[int]]:
    ordered = sorted(numbers)
    return [ordered[start : start + BATCH] for start in range(0, len(ordered), BATCH)]
