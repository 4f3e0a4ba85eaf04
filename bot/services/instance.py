"""What one running bot knows before anything happens: its network, its texts, who it is."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from bot.domain import content
from bot.domain.content import Piece
from bot.services.routing.router import Router
from config.locales import Texts, Translator
from config.network import Network


@dataclass(frozen=True, slots=True)
class Instance:
    """``admins`` are full Matrix ids from the configuration; ``public_url`` is where the web side
    is reached, None when it is not."""

    user_id: str
    network: Network
    texts: Texts
    admins: frozenset[str]
    router: Router
    prefix: str = "!"
    public_url: str | None = None

    def typed(self, command: str) -> Piece:
        """A command as one types it here."""
        return content.code(f"{self.prefix}{command}")

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
