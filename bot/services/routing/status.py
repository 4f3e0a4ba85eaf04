"""What admins see of routing: its encoder, what it remembers, and what it has learned."""

from bot.domain import content
from bot.domain.content import Piece
from bot.domain.routing.learning import FEWEST
from bot.services.instance import Instance
from config.locales import Translator
from storage import routing
from storage.database import Uow
from storage.routing import RankerRow

_HITS = ("learned_hit", "formula_hit")


async def summary(uow: Uow, instance: Instance, tr: Translator) -> Piece:
    router = instance.router
    memory = router.memory
    missing = len(memory.questions_without_vector) + len(memory.answers_without_vector)
    ranker = await routing.newest_ranker(uow.session)
    return content.lines(
        _encoder(instance, tr),
        tr(
            "In memory – questions: {questions}, answers: {answers}, profiles: {profiles}",
            questions=len(memory.questions),
            answers=len(memory.answers),
            profiles=len(memory.declared),
        ),
        tr.plural("{n} text is still to be encoded.", "{n} texts are still to be encoded.", missing)
        if missing and router.encoding.name
        else None,
        tr("Desk corrections taken into account: {n}", n=len(memory.corrections)),
        *(_learned(ranker, instance, tr) if ranker else [_not_learned(tr)]),
    )


def _encoder(instance: Instance, tr: Translator) -> Piece:
    encoding = instance.router.encoding
    fault = encoding.fault
    told = tr(fault.sentence, **fault.values) if fault else None
    if encoding.name is None:
        nothing = tr("No encoder: questions are routed by their words.")
        return content.join(" ", [nothing, content.join("", ["(", told, ")"])]) if told else nothing
    if told is not None:
        return tr(
            "⚠️ The encoder {name} does not work ({fault}): I only go by words.",
            name=content.code(encoding.name),
            fault=told,
        )
    return tr("Encoder: {name}", name=content.code(encoding.name))


def _not_learned(tr: Translator) -> Piece:
    return tr(
        "Experts are ranked by the formula. Learning begins with {n} answered questions.", n=FEWEST
    )


def _learned(ranker: RankerRow, instance: Instance, tr: Translator) -> list[Piece]:
    """Its decision, and the figures it rests on."""
    told = {name: tr.number(value) for name, value in ranker.figures.items()}
    hits = {name: str(round(100 * ranker.figures.get(name, 0))) for name in _HITS}
    when = tr.when(ranker.fitted_at, instance.zone)
    decision = (
        tr("Experts are ranked by what was learned on {when}: it beats the formula.", when=when)
        if ranker.used
        else tr(
            "Experts are ranked by the formula: what was learned on {when} is no better.", when=when
        )
    )
    return [
        decision,
        tr(
            "Replay of {compared} questions: MRR {learned} learned, {formula} by the formula; "
            "right expert among the first three: {learned_hit}% and {formula_hit}%.",
            compared=told.get("compared", "0"),
            learned=told.get("learned_mrr", "0"),
            formula=told.get("formula_mrr", "0"),
            **hits,
        ),
    ]
