"""Who is meant by what happened: a command, a question's conversation, a reaction to something.

One dispatcher for every form people use: prefix, mention, reply, thread, reaction and, in a direct
room, plain words. Notices and edits are never commands; the bot's own events do not come here.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser
from typing import Protocol
from urllib.parse import unquote

import structlog

from bot.domain.content import code
from bot.domain.errors import UserError
from bot.domain.incoming import (
    Encrypted,
    Incoming,
    MembershipChange,
    Message,
    Reaction,
    Redaction,
    StateChange,
    Tombstone,
    bare_emoji,
)
from bot.domain.language import is_question_like
from bot.domain.roles import Role, allows
from bot.domain.rooms.model import CONTROL
from bot.services import activity, calendar, members, rooms
from bot.services.instance import Instance
from bot.services.people import left
from bot.services.questions import asking, relaying, withdrawing, wording
from commands import conversation
from commands.context import Context
from commands.parameters import ParseEnvironment
from commands.parsing import parse
from commands.registry import AnyCommand, Match, Registry, Unknown
from commands.vocabulary import vocabulary
from config.locales import N_
from storage import links
from storage import members as people
from storage import rooms as room_rows
from storage.database import Uow
from storage.links import Link
from storage.outbox import direct
from storage.rooms import DIRECT, Room

log = structlog.get_logger()

OnReaction = Callable[[Context, Link | None, str], Awaitable[None]]
ANY = "*"
"""The role under which a handler for reactions to messages that are nothing to us is listed."""


MOST_WORDS = 3
"""Of what is typed without prefix to ask for help or for a language."""
SHORT = 3
"""Words of a command typed without prefix whose arguments are wrong."""


class Tally(Protocol):
    """Counts what was handled; the metrics do."""

    def event(self, kind: str) -> None: ...

    def command(self, name: str) -> None: ...


class Dispatcher:
    def __init__(
        self,
        instance: Instance,
        registry: Registry,
        reactions: Mapping[str, OnReaction],
        tally: Tally,
    ) -> None:
        """``reactions``: for each role of a link, who handles a reaction to it."""
        self._instance = instance
        self._registry = registry
        self._reactions = reactions
        self._tally = tally
        self._vocabulary = vocabulary(instance.network)
        self._name = re.compile(
            rf"(?<!\w)@?{re.escape(instance.user_id.removeprefix('@').partition(':')[0])}"
            rf"(?::{re.escape(instance.server)})?(?!\w)(?P<mark>\s*[:,])?",
            re.IGNORECASE,
        )

    async def handle(
        self, uow: Uow, incoming: Incoming, fetched: Mapping[str, Incoming | None]
    ) -> None:
        uow.then(partial(self._tally.event, type(incoming).__name__))
        match incoming:
            case Message():
                await self._message(uow, incoming, fetched)
            case Reaction():
                await self._reaction(uow, incoming, fetched)
            case Redaction():
                await self._redaction(uow, incoming)
            case MembershipChange():
                await self._membership(uow, incoming)
            case Encrypted():
                room = await room_rows.by_id(uow.session, incoming.room_id)
                await members.encrypted(uow, self._instance, room, incoming)
            case Tombstone():
                await rooms.tombstoned(uow, self._instance, incoming)
            case StateChange():
                log.debug("state_changed", type=incoming.type)

    async def explain(self, uow: Uow, incoming: Incoming, mistake: UserError) -> None:
        """Answer a mistake in the language of who made it."""
        if isinstance(incoming, Message | Reaction):
            context = await self._context(uow, incoming, {})
            piece = context.tr(mistake.message, **mistake.values)
            context.reply(piece, "error", key=mistake.key)

    async def _message(
        self, uow: Uow, message: Message, fetched: Mapping[str, Incoming | None]
    ) -> None:
        if message.msgtype == "m.notice":
            return
        if message.edits is not None:
            await self._edit(uow, message)
            return
        await members.heard(uow, message)
        said = self._addressed(message)
        context = await self._context(uow, message, fetched)
        if not self._is_command(context, message, said):
            context = await self._read(context, message.body)
        if said is not None:
            await self._command(context, message, said)
        elif not (context.is_direct and await self._bare_command(context, message)):
            await conversation.converse(context, message)

    def _is_command(self, context: Context, message: Message, said: str | None) -> bool:
        """Whether it begins like one: such words tell nothing about the language people write."""
        typed = message.body if said is None and context.is_direct else said
        known = typed is not None and isinstance(self._registry.match(typed), Match)
        return self._is_prefixed(message) or known

    async def _read(self, context: Context, text: str) -> Context:
        """The context, in the language that the text is the first to tell."""
        if not await members.read(context.uow, context.instance, context.sender, text):
            return context
        tr = await members.tr_for(context.uow, context.instance, context.sender)
        return replace(context, tr=tr)

    async def _context(
        self, uow: Uow, incoming: Message | Reaction, fetched: Mapping[str, Incoming | None]
    ) -> Context:
        room = await room_rows.by_id(uow.session, incoming.room_id)
        is_direct = await _is_direct(uow, room, incoming.room_id)
        lane = direct(room.key) if room is not None and room.kind == DIRECT else incoming.room_id
        return Context(
            uow=uow,
            instance=self._instance,
            incoming=incoming,
            lane=lane,
            room=room,
            is_direct=is_direct,
            roles=await members.roles_of(uow, self._instance, incoming.sender),
            tr=await members.tr_for(uow, self._instance, incoming.sender),
            about=await _about(uow, incoming),
            fetched=fetched,
            registry=self._registry,
        )

    def _addressed(self, message: Message) -> str | None:
        """What was said to the bot, without prefix or mention; None when it was not said to it."""
        body = message.body.lstrip()
        prefix = self._instance.prefix
        if body.startswith(prefix) and body[len(prefix) : len(prefix) + 1].isalpha():
            return body[len(prefix) :]
        if self._instance.user_id in message.mentions:
            return self._without_mention(message, body)
        return self._called_by_name(body)

    def _without_mention(self, message: Message, body: str) -> str | None:
        """The words around the mention. Clients mention whom one replies to without being asked:
        a reply that does not show our name was said to whom it may concern."""
        at = self._mention_in(message, body)
        if at is None:
            return None if message.reply_to or message.thread else body
        start, end = at
        before, after = body[:start].rstrip(), body[end:].lstrip(" :,")
        if not before:
            return after.removeprefix(self._instance.prefix)
        return f"{before}{'' if after[:1] in '.?!…' else ' '}{after}".strip(" ,")

    def _mention_in(self, message: Message, body: str) -> tuple[int, int] | None:
        for shown, user_id in _pills(message.html).items():
            if user_id == self._instance.user_id and (start := body.find(shown)) >= 0:
                return start, start + len(shown)
        found = self._name.search(body)
        return found.span() if found else None

    def _called_by_name(self, body: str) -> str | None:
        """Without a mention, a sentence that begins with our name may be about us: it takes a colon
        or a comma, or a command."""
        found = self._name.match(body)
        if found is None:
            return None
        said = body[found.end() :].lstrip().removeprefix(self._instance.prefix)
        called = found["mark"] is not None or isinstance(self._registry.match(said), Match)
        return said if called else None

    async def _command(self, context: Context, message: Message, said: str) -> None:
        found = self._registry.match(said, language=context.tr.language, roles=context.roles)
        if isinstance(found, Match):
            await self._run(context, message, found)
        elif not self._is_prefixed(message):
            await conversation.converse(context, message, said)
        elif self._is_remark(context, found):
            await conversation.converse(context, message)
        else:
            raise self._unknown(context, found)

    def _is_remark(self, context: Context, found: Unknown) -> bool:
        """“!important: …” and “!!!” among people are not meant for us; a slip of a command is. Who
        talks to us alone, or from the control room, is always told."""
        is_ours = context.is_direct or (context.room is not None and context.room.kind == CONTROL)
        return not is_ours and (found.nearest is None or found.word.endswith(":"))

    def _is_prefixed(self, message: Message) -> bool:
        return message.body.lstrip().startswith(self._instance.prefix)

    async def _bare_command(self, context: Context, message: Message) -> bool:
        """In a direct room a command needs no prefix; a sentence that begins like one is still a
        sentence: it has to be understood whole."""
        found = self._registry.match(message.body, language=context.tr.language)
        if isinstance(found, Unknown) or not allows(context.roles, found.command.role):
            return False
        words = len(message.body.split())
        if found.command.role is None and words > MOST_WORDS:
            return False  # "Help me find a partner …" is not about the command
        if found.command.takes_text and await conversation.goes_on(context, message):
            return False  # "Ask the fund …" is an answer: it must not become a question for all
        try:
            parse(found.command, found.rest, self._environment(context, message))
        except UserError:
            # The name of a command and what looks like its arguments: a slip is explained. In more
            # words, and where people ask something, it is a sentence.
            if words > SHORT or (words > 2 and is_question_like(message.body)):
                return False
        await self._run(context, message, found)
        return True

    async def _run(self, context: Context, message: Message, found: Match) -> None:
        command = found.command
        if not allows(context.roles, command.role):
            raise self._not_allowed(command)
        arguments = parse(command, found.rest, self._environment(context, message))
        if command.role is Role.MEMBER and isinstance(text := arguments.get("text"), str):
            context = await self._read(context, text)
        context.uow.then(partial(self._tally.command, command.name.en))
        log.info("command", name=command.name.en)
        await command(context, **arguments)

    def _environment(self, context: Context, message: Message) -> ParseEnvironment:
        return ParseEnvironment(
            vocabulary=self._vocabulary,
            today=context.uow.now.astimezone(self._instance.zone).date(),
            tr=context.tr,
            pills=_pills(message.html),
            prefix=self._instance.prefix,
        )

    def _unknown(self, context: Context, found: Unknown) -> UserError:
        prefix = self._instance.prefix
        typed = code(f"{prefix}{found.word[:40]}")
        helped = code(f"{prefix}{context.tr.plain('help')}")
        if found.nearest is None:
            return UserError(
                "command-unknown",
                N_("I don’t know {typed}. {help} shows what I understand."),
                typed=typed,
                help=helped,
            )
        return UserError(
            "command-unknown",
            N_("I don’t know {typed}. Did you mean {nearest}? {help} shows the rest."),
            typed=typed,
            nearest=code(f"{prefix}{found.nearest}"),
            help=helped,
        )

    def _not_allowed(self, command: AnyCommand) -> UserError:
        sentences = {
            "expert": N_("Only experts can use {command}."),
            "coordinator": N_("Only coordinators can use {command}."),
            "admin": N_("Only admins can use {command}."),
        }
        sentence = sentences[command.role or "admin"]
        return UserError("not-allowed", sentence, command=self._instance.typed(command.name.en))

    async def _reaction(
        self, uow: Uow, reaction: Reaction, fetched: Mapping[str, Incoming | None]
    ) -> None:
        context = await self._context(uow, reaction, fetched)
        role = context.about.role if context.about else ANY
        handler = self._reactions.get(role)
        if handler is not None:
            await handler(context, context.about, bare_emoji(reaction.key))

    async def _edit(self, uow: Uow, message: Message) -> None:
        """An edit changes copies and questions; it is never a command."""
        assert message.edits is not None
        question = await asking.of_source(uow, message.edits)
        if question is not None and question.asker == message.sender:
            await wording.reword(uow, self._instance, question, self._words_of(message))
        elif await conversation.reworded(uow, self._instance, message, self._words_of(message)):
            return
        elif not await relaying.edited(uow, self._instance, message):
            await activity.edited(uow, message)

    def _words_of(self, message: Message) -> str:
        """What is asked by a message: without the command, if it was asked with one."""
        said = self._addressed(message)
        if said is None:
            return message.body
        found = self._registry.match(said)
        if not isinstance(found, Match):
            return said
        environment = ParseEnvironment(
            self._vocabulary,
            message.at.date(),
            self._instance.tr(None),
            prefix=self._instance.prefix,
        )
        try:
            return str(parse(found.command, found.rest, environment).get("text", found.rest))
        except UserError:
            return found.rest

    async def _redaction(self, uow: Uow, redaction: Redaction) -> None:
        question = await asking.of_source(uow, redaction.target)
        if question is not None:
            await withdrawing.withdrawn(uow, self._instance, question)
        elif not await relaying.redacted(uow, self._instance, redaction.target):
            await calendar.withdrawn(uow, self._instance, redaction.target)
            await activity.redacted(uow, redaction.target)

    async def _membership(self, uow: Uow, change: MembershipChange) -> None:
        me = self._instance.user_id
        if change.user_id == me and change.membership == "invite":
            uow.outbox.join(change.room_id, direct_with=change.sender if change.is_direct else None)
            return
        await members.membership_changed(uow, self._instance, change)
        if change.user_id != me and change.membership in ("leave", "ban"):
            await left(uow, self._instance, change.room_id, change.user_id)


async def _is_direct(uow: Uow, room: Room | None, room_id: str) -> bool:
    """A direct room of ours, or a room of others where we are alone with one person."""
    if room is not None:
        return room.kind == DIRECT
    return len(await people.members_of(uow.session, room_id)) <= 2


async def _about(uow: Uow, incoming: Message | Reaction) -> Link | None:
    if isinstance(incoming, Reaction):
        return await links.find(uow.session, incoming.target)
    replied = await links.find(uow.session, incoming.reply_to)
    return replied or await links.find(uow.session, incoming.thread)


class _Pills(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self._user: str | None = None
        self._shown = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        address = dict(attrs).get("href") or ""
        target = unquote(address.partition("https://matrix.to/#/")[2]).partition("?")[0]
        if tag == "a" and target.startswith("@"):
            self._user, self._shown = target, ""

    def handle_data(self, data: str) -> None:
        if self._user is not None:
            self._shown += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._user is not None:
            self.found[self._shown.strip()] = self._user
            self._user = None


def _pills(html: str | None) -> dict[str, str]:
    """The people mentioned: what is shown, and whom it stands for."""
    if not html or "matrix.to" not in html:
        return {}
    parser = _Pills()
    parser.feed(html)
    return {shown: user for shown, user in parser.found.items() if shown}
