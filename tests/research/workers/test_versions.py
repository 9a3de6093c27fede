"""Machines of a cluster decide with the same code, or not at all."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from research.workers import cluster
from service.errors import UserError


def machines(answer: str) -> Any:
    """Imitate a cluster of one machine that gives an answer."""
    asked = SimpleNamespace(options=lambda **_: SimpleNamespace(remote=lambda: answer))
    node = {"NodeManagerHostname": "far", "NodeID": "1" * 56, "Alive": True, "Resources": {"CPU": 2}}
    exceptions = SimpleNamespace(RayTaskError=RuntimeError)
    return SimpleNamespace(
        remote=lambda **_: lambda function: asked, nodes=lambda: [node], get=lambda ref: ref, exceptions=exceptions
    )


def test_a_machine_with_the_same_version_and_other_code_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    cluster._compare_versions(machines(cluster._version()))
    there = cluster._version()
    monkeypatch.setattr("research.sweeps.cells.code_digest", lambda: "changed here")
    with pytest.raises(UserError, match=r"far of the Ray cluster has .*code .*this machine has .*code changed"):
        cluster._compare_versions(machines(there))
