"""What the operator decides for one bot: the configuration file, and the environment above it.

Relative paths are relative to the configuration file, so that it means the same from wherever the
program is started.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
)
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from config.files import read_text, read_yaml
from config.network import DEFAULT_NETWORK, is_path
from config.problems import ConfigError, Problem, fault, problems_in, suggestion, unknown_key

ENVIRONMENT_PREFIX = "CLUSTERDESK_"
LOCAL_ENCODERS = ("auto", "use", "use+e5", "lexical")

_SERVER_NAME = r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z.-]{1,230})(?::[0-9]{1,5})?"
_USER_ID = re.compile(rf"@[!-9;-~]+:{_SERVER_NAME}")  # Matrix, appendices, "Historical user IDs"
_LISTEN = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:\[\]]+):(?P<port>[0-9]{1,5})")


def _user_id(value: str) -> str:
    if not _USER_ID.fullmatch(value) or len(value.encode()) > 255:
        raise fault(
            f"“{value}” is not a Matrix user ID.",
            'Write it in full and in quotes: "@name:example.org".',
        )
    return value


def _homeserver(value: str) -> str:
    url = _http_url(value.rstrip("/"))
    if url.path or url.query or url.fragment:
        raise fault(
            "The homeserver's address must not have a path.",
            f"Write {url.scheme}://{url.netloc} alone.",
        )
    return url.geturl()


def _public_url(value: str) -> str:
    return _http_url(value).geturl().rstrip("/")


def _encoder(value: str) -> str:
    if value in LOCAL_ENCODERS:
        return value
    if "/" not in value and ":" not in value:
        known = suggestion(value, LOCAL_ENCODERS, "It can be")
        raise fault("This is not an encoder clusterdesk knows.", f"{known} Or write an address.")
    url = _http_url(value.rstrip("/"), "Write it like https://api.example.org/v1.")
    if url.query or url.fragment:
        raise fault(
            "The encoder's address must end with its path.",
            "Leave out what follows “?” or “#”; a key belongs into api_key.",
        )
    return url.geturl()


def _seconds(value: float) -> float:
    if not 0 < value <= 120:
        raise fault("Nobody can be kept waiting that long.", "Write seconds: over 0, up to 120.")
    return value


def _http_url(
    value: str, example: str = "Write it like https://matrix.example.org."
) -> SplitResult:
    try:
        url = urlsplit(value)
        _ = url.port  # raises when it is not a number
    except ValueError as error:
        raise fault("This is not a web address.", example) from error
    if url.scheme not in ("http", "https") or not url.hostname:
        raise fault("This must be an address that starts with https:// or http://.", example)
    if url.username is not None:
        raise fault("This address must not hold a user name or a password.", example)
    return url


def _listen(value: str) -> str:
    match = _LISTEN.fullmatch(value)
    if match is None or int(match["port"]) > 65535:
        raise fault(
            f"“{value}” is not an address to listen on.",
            'Write host and port, in quotes: "127.0.0.1:8480".',
        )
    return value


def _database(value: Any) -> Any:
    """Never repeats the value: it may hold a password."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if text != "sqlite":
        _postgresql_url(str(text))
    return value


def _postgresql_url(value: str) -> URL:
    remedy = "Write sqlite, or postgresql+asyncpg://user:password@host/name."
    try:
        url = make_url(value)
    except (ArgumentError, ValueError) as error:
        raise fault("This is not a database clusterdesk knows.", remedy) from error
    if url.drivername not in ("postgres", "postgresql", "postgresql+asyncpg"):
        raise fault(f"“{url.drivername}” is not a database clusterdesk knows.", remedy)
    if not url.database:
        raise fault("The database's address does not name a database.", remedy)
    return _for_asyncpg(url)


def _for_asyncpg(url: URL) -> URL:
    """asyncpg takes the same values as libpq's `sslmode`, but calls it `ssl`."""
    query = dict(url.query)
    if "sslmode" in query:
        query["ssl"] = query.pop("sslmode")
    return url.set(drivername="postgresql+asyncpg", query=query)


