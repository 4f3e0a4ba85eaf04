"""Keeps the catalogues and the texts in the code together, for translators and for CI.

    python -m config.catalogues update    adds what is new, drops what is gone
    python -m config.catalogues check     says what is wrong; exit code 1 if anything is

Babel's own extractor works on tokens: it passes over f-strings in silence, joins the two sides of a
conditional expression, and takes the key out of `tr(TEXTS["ask"])`. So the sources are read as
syntax trees here, and only the catalogues are left to Babel.
"""

import argparse
import ast
import gettext
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po, write_po

from bot.domain.content import placeholders
from config.locales import CATALOGUE

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("bot", "commands")
LOCALES = Path("config", "locales")

MESSAGE_ARGUMENTS = {
    "tr": (0,),
    "N_": (0,),
    "plain": (0,),
    "each": (1,),
    "plural": (0, 1),
}
"""The functions that take messages, called by name or as methods, and where these stand."""


@dataclass
class Extraction:
    catalog: Catalog = field(default_factory=lambda: Catalog(project="clusterdesk"))
    faults: list[str] = field(default_factory=list)


def extract(root: Path) -> Extraction:
    """The messages in the sources below `root`."""
    found = Extraction()
    for folder in SOURCES:
        for path in sorted((root / folder).rglob("*.py")):
            _extract_file(path, path.relative_to(root).as_posix(), found)
    return found


def check(root: Path) -> list[str]:
    """All that is wrong with the texts in the code and with the catalogues."""
    source = extract(root)
    faults = [*source.faults, *_source_faults(source.catalog)]
    for path in _catalogues(root):
        where = path.relative_to(root / LOCALES).parts[0]
        faults += [f"{where}: {fault}" for fault in catalogue_faults(_read(path), source.catalog)]
    return faults


def update(root: Path) -> list[Path]:
    """Brings the catalogues up to date with the sources; returns those that changed.

    A message that changed a little keeps its translation, marked fuzzy for the translator to see.
    """
    source = extract(root).catalog
    return [path for path in _catalogues(root) if _update_file(path, source)]


def catalogue_faults(catalogue: Catalog, source: Catalog) -> Iterator[str]:
    yield from (f"obsolete: {_shown(old)}" for old in catalogue.obsolete.values())
    known = {message.id for message in source if message.id}
    there = {message.id for message in catalogue if message.id}
    yield from (f"missing: {_quoted(id_)}" for id_ in sorted(known - there, key=str))
    yield from (f"unused: {_quoted(id_)}" for id_ in sorted(there - known, key=str))
    for message in catalogue:
        if message.id and message.id in known:
            yield from (f"{fault}: {_shown(message)}" for fault in _faults(message, catalogue))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m config.catalogues", description=__doc__)
    parser.add_argument("action", choices=("update", "check"))
    if parser.parse_args(arguments).action == "update":
        for path in update(ROOT):
            print(f"updated {path.relative_to(ROOT)}")
        return 0
    faults = check(ROOT)
    print("\n".join(faults) or "The catalogues are complete.")
    return 1 if faults else 0


# --- the sources --------------------------------------------------------------------------------


def _extract_file(path: Path, name: str, found: Extraction) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), name)):
        if isinstance(node, ast.Call) and (wanted := MESSAGE_ARGUMENTS.get(_called(node))):
            arguments = [node.args[index] for index in wanted if index < len(node.args)]
            if len(arguments) == len(wanted):
                _extract_call(node, arguments, name, found)


def _extract_call(call: ast.Call, arguments: list[ast.expr], name: str, found: Extraction) -> None:
    if not all(_acceptable(argument, _called(call)) for argument in arguments):
        found.faults.append(
            f"{name}:{call.lineno}: a message must be a plain string, not put together: "
            f"{ast.unparse(call)}"
        )
        return
    literals = [list(_literals(argument)) for argument in arguments]
    ids = zip(*literals, strict=True) if len(literals) > 1 else literals[0]
    for id_ in ids:
        found.catalog.add(id_, locations=[(name, call.lineno)])


