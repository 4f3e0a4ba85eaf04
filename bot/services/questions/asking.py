"""Taking charge of a question: its number, its desk, its acknowledgement and its card."""

from dataclasses import dataclass

from bot.domain import language
from bot.domain.errors import UserError
from bot.domain.questions import Status, Step
from bot.domain.routing import lean as routing
from bot.services.instance import Instance
from bot.services.members import tr_for
from bot.services.questions import turns
from bot.services.questions.cards import acknowledge, post_card, refresh_cards
from bot.services.questions.common import desk_room
from bot.services.questions.experts import clusters, desks
from bot.services.speech import remember
from config.locales import N_
from storage import links, questions, rooms
from storage.database import Uow
from storage.outbox import direct
from storage.questions import Question

MIN_LETTERS = 2
MAX_CHARACTERS = 30_000


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to know. ``event_id`` is their message; ``root`` the thread for us to
    answer in; ``lane`` where that is."""

    asker: str
    text: str
    lane: str
    event_id: str
    root: str
    desk: str | None = None
    private: bool = False


async def ask(uow: Uow, instance: Instance, asked: Asked) -> Question | None:
    """Take charge of a question; None when this message has become one before."""
    if await _taken(uow, asked.event_id):
        return None
    _check(instance, asked)
    question = await _file(uow, instance, asked)
    room_id = await desk_room(uow, question.desk)
    if question.private and not asked.lane.startswith("dm:"):
        # What is private goes on in private, also when it was not asked there.
        question.lane, question.root = direct(asked.asker), ""
    remember(uow, "question.source", question.id, asked.event_id, asked.lane, author=asked.asker)
    await acknowledge(uow, instance, question)
    await post_card(uow, instance, question, room_id, source=asked.event_id)
    await turns.advance(uow, instance, question)
    return question


async def _taken(uow: Uow, event_id: str) -> bool:
    link = await links.find(uow.session, event_id)
    return link is not None and link.role == "question.source"


def _check(instance: Instance, asked: Asked) -> None:
    if not instance.network.desks:
        raise UserError("no-desk", N_("This network has no desk that could take questions."))
    if sum(letter.isalpha() for letter in asked.text) < MIN_LETTERS:
        raise UserError(
            "question-empty",
            N_("What is your question? Write it after the command: {example}"),
            example=instance.typed("ask …?"),
        )
    if len(asked.text) > MAX_CHARACTERS:
        raise UserError(
            "question-too-long",
            N_("That is too long to pass on. Please ask in a few lines, and attach the rest."),
        )


async def _file(uow: Uow, instance: Instance, asked: Asked) -> Question:
    network = instance.network
    written_in = (
        language.guess(asked.text, network.languages)
        or (await tr_for(uow, instance, asked.asker)).language
    )
    choice = routing.choose_desk(asked.text, desks(instance), asked.desk, network.default_desk)
    question = Question(
        asker=asked.asker,
        text=asked.text,
        language=written_in,
        cluster=await _cluster(uow, instance, asked),
        desk=choice.desk,
        choice={"sure": choice.sure, "by": choice.reason, "runner_up": choice.runner_up},
        private=asked.private,
        named=not asked.private,
        lane=asked.lane,
        root=asked.root,
        status=Status.OPEN,
        step=Step.NONE,
        created_at=uow.now,
        last_activity_at=uow.now,
    )
    uow.session.add(question)
    await uow.session.flush()
    return question


async def _cluster(uow: Uow, instance: Instance, asked: Asked) -> str | None:
    """The cluster of the room, else what the words speak of."""
    room = await rooms.by_id(uow.session, asked.lane)
    if room is not None and room.kind == "cluster":
        return room.key
    return routing.choose_cluster(asked.text, clusters(instance))


async def reword(uow: Uow, instance: Instance, question: Question, text: str) -> None:
    """The asker edited their question: so is the card, or the private offer."""
    question.text = text
    question.last_activity_at = uow.now
    await refresh_cards(uow, instance, question)
    await turns.refresh_private_offers(uow, instance, question)


async def reveal(uow: Uow, instance: Instance, question: Question) -> None:
    """The asker of a private question agrees that the expert knows their name."""
    if question.named:
        return
    question.named = True
    await turns.refresh_private_offers(uow, instance, question)


async def of_source(uow: Uow, event_id: str) -> Question | None:
    """The question that this message of a person became."""
    link = await links.find(uow.session, event_id)
    if link is None or link.role != "question.source":
        return None
    return await questions.get(uow.session, link.subject)
