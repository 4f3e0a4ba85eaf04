"""What people may call the network's rooms and languages when they type a command."""

from collections.abc import Mapping
from dataclasses import dataclass

from config.network import Network

Names = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class NetworkVocabulary:
    desks: Names
    clusters: Names
    rooms: Names
    languages: tuple[str, ...]


def vocabulary(network: Network) -> NetworkVocabulary:
    desks = {each.key: each.name for each in network.desks}
    clusters = {each.key: each.name for each in network.clusters}
    forum = {network.forum.key: network.forum.name} if network.forum else {}
    everything = {"all": {"fr": "tous", "nl": "alle", "en": "all"}}
    rooms = {**everything, **clusters, **desks, **forum}
    return NetworkVocabulary(desks, clusters, rooms, network.languages)
