"""What only people can decide: the desk between two that are close, the cluster of a question that
does not say, and who may read a private one. Each is asked once, and goes on without an answer."""

from collections.abc import Sequence
from datetime import datetime

from bot.domain import content
from bot.domain.content import Piece
from bot.domain.questions import Step
from bot.domain.routing.ranking import Ranked
from bot.services.instance import Instance
from bot.services.members import name, tr_for
from bot.services.questions import experts, naming, turns
from bot.services.questions.cards import choices, refresh_cards
from bot.services.questions.common import calendar, label, to_asker
from bot.services.speech import linked
from config.locales import Translator
from storage.database import Uow
from storage.links import Link
from storage.questions import Question

SIGNS = ("1️⃣", "2️⃣", "3️⃣", "4️⃣", "5️⃣", "6️⃣")
PROPOSED = 3
NOBODY_ASKED = (Step.NAMING, Step.OPENING, Step.COORDINATOR, Step.ADMINS)


def let_choose(instance: Instance, question: Question, now: datetime) -> bool:
    """Two desks are close: the asker chooses, for a while."""
    choice = question.choice or {}
    if question.private or choice.get("sure") or not choice.get("runner_up"):
        return False
    patience = instance.network.questions.choose_time
    question.step = Step.CHOOSING
    question.due_at = calendar(instance, question.desk).after(now, patience)
    return True


async def chosen(uow: Uow, instance: Instance, question: Question, sign: str) -> bool:
    """The asker reacted to the choice of desks; False when that says nothing now."""
    if question.step != Step.CHOOSING:
        return False
    desk = dict(choices(question)).get(sign)
    if desk is None:
        return False
    await turns.send_to(uow, instance, question, desk, by="asker")
    await ask_cluster(uow, instance, question)
    return True


async def ask_cluster(uow: Uow, instance: Instance, question: Question) -> None:
    """Asked where the room does not say it and the words do not either."""
    clusters = instance.network.clusters[: len(SIGNS)]
    if question.cluster is not None or question.private or len(clusters) < 2:
        return
    tr = await tr_for(uow, instance, question.asker)
    named = [instance.network.text(each.name, tr.language) for each in clusters]
    piece = content.lines(
        tr(
            "What is {number} about? React with a number: it helps me find the right expert.",
            number=label(question.id),
        ),
        _signed(named),
    )
    keys = [each.key for each in clusters]
    _ask(uow, question, piece, "question.cluster", keys)


async def cluster_chosen(
    uow: Uow, instance: Instance, question: Question, link: Link, sign: str
) -> None:
    key = _choice(link, sign)
    if key is not None and question.cluster is None:
        question.cluster = key
        await refresh_cards(uow, instance, question)


async def ask_whom(uow: Uow, instance: Instance, question: Question) -> bool:
    """Who may read a private question is its asker's to say; False when there is nobody to
    propose."""
    pool = await experts.pool(uow, instance, question, (), may_read_all=True)
    proposed = pool.ranked[:PROPOSED]
    if not proposed:
        return False
    tr = await tr_for(uow, instance, question.asker)
    named = [await _proposal(uow, instance, each, tr) for each in proposed]
    piece = content.lines(
        tr("🔒 Who may read {number}? React with a number.", number=label(question.id)),
        _signed(named),
        tr("If you don’t choose, the desk’s coordinator names somebody."),
    )
    _ask(uow, question, piece, "question.whom", [each.user_id for each in proposed])
    patience = instance.network.questions.name_time
    question.step = Step.NAMING
    question.due_at = calendar(instance, question.desk).after(uow.now, patience)
    return True


async def _proposal(uow: Uow, instance: Instance, ranked: Ranked, tr: Translator) -> Piece:
    reasons = experts.spoken_for(experts.reasons_of(ranked))[:2]
    texts = await experts.reason_texts(uow, instance, reasons, tr)
    who = await name(uow, ranked.user_id)
    return tr("{who}: {what}", who=who, what=content.join(" · ", texts)) if texts else who


async def whom_chosen(
    uow: Uow, instance: Instance, question: Question, link: Link, sign: str
) -> None:
    expert = _choice(link, sign)
    if expert is None or question.step not in NOBODY_ASKED:
        return
    await name_whom(uow, instance, question, expert)
    link.data = None


async def name_whom(uow: Uow, instance: Instance, question: Question, expert: str) -> None:
    """The asker of a private question says who may read it."""
    await naming.check_present(uow, expert)
    await naming.name_expert(uow, instance, question, expert, [{"reason": "named", "value": ""}])


def _signed(named: Sequence[str | Piece]) -> Piece:
    signed = zip(SIGNS, named, strict=False)
    return content.lines(*(content.join(" ", [sign, each]) for sign, each in signed))


def _ask(uow: Uow, question: Question, piece: Piece, role: str, keys: list[str]) -> None:
    link = linked(uow, role, question.id, author=question.asker, data={"keys": keys})
    to_asker(uow, question, piece, role, signs=SIGNS[: len(keys)], link=link)


def _choice(link: Link, sign: str) -> str | None:
    keys = (link.data or {}).get("keys", [])
    return dict(zip(SIGNS, keys, strict=False)).get(sign)
