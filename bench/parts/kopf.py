"""
kopf operators, two replicas: led by k8s-leader, and by kopf's own peering.
"""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor

from bench.electors import Measured
from bench.figures import Samples
from bench.kopf_site import WAYS, KopfSite, make_peerings
from bench.lab import Lab
from bench.part import Part, Row
from bench.stage import boot_time

__all__ = ["PART"]

_LANES = 8
_LOOKS = 25
_OBJECTS = 40
_EVERY = 0.15
_CALM = 2.0
_BESIDE = 5.0
"""Seconds for which a cut-off leader is watched once the other one works."""

Found = dict[str, list[float]]


def measure(lab: Lab) -> Samples:
    """
    Let replicas crash, come back, stop and be cut off, in several namespaces at once.
    """
    make_peerings(lab)
    shares = [len(range(lane, lab.rounds, _LANES)) for lane in range(_LANES)]
    return {way: _all(lab, way, [s for s in shares if s]) for way in WAYS}


def _stopped(lab: Lab, way: str) -> list[float]:
    """
    Stop leaders one after the other: it takes parts of a second, so nothing else runs.
    """
    found = []
    for _ in range(lab.rounds):
        with KopfSite(lab, way) as site:
            _lead_and_stand_by(site)
            time.sleep(_CALM)
            found.append(_followed(site, "a", signal.SIGTERM, about="stopped"))
    return found


def _all(lab: Lab, way: str, shares: list[int]) -> Measured:
    lab.say(f"  {way}")

    def lane(rounds: int) -> Found:
        found: Found = {"killed": [], "twice": [], "beside": []}
        for _ in range(rounds):
            with KopfSite(lab, way) as site:
                _round(site, found)
        return found

    joined: Found = {}
    with ThreadPoolExecutor(len(shares)) as pool:
        for part in pool.map(lane, shares):
            for key, samples in part.items():
                joined.setdefault(key, []).extend(samples)
    return {**joined, "stopped": _stopped(lab, way)}


def _lead_and_stand_by(site: KopfSite) -> None:
    site.enter("a")
    site.wait_for("tick", name="a")
    site.enter_and_wait("b")


def _round(site: KopfSite, found: Found) -> None:
    _lead_and_stand_by(site)
    found["killed"].append(_followed(site, "a", signal.SIGKILL, about="killed"))
    leader = _come_back(site, found)
    found["beside"].append(_cut_off(site, leader, "b" if leader == "a" else "a"))


def _followed(site: KopfSite, leader: str, number: int, *, about: str) -> float:
    """
    End the leader and return the seconds until the other one handles an object.
    """
    before = boot_time()
    site.end(leader, number)
    site.make(about)
    return site.wait_for("handled", about=about).at - before


def _come_back(site: KopfSite, found: Found) -> str:
    """
    Start ``a`` again while objects come; return who works then.
    """
    site.enter("a")
    for number in range(_OBJECTS):
        site.make(f"object-{number}")
        time.sleep(_EVERY)
    for number in range(_OBJECTS):
        site.wait_for("handled", about=f"object-{number}")
    leader = _settled(site)
    handled = [deed.about for deed in site.deeds("handled")]
    again = len(handled) - len(set(handled))
    found["twice"].append(100.0 * again / _OBJECTS)
    return leader


def _settled(site: KopfSite) -> str:
    """
    Wait until only one replica has ticked for some seconds, and return which.
    """
    for _ in range(_LOOKS):
        began = boot_time()
        time.sleep(4.0)
        names = {deed.name for deed in site.deeds("tick") if deed.at > began}
        if len(names) == 1:
            return names.pop()
    raise RuntimeError(f"{names or 'nobody'}: this does not settle")


def _cut_off(site: KopfSite, leader: str, other: str) -> float:
    """
    Cut the leader off; return for how long both worked, as far as it was watched.
    """
    cut = boot_time()
    site.proxies[leader].black_hole()
    began = site.wait_for("tick", name=other, after=cut).at
    time.sleep(_BESIDE)
    last = site.deeds("tick", name=leader)[-1].at
    return max(0.0, last - began)


PART = Part(
    name="kopf",
    about="A kopf operator, two replicas, led by k8s-leader and by kopf's peering "
    "(priorities 100 and 50; equal ones pause each other for good), each with its own "
    "defaults. Until the other replica has handled an object that is made right after "
    "SIGKILL (eight operators at a time) or SIGTERM (one at a time); the share of 40 "
    "objects that were handled twice while the killed replica came back; and, when the "
    "working replica is cut off from the API server, for how long its timers went on "
    f"beside the other's (watched for {_BESIDE:.0f} s).",
    rows=(
        Row(key="killed", what="SIGKILL → the other handles an object", goal=16.0),
        Row(key="stopped", what="SIGTERM → the other handles an object", goal=1.0),
        Row(key="twice", what="objects handled twice, a replica coming back", unit="%"),
        Row(key="beside", what="cut off: timers of both at once", goal=0.0, limit=0.0),
    ),
    measure=measure,
    rounds=(8, 1),
)
