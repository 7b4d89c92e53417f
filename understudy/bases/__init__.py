"""The families of bases: one file per family, each with the same names."""

import os

# The libraries' own remarks on import and on loading are not for our users; an own setting is respected.
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
