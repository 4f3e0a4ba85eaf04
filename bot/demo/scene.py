"""``clusterdesk demo``: a whole network at work on a private homeserver, with real accounts.

A question is asked in French, routed, answered from Kortrijk, and the answer brought back; an
event is announced, joined and reminded; the week is summed up. Everything printed as seen was read
from the homeserver by the account of the person it was meant for, never from the bot.
"""

import asyncio
import contextlib
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import SecretStr
from rich.console import Console

from bot.app import Bot, Pace
from bot.demo.clock import DemoClock
from bot.demo.homeserver import Account, HomeserverError, PrivateSynapse
from bot.demo.person import Event, Person, PersonError, body_of
from bot.demo.transcript import Transcript, progress_bar
from bot.domain.content import KEY
from bot.services.questions.common import calendar
from config.settings import Routing, Settings

PEOPLE = {
    "admin": "Admin",
    "membre-lille": "Membre (Lille)",
    "lid-kortrijk": "Lid (Kortrijk)",
    "expert-kortrijk": "Expert (Kortrijk)",
    "expert-tournai": "Expert (Tournai)",
    "experte-lille": "Experte (Lille)",
}
LANGUAGES = {
    "membre-lille": "langue fr",
    "lid-kortrijk": "taal nl",
    "expert-kortrijk": "taal nl",
    "expert-tournai": "langue fr",
    "experte-lille": "langue fr",
}
"""What each of them tells the bot first."""
BOT = "clusterdesk"
PASSWORD = "clusterdesk-demo"
QUESTION = (
    "Quelqu’un connaît une aide Interreg pour un pilote de livraison à vélo "
    "entre Lille et Kortrijk ?"
)
ANSWER = (
    "Oui : l’appel Interreg France-Wallonie-Vlaanderen finance ce genre de pilote, jusqu’à 60 %. "
    "La prochaine date limite est en mars, je vous envoie la fiche."
)
DUTCH_QUESTION = "Wie kan de sterkte van onze vlasvezels laten meten in een labo?"
FRENCH_ANSWER = (
    "Oui : notre laboratoire à Villeneuve-d’Ascq teste les fibres de lin en traction. Comptez deux "
    "semaines ; envoyez-moi une dizaine d’échantillons."
)
EXPERTS = (
    ("expert-kortrijk", "funding", "fr,nl", "Interreg, mobiliteit, fietslogistiek"),
    ("expert-tournai", "funding", "fr,en", "crédit d’impôt, chèques-entreprises"),
    ("experte-lille", "expertise", "fr,nl", "laboratoire textile : essais sur fibres de lin"),
    ("expert-tournai", "expertise", "fr,en", "droit du travail, travailleurs frontaliers"),
)
"""Who serves which desk, in which languages, and what they know."""
PATIENCE = 30.0
IN_NINE_DAYS = timedelta(days=9)
"""From now to the event: after the next digest, whatever day it is."""


class NotShown(Exception):
    """A step of the scene was not seen to happen."""


@dataclass(frozen=True, slots=True)
class Stage:
    server: PrivateSynapse
    bot: Bot
    clock: DemoClock
    people: dict[str, Person]
    script: Transcript

    def alias(self, key: str) -> str:
        return f"#{self.bot.network.alias(key)}:{self.server.server_name}"

    def user(self, name: str) -> str:
        return f"@{name}:{self.server.server_name}"


async def play(*, once: bool, port: int | None, keep: bool, console: Console | None = None) -> int:
    """0 when every step was seen to happen."""
    console = console or Console()
    loop = asyncio.get_running_loop()
    playing = asyncio.current_task()
    assert playing is not None
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(each, playing.cancel)
    try:
        async with _stage(console, port=port, keep=keep) as stage:
            code = await _scene(stage)
            if not once:
                _invite(stage)
                await asyncio.Event().wait()
            return code
    except asyncio.CancelledError:
        console.print("\nStopped. Nothing is left behind." if not keep else "\nStopped.")
        return 0
    except HomeserverError as error:
        console.print(f"[bold red]✗[/bold red] {error}")
        return 1


@asynccontextmanager
async def _stage(console: Console, *, port: int | None, keep: bool) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        with progress_bar(console) as bar:
            task = bar.add_task("Starting a homeserver …", total=100)
            server = PrivateSynapse(port=port, keep=keep, limits="off")
            await stack.enter_async_context(server)
            bar.update(task, completed=30, description="Opening accounts …")
            accounts = {name: await server.register(name, PASSWORD) for name in [*PEOPLE, BOT]}
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="clusterdesk-")))
            bar.update(task, completed=40, description="Making the network’s rooms …")
            clock = DemoClock()
            bot = Bot(
                _settings(server, accounts[BOT], folder),
                clock=clock,
                pace=Pace(tick=timedelta(seconds=1)),
                progress=lambda text: bar.update(task, advance=1, description=text),
            )
            await stack.enter_async_context(_running(bot))
            people = await _enter_people(stack, server, accounts)
            bar.update(task, completed=100, description="Ready")
        script = Transcript(console, bot.network.zone)
        yield Stage(server, bot, clock, people, script)


