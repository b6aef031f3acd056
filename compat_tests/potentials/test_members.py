"""What an argument `potentials` means."""

from __future__ import annotations

import pytest

from aenet_py.errors import AenetError
from aenet_py.potentials.members import members, single
from aenet_py.potentials.potential import Potential
from compat_tests.interfaces.test_ase import NETWORKS, OTHERS, networks


@pytest.mark.parametrize("form", [str, lambda path: path, networks, Potential.load, lambda path: [path]])
def test_one_set(form):
    (member,) = members(form(NETWORKS))
    assert set(member.types) == {"Cu", "Au", "O", "H"}
    assert single(form(NETWORKS)).types == member.types


def test_a_committee():
    loaded = Potential.load(OTHERS)
    first, second = members([NETWORKS, loaded])
    assert second is loaded
    assert set(first.types) == set(second.types)
    with pytest.raises(AenetError, match="2 sets of potentials form a committee, which is not supported here"):
        single([NETWORKS, loaded])


def test_what_is_refused():
    with pytest.raises(AenetError, match="no potentials given"):
        members([])
    with pytest.raises(AenetError, match="the same species, not Cu and Au"):
        members([{"Cu": networks()["Cu"]}, {"Au": networks()["Au"]}])
    loaded = Potential.load(networks())
    assert single(loaded, legacy_angular=False) is loaded
    with pytest.raises(AenetError, match="potential loaded with legacy_angular=False"):
        single(loaded, legacy_angular=True)
