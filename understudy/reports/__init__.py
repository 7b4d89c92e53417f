"""Pages to look at: what drawings are like, and what came of a run."""
