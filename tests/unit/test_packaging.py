"""What is installed is what is locked, and what is used is what is declared."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PACKAGES = ("bot", "commands", "storage", "config")
LOCKS = ("requirements.lock", "requirements-e5.lock", "requirements-dev.lock")
LOCK_LINE = re.compile(
    r"(?P<name>[a-z0-9-]+)==(?P<version>[^ ]+)( ; [^\\]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?"
)


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def runtime() -> list[Requirement]:
    return [Requirement(line) for line in project()["project"]["dependencies"]]


def extras(*names: str) -> list[Requirement]:
    groups = project()["project"]["optional-dependencies"]
    return [Requirement(line) for name in names or groups for line in groups[name]]


def locked(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    matches = [match for line in lines if (match := LOCK_LINE.fullmatch(line))]
    return {match["name"]: match["version"] for match in matches if match["name"]}


def unsatisfied(requirements: list[Requirement], lock: dict[str, str]) -> list[str]:
    return [
        str(requirement)
        for requirement in requirements
        if not requirement.specifier.contains(lock.get(canonicalize_name(requirement.name), "0"))
    ]


def imported(folder: Path) -> set[str]:
    """The full names of what the modules below this folder import."""
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in folder.rglob("*.py"))
    return {name for tree in trees for name in _imports(tree)}


def roots(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_versions_and_hashes_and_no_addresses(name: str) -> None:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not LOCK_LINE.fullmatch(line)] == []


def test_the_locks_satisfy_what_the_project_declares() -> None:
    assert unsatisfied(runtime(), locked("requirements.lock")) == []
    assert unsatisfied(runtime() + extras(), locked("requirements-dev.lock")) == []


def test_what_is_tested_is_what_operators_install() -> None:
    tested = locked("requirements-dev.lock").items()
    assert locked("requirements.lock").items() <= tested
    assert locked("requirements-e5.lock").items() <= tested


def test_the_locks_hold_the_extra_encoder() -> None:
    both = locked("requirements.lock") | locked("requirements-e5.lock")
    assert unsatisfied(runtime() + extras("e5"), both) == []


def test_every_import_of_the_product_is_a_declared_dependency() -> None:
    used = {name for package in PACKAGES for name in imported(ROOT / package)}
    foreign = roots(used) - sys.stdlib_module_names - set(PACKAGES)
    providers = packages_distributions()
    declared = {canonicalize_name(each.name) for each in runtime() + extras("demo", "e5")}
    undeclared = {
        name
        for name in foreign
        if declared.isdisjoint(canonicalize_name(found) for found in providers.get(name, []))
    }
    assert undeclared == set()


def test_the_command_line_runs_as_a_module_too() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "bot.cli", "version"], cwd=ROOT, capture_output=True, check=True
    )
    assert b"clusterdesk" in ran.stdout


def test_the_domain_imports_the_standard_library_and_itself_alone() -> None:
    used = imported(ROOT / "bot" / "domain")
    ours = {name for name in used if name.startswith("bot.domain")}
    assert roots(used - ours) <= sys.stdlib_module_names


def test_the_wheel_carries_every_file_of_the_four_packages() -> None:
    carried = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    present = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert present <= carried