def _prefix(value: str) -> str:
    if not 1 <= len(value) <= 3 or value.startswith("/") or re.search(r"[\w\s]", value):
        raise fault(
            f"“{value}” cannot start a command.",
            'Use one to three signs, such as "!"; most chat programs keep "/" for themselves.',
        )
    return value


def _available(value: bool) -> bool:
    if value:
        raise fault("Encrypted rooms are not supported yet.", "Write encryption: false.")
    return value


def _items(value: Any) -> Any:
    """From the environment, a list is written with commas."""
    if isinstance(value, str):
        return [item.strip(" \"'") for item in value.strip(" []").split(",") if item.strip()]
    return value


def _people(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise fault(
            "The network has no human admin.",
            'Add at least one person: admins: ["@name:example.org"].',
        )
    return tuple(dict.fromkeys(value))


UserId = Annotated[str, AfterValidator(_user_id)]
Homeserver = Annotated[str, AfterValidator(_homeserver)]
PublicUrl = Annotated[str, AfterValidator(_public_url)]
Listen = Annotated[str, AfterValidator(_listen)]
Database = Annotated[SecretStr, BeforeValidator(_database)]
CommandPrefix = Annotated[str, AfterValidator(_prefix)]
Admins = Annotated[tuple[UserId, ...], NoDecode, BeforeValidator(_items), AfterValidator(_people)]
Encryption = Annotated[bool, AfterValidator(_available)]
EncoderName = Annotated[str, AfterValidator(_encoder)]
Seconds = Annotated[float, AfterValidator(_seconds)]


class Web(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    listen: Listen = "127.0.0.1:8480"
    public_url: PublicUrl | None = None

    @property
    def host(self) -> str:
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])


class Routing(BaseModel):
    """How questions are compared with what experts know."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    encoder: EncoderName = "auto"
    model: str | None = None
    api_key: SecretStr | None = None
    api_key_file: Path | None = None
    timeout: Seconds = 10.0

    @property
    def is_endpoint(self) -> bool:
        return self.encoder not in LOCAL_ENCODERS


class Settings(BaseSettings):
    """Read it with `load`, which also reads the files named here and anchors relative paths."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        env_parse_none_str="null",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    homeserver: Homeserver = Field(examples=["https://matrix.example.org"])
    user_id: UserId = Field(examples=['"@clusterdesk:example.org"'])
    access_token: SecretStr | None = None
    access_token_file: Path | None = None
    password: SecretStr | None = None
    password_file: Path | None = None
    data_dir: Path = Path("var")
    database: Database = SecretStr("sqlite")
    network: str = DEFAULT_NETWORK
    admins: Admins = Field(examples=['["@name:example.org"]'])
    command_prefix: CommandPrefix = "!"
    encryption: Encryption = False
    web: Web | None = Web()
    routing: Routing = Routing()
    log_format: Literal["console", "json"] = "console"
    standby: bool = False

    @property
    def database_url(self) -> URL:
        """For SQLAlchemy. Printing it masks the password."""
        if self.uses_sqlite:
            path = self.data_dir / "clusterdesk.db"
            return URL.create("sqlite+aiosqlite", database=str(path))
        return _postgresql_url(self.database.get_secret_value())

    @property
    def uses_sqlite(self) -> bool:
        return self.database.get_secret_value() == "sqlite"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings


def load(path: Path) -> Settings:
    """The settings in the file, with the environment above them.

    Raises `ConfigError` with everything that is wrong.
    """
    data, source = read_yaml(path), str(path)
    problems = [*_unknown_keys(data, source), *_misspelt_variables()]
    try:
        settings = _anchored(_validated(data, source), path.absolute().parent)
    except ConfigError as error:
        raise ConfigError(*problems, *error.problems) from None
    if problems := [*problems, *_contradictions(settings, source)]:
        raise ConfigError(*problems)
    return _with_secrets(settings)


def _validated(data: dict[str, Any], source: str) -> Settings:
    try:
        return Settings(**{key: data[key] for key in data if key in Settings.model_fields})
    except ValidationError as error:
        # "from None": the cause would show the values, and some of them are secrets.
        problems = problems_in(error, Settings, data, source)
        raise ConfigError(*map(_located, problems, error.errors(include_input=False))) from None