def _settings(server: PrivateSynapse, account: Account, folder: Path) -> Settings:
    return Settings(
        homeserver=server.base_url,
        user_id=account.user_id,
        access_token=SecretStr(account.access_token),
        data_dir=folder,
        admins=(f"@admin:{server.server_name}",),
        web=None,
        # One model loads in a second; two describe the desks for half a minute, once.
        routing=Routing(encoder="use"),
    )


@asynccontextmanager
async def _running(bot: Bot) -> AsyncIterator[None]:
    """The bot, until its rooms are made; stopped at the end."""
    stop = asyncio.Event()
    run = asyncio.create_task(bot.run(stop))
    ready = asyncio.create_task(bot.provisioned.wait())
    try:
        await asyncio.wait({run, ready}, return_when=asyncio.FIRST_COMPLETED)
        if run.done():
            run.result()
        yield
    finally:
        ready.cancel()
        stop.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait_for(run, 10)


async def _enter_people(
    stack: AsyncExitStack, server: PrivateSynapse, accounts: dict[str, Account]
) -> dict[str, Person]:
    people = {}
    for name, shown in PEOPLE.items():
        account = accounts[name]
        person = Person(server.base_url, account.user_id, access_token=account.access_token)
        people[name] = await stack.enter_async_context(person)
        await person.set_display_name(shown)
    return people


async def _scene(stage: Stage) -> int:
    try:
        await _office_hours(stage)
        await _arrivals(stage)
        await _described(stage)
        await _question(stage)
        await _across_languages(stage)
        start = (stage.clock() + IN_NINE_DAYS).astimezone(stage.bot.network.zone)
        start = start.replace(hour=14, minute=0, second=0, microsecond=0)
        await _event(stage, start)
        await _digest(stage)
        await _reminder(stage, start)
    except (NotShown, PersonError) as error:
        stage.script.missing(str(error))
        return 1
    stage.script.console.print()
    stage.script.seen("Every step was seen by the people it was meant for.")
    return 0


async def _arrivals(stage: Stage) -> None:
    stage.script.act("People come in")
    await stage.people["admin"].join(stage.alias("space"))
    for name, command in LANGUAGES.items():
        person = stage.people[name]
        room = await _speaks(stage, name, command)
        await person.join(stage.alias("space"))
        await _sees(stage, name, room, "welcome", in_room="direct")
        await person.join(stage.alias("logistics"))
    admin = stage.people["admin"]
    control = await _control_room(stage)
    for name, desk, languages, topics in EXPERTS:
        await stage.people[name].join(stage.alias(desk))
        command = (
            f'!expert add {stage.user(name)} --desk {desk} --lang {languages} --topics "{topics}"'
        )
        sent = await admin.say(control, command)
        stage.script.said(stage.clock(), "control", PEOPLE["admin"], command)
        await _reacted(admin, control, sent, "✅")
    stage.script.seen("members were welcomed, each in a direct message; experts appointed")


async def _speaks(stage: Stage, name: str, command: str) -> str:
    """They open a direct room and say in which language they want to be spoken to."""
    person = stage.people[name]
    room = await person.direct_room(stage.user(BOT))
    await _next(person, room, lambda e: _has_joined(stage, e))
    await person.say(room, command)
    stage.script.said(stage.clock(), "direct", PEOPLE[name], command)
    await _sees(stage, name, room, "reply", in_room="direct")
    return room


async def _question(stage: Stage) -> None:
    stage.script.act("A question is asked, routed, answered, and the answer brought back")
    member, expert = stage.people["membre-lille"], stage.people["expert-kortrijk"]
    cluster = await member.resolve(stage.alias("logistics"))
    desk = await expert.resolve(stage.alias("funding"))
    asked = await member.say(cluster, f"!demander {QUESTION}")
    stage.script.said(stage.clock(), "logistics", PEOPLE["membre-lille"], f"!demander {QUESTION}")
    await _sees(stage, "membre-lille", cluster, "question.ack")
    card = await _sees(stage, "expert-kortrijk", desk, "question.card", in_room="funding")
    offer = await _sees(stage, "expert-kortrijk", desk, "question.offer", in_room="funding")
    if expert.user_id not in offer["content"]["m.mentions"]["user_ids"]:
        raise NotShown("the offer does not mention the expert who knows about it")
    await expert.say(desk, ANSWER, thread=card["event_id"])
    stage.script.said(stage.clock(), "funding", PEOPLE["expert-kortrijk"], ANSWER)
    answer = await _sees(stage, "membre-lille", cluster, "question.answer")
    if answer["content"]["m.relates_to"]["event_id"] != asked:
        raise NotShown("the answer is not in the thread of the question")
    await member.react(cluster, answer["event_id"], "✅")
    stage.script.said(stage.clock(), "logistics", PEOPLE["membre-lille"], "✅")
    await _sees(stage, "membre-lille", cluster, "question.closed")
    await _sees(stage, "expert-kortrijk", desk, "question.closed", in_room="funding")
    stage.script.seen("the answer came back under the question, and both sides know it is closed")


