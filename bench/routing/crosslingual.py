"""Experts found across languages: a question in one, the profile in another.

The folder holds the three ESCO files (`esco_occupations_en.csv`, `…_fr.csv`, `…_nl.csv`). An expert
declares up to 8 occupations of one ISCO group; the question is another occupation of the group; it
has to find its expert among 40. What is measured is the product's own likeness of profiles, beside
character n-grams alone. Every pair of languages is run, for several draws of 40 other groups each.
"""

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

import numpy as np

from bench.routing.desks import ENCODERS, LANGUAGES
from bot.services.encoding import Encoder, Text, Vectors
from bot.services.routing.profiles import Profile, ProfileMatcher
from bot.services.routing.router import text_of

EXPERTS = 40
OCCUPATIONS = 8
FEWEST = 5
DRAWS = 3
OTHER_NAMES = 5

Occupation: TypeAlias = Mapping[str, str]
"""What is said of it, by language."""


@dataclass(frozen=True, slots=True)
class Group:
    """An expert: what they declare, and the one of their occupations that is asked about."""

    declared: Sequence[Occupation]
    asked: Occupation


@dataclass(slots=True)
class Tally:
    ranks: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def figures(self) -> dict[str, float]:
        same, cross = (np.array(self.ranks[kind]) for kind in ("same", "cross"))
        return {
            "cross_p_at_1": _share(cross < 1),
            "cross_hit_at_3": _share(cross < 3),
            "same_p_at_1": _share(same < 1),
            "same_hit_at_3": _share(same < 3),
            "cross_to_same": round(float((cross < 1).mean() / max((same < 1).mean(), 1e-9)), 3),
        }


def read(folder: Path) -> list[Group]:
    said: dict[str, dict[str, str]] = defaultdict(dict)
    group_of: dict[str, str] = {}
    for language in LANGUAGES:
        path = folder / f"esco_occupations_{language}.csv"
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                said[row["conceptUri"]][language] = _said(row)
                group_of[row["conceptUri"]] = row["iscoGroup"]
    groups: dict[str, list[Occupation]] = defaultdict(list)
    for uri in sorted(said, key=lambda uri: sha256(uri.encode()).digest()):
        if len(said[uri]) == len(LANGUAGES):
            groups[group_of[uri]].append(said[uri])
    return [
        Group(members[1 : OCCUPATIONS + 1], members[0])
        for _, members in sorted(groups.items())
        if len(members) >= FEWEST
    ]


def _said(row: Mapping[str, str]) -> str:
    others = [name.strip() for name in row["altLabels"].splitlines() if name.strip()]
    names = list(dict.fromkeys([row["preferredLabel"], *others]))[: OTHER_NAMES + 1]
    return f"{', '.join(names)}\n{row['description']}".strip()


async def run(folder: Path, seed: int = 0) -> dict[str, Any]:
    groups = read(folder)
    Random(seed).shuffle(groups)
    draws = [groups[start : start + EXPERTS] for start in range(0, DRAWS * EXPERTS, EXPERTS)]
    letters = Tally()
    for draw in draws:
        _rank(draw, {}, letters)
    engines: dict[str, Any] = {}
    for name, make in ENCODERS.items():
        encoder = make()
        vectors = await _encoded(draws, encoder)
        tally = Tally()
        for draw in draws:
            _rank(draw, vectors, tally)
        engines[name] = {"encoder": encoder.name, **tally.figures()}
    return {
        "part": "crosslingual",
        "experts": EXPERTS,
        "draws": DRAWS,
        "questions": len(letters.ranks["cross"]) + len(letters.ranks["same"]),
        **{key: value for key, value in engines[list(ENCODERS)[-1]].items() if key != "encoder"},
        "engines": engines,
        "baselines": {"letters": letters.figures()},
    }


async def _encoded(draws: Sequence[Sequence[Group]], encoder: Encoder) -> dict[Text, Vectors]:
    occupations = [each for draw in draws for group in draw for each in _all(group)]
    texts = [text_of(each[language], language) for each in occupations for language in LANGUAGES]
    distinct = list(dict.fromkeys(texts))
    return dict(zip(distinct, await encoder.encode(distinct), strict=True))


def _all(group: Group) -> list[Occupation]:
    return [*group.declared, group.asked]


def _rank(draw: Sequence[Group], vectors: Mapping[Text, Vectors], tally: Tally) -> None:
    """The rank of the right expert, from 0, for each group and each pair of languages."""
    for written in LANGUAGES:
        matcher = ProfileMatcher([_profile(group, written, vectors) for group in draw])
        for asked in LANGUAGES:
            for right, group in enumerate(draw):
                text = text_of(group.asked[asked], asked)
                likeness = matcher.likeness(text.words, asked, vectors.get(text))
                rank = int((likeness > likeness[right]).sum())
                tally.ranks["same" if asked == written else "cross"].append(rank)


def _profile(group: Group, language: str, vectors: Mapping[Text, Vectors]) -> Profile:
    texts = [text_of(each[language], language) for each in group.declared]
    return Profile(
        tuple(text.words for text in texts),
        np.stack([vectors[text] for text in texts]) if vectors else None,
        frozenset({language}),
    )


def _share(hits: Any) -> float:
    return round(float(np.mean(hits)), 3)