def _located(problem: Problem, detail: ErrorDetails) -> Problem:
    """Said of the variable, if it is the environment that gave the value."""
    variable = ENVIRONMENT_PREFIX + str(detail["loc"][0]).upper()
    given = (name.upper().partition("__")[0] for name in os.environ)
    return replace(problem, where=f"environment, {variable}") if variable in given else problem


def _unknown_keys(data: dict[str, Any], source: str) -> Iterator[Problem]:
    known = Settings.model_fields
    return (unknown_key(source, key, known) for key in data if key not in known)


_NESTED = ("WEB__", "ROUTING__")
"""What follows these is judged with the section's keys."""


def _misspelt_variables() -> Iterator[Problem]:
    """Only what comes near a known name: container platforms add variables of their own."""
    known = {name.upper() for name in Settings.model_fields}
    known |= {f"WEB__{name.upper()}" for name in Web.model_fields}
    known |= {f"ROUTING__{name.upper()}" for name in Routing.model_fields}
    for variable in sorted(os.environ):
        name = variable.upper().removeprefix(ENVIRONMENT_PREFIX)
        if name == variable.upper() or name in known or name.startswith(_NESTED):
            continue
        if nearest := get_close_matches(name, known, n=1, cutoff=0.8):
            yield Problem(
                "environment",
                f"{variable} is not a variable clusterdesk knows.",
                f"Did you mean {ENVIRONMENT_PREFIX}{nearest[0]}?",
            )


def _contradictions(settings: Settings, source: str) -> Iterator[Problem]:
    for key in ("access_token", "password"):
        if getattr(settings, key) is not None and getattr(settings, f"{key}_file") is not None:
            yield Problem(source, f"Both {key} and {key}_file are given.", "Remove one of the two.")
    yield from _contradictions_of(settings.routing, f"{source}, routing")
    if settings.user_id in settings.admins:
        yield Problem(
            f"{source}, admins",
            "The bot cannot be an admin of its own network.",
            "Name people: if the bot's account were lost, nobody could mend the rooms.",
        )
    if settings.standby and settings.uses_sqlite:
        yield Problem(
            f"{source}, standby",
            "A second process can stand by only with PostgreSQL.",
            "Set database to a postgresql+asyncpg:// address, or standby to false.",
        )


def _contradictions_of(routing: Routing, where: str) -> Iterator[Problem]:
    if routing.api_key is not None and routing.api_key_file is not None:
        yield Problem(where, "Both api_key and api_key_file are given.", "Remove one of the two.")
    if routing.is_endpoint and not (routing.model or "").strip():
        yield Problem(
            f"{where}.model",
            "An endpoint needs the name of a model.",
            "Add it: “model: …”, as the endpoint calls it.",
        )
    if not routing.is_endpoint and routing.model is not None:
        yield Problem(
            f"{where}.model",
            f"The encoder “{routing.encoder}” has its own model.",
            "Remove this key, or write the address of an endpoint under encoder.",
        )


def _anchored(settings: Settings, folder: Path) -> Settings:
    paths = {
        key: folder / path.expanduser()
        for key in ("data_dir", "access_token_file", "password_file")
        if (path := getattr(settings, key)) is not None
    }
    network = settings.network
    if is_path(network):
        network = str(folder / Path(network).expanduser())
    routing = settings.routing
    if routing.api_key_file is not None:
        key_file = folder / routing.api_key_file.expanduser()
        routing = routing.model_copy(update={"api_key_file": key_file})
    return settings.model_copy(update={**paths, "network": network, "routing": routing})


def _with_secrets(settings: Settings) -> Settings:
    secrets = {
        key: _secret(path)
        for key in ("access_token", "password")
        if (path := getattr(settings, f"{key}_file")) is not None
    }
    routing = settings.routing
    if routing.api_key_file is not None:
        routing = routing.model_copy(update={"api_key": _secret(routing.api_key_file)})
    return settings.model_copy(update={**secrets, "routing": routing})


def _secret(path: Path) -> SecretStr:
    secret = read_text(path).strip()
    if not secret:
        raise ConfigError(Problem(str(path), "The file is empty.", "Put the secret into it."))
    return SecretStr(secret)
