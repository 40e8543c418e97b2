"""What componentize-py is given as the app: it looks for the classes of the exported interfaces here."""

from weir.component import Events, Lifecycle
from weir.further import *  # noqa: F403

__all__ = ["Events", "Lifecycle"]
