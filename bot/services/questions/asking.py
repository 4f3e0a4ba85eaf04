"""Taking charge of a question: its number, its language, its desk, its acknowledgement, its card.

Everything that routing has to know of the text is known before anything is written: a text that is
not encoded yet interrupts the handler, which is called again (bot.services.encoding).
"""

from dataclasses import dataclass
from datetime import timedelta

from bot.domain.errors import UserError
from bot.domain.questions import Status, Step
from bot.services.encoding import Text
from bot.services.instance import Instance
from bot.services.language import detect
from bot.services.members import language_of
from bot.services.questions import choosing, offers, suggesting, turns
from bot.services.questions.cards import acknowledge, ensure_card
from bot.services.questions.choosing import ask_cluster, ask_whom, let_choose
from bot.services.questions.common import desk_room
from bot.services.routing.loading import keep_meaning
from bot.services.routing.router import text_of
from bot.services.speech import remember
from config.locales import N_
from storage import links, members, questions, rooms
from storage.database import Uow
from storage.outbox import direct
from storage.questions import Question

MONTH = timedelta(days=30)
MIN_LETTERS = 2
MAX_CHARACTERS = 30_000


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to know. ``event_id`` is their message; ``root`` the thread for us to
    answer in; ``lane`` where that is; ``to`` whom they name to read a private question."""

    asker: str
    text: str
    lane: str
    event_id: str
    root: str
    desk: str | None = None
    private: bool = False
    urgent: bool = False
    to: str | None = None


async def ask(uow: Uow, instance: Instance, asked: Asked) -> Question | None:
    """Take charge of a question; None when this message has become one before."""
    if await _taken(uow, asked.event_id):
        return None
    _check(instance, asked)
    await _check_ration(uow, instance, asked)
    await _check_named(uow, instance, asked)
    question = await _file(uow, instance, asked)
    await desk_room(uow, question.desk)
    if question.private and not asked.lane.startswith("dm:"):
        # What is private goes on in private, also when it was not asked there.
        question.lane, question.root = direct(asked.asker), ""
    await keep_meaning(uow, instance.router, question)
    remember(uow, "question.source", question.id, asked.event_id, asked.lane, author=asked.asker)
    if let_choose(instance, question, uow.now):
        await acknowledge(uow, instance, question)
    else:
        await begin(uow, instance, question, asked.to)
    await suggesting.suggest(uow, instance, question)
    return question


async def begin(uow: Uow, instance: Instance, question: Question, to: str | None = None) -> None:
    """The desk is known: acknowledge, post the card, ask the first expert."""
    await acknowledge(uow, instance, question)
    await ensure_card(uow, instance, question)
    if to is not None:
        await choosing.name_whom(uow, instance, question, to)
    elif not (question.private and await ask_whom(uow, instance, question)):
        await turns.advance(uow, instance, question)
    await ask_cluster(uow, instance, question)


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


async def _check_ration(uow: Uow, instance: Instance, asked: Asked) -> None:
    most = instance.network.questions.urgent_per_month
    if not asked.urgent:
        return
    if await questions.urgent_since(uow.session, asked.asker, uow.now - MONTH) >= most:
        raise UserError(
            "urgent-used-up",
            N_(
                "Your urgent questions of the last 30 days are used up ({most}). "
                "Please ask without {option}."
            ),
            most=most,
            option="--urgent",
        )


async def _check_named(uow: Uow, instance: Instance, asked: Asked) -> None:
    """Who is named to read a question is an expert or a coordinator, and it is private."""
    if asked.to is None:
        return
    if not asked.private:
        raise UserError(
            "to-not-private",
            N_("{to} goes with {private}: other questions find their expert by themselves."),
            to="--to",
            private="--private",
        )
    if asked.to == asked.asker or not await members.roles_of(uow.session, asked.to):
        raise UserError(
            "to-no-expert",
            N_("That person is no expert of this network. Leave {to} out, and I’ll propose some."),
            to="--to",
        )


async def _file(uow: Uow, instance: Instance, asked: Asked) -> Question:
    prior = await language_of(uow, instance, asked.asker)
    found = detect(asked.text, instance.network.languages, prior)
    text = text_of(asked.text, found.language or prior)
    # Here, before anything is written: what interrupts us leaves no trace.
    instance.router.meaning(text)
    choice = instance.router.desk(text, asked.desk)
    question = Question(
        asker=asked.asker,
        text=asked.text,
        language=found.language or prior,
        cluster=await _cluster(uow, instance, asked, text),
        desk=choice.desk,
        choice={"sure": choice.sure, "by": choice.reason, "runner_up": choice.runner_up},
        private=asked.private,
        named=not asked.private,
        urgent=asked.urgent,
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


async def _cluster(uow: Uow, instance: Instance, asked: Asked, text: Text) -> str | None:
    """The cluster of the room, else what the text speaks of."""
    room = await rooms.by_id(uow.session, asked.lane)
    if room is not None and room.kind == "cluster":
        return room.key
    return instance.router.cluster(text)


async def reveal(uow: Uow, instance: Instance, question: Question) -> None:
    """The asker of a private question agrees that the expert knows their name."""
    if question.named:
        return
    question.named = True
    await offers.refresh_private(uow, instance, question)


async def of_source(uow: Uow, event_id: str) -> Question | None:
    """The question that this message of a person became."""
    link = await links.find(uow.session, event_id)
    if link is None or link.role != "question.source":
        return None
    return await questions.get(uow.session, link.subject)
