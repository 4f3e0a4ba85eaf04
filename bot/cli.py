"""The command line. Every subcommand is thin: it reads the configuration, calls one thing, and
says what happened. Exit codes: 0 done, 1 refused or failed with a message, 2 wrong usage."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from bot import database_commands
from bot.app import AnotherBotRuns, Bot, LockLost
from bot.check import check as run_checks
from bot.logs import configure
from bot.matrix.session import NoCredentials, WrongAccount
from bot.plan import provision as run_provision
from bot.versions import versions
from bot.web.app import CannotListen
from config.problems import ConfigError
from config.settings import Settings, load
from config.wizard import QUESTIONS, render
from storage.migrate import DatabaseTooNew

DEFAULT_FILE = Path("clusterdesk.yaml")
FAILURES = (
    AnotherBotRuns,
    LockLost,
    WrongAccount,
    NoCredentials,
    DatabaseTooNew,
    CannotListen,
    database_commands.Impossible,
)

app = typer.Typer(
    help="The bot that runs the virtual network of an innovation community on Matrix.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(database_commands.app, name="db")

ConfigFile = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration file.", envvar="CLUSTERDESK_FILE")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")]
LogFormat = Annotated[
    str | None, typer.Option(help="json or console; the configuration's otherwise.")
]


def main() -> None:
    app()


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)


def _settings(path: Path) -> Settings:
    try:
        return load(path)
    except ConfigError as error:
        _fail("\n".join(f"✗ {problem}" for problem in error.problems))


def _run(job: Coroutine[Any, Any, int | None]) -> None:
    try:
        code = asyncio.run(job)
    except ConfigError as error:
        _fail("\n".join(f"✗ {problem}" for problem in error.problems))
    except FAILURES as error:
        _fail(f"✗ {error}")
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    if code:
        raise typer.Exit(code)


@app.command()
def run(
    config: ConfigFile = DEFAULT_FILE,
    verbose: Verbose = False,
    log_format: LogFormat = None,
) -> None:
    """Run the bot: migrate, make the rooms, answer. Stops cleanly on SIGTERM and Ctrl-C."""
    settings = _settings(config)
    configure(log_format or settings.log_format, verbose=verbose)
    _run(_until_stopped(lambda: Bot(settings, settings_path=config)))


async def _until_stopped(make: Callable[[], Bot]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop.set)
    await make().run(stop)


@app.command()
def check(config: ConfigFile = DEFAULT_FILE) -> None:
    """Say what is wrong with the configuration and its surroundings, and how to mend it."""
    _run(run_checks(config, typer.echo))


@app.command()
def provision(
    config: ConfigFile = DEFAULT_FILE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the plan.")] = False,
) -> None:
    """Print what would be made or changed on the homeserver, and do it unless --dry-run."""
    settings = _settings(config)
    configure(settings.log_format, verbose=False, quiet=True)
    _run(run_provision(settings, typer.echo, dry_run=dry_run))


@app.command()
def init(path: Annotated[Path, typer.Argument(help="Where to write it.")] = DEFAULT_FILE) -> None:
    """Ask a few questions and write a commented configuration file."""
    if path.exists():
        _fail(f"✗ {path} exists already; name another file, or move it away first")
    answers = {each.key: _answer(each) for each in QUESTIONS}
    path.write_text(render(answers), encoding="utf-8")
    path.chmod(0o600)
    typer.echo(f"✓ wrote {path}. Next: clusterdesk check -c {path}")


def _answer(question: Any) -> str:
    while True:
        answer: str = typer.prompt(
            question.prompt,
            default=question.default,
            hide_input=question.secret,
            show_default=bool(question.default),
        )
        refusal = question.refusal(answer)
        if refusal is None:
            return answer
        typer.echo(f"  {refusal}")


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Leave after the scene.")] = False,
    port: Annotated[int | None, typer.Option(help="The homeserver's port; any free one.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the data afterwards.")] = False,
) -> None:
    """Show a whole network at work on a private homeserver on this machine."""
    from bot.demo.scene import play  # only the demo needs the homeserver's package

    configure("console", verbose=False, quiet=True)
    _run(play(once=once, port=port, keep=keep))


@app.command()
def version() -> None:
    """Versions of clusterdesk, nio, Python and the database."""
    for name, number in versions().items():
        typer.echo(f"{name} {number}")


if __name__ == "__main__":
    main()