def _called(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(value=ast.Name(id="texts") | ast.Attribute(attr="texts")):
            return "tr"  # texts["nl"]("…")
        case ast.Call(func=ast.Name(id="tr") | ast.Attribute(attr="tr")):
            return "tr"  # instance.tr(language)("…")
    return ""


def _acceptable(argument: ast.expr, function: str) -> bool:
    """A literal, a choice of literals, or a variable that was marked with `N_` elsewhere."""
    match argument:
        case ast.Constant(value=str(text)):
            return bool(text)
        case ast.IfExp(body=yes, orelse=no):
            return _acceptable(yes, function) and _acceptable(no, function)
        case ast.JoinedStr() | ast.BinOp() | ast.BoolOp():
            return False
        case ast.Call(func=ast.Attribute(attr="format" | "join")):
            return False
    return function != "N_"


def _literals(argument: ast.expr) -> Iterator[str]:
    match argument:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=yes, orelse=no):
            yield from _literals(yes)
            yield from _literals(no)


def _source_faults(source: Catalog) -> Iterator[str]:
    for message in source:
        if message.id:
            where = f"{message.locations[0][0]}:{message.locations[0][1]}"
            yield from (f"{where}: {fault}" for fault in _text_faults(message))


def _text_faults(message: Message) -> Iterator[str]:
    try:
        needed = [placeholders(text) for text in _forms(message.id)]
    except ValueError as error:
        yield f"malformed: {error}"
        return
    if needed[0] - {"n"} != needed[-1] - {"n"}:
        yield f"singular and plural need different values: {_shown(message)}"
    if any("'" in text for text in _forms(message.id)):
        yield f"write ’ for the apostrophe: {_shown(message)}"


# --- the catalogues -----------------------------------------------------------------------------

_SPACED_BY_THIN = re.compile(r"(?<![\u202f!?])[;!?](?!\w)")
_SPACED_BY_FULL = re.compile(r"(?<!\u00a0):(?=\s|$)|«(?!\u00a0)|(?<!\u00a0)»")


def _catalogues(root: Path) -> list[Path]:
    return sorted((root / LOCALES).glob(f"*/{CATALOGUE}"))


def _read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=path.parent.parent.name, abort_invalid=True)


def _update_file(path: Path, source: Catalog) -> bool:
    catalogue = _read(path)
    revised, created = catalogue.revision_date, catalogue.creation_date
    catalogue.update(source, update_creation_date=False)
    catalogue.revision_date, catalogue.creation_date = revised, created
    catalogue.obsolete.clear()
    written = BytesIO()
    write_po(written, catalogue, width=100, sort_output=True, include_lineno=False)
    if written.getvalue() == path.read_bytes():
        return False
    path.write_bytes(written.getvalue())
    return True


def _faults(message: Message, catalogue: Catalog) -> Iterator[str]:
    forms = _forms(message.string)
    if len(forms) != (catalogue.num_plurals if message.pluralizable else 1) or not all(forms):
        yield "not translated"
        return
    if message.fuzzy:
        yield "fuzzy"
    yield from _placeholder_faults(message, catalogue)
    if any("'" in form for form in forms):
        yield "write ’ for the apostrophe"
    if str(catalogue.locale) == "fr":
        yield from (fault for form in forms for fault in french_faults(form))


def french_faults(text: str) -> Iterator[str]:
    """French spaces its punctuation. A sign before a letter, as in `!ask`, is none."""
    if _SPACED_BY_THIN.search(text):
        yield "put a narrow no-break space (U+202F) before ; ! ?"
    if _SPACED_BY_FULL.search(text):
        yield "put a no-break space (U+00A0) before : and inside « »"


def _placeholder_faults(message: Message, catalogue: Catalog) -> Iterator[str]:
    needed = placeholders(_forms(message.id)[-1])
    for index, form in enumerate(_forms(message.string)):
        try:
            used = placeholders(form)
        except ValueError as error:
            yield f"malformed ({error})"
            continue
        optional = {"n"} if message.pluralizable and _stands_for_one(index, catalogue) else set()
        if needed - used - optional or used - needed:
            yield f"has {_names(used)} instead of {_names(needed)}"


def _stands_for_one(form: int, catalogue: Catalog) -> bool:
    """Whether this plural form serves a single number, so that it need not be shown.

    The first form of English and Dutch does; that of French also serves 0.
    """
    plural = gettext.c2py(catalogue.plural_expr)
    return sum(plural(n) == form for n in range(200)) == 1


def _forms(text: str | Iterable[str] | None) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text or ())


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in sorted(names)) or "no placeholder"


def _shown(message: Message) -> str:
    return _quoted(message.id)


def _quoted(id_: str | Iterable[str]) -> str:
    return f"“{_forms(id_)[0]}”"


if __name__ == "__main__":
    raise SystemExit(main())
