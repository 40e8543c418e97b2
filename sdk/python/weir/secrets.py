"""Secrets that a filter uses and cannot read. A filter that imports ``weir.secrets`` needs the grant ``secrets``."""

from typing import Optional

from wit_world.imports import secrets as _host

from .exchange import Subject


def placeholder(of: Subject, name: str) -> Optional[str]:
    """Text that stands for a secret of the agent's, to be put into a field of this exchange's request or of a call for it: the
    agent puts the secret in its place when it sends the head. Towards a host that the secret is not for, the exchange or call
    fails. ``None``: the agent has no such secret, or the publication does not grant it. Good for this exchange only."""
    return _host.placeholder(of._number, name)
