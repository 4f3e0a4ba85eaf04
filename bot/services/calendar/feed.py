"""The network's events for calendar programs."""

from datetime import timedelta

from bot.domain import ical
from bot.services.calendar.common import event_of
from bot.services.instance import Instance
from storage import calendar
from storage.database import Uow

KEPT = timedelta(days=365)
"""How long an event stays in the calendars after its day."""


class UnknownCluster(LookupError):
    """The network has no cluster of this key, or no longer."""


async def ics(uow: Uow, instance: Instance, cluster: str | None) -> str:
    """text/calendar (RFC 5545) with the events of one cluster, which are also those of the whole
    network, or with all of them when ``cluster`` is None. Raises ``UnknownCluster``.

    The same until an event changes or a year has passed since it.
    """
    rows = await calendar.announced(uow.session, uow.now - KEPT)
    listed = [each for each in rows if not cluster or not each.clusters or cluster in each.clusters]
    return ical.feed(
        map(event_of, listed),
        name=_name(instance, cluster),
        network=instance.network.key,
        zone=instance.network.timezone,
    )


def _name(instance: Instance, cluster: str | None) -> str:
    network = instance.network
    name = network.text(network.name, instance.first_language)
    if cluster is None:
        return name
    found = network.cluster(cluster)
    if found is None:
        raise UnknownCluster(cluster)
    return f"{name} · {network.text(found.name, instance.first_language)}"
