"""Who may do what. A role includes those before it: whoever may route questions may answer them."""

from enum import StrEnum


class Role(StrEnum):
    MEMBER = "member"
    EXPERT = "expert"
    COORDINATOR = "coordinator"
    ADMIN = "admin"


_RANKS = {role: rank for rank, role in enumerate(Role)}


def allows(held: frozenset[Role], needed: Role | None) -> bool:
    """Whether somebody who holds these roles may do what needs one. Nothing needed: anybody may."""
    return needed is None or any(_RANKS[role] >= _RANKS[needed] for role in held)
