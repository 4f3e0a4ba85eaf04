"""What one running bot knows before anything happens: its network, its texts, who it is."""

from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from bot.domain import content
from bot.domain.content import Piece
from bot.services.routing.router import Router
from config.locales import Texts, Translator
from config.network import Network

Spell = Callable[[str, str], str]
"""A command as it is written in English or any language of ours, and the language to write it in:
("questions open", "fr") gives "questions ouvertes"."""


def _as_it_is(command: str, language: str) -> str:
    return command


@dataclass(frozen=True, slots=True)
class Typed:
    """A command as one types it here, for a reader who is not known yet.

    A value of a text may be a function of the translator that renders it; this is one. So it goes
    into any sentence as it is, and comes out with the names of the reader's language:

        tr("To open it again: {command}", command=instance.typed("reopen Q12"))
        UserError("…", N_("Type {command} to see them."), command=instance.typed("questions open"))

    Outside of a sentence it is called: ``instance.typed("desk funding")(tr)``.
    """

    command: str
    prefix: str
    spell: Spell

    def __call__(self, tr: Translator) -> Piece:
        return content.code(f"{self.prefix}{self.spell(self.command, tr.language)}")


@dataclass(frozen=True, slots=True)
class Instance:
    """``admins`` are full Matrix ids from the configuration; ``public_url`` is where the web side
    is reached, None when it is not. ``spell`` knows what commands are called; without it they keep
    the names they are given."""

    user_id: str
    network: Network
    texts: Texts
    admins: frozenset[str]
    router: Router
    prefix: str = "!"
    public_url: str | None = None
    spell: Spell = _as_it_is

    def typed(self, command: str) -> Typed:
        """A command by its English name, as its reader types it here: a value for a sentence."""
        return Typed(command, self.prefix, self.spell)

    @property
    def server(self) -> str:
        return self.user_id.partition(":")[2]

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.network.timezone)

    @property
    def first_language(self) -> str:
        return self.network.languages[0]

    def tr(self, language: str | None) -> Translator:
        """The translator for ``language``, or for the network's first one."""
        known = language in self.network.languages
        return self.texts[language if known and language else self.first_language]