async def _across_languages(stage: Stage) -> None:
    stage.script.act("A Dutch question finds the expert who wrote in French what she knows")
    member, expert = stage.people["lid-kortrijk"], stage.people["experte-lille"]
    cluster = await member.resolve(stage.alias("logistics"))
    desk = await expert.resolve(stage.alias("expertise"))
    asked = await member.say(cluster, f"!vraag {DUTCH_QUESTION}")
    shown = f"!vraag {DUTCH_QUESTION}"
    stage.script.said(stage.clock(), "logistics", PEOPLE["lid-kortrijk"], shown)
    card = await _sees(stage, "experte-lille", desk, "question.card", in_room="expertise")
    number = _question_of(card)
    await _sees(stage, "lid-kortrijk", cluster, "question.ack", question=number)
    offer = await _sees(stage, "experte-lille", desk, "question.offer", in_room="expertise")
    if expert.user_id not in offer["content"]["m.mentions"]["user_ids"]:
        raise NotShown("the offer does not mention the expert who knows about flax")
    await expert.say(desk, FRENCH_ANSWER, thread=card["event_id"])
    stage.script.said(stage.clock(), "expertise", PEOPLE["experte-lille"], FRENCH_ANSWER)
    answer = await _sees(stage, "lid-kortrijk", cluster, "question.answer", question=number)
    if answer["content"]["m.relates_to"]["event_id"] != asked:
        raise NotShown("the answer is not in the thread of the question")
    await _why(stage, str(number), PEOPLE["experte-lille"])
    await member.react(cluster, answer["event_id"], "✅")
    stage.script.said(stage.clock(), "logistics", PEOPLE["lid-kortrijk"], "✅")
    stage.script.seen("across languages, to whom it was meant for; and the bot says why")


async def _why(stage: Stage, number: str, chosen: str) -> None:
    admin = stage.people["admin"]
    control = await _control_room(stage)
    await admin.say(control, f"!why Q{number}")
    stage.script.said(stage.clock(), "control", PEOPLE["admin"], f"!why Q{number}")
    reply = await _next(
        admin, control, lambda e: _kind(e) == "reply" and f"Q{number}" in body_of(e)
    )
    stage.script.said(stage.clock(), "control", BOT, body_of(reply))
    if chosen not in body_of(reply) or "profil" not in body_of(reply):
        raise NotShown("the bot does not say why it asked that expert")


async def _office_hours(stage: Stage) -> None:
    """Nobody is called at night: the demo then begins in the morning."""
    office = calendar(stage.bot.instance, "funding")
    now = stage.clock()
    opening = office.next_opening(now)
    if opening > now:
        stage.clock.jump_to(opening + timedelta(seconds=1))
        stage.script.note("the desks are closed: the demo moves the bot’s clock on to the morning")


