"""Known answers first: what was answered before to questions like this one, shown to its asker.

Quietly, while the question is taken on: 👍 closes it, anything else goes on. Nothing private is
shown, and nothing is closed that its asker does not close.
"""

from functools import partial

from bot.domain import content
from bot.domain.content import Piece
from bot.domain.routing.known import Known
from bot.services.instance import Instance
from bot.services.members import tr_for
from bot.services.questions import keeping
from bot.services.questions.common import label, short, to_asker
from bot.services.questions.views import numbered
from bot.services.routing.loading import stored_meaning
from bot.services.routing.router import text_of
from bot.services.speech import linked, take_back
from config.locales import Translator
from storage import answers, links, questions
from storage.answers import Suggestion
from storage.database import Uow
from storage.questions import Question

HELPED = "👍"


async def suggest(uow: Uow, instance: Instance, question: Question) -> None:
    if not instance.network.questions.suggest:
        return
    found = await known(uow, instance, question)
    tr = await tr_for(uow, instance, question.asker)
    shown = []
    for each in found:
        line = await _line(uow, instance, each.number, tr, question.asker)
        if line is not None:
            shown.append(line)
            row = Suggestion(question_id=question.id, known_id=each.number, likeness=each.likeness)
            uow.session.add(row)
    if not shown:
        return
    piece = content.lines(
        tr("💡 Meanwhile, this was answered before:"),
        content.bullets(shown),
        tr("👍 if it answers {number}. If not, do nothing.", number=label(question.id)),
    )
    link = linked(uow, "question.known", question.id, author=question.asker)
    to_asker(
        uow,
        question,
        piece,
        "question.known",
        signs=(HELPED,),
        link=link,
        known=[each.number for each in found],
    )


async def unsay(uow: Uow, known: int) -> None:
    """The question ``known``, or its answer, is not any more what was shown to others: what they
    were shown goes."""
    for number in await answers.shown_with(uow.session, known):
        for link in await links.of(uow.session, number, "question.known"):
            await take_back(uow, link)
            await uow.session.delete(link)


async def known(uow: Uow, instance: Instance, question: Question) -> list[Known]:
    text = text_of(question.text, question.language)
    meant = await stored_meaning(uow, instance.router, question.id, text)
    return instance.router.known(text, meant, {question.id})


async def _line(
    uow: Uow, instance: Instance, number: int, tr: Translator, viewer: str
) -> Piece | None:
    """Q3 · what was asked · by whom answered, and when · how the longest answer begins."""
    earlier = await questions.get(uow.session, number)
    given = await answers.of(uow.session, number)
    if earlier is None or earlier.private:
        return None
    # The last word is often a courtesy, or the name of a file.
    telling = max(given, key=lambda each: len(each.text), default=None)
    if telling is None or not telling.text:
        return None
    who = await keeping.giver(uow, instance, earlier, telling.expert, tr)
    facts = [
        await numbered(uow, instance, earlier, viewer),
        content.text(short(earlier.text)),
        tr("{expert}, {ago}", expert=who, ago=tr.ago(uow.now - telling.at)),
    ]
    return content.join("\n", [content.join(" · ", facts), tr.quoted(short(telling.text, 160))])


async def judged(uow: Uow, question: Question, helped: bool) -> None:
    """The asker has said, or shown by what came next, whether what was suggested helped."""
    for each in await answers.suggested(uow.session, question.id):
        if each.helped is None:
            each.helped = helped


def remember_helped(uow: Uow, instance: Instance, question: Question, helped: bool | None) -> None:
    question.helped = helped
    uow.then(partial(instance.router.memory.helped, question.id, helped))
