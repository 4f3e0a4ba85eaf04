import os
from collections.abc import Callable
from pathlib import Path

import pytest

from config import wizard
from config.problems import ConfigError, Problem
from config.settings import ENVIRONMENT_PREFIX, Routing, Settings, Web, load

REQUIRED = """\
homeserver: https://matrix.example.org
user_id: "@clusterdesk:example.org"
admins: ["@admin:example.org"]
"""

Write = Callable[[str], Path]


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith(ENVIRONMENT_PREFIX)]:
        monkeypatch.delenv(name)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "clusterdesk.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def problems(path: Path) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        load(path)
    return caught.value.problems


def problem(path: Path) -> Problem:
    (only,) = problems(path)
    return only


def with_line(line: str) -> str:
    """A complete file in which this line replaces the one with the same key."""
    key = line.partition(":")[0]
    kept = [each for each in REQUIRED.splitlines() if not each.startswith(f"{key}:")]
    return "\n".join([*kept, line])


# --- what is read -------------------------------------------------------------------------------


def test_three_keys_are_enough(write: Write, tmp_path: Path) -> None:
    settings = load(write(REQUIRED))
    assert settings.homeserver == "https://matrix.example.org"
    assert settings.admins == ("@admin:example.org",)
    assert settings.data_dir == tmp_path / "var"
    assert settings.network == "innov-eurometropolis"
    assert settings.command_prefix == "!"
    assert settings.web == Web(listen="127.0.0.1:8480")
    assert not settings.encryption
    assert not settings.standby