async def _described(stage: Stage) -> None:
    """Until the encoder has read what the desks are for; a second or two."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while not stage.bot.router.is_described:  # noqa: ASYNC110 - no event of its own
                await asyncio.sleep(0.1)


async def _event(stage: Stage, start: datetime) -> None:
    stage.script.act("An event is announced and joined")
    admin, member = stage.people["admin"], stage.people["lid-kortrijk"]
    control = await _control_room(stage)
    cluster = await member.resolve(stage.alias("logistics"))
    command = (
        f'!event new "Fietskoeriers over de grens" {start:%Y-%m-%d %H:%M} '
        '@"Kortrijk Xpo" --cluster logistics --for 90m'
    )
    await admin.say(control, command)
    stage.script.said(stage.clock(), "control", PEOPLE["admin"], command)
    draft = await _next(
        admin, control, lambda e: "Fietskoeriers" in body_of(e) and _by_bot(stage, e)
    )
    stage.script.said(stage.clock(), "control", BOT, body_of(draft))
    await admin.react(control, draft["event_id"], "✅")
    stage.script.said(stage.clock(), "control", PEOPLE["admin"], "✅")
    announcement = await _sees(stage, "lid-kortrijk", cluster, "event.announcement")
    await member.react(cluster, announcement["event_id"], "✅")
    stage.script.said(stage.clock(), "logistics", PEOPLE["lid-kortrijk"], "✅")
    await _next(
        member,
        cluster,
        lambda e: (
            (e["content"].get("m.relates_to") or {}).get("event_id") == announcement["event_id"]
            and "✅ 1" in str((e["content"].get("m.new_content") or {}).get("body"))
        ),
    )
    stage.script.seen("announced in the cluster’s room; the counter says ✅ 1")


async def _reminder(stage: Stage, start: datetime) -> None:
    stage.script.act("Time passes: one day before")
    member = stage.people["lid-kortrijk"]
    stage.clock.jump_to((start - timedelta(days=1)).astimezone(UTC) + timedelta(seconds=5))
    stage.script.note("the demo moves the bot’s clock on to the day before the event")
    cluster = await member.resolve(stage.alias("logistics"))
    reminder = await _sees(stage, "lid-kortrijk", cluster, "event.reminder")
    if member.user_id not in reminder["content"]["m.mentions"]["user_ids"]:
        raise NotShown("the reminder does not mention who said ✅")
    stage.script.seen("reminded once, calling those who come")


async def _digest(stage: Stage) -> None:
    stage.script.act("The week is summed up")
    member = stage.people["membre-lille"]
    cluster = await member.resolve(stage.alias("logistics"))
    knobs = stage.bot.network.activity.digest
    now = stage.clock().astimezone(stage.bot.network.zone)
    ahead = (knobs.weekday - now.weekday()) % 7
    moment = datetime.combine(now.date() + timedelta(days=ahead), knobs.time, now.tzinfo)
    if moment <= now:
        moment += timedelta(days=7)
    stage.clock.jump_to(moment.astimezone(UTC) + timedelta(seconds=5))
    stage.script.note(f"the demo moves the bot’s clock on to {moment:%A %H:%M}")
    await _sees(stage, "membre-lille", cluster, "digest")
    stage.script.seen("the digest was posted once in the cluster’s room")


async def _control_room(stage: Stage) -> str:
    admin = stage.people["admin"]
    with contextlib.suppress(PersonError):
        return await admin.join(stage.alias("control"))
    raise NotShown("the admin was not invited to the control room")


async def _sees(
    stage: Stage,
    name: str,
    room: str,
    kind: str,
    in_room: str = "logistics",
    question: int | None = None,
) -> Event:
    """What this person's own account receives of that kind, printed as they see it."""
    event = await _next(
        stage.people[name], room, lambda e: _kind(e) == kind and question in (None, _question_of(e))
    )
    at = datetime.fromtimestamp(event["origin_server_ts"] / 1000, UTC)
    speaker = f"{BOT} → {PEOPLE[name]}" if in_room == "direct" else BOT
    stage.script.said(max(at, stage.clock()), in_room, speaker, body_of(event))
    return event


async def _next(person: Person, room: str, is_it: object) -> Event:
    assert callable(is_it)
    return await person.wait_for(is_it, room, timeout=PATIENCE)


async def _reacted(person: Person, room: str, event_id: str, key: str) -> None:
    await _next(
        person,
        room,
        lambda e: (
            e["type"] == "m.reaction"
            and e["content"]["m.relates_to"]
            == {
                "rel_type": "m.annotation",
                "event_id": event_id,
                "key": key,
            }
        ),
    )


def _kind(event: Event) -> str | None:
    found: str | None = (event.get("content", {}).get(KEY) or {}).get("kind")
    return found


def _has_joined(stage: Stage, event: Event) -> bool:
    joins = event["type"] == "m.room.member" and event["content"].get("membership") == "join"
    return joins and event.get("state_key") == stage.user(BOT)


def _question_of(event: Event) -> int | None:
    found: int | None = (event.get("content", {}).get(KEY) or {}).get("question")
    return found


def _by_bot(stage: Stage, event: Event) -> bool:
    return event.get("sender") == stage.user(BOT)


def _invite(stage: Stage) -> None:
    console = stage.script.console
    console.print()
    console.rule("[bold]Come in[/bold]", align="left")
    console.print(f"Homeserver   {stage.server.base_url}", highlight=False)
    console.print(f"Accounts     {', '.join(PEOPLE)}", highlight=False)
    console.print(f"Password     {PASSWORD}", highlight=False)
    console.print(f"Space        {stage.alias('space')}", highlight=False)
    console.print("Use any Matrix client on this machine. Ctrl-C ends it and leaves nothing.")
