"""The methods: how a base comes to know a character."""

from understudy.methods.learning import learn
from understudy.methods.learning_together import learn_together
from understudy.methods.painters import open_base_painter, open_painter
from understudy.methods.painting import Painter

__all__ = ["Painter", "learn", "learn_together", "open_base_painter", "open_painter"]
