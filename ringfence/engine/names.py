"""Ids and names for containers that were given none. What a person may type is checked in options_lifecycle.py."""

from __future__ import annotations

import os

ADJECTIVES = """
amber ample bold brave bright brisk calm candid civil clear clever coral cosy crisp daring deft eager early easy
fair  fleet fond frank fresh gentle glad golden grand hardy honest humble ideal jolly keen kind lively loyal
lucid mellow  merry mild modest neat nimble noble patient placid plain polite proud quick quiet ready rustic
serene sharp silent  sleek smooth sober solid spry steady still sturdy subtle sunny swift tidy tranquil true
upbeat vivid warm wise witty
"""
NOUNS = """
alder aspen badger beacon beech birch bison brook cedar cliff clover comet condor coral crane creek dune eagle
elm  falcon fern finch fjord forest fox garnet glacier grove harbor hawk hazel heron hill ibis iris island
jasper kestrel  lagoon lake larch lark linden lynx maple marten meadow mesa moose oak orchid osprey otter owl
pebble pine plover  poplar quartz raven reef ridge river robin rowan sparrow spruce stork summit swan thicket
tundra valley willow wren
"""


def new_id() -> str:
    """64 hexadecimal digits, at random."""
    return os.urandom(32).hex()


def new_name(attempt: int = 0) -> str:
    """A name such as quiet_heron; later attempts (the name was taken) carry a number too."""
    number = int.from_bytes(os.urandom(4), "little")
    adjectives, nouns = ADJECTIVES.split(), NOUNS.split()
    name = f"{adjectives[number % len(adjectives)]}_{nouns[(number >> 16) % len(nouns)]}"
    return f"{name}{number % 10 ** (attempt + 1)}" if attempt else name