def test_the_documented_example_is_read(write: Write, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("syt_secret\n")
    settings = load(
        write(
            """\
homeserver: https://matrix.example.org
user_id: "@clusterdesk:example.org"
access_token_file: token
data_dir: ./var
database: sqlite
network: innov-eurometropolis
admins: ["@admin:example.org"]
command_prefix: "!"
encryption: false
web: {listen: "127.0.0.1:8480", public_url: "https://network.example.org"}
"""
        )
    )
    assert settings.access_token is not None
    assert settings.access_token.get_secret_value() == "syt_secret"
    assert settings.web is not None
    assert (settings.web.host, settings.web.port) == ("127.0.0.1", 8480)
    assert settings.web.public_url == "https://network.example.org"


def test_paths_are_relative_to_the_file(write: Write, tmp_path: Path) -> None:
    settings = load(write(REQUIRED + "network: networks/mine.yaml\ndata_dir: /srv/clusterdesk\n"))
    assert settings.network == str(tmp_path / "networks/mine.yaml")
    assert settings.data_dir == Path("/srv/clusterdesk")


def test_web_can_be_switched_off(write: Write) -> None:
    assert load(write(REQUIRED + "web: null\n")).web is None


def test_ipv6_addresses_lose_their_brackets_for_the_socket() -> None:
    assert Web(listen="[::1]:80").host == "::1"
    assert Web(listen="[::1]:80").port == 80


def test_a_slash_after_the_address_does_no_harm(write: Write) -> None:
    settings = load(write(with_line("homeserver: https://matrix.example.org:8448/")))
    assert settings.homeserver == "https://matrix.example.org:8448"


# --- the database -------------------------------------------------------------------------------


def test_sqlite_lives_in_data_dir(write: Write, tmp_path: Path) -> None:
    settings = load(write(REQUIRED))
    assert settings.uses_sqlite
    assert str(settings.database_url) == f"sqlite+aiosqlite:///{tmp_path}/var/clusterdesk.db"


@pytest.mark.parametrize("scheme", ["postgresql+asyncpg", "postgresql", "postgres"])
def test_postgresql_is_reached_through_asyncpg(write: Write, scheme: str) -> None:
    settings = load(write(REQUIRED + f'database: "{scheme}://me:p%40ss@db:5433/name"\n'))
    url = settings.database_url
    assert not settings.uses_sqlite
    assert url.render_as_string(hide_password=False) == (
        "postgresql+asyncpg://me:p%40ss@db:5433/name"
    )


def test_sslmode_is_said_as_asyncpg_wants_it(write: Write) -> None:
    settings = load(write(REQUIRED + "database: postgresql://me@db/name?sslmode=require\n"))
    assert dict(settings.database_url.query) == {"ssl": "require"}


# --- the encoder --------------------------------------------------------------------------------

ENDPOINT = "routing: {encoder: 'https://api.example.org/v1/', model: some-model, api_key: SECRET}\n"


def test_without_a_word_about_it_the_encoder_is_chosen_for_the_operator(write: Write) -> None:
    routing = load(write(REQUIRED)).routing
    assert routing == Routing(encoder="auto", timeout=10)
    assert not routing.is_endpoint


def test_an_endpoint_may_be_the_encoder(write: Write) -> None:
    routing = load(write(REQUIRED + ENDPOINT)).routing
    assert routing.is_endpoint
    assert routing.encoder == "https://api.example.org/v1"
    assert routing.api_key is not None
    assert routing.api_key.get_secret_value() == "SECRET"


def test_the_endpoints_key_may_be_in_a_file_beside_the_configuration(
    write: Write, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("SECRET\n")
    line = ENDPOINT.replace("api_key: SECRET", "api_key_file: key")
    routing = load(write(REQUIRED + line)).routing
    assert routing.api_key is not None
    assert routing.api_key.get_secret_value() == "SECRET"
    assert routing.api_key_file == tmp_path / "key"
    (tmp_path / "key").unlink()
    assert problem(write(REQUIRED + line)).where == str(tmp_path / "key")


def test_the_encoder_from_the_environment(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTERDESK_ROUTING__ENCODER", "lexical")
    monkeypatch.setenv("CLUSTERDESK_ROUTING__TIMEOUT", "2.5")
    assert load(write(REQUIRED)).routing == Routing(encoder="lexical", timeout=2.5)


def test_a_misspelt_variable_of_the_encoder_is_refused(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLUSTERDESK_ROUTING__ENCODR", "lexical")
    found = problem(write(REQUIRED))
    assert found.where == "environment, CLUSTERDESK_ROUTING"
    assert found.remedy == "Did you mean “encoder”?"
    monkeypatch.delenv("CLUSTERDESK_ROUTING__ENCODR")
    monkeypatch.setenv("CLUSTERDESK_ROUTNG__ENCODER", "lexical")
    assert problem(write(REQUIRED)).remedy == "Did you mean CLUSTERDESK_ROUTING__ENCODER?"


# --- secrets ------------------------------------------------------------------------------------

SECRETS = """\
access_token: syt_SECRET
password: PASSWORD
database: postgresql://me:DBSECRET@db/name
routing: {encoder: "https://api.example.org", model: m, api_key: KEYSECRET}
"""


def test_secrets_are_never_printed(write: Write) -> None:
    settings = load(write(REQUIRED + SECRETS))
    shown = f"{settings} {settings!r} {settings.database_url} {settings.model_dump_json()}"
    assert "SECRET" not in shown
    assert "PASSWORD" not in shown


@pytest.mark.parametrize(
    "line",
    [
        "access_token: [SECRET]",
        "password: {SECRET: SECRET}",
        "database: mysql://me:SECRET@db/name",
        "database: postgresql://me:SECRET@db:SECRET/name",
        "database: [SECRET]",
        "homeserver: https://me:SECRET@example.org",
        "routing: {encoder: 'https://me:SECRET@example.org'}",
        "routing: {encoder: 'https://example.org/?key=SECRET'}",
        "routing: {encoder: SECRET}",
        "routing: {api_key: [SECRET]}",
    ],
)
def test_faults_do_not_repeat_secrets(write: Write, line: str) -> None:
    assert "SECRET" not in str(problem(write(with_line(line))))


def test_a_secret_is_given_once(write: Write) -> None:
    found = problem(write(REQUIRED + "access_token: a\naccess_token_file: b\n"))
    assert found.sentence == "Both access_token and access_token_file are given."


def test_the_endpoints_key_is_given_once(write: Write) -> None:
    line = ENDPOINT.replace("}", ", api_key_file: b}")
    found = problem(write(REQUIRED + line))
    assert found.where.endswith(", routing")
    assert found.sentence == "Both api_key and api_key_file are given."


def test_a_secret_file_must_hold_something(write: Write, tmp_path: Path) -> None:
    assert problem(write(REQUIRED + "password_file: gone\n")).where == str(tmp_path / "gone")
    (tmp_path / "gone").write_text("\n")
    assert problem(write(REQUIRED + "password_file: gone\n")).sentence == "The file is empty."


# --- the environment ----------------------------------------------------------------------------


def test_the_environment_wins(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTERDESK_HOMESERVER", "http://localhost:8008")
    monkeypatch.setenv("CLUSTERDESK_WEB__LISTEN", "0.0.0.0:80")
    monkeypatch.setenv("CLUSTERDESK_ADMINS", "@a:example.org, @b:example.org")
    monkeypatch.setenv("CLUSTERDESK_ENCRYPTION", "false")
    monkeypatch.setenv("CLUSTERDESK_COMMAND_PREFIX", "")
    settings = load(write(REQUIRED + "web: {public_url: https://example.org}\n"))
    assert settings.homeserver == "http://localhost:8008"
    assert settings.web == Web(listen="0.0.0.0:80", public_url="https://example.org")
    assert settings.admins == ("@a:example.org", "@b:example.org")
    assert settings.command_prefix == "!"


def test_the_environment_may_write_lists_as_json(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLUSTERDESK_ADMINS", '["@a:example.org", "@b:example.org"]')
    assert load(write(REQUIRED)).admins == ("@a:example.org", "@b:example.org")


def test_the_environment_can_switch_the_web_off(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLUSTERDESK_WEB", "null")
    assert load(write(REQUIRED)).web is None


def test_a_fault_in_the_environment_is_looked_for_there(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLUSTERDESK_WEB__LISTEN", "8480")
    assert problem(write(REQUIRED)).where == "environment, CLUSTERDESK_WEB"
    monkeypatch.setenv("CLUSTERDESK_WEB__LISTEN", "localhost:8480")
    monkeypatch.setenv("CLUSTERDESK_WEB__LISTN", "localhost:8480")
    assert problem(write(REQUIRED)).remedy == "Did you mean “listen”?"


def test_a_variable_that_cannot_be_read_is_said(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLUSTERDESK_WEB", "{listen: SECRET")
    found = problem(write(REQUIRED))
    assert found.where == "environment, CLUSTERDESK_WEB"
    assert "SECRET" not in str(found)


def test_a_misspelt_variable_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTERDESK_HOMESERVR", "http://localhost:8008")
    assert problem(write(REQUIRED)).remedy == "Did you mean CLUSTERDESK_HOMESERVER?"


def test_variables_of_a_container_platform_are_no_mistake(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SERVICE_HOST", "SERVICE_PORT", "PORT", "PORT_8480_TCP_ADDR"):
        monkeypatch.setenv(f"CLUSTERDESK_{name}", "10.0.0.1")
    assert load(write(REQUIRED)).homeserver == "https://matrix.example.org"


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "sentence", "remedy"),
    [
        ("homeserver: matrix.example.org", "starts with https", "https://matrix.example.org"),
        ("homeserver: https://example.org/_matrix", "path", "https://example.org alone"),
        ("homeserver: https://example.org:port", "not a web address", "https://"),
        ("user_id: clusterdesk", "not a Matrix user ID", "@name:example.org"),
        ('user_id: "@two words:example.org"', "not a Matrix user ID", "@name:example.org"),
        ("admins: []", "no human admin", "Add at least one person"),
        ('admins: ["@clusterdesk:example.org"]', "cannot be an admin", "Name people"),
        ("admins: [admin]", "“admin” is not a Matrix user ID", "in full"),
        ("database: mysql://me@db/name", "“mysql” is not a database", "postgresql+asyncpg://"),
        ("database: postgresql://db", "does not name a database", "postgresql+asyncpg://"),
        ("database: sqlite3", "not a database", "Write sqlite"),
        ("command_prefix: /", "“/” cannot start a command", "!"),
        ("command_prefix: bot", "“bot” cannot start a command", "signs"),
        ("encryption: true", "not supported yet", "encryption: false"),
        ("encryption: perhaps", "true or false", "true or false"),
        ("log_format: xml", "not one of the values", "'console' or 'json'"),
        ("standby: true", "only with PostgreSQL", "postgresql+asyncpg://"),
        ("web: {listen: 8480}", "must be text", "quotes"),
        ("web: {listen: localhost}", "not an address to listen on", "127.0.0.1:8480"),
        ("web: {listen: 'localhost:99999'}", "not an address to listen on", "127.0.0.1:8480"),
        ("web: {public_url: example.org}", "starts with https", "https://"),
        ("web: yes", "keys of its own", "key: value"),
        ("network: [a]", "must be text", "quotes"),
        ("routing: {encoder: use+e}", "not an encoder", "Did you mean “use+e5”?"),
        ("routing: {encoder: openai}", "not an encoder", "auto, lexical, use, use+e5"),
        ("routing: {encoder: 'ftp://example.org'}", "starts with https", "https://api.example.org"),
        ("routing: {encoder: 'https://example.org/?k=1'}", "end with its path", "api_key"),
        ("routing: {encoder: 'https://example.org/v1'}", "name of a model", "model: …"),
        ("routing: {encoder: use, model: m}", "has its own model", "Remove this key"),
        ("routing: {timeout: 0}", "kept waiting", "Write seconds"),
        ("routing: {timeout: .nan}", "must be a number", "Write digits"),
        ("routing: {timeout: 10s}", "must be a number", "without quotes or a unit"),
        ("routing: lexical", "keys of its own", "key: value"),
    ],
)
def test_a_fault_is_a_sentence_with_a_remedy(
    write: Write, line: str, sentence: str, remedy: str
) -> None:
    found = problem(write(with_line(line)))
    assert line.partition(":")[0] in found.where
    assert sentence in found.sentence
    assert remedy in found.remedy


def test_all_faults_are_told_at_once(write: Write) -> None:
    path = write("homeserver: example\ncommand_prefix: x\nwebb: null\n")
    unknown, homeserver, user_id, admins, prefix = problems(path)
    assert unknown.sentence == "“webb” is not a known key."
    assert homeserver.where == f"{path}, homeserver"
    assert prefix.where == f"{path}, command_prefix"
    assert user_id.sentence == admins.sentence == "This key is missing."
    assert user_id.remedy == 'Add it: “user_id: "@clusterdesk:example.org"”.'


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("homesever: https://example.org", "Did you mean “homeserver”?"),
        ("web: {publicurl: https://example.org}", "Did you mean “public_url”?"),
        ("routing: {encoders: auto}", "Did you mean “encoder”?"),
        ("_env_file: x", "Did you mean “access_token_file”?"),
        ("zzz: 1", "keys known here are: access_token,"),
    ],
)
def test_an_unknown_key_names_the_nearest(write: Write, line: str, remedy: str) -> None:
    assert remedy in problem(write(REQUIRED + line)).remedy


def test_a_key_given_twice_is_refused(write: Write) -> None:
    found = problem(write(REQUIRED + "homeserver: https://other.example.org\n"))
    assert found.where.endswith("line 4")
    assert found.sentence == "The key “homeserver” is there twice."


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "holds no keys"),
        ("- a\n", "holds no keys"),
        ("a: b: c\n", "This is not YAML"),
        ("a: 'b\n", "This is not YAML"),
        ("1: b\n", "the key “1” is not text"),
        ("a: \x07\n", "forbidden in YAML"),
    ],
)
def test_a_file_that_is_no_configuration(write: Write, text: str, sentence: str) -> None:
    assert sentence in problem(write(text)).sentence


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert problem(tmp_path / "gone.yaml").sentence == "There is no such file."
    assert "cannot be read" in problem(tmp_path).sentence
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9")
    assert "not UTF-8" in problem(tmp_path / "latin.yaml").sentence


# --- clusterdesk init ---------------------------------------------------------------------------

ANSWERS = {
    "homeserver": "https://matrix.example.org",
    "user_id": "@clusterdesk:example.org",
    "access_token": 'syt_"quoted"\\',
    "admins": "@a:example.org, @b:example.org",
    "network": "./mine.yaml",
    "database": "postgresql://me:p@db/name",
    "data_dir": "/srv/bot: data",
    "listen": "0.0.0.0:80",
    "public_url": "https://network.example.org",
}


def test_what_init_writes_is_read_back(write: Write, tmp_path: Path) -> None:
    settings = load(write(wizard.render(ANSWERS)))
    assert settings.access_token is not None
    assert settings.access_token.get_secret_value() == ANSWERS["access_token"]
    assert settings.admins == ("@a:example.org", "@b:example.org")
    assert settings.network == str(tmp_path / "mine.yaml")
    assert settings.database_url.host == "db"
    assert str(settings.data_dir) == ANSWERS["data_dir"]
    assert settings.web == Web(listen="0.0.0.0:80", public_url="https://network.example.org")


def test_init_needs_three_answers(write: Write) -> None:
    asked = {question.key for question in wizard.QUESTIONS if question.default is None}
    assert asked == {"homeserver", "user_id", "admins"}
    written = wizard.render({key: ANSWERS[key] for key in asked})
    by_hand = load(write(REQUIRED))
    expected = by_hand.model_copy(update={"admins": ("@a:example.org", "@b:example.org")})
    assert load(write(written)) == expected


def test_init_names_every_key() -> None:
    written = wizard.render(ANSWERS)
    assert [key for key in Settings.model_fields if f"{key}:" not in written] == []


def test_init_refuses_an_answer_the_file_would_refuse() -> None:
    questions = {question.key: question for question in wizard.QUESTIONS}
    assert "Matrix user ID" in (questions["admins"].refusal("@a:example.org, bob") or "")
    assert questions["homeserver"].refusal(" ") == "An answer is needed here."
    assert [key for key, each in questions.items() if each.refusal(ANSWERS[key])] == []
    assert [key for key, each in questions.items() if each.default and each.refusal("")] == []
