"""YAML as operators mean it.

PyYAML reads YAML 1.1, where `17:00` is the number 1020, `no` is false and a key written twice
silently loses its first value. Here scalars follow the core schema of YAML 1.2 (§10.3), and a
doubled key is a fault.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from config.problems import ConfigError, Problem


def read_yaml(path: Path) -> dict[str, Any]:
    """The map in the file. Raises `ConfigError` when there is no readable file or no map in it."""
    return parse_yaml(read_text(path), str(path))


def parse_yaml(text: str, source: str) -> dict[str, Any]:
    try:
        data = yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        raise ConfigError(_not_yaml(source, error)) from error
    except yaml.YAMLError as error:
        problem = Problem(source, "Some characters are forbidden in YAML.", "Remove them.")
        raise ConfigError(problem) from error
    if not isinstance(data, dict):
        raise ConfigError(
            Problem(source, "The file holds no keys.", "Write “key: value”, one on each line.")
        )
    return data


def read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        problem = Problem(str(path), "There is no such file.", "Check the path.")
        raise ConfigError(problem) from error
    except OSError as error:
        problem = Problem(
            str(path),
            f"The file cannot be read ({error.strerror}).",
            "Check the path, and that the user who runs clusterdesk may read it.",
        )
        raise ConfigError(problem) from error
    except UnicodeDecodeError as error:
        problem = Problem(str(path), "The file is not UTF-8 text.", "Save it as plain UTF-8.")
        raise ConfigError(problem) from error


def _not_yaml(source: str, error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark
    where = f"{source}, line {mark.line + 1}" if mark else source
    if isinstance(error, _KeyFault):
        return Problem(where, f"{error.problem}.", "Keep one of them.")
    return Problem(
        where,
        f"This is not YAML: {error.problem}.",
        "Check the indentation (spaces, no tabs) and the quotes around it.",
    )


class _KeyFault(yaml.constructor.ConstructorError):
    pass


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.MarkedYAMLError(
                    problem=f"the key “{key}” is not text", problem_mark=key_node.start_mark
                )
            if key in seen:
                raise _KeyFault(
                    problem=f"The key “{key}” is there twice", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), list(_first)
    )
